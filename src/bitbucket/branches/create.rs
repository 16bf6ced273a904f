//! A new branch: CreateBranch.

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use serde::Serialize;

use crate::bitbucket::branches::Wire;
use crate::bitbucket::names::{BranchName, RepoId, Revision};
use crate::bitbucket::reply::Reply;
use crate::bitbucket::request::{Draft, Path, Permission};
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

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Create<'a> {
    name: &'a str,
    start_point: &'a str,
}

impl Client {
    /// Creates a branch.
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
        let made = self.send(create_request(&repo, &name, &start)).await;
        let branch = create_reply(&made.map_err(|error| not_created(error, &name))?)?;
        Ok(pb::CreateBranchResponse { branch: Some(branch) })
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
