//! Pull requests: GetPR, ListPRs; every other command has a file of its own.

use bytes::Bytes;
use http::Request;

use crate::bitbucket::names::{BranchName, RepoId};
use crate::bitbucket::page::{self, Cursor, Listing, Page};
use crate::bitbucket::reply::Reply;
use crate::bitbucket::request::{Draft, Path, Permission};
use crate::bitbucket::{Client, Error};
use crate::proto::scm::v1 as pb;

mod activity;
mod changes;
mod close;
mod merge;
mod open;
mod opened;
mod review;
mod reviewers;
mod revise;
mod status;
mod update;
mod wire;

pub(super) use status::Armed;
use wire::Wire;

/// `GET /rest/api/latest/projects/{p}/repos/{r}/pull-requests/{id}`
fn request(repo: &RepoId, id: i64) -> Request<Bytes> {
    Draft::get(path(repo, id), Permission::RepoRead).empty()
}

fn reply(reply: &Reply) -> Result<pb::PullRequest, Error> {
    reply.json::<Wire>().map(Into::into)
}

/// `GET /rest/api/latest/projects/{p}/repos/{r}/pull-requests`
///
/// `at` with a short name matches nothing (FACTS 4); with `OUTGOING` it is the source branch.
fn list_request(repo: &RepoId, filter: &Filter, start: u64, limit: u32) -> Request<Bytes> {
    let draft = Draft::get(Path::repo(repo).segment("pull-requests"), Permission::RepoRead);
    let draft = draft.query("state", filter.state).query("order", "NEWEST");
    let draft = match &filter.from {
        Some(from) => draft.query("at", from.full()).query("direction", "OUTGOING"),
        None => draft,
    };
    draft.page(start, limit).empty()
}

/// A page; what is outgoing from here may be incoming elsewhere, and is left out.
fn list_reply(
    reply: &Reply,
    repo: &RepoId,
    filter: &Filter,
    start: u64,
) -> Result<Page<pb::PullRequest>, Error> {
    let Page { values, next } = Page::<Wire>::read(reply, start)?;
    let wanted = |pr: &pb::PullRequest| {
        let source = |from: &BranchName| pr.from.as_ref().is_some_and(|side| side.id == from.full());
        let target = pr.to.as_ref().and_then(|side| side.repo.as_ref()).is_some_and(|to| repo.is(to));
        target && filter.from.as_ref().is_none_or(source)
    };
    Ok(Page { values: values.into_iter().map(Into::into).filter(wanted).collect(), next })
}

/// Which pull requests.
#[derive(Debug)]
struct Filter {
    state: &'static str,
    from: Option<BranchName>,
}

impl Client {
    /// Reads a pull request.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals.
    pub async fn get_pr(&self, asked: pb::GetPrRequest) -> Result<pb::GetPrResponse, Error> {
        let repo = self.repo(asked.repo.as_ref())?;
        let id = number("id", asked.id)?;
        Ok(pb::GetPrResponse { pull_request: Some(self.pull_request(&repo, id).await?) })
    }

    pub(super) async fn pull_request(&self, repo: &RepoId, id: i64) -> Result<pb::PullRequest, Error> {
        reply(&self.send(request(repo, id)).await?)
    }

    /// Lists pull requests, newest first; with a source branch, those from this repository's branch of the name.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::PageToken`], [`Error::OutsideProject`], and Bitbucket's refusals.
    pub async fn list_prs(&self, asked: pb::ListPRsRequest) -> Result<pb::ListPRsResponse, Error> {
        let repo = self.repo(asked.repo.as_ref())?;
        let size = page::size(asked.page_size, page::USUAL, page::MOST)?.min(PAGE);
        let from = (!asked.from_branch.is_empty()).then(|| BranchName::parse(&asked.from_branch));
        let from = from.transpose().map_err(|why| Error::field("from_branch", why))?;
        let filter = Filter { state: wire::state_filter(asked.state)?, from };
        let branch = filter.from.as_ref().map_or("", BranchName::full);
        let listing =
            Listing::new("ListPRs", [repo.project().as_str(), repo.slug().as_str(), filter.state, branch]);
        let Cursor { start, .. } = listing.resume(&asked.page_token)?;
        let reply = self.send(list_request(&repo, &filter, start, size)).await?;
        let page = list_reply(&reply, &repo, &filter, start)?;
        Ok(pb::ListPRsResponse {
            pull_requests: page.values,
            next_page_token: listing.token(page.next.map(|start| Cursor { part: 0, start })),
        })
    }
}

/// Checks a number that Bitbucket gives, such as a pull request's.
pub(super) fn number(field: &str, id: i64) -> Result<i64, Error> {
    if id >= 1 { Ok(id) } else { Err(Error::field(field, "must be a number from 1")) }
}

/// Checks a title, by the limits that Bitbucket has for it.
fn title(title: &str) -> Result<(), Error> {
    if (1..=TITLE).contains(&characters(title.trim())) {
        return Ok(());
    }
    Err(Error::field("title", "must be 1 to 255 characters"))
}

/// Checks a description, by the limit that Bitbucket has for it.
fn description(description: &str) -> Result<(), Error> {
    if characters(description) <= DESCRIPTION {
        return Ok(());
    }
    Err(Error::field("description", "must be at most 32,768 characters"))
}

/// The two names of a repository, as messages carry them.
fn named(repo: &RepoId) -> pb::RepoRef {
    pb::RepoRef { project: repo.project().as_str().to_owned(), slug: repo.slug().as_str().to_owned() }
}

/// The path of a pull request.
fn path(repo: &RepoId, id: i64) -> Path {
    Path::repo(repo).segment("pull-requests").segment(&id.to_string())
}

/// Characters as Bitbucket counts them: in UTF-16, as Java does.
pub(super) fn characters(text: &str) -> usize {
    text.encode_utf16().count()
}

/// At most this many are asked for at a time: each may have a description of 32 KiB.
const PAGE: u32 = 200;

/// Bitbucket's limits, in characters (FACTS 4).
const TITLE: usize = 255;
const DESCRIPTION: usize = 32_768;

#[cfg(test)]
mod tests;
