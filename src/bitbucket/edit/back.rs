//! An edit that may have been made already: what is at the branch.

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use http::Request;

use super::Edit;
use crate::bitbucket::commits::Wire;
use crate::bitbucket::page::Page;
use crate::bitbucket::request::{Draft, Path, Permission};
use crate::bitbucket::writes::Since;
use crate::bitbucket::{Client, Error};
use crate::proto::Reason;
use crate::proto::scm::v1 as pb;

/// `GET /rest/api/latest/projects/{p}/repos/{r}/raw/{path}?at=…`
fn raw_request(edit: &Edit) -> Request<Bytes> {
    let path = Path::repo(&edit.repo).segment("raw").file(&edit.path);
    Draft::get(path, Permission::RepoRead).query("at", edit.branch.full()).raw()
}

/// `GET /rest/api/latest/projects/{p}/repos/{r}/commits?until=…&path=…&limit=1`
fn last_request(edit: &Edit) -> Request<Bytes> {
    let draft = Draft::get(Path::repo(&edit.repo).segment("commits"), Permission::RepoRead);
    draft.query("until", edit.branch.full()).query("path", edit.path.as_str()).page(0, 1).empty()
}

impl Client {
    /// What the edit would have left: the same content at the branch, with the commit where it is the call's own.
    pub(super) async fn edited(
        &self,
        edit: &Edit,
        since: Since,
    ) -> Result<Option<pb::EditFileResponse>, Error> {
        if !self.is_there(edit).await? {
            return Ok(None);
        }
        // That it is there is the answer; whose commit it is, a courtesy.
        let commit = self.own_commit(edit, since).await.unwrap_or_default();
        Ok(Some(pb::EditFileResponse { unchanged: commit.is_none(), commit }))
    }

    async fn is_there(&self, edit: &Edit) -> Result<bool, Error> {
        let missing = [Reason::NotFound, Reason::PathNotFound, Reason::RefNotFound];
        let mut bytes = match self.open(raw_request(edit)).await {
            Ok(download) => Box::pin(download.into_stream()),
            Err(error) if error.reason().is_some_and(|reason| missing.contains(&reason)) => return Ok(false),
            Err(error) => return Err(error),
        };
        // Compared as it comes: what is there may be larger than anything that could be written.
        let mut left = &edit.content[..];
        while let Some(piece) = bytes.try_next().await? {
            match left.strip_prefix(&piece[..]) {
                Some(rest) => left = rest,
                None => return Ok(false),
            }
        }
        Ok(left.is_empty())
    }

    /// The last commit of the file, when its message, author and time are those of this call.
    async fn own_commit(&self, edit: &Edit, since: Since) -> Result<Option<pb::Commit>, Error> {
        let bearings = self.bearings().await?;
        let last = Page::<Wire>::read(&self.send(last_request(edit)).await?, 0)?.values.into_iter().next();
        // Git's times are whole seconds.
        let from = bearings.key_made(since) / 1000 * 1000;
        Ok(last.map(pb::Commit::from).filter(|commit| {
            let author = commit.author.as_ref().is_some_and(|author| bearings.is_me(&author.name));
            author && commit.authored_ms >= from && commit.message.trim() == edit.message.trim()
        }))
    }
}
