//! One branch by its name: GetBranch.
//!
//! Bitbucket has no resource for it: the list is filtered by a part of the name, and the exact one looked for in it.

use http::StatusCode;

use crate::bitbucket::branches::{Wire, list_request};
use crate::bitbucket::names::{BranchName, RepoId};
use crate::bitbucket::page::{self, Page};
use crate::bitbucket::{Client, Error, Refusal};
use crate::proto::Reason;
use crate::proto::scm::v1 as pb;

impl Client {
    /// Reads one branch.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals; `REF_NOT_FOUND`.
    pub async fn get_branch(&self, asked: pb::GetBranchRequest) -> Result<pb::GetBranchResponse, Error> {
        let repo = self.repo(asked.repo.as_ref())?;
        let name = BranchName::parse(&asked.name).map_err(|why| Error::field("name", why))?;
        let branch = self.branch(&repo, &name).await?.ok_or_else(|| missing(&name))?;
        Ok(pb::GetBranchResponse { branch: Some(branch) })
    }

    /// The branch of exactly this name, if there is one.
    pub(in crate::bitbucket) async fn branch(
        &self,
        repo: &RepoId,
        name: &BranchName,
    ) -> Result<Option<pb::Branch>, Error> {
        let mut start = 0;
        loop {
            let found = self.send(list_request(repo, name.short(), start, page::MOST)).await?;
            let Page { values, next } = Page::<Wire>::read(&found, start)?;
            let exact = values.into_iter().map(pb::Branch::from).find(|branch| branch.id == name.full());
            match (exact, next) {
                (None, Some(next)) => start = next,
                (exact, _) => return Ok(exact),
            }
        }
    }
}

fn missing(name: &BranchName) -> Error {
    Error::Refused(Box::new(Refusal {
        reason: Reason::RefNotFound,
        status: StatusCode::NOT_FOUND,
        exception: String::new(),
        message: format!("no branch `{}` is in the list", name.short()),
        facts: Vec::new(),
    }))
}
