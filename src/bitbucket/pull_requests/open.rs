//! A new pull request: OpenPR.

use bytes::Bytes;
use http::{Method, Request};

use crate::bitbucket::names::{BranchName, RepoId};
use crate::bitbucket::pull_requests::wire::{Named, Open, Ref};
use crate::bitbucket::pull_requests::{characters, reply};
use crate::bitbucket::request::{Draft, Path, Permission};
use crate::bitbucket::{Client, Error};
use crate::proto::scm::v1 as pb;

/// `POST /rest/api/latest/projects/{p}/repos/{r}/pull-requests`
fn open_request(open: &Opening) -> Request<Bytes> {
    let body = Open {
        title: &open.title,
        description: &open.description,
        from_ref: Ref::new(&open.from_repo, &open.from),
        to_ref: Ref::new(&open.repo, &open.to),
        reviewers: open.reviewers.iter().map(|name| Named::user(name)).collect(),
    };
    Draft::new(Method::POST, Path::repo(&open.repo).segment("pull-requests"), Permission::RepoRead)
        .json(&body)
}

/// A pull request that shall be opened.
#[derive(Debug)]
struct Opening {
    repo: RepoId,
    from_repo: RepoId,
    from: BranchName,
    to: BranchName,
    title: String,
    description: String,
    reviewers: Vec<String>,
}

impl Opening {
    fn parse(client: &Client, asked: pb::OpenPrRequest) -> Result<Self, Error> {
        let repo = client.repo(asked.repo.as_ref())?;
        let from_repo = match &asked.from_repo {
            Some(fork) => RepoId::parse("from_repo", Some(fork), client.projects())?,
            None => repo.clone(),
        };
        let from = BranchName::parse(&asked.from_branch).map_err(|why| Error::field("from_branch", why))?;
        let to = BranchName::parse(&asked.to_branch).map_err(|why| Error::field("to_branch", why))?;
        if !(1..=TITLE).contains(&characters(asked.title.trim())) {
            return Err(Error::field("title", "must be 1 to 255 characters"));
        }
        if characters(&asked.description) > DESCRIPTION {
            return Err(Error::field("description", "must be at most 32,768 characters"));
        }
        let (title, description, reviewers) = (asked.title, asked.description, asked.reviewers);
        Ok(Self { repo, from_repo, from, to, title, description, reviewers })
    }
}

impl Client {
    /// Opens a pull request.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`] also for the fork, and Bitbucket's refusals; `PR_EXISTS` with the id of
    /// the one that exists, `PR_EMPTY`, `REVIEWERS_INVALID`, `TOKEN_HAS_NO_USER`.
    pub async fn open_pr(&self, asked: pb::OpenPrRequest) -> Result<pb::OpenPrResponse, Error> {
        let open = Opening::parse(self, asked)?;
        let opened = reply(&self.send(open_request(&open)).await?)?;
        Ok(pb::OpenPrResponse { pull_request: Some(opened), existing: false })
    }
}

const TITLE: usize = 255;
const DESCRIPTION: usize = 32_768;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitbucket::names::{ProjectKey, Projects};

    fn projects() -> Projects {
        ["SHOP", "~jane"].iter().map(|key| ProjectKey::parse(key).expect("a key")).collect()
    }

    fn repo(project: &str, slug: &str) -> RepoId {
        let named = pb::RepoRef { project: project.into(), slug: slug.into() };
        RepoId::parse("repo", Some(&named), &projects()).expect("inside")
    }

    fn branch(name: &str) -> BranchName {
        BranchName::parse(name).expect("a branch")
    }

    #[test]
    fn opening_names_both_repositories_and_full_refs() {
        let open = Opening {
            repo: repo("SHOP", "web"),
            from_repo: repo("~jane", "web"),
            from: branch("fix"),
            to: branch("refs/heads/main"),
            title: "Bump".into(),
            description: String::new(),
            reviewers: vec!["bob".into()],
        };
        let request = open_request(&open);
        assert_eq!(
            (request.method(), request.uri().path()),
            (&Method::POST, "/rest/api/latest/projects/SHOP/repos/web/pull-requests")
        );
        let body: serde_json::Value = serde_json::from_slice(request.body()).expect("JSON");
        let expected = serde_json::json!({
            "title": "Bump",
            "fromRef": {"id": "refs/heads/fix", "repository": {"slug": "web", "project": {"key": "~jane"}}},
            "toRef": {"id": "refs/heads/main", "repository": {"slug": "web", "project": {"key": "SHOP"}}},
            "reviewers": [{"user": {"name": "bob"}}],
        });
        assert_eq!(body, expected);
    }
}
