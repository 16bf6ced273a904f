//! Branches: ListBranches, GetDefaultBranch, DeleteBranch.

mod create;
mod get;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use serde::{Deserialize, Serialize};

use crate::bitbucket::names::{BranchName, CommitId, RepoId};
use crate::bitbucket::page::{self, Cursor, Listing, Page};
use crate::bitbucket::reply::Reply;
use crate::bitbucket::request::{Draft, Path, Permission};
use crate::bitbucket::wire::{text, truth};
use crate::bitbucket::{Client, Error};
use crate::proto::Reason;
use crate::proto::scm::v1 as pb;

/// `GET /rest/api/latest/projects/{p}/repos/{r}/branches`
fn list_request(repo: &RepoId, contains: &str, start: u64, limit: u32) -> Request<Bytes> {
    let draft = Draft::get(Path::repo(repo).segment("branches"), Permission::RepoRead);
    draft
        .query("orderBy", "ALPHABETICAL")
        .query_unless_empty("filterText", contains)
        .page(start, limit)
        .empty()
}

fn list_reply(reply: &Reply, start: u64) -> Result<Page<Wire>, Error> {
    Page::read(reply, start)
}

/// `GET /rest/api/latest/projects/{p}/repos/{r}/default-branch`, since 7.5; names the branch even if it is unborn.
fn configured_request(repo: &RepoId) -> Request<Bytes> {
    Draft::get(Path::repo(repo).segment("default-branch"), Permission::RepoRead).empty()
}

/// `GET /rest/api/latest/projects/{p}/repos/{r}/branches/default`, deprecated; 204 for an empty repository.
fn default_request(repo: &RepoId) -> Request<Bytes> {
    Draft::get(Path::repo(repo).segment("branches").segment("default"), Permission::RepoRead).empty()
}

/// The default branch; `None` when there is none.
fn default_reply(reply: &Reply) -> Result<Option<pb::Branch>, Error> {
    if reply.status == StatusCode::NO_CONTENT || reply.body.is_empty() {
        return Ok(None);
    }
    let branch: Wire = reply.json()?;
    Ok(Some(pb::Branch { is_default: true, ..branch.into() }))
}

/// `DELETE /rest/branch-utils/latest/projects/{p}/repos/{r}/branches`, with a body; no other resource deletes a branch.
fn delete_request(repo: &RepoId, name: &BranchName, expected: Option<&CommitId>) -> Request<Bytes> {
    let path = Path::repo_of("branch-utils", repo).segment("branches");
    let body = Delete { name: name.full(), end_point: expected.map(CommitId::as_str), dry_run: false };
    Draft::new(Method::DELETE, path, Permission::RepoWrite).json(&body)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    #[serde(default, deserialize_with = "text")]
    id: String,
    #[serde(default, deserialize_with = "text")]
    display_id: String,
    #[serde(default, deserialize_with = "text")]
    latest_commit: String,
    #[serde(default, deserialize_with = "truth")]
    is_default: bool,
}

impl From<Wire> for pb::Branch {
    fn from(wire: Wire) -> Self {
        Self {
            id: wire.id,
            name: wire.display_id,
            commit_id: wire.latest_commit,
            is_default: wire.is_default,
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Delete<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_point: Option<&'a str>,
    dry_run: bool,
}

impl Client {
    /// Lists branches in the order of their names.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::PageToken`], [`Error::OutsideProject`], and Bitbucket's refusals.
    pub async fn list_branches(
        &self,
        asked: pb::ListBranchesRequest,
    ) -> Result<pb::ListBranchesResponse, Error> {
        let repo = self.repo(asked.repo.as_ref())?;
        let size = page::size(asked.page_size, page::USUAL, page::MOST)?;
        let contains = asked.name_contains.as_str();
        if contains.len() > FILTER {
            return Err(Error::field("name_contains", "must be at most 255 bytes"));
        }
        let listing = Listing::new("ListBranches", [repo.project().as_str(), repo.slug().as_str(), contains]);
        let Cursor { start, .. } = listing.resume(&asked.page_token)?;
        let page = list_reply(&self.send(list_request(&repo, contains, start, size)).await?, start)?;
        Ok(pb::ListBranchesResponse {
            branches: page.values.into_iter().map(Into::into).collect(),
            next_page_token: listing.token(page.next.map(|start| Cursor { part: 0, start })),
        })
    }

    /// Reads the default branch.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals; `NO_DEFAULT_BRANCH` for an empty repository.
    pub async fn get_default_branch(
        &self,
        asked: pb::GetDefaultBranchRequest,
    ) -> Result<pb::GetDefaultBranchResponse, Error> {
        let repo = self.repo(asked.repo.as_ref())?;
        let branch = self.default_branch(&repo).await?;
        Ok(pb::GetDefaultBranchResponse { branch: Some(branch) })
    }

    async fn default_branch(&self, repo: &RepoId) -> Result<pb::Branch, Error> {
        let configured = match self.send(configured_request(repo)).await {
            Ok(reply) => default_reply(&reply)?,
            Err(Error::RouteMissing) => None,
            Err(error) => return Err(error),
        };
        if let Some(branch) = &configured
            && !branch.commit_id.is_empty()
        {
            return Ok(branch.clone());
        }
        // Without a commit it may be unborn, or the version does not tell; without an answer it has to be asked for anyway.
        match (self.send(default_request(repo)).await, configured) {
            (Ok(reply), _) => default_reply(&reply)?.ok_or_else(|| no_default(&reply)),
            (Err(Error::RouteMissing), Some(configured)) => Ok(configured),
            (Err(error), _) => Err(error.means(Reason::NotFound, Reason::NoDefaultBranch)),
        }
    }

    /// Deletes a branch; one that does not exist is a success.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals; `BRANCH_IS_DEFAULT`, `BRANCH_MOVED`.
    pub async fn delete_branch(
        &self,
        asked: pb::DeleteBranchRequest,
    ) -> Result<pb::DeleteBranchResponse, Error> {
        let repo = self.repo(asked.repo.as_ref())?;
        let name = BranchName::parse(&asked.name).map_err(|why| Error::field("name", why))?;
        let expected = (!asked.expected_commit_id.is_empty()).then_some(asked.expected_commit_id.as_str());
        let expected = expected.map(CommitId::parse).transpose();
        let expected = expected.map_err(|why| Error::field("expected_commit_id", why))?;
        match self.send(delete_request(&repo, &name, expected.as_ref())).await {
            Ok(_) => Ok(pb::DeleteBranchResponse {}),
            Err(error) => Err(self.not_deleted(error, &repo, &name, expected).await),
        }
    }

    /// Tells why a branch was not deleted: the exception of a 400 does not say it in every version (FACTS 3), so the
    /// repository is asked.
    async fn not_deleted(
        &self,
        error: Error,
        repo: &RepoId,
        name: &BranchName,
        expected: Option<CommitId>,
    ) -> Error {
        if !matches!(&error, Error::Refused(refusal) if refusal.status == StatusCode::BAD_REQUEST) {
            return error;
        }
        let vague = error.reason().unwrap_or(Reason::ArgumentRefused);
        match self.default_branch(repo).await {
            Ok(branch) if branch.id == name.full() => error.means(vague, Reason::BranchIsDefault),
            Ok(_) | Err(_) if expected.is_some() => error.means(vague, Reason::BranchMoved),
            Ok(_) | Err(_) => error,
        }
    }
}

fn no_default(reply: &Reply) -> Error {
    Error::Refused(Box::new(crate::bitbucket::Refusal {
        reason: Reason::NoDefaultBranch,
        status: reply.status,
        exception: String::new(),
        message: String::new(),
        facts: Vec::new(),
    }))
}

/// The longest filter, in bytes.
const FILTER: usize = 255;

#[cfg(test)]
mod tests;
