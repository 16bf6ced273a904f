//! A new branch: CreateBranch.

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use serde::{Deserialize, Serialize};

use crate::bitbucket::branches::Wire;
use crate::bitbucket::names::{BranchName, RepoId, Revision};
use crate::bitbucket::page::Page;
use crate::bitbucket::reply::Reply;
use crate::bitbucket::request::{Draft, Path, Permission};
use crate::bitbucket::wire::text;
use crate::bitbucket::{Client, Error};
use crate::proto::Reason;
use crate::proto::scm::v1 as pb;

/// `POST /rest/branch-utils/latest/projects/{p}/repos/{r}/branches`
fn create_request(repo: &RepoId, name: &BranchName, start: &Revision) -> Request<Bytes> {
    let path = Path::repo_of("branch-utils", repo).segment("branches");
    let body = Create { name: name.short(), start_point: start.as_str() };
    Draft::new(Method::POST, path, Permission::RepoWrite).json(&body)
}

fn create_reply(reply: &Reply) -> Result<pb::Branch, Error> {
    reply.json::<Wire>().map(Into::into)
}

/// `GET /rest/api/latest/projects/{p}/repos/{r}/commits?until=…&limit=1`: how a name is resolved (FACTS 3).
fn head_request(repo: &RepoId, revision: &str) -> Request<Bytes> {
    let draft = Draft::get(Path::repo(repo).segment("commits"), Permission::RepoRead);
    draft.query("until", revision).page(0, 1).empty()
}

#[derive(Debug, Deserialize)]
struct Head {
    #[serde(default, deserialize_with = "text")]
    id: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Create<'a> {
    name: &'a str,
    start_point: &'a str,
}

impl Client {
    /// Creates a branch. With a key, one that is at the very commit asked for is a success; so it is after a lost answer.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::BranchName`], [`Error::OutsideProject`], and Bitbucket's refusals; `BRANCH_EXISTS` with
    /// the branch.
    pub async fn create_branch(
        &self,
        asked: pb::CreateBranchRequest,
    ) -> Result<pb::CreateBranchResponse, Error> {
        let repo = self.repo(asked.repo.as_ref())?;
        let name = BranchName::parse(&asked.name).map_err(|why| Error::field("name", why))?;
        if !git_allows(name.short()) {
            return Err(Error::BranchName { name: name.short().to_owned() });
        }
        let start = Revision::parse(&asked.start_point).map_err(|why| Error::field("start_point", why))?;
        let start = start.ok_or_else(|| Error::field("start_point", "is missing"))?;
        let attempt = || async { create_reply(&self.send(create_request(&repo, &name, &start)).await?) };
        let look = || self.branch_from(&repo, &name, &start);
        let mut made = self.once_only(attempt, look).await;
        // With a key, it may be an earlier attempt that has made the branch.
        if made.as_ref().is_err_and(|error| error.reason() == Some(Reason::BranchExists))
            && self.call().key.is_some()
            && let Some(branch) = look().await?
        {
            made = Ok(branch);
        }
        let branch = made.map_err(|error| not_created(error, &name))?;
        Ok(pb::CreateBranchResponse { branch: Some(branch) })
    }

    /// The branch, where it is at the very commit that `start` names now.
    async fn branch_from(
        &self,
        repo: &RepoId,
        name: &BranchName,
        start: &Revision,
    ) -> Result<Option<pb::Branch>, Error> {
        let Some(commit_id) = self.head(repo, name.full()).await? else { return Ok(None) };
        let asked = start.as_str();
        let same = asked.eq_ignore_ascii_case(&commit_id)
            || self.head(repo, asked).await?.is_some_and(|commit| commit == commit_id);
        let (id, name) = (name.full().to_owned(), name.short().to_owned());
        Ok(same.then_some(pb::Branch { id, name, commit_id, is_default: false }))
    }

    /// The commit that a branch, tag or id names; `None` where there is none.
    async fn head(&self, repo: &RepoId, revision: &str) -> Result<Option<String>, Error> {
        match self.send(head_request(repo, revision)).await {
            Ok(reply) => Ok(Page::<Head>::read(&reply, 0)?.values.into_iter().next().map(|head| head.id)),
            Err(error) if error.reason() == Some(Reason::RefNotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn not_created(error: Error, name: &BranchName) -> Error {
    // A 409 is a name that overlaps with another, such as `a` with `a/b` (FACTS 3); an archived repository has an
    // exception of its own.
    let overlaps = matches!(&error, Error::Refused(refusal)
        if refusal.status == StatusCode::CONFLICT && !refusal.exception.ends_with("StateException")
            && refusal.exception != "IntegrityException");
    let error = if overlaps { error.means(Reason::StateRefused, Reason::BranchNameInvalid) } else { error };
    error.with(Reason::BranchExists, "branch", name.short())
}

/// The rules of `git check-ref-format` that a short name can break.
fn git_allows(short: &str) -> bool {
    let component = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock");
    short.split('/').all(component)
        && !short.ends_with('.')
        && !short.starts_with('-')
        && short != "@"
        && !["..", "@{"].iter().any(|bad| short.contains(bad))
        && !short.contains(|c: char| c.is_ascii_control() || " ~^:?*[\\".contains(c))
}

#[cfg(test)]
mod tests;
