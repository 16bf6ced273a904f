//! What a pull request changes: ListChanges, GetPRDiff.

use bytes::Bytes;
use http::Request;

use crate::bitbucket::changes::{self, Changes};
use crate::bitbucket::diff;
use crate::bitbucket::names::{RepoId, RepoPath};
use crate::bitbucket::pull_requests::{number, path};
use crate::bitbucket::request::{Draft, Permission};
use crate::bitbucket::{Client, Error};
use crate::proto::scm::v1 as pb;

/// `GET /rest/api/latest/projects/{p}/repos/{r}/pull-requests/{id}/changes`, of which there is one page only.
fn changes_request(repo: &RepoId, id: i64) -> Request<Bytes> {
    Draft::get(path(repo, id).segment("changes"), Permission::RepoRead).page(0, MOST).empty()
}

/// `GET /rest/api/latest/projects/{p}/repos/{r}/pull-requests/{id}/diff/{path}`, without the comments that it would bring.
fn diff_request(repo: &RepoId, id: i64, file: Option<&RepoPath>, context: i32) -> Request<Bytes> {
    let path = path(repo, id).segment("diff");
    let path = file.map_or_else(|| path.clone(), |file| path.clone().file(file));
    let context = if context == 0 { String::new() } else { context.to_string() };
    Draft::get(path, Permission::RepoRead)
        .query("withComments", "false")
        .query_unless_empty("contextLines", &context)
        .empty()
}

impl Client {
    /// Lists the files that the pull request changes.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals.
    pub async fn list_changes(
        &self,
        asked: pb::ListChangesRequest,
    ) -> Result<pb::ListChangesResponse, Error> {
        let (repo, id) = (self.repo(asked.repo.as_ref())?, number("id", asked.id)?);
        let found = changes::reply(&self.send(changes_request(&repo, id)).await?)?;
        let Changes { from, to, changes, truncated } = found;
        Ok(pb::ListChangesResponse { changes, truncated, from_commit_id: from, to_commit_id: to })
    }

    /// Reads what the pull request changes, line by line.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals.
    pub async fn get_pr_diff(&self, asked: pb::GetPrDiffRequest) -> Result<pb::GetPrDiffResponse, Error> {
        let (repo, id) = (self.repo(asked.repo.as_ref())?, number("id", asked.id)?);
        let file = (!asked.path.is_empty()).then(|| RepoPath::parse(&asked.path)).transpose();
        let file = file.map_err(|why| Error::field("path", why))?;
        if !(0..=CONTEXT).contains(&asked.context_lines) {
            return Err(Error::field("context_lines", "must be 0 to 1,000"));
        }
        let request = diff_request(&repo, id, file.as_ref(), asked.context_lines);
        let diff = diff::reply(&self.send(request).await?)?;
        Ok(pb::GetPrDiffResponse { diff: Some(diff) })
    }
}

/// Bitbucket lists no more changes than this (FACTS 1.3).
const MOST: u32 = 1000;
const CONTEXT: i32 = 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitbucket::pull_requests::tests::repo;

    #[test]
    fn changes_are_asked_for_in_one_page() {
        let uri = changes_request(&repo("SHOP", "web"), 4).uri().to_string();
        assert_eq!(
            uri,
            "/rest/api/latest/projects/SHOP/repos/web/pull-requests/4/changes?start=0&limit=1000"
        );
    }

    #[test]
    fn a_diff_may_be_of_one_file_and_brings_no_comments() {
        let repo = repo("SHOP", "web");
        let base = "/rest/api/latest/projects/SHOP/repos/web/pull-requests/4/diff";
        let whole = diff_request(&repo, 4, None, 0).uri().to_string();
        assert_eq!(whole, format!("{base}?withComments=false"));
        let path = RepoPath::parse("docs/a b.md").expect("a path");
        let one = diff_request(&repo, 4, Some(&path), 3).uri().to_string();
        assert_eq!(one, format!("{base}/docs/a%20b.md?withComments=false&contextLines=3"));
    }
}
