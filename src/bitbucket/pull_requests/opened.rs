//! A pull request that an earlier attempt may have opened.

use bytes::Bytes;
use http::Request;

use super::open::Opening;
use super::wire::Wire;
use crate::bitbucket::names::{BranchName, RepoId};
use crate::bitbucket::page::Page;
use crate::bitbucket::request::{Draft, Path, Permission};
use crate::bitbucket::writes::{Bearings, Since};
use crate::bitbucket::{Client, Error};
use crate::proto::scm::v1 as pb;

/// `GET /rest/api/latest/projects/{p}/repos/{r}/pull-requests`, the open ones into the target branch, newest first.
fn request(open: &Opening) -> Request<Bytes> {
    let draft = Draft::get(Path::repo(&open.repo).segment("pull-requests"), Permission::RepoRead);
    let draft = draft.query("state", "OPEN").query("order", "NEWEST");
    draft.query("at", open.to.full()).query("direction", "INCOMING").page(0, LOOKED_AT).empty()
}

impl Client {
    /// The pull request that this attempt may have opened, its answer being lost.
    ///
    /// # Errors
    /// Bitbucket's refusals.
    pub(super) async fn opened(
        &self,
        open: &Opening,
        since: Since,
    ) -> Result<Option<pb::PullRequest>, Error> {
        let bearings = self.bearings().await?;
        let found = Page::<Wire>::read(&self.send(request(open)).await?, 0)?;
        let from = bearings.attempt(since);
        let own = |pr: &pb::PullRequest| pr.created_ms >= from && open.is(pr, &bearings);
        Ok(found.values.into_iter().map(pb::PullRequest::from).find(own))
    }

    /// The pull request that stands in the way, where it was opened under this key.
    ///
    /// # Errors
    /// Bitbucket's refusals.
    pub(super) async fn opened_before(
        &self,
        open: &Opening,
        since: Since,
        exists: &Error,
    ) -> Result<Option<pb::PullRequest>, Error> {
        let Some(id) = exists.fact("pr_id").and_then(|id| id.parse().ok()) else { return Ok(None) };
        let bearings = self.bearings().await?;
        let found = self.pull_request(&open.repo, id).await?;
        let own = found.created_ms >= bearings.key_made(since) && open.is(&found, &bearings);
        Ok(own.then_some(found))
    }
}

impl Opening {
    /// Whether it is the pull request that was asked for, and the token's user opened it.
    fn is(&self, pr: &pb::PullRequest, bearings: &Bearings) -> bool {
        let side = |side: Option<&pb::PrRef>, repo: &RepoId, branch: &BranchName| {
            side.is_some_and(|side| {
                side.id == branch.full() && side.repo.as_ref().is_some_and(|it| repo.is(it))
            })
        };
        side(pr.from.as_ref(), &self.from_repo, &self.from)
            && side(pr.to.as_ref(), &self.repo, &self.to)
            && pr.author.as_ref().is_some_and(|author| bearings.is_me(&author.name))
            && pr.draft == self.draft
            && same(&pr.title, &self.title)
            && same(&pr.description, &self.description)
    }
}

/// Bitbucket may keep no white space around, and line ends of one kind only.
fn same(left: &str, right: &str) -> bool {
    left.trim() == right.trim() || left.trim().replace("\r\n", "\n") == right.trim().replace("\r\n", "\n")
}

/// What a call has just opened is among the newest; so many into one branch in between are not to be expected.
const LOOKED_AT: u32 = 50;
