//! A new pull request: OpenPR.

use bytes::Bytes;
use http::{Method, Request};
use tokio::time::Instant;

use crate::bitbucket::names::{BranchName, RepoId};
use crate::bitbucket::pull_requests::wire::{Named, Open, Ref};
use crate::bitbucket::pull_requests::{characters, reply};
use crate::bitbucket::request::{Draft, Path, Permission};
use crate::bitbucket::version::Feature;
use crate::bitbucket::{Client, Error};
use crate::proto::Reason;
use crate::proto::scm::v1 as pb;

/// `POST /rest/api/latest/projects/{p}/repos/{r}/pull-requests`
fn open_request(open: &Opening) -> Request<Bytes> {
    let body = Open {
        title: &open.title,
        description: &open.description,
        from_ref: Ref::new(&open.from_repo, &open.from),
        to_ref: Ref::new(&open.repo, &open.to),
        reviewers: open.reviewers.iter().map(|name| Named::user(name)).collect(),
        draft: open.draft,
    };
    Draft::new(Method::POST, Path::repo(&open.repo).segment("pull-requests"), Permission::RepoRead)
        .json(&body)
}

/// A pull request that shall be opened.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) repo: RepoId,
    pub(super) from_repo: RepoId,
    pub(super) from: BranchName,
    pub(super) to: BranchName,
    pub(super) title: String,
    pub(super) description: String,
    reviewers: Vec<String>,
    pub(super) draft: bool,
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
        Ok(Self { repo, from_repo, from, to, title, description, reviewers, draft: asked.draft })
    }
}

impl Client {
    /// Opens a pull request. With a key, one that the same user opened with the same title and description since the key was
    /// made is a success.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`] also for the fork, and Bitbucket's refusals; `PR_EXISTS` with the id of
    /// the one that exists, `PR_EMPTY`, `REVIEWERS_INVALID`, `TOKEN_HAS_NO_USER`.
    pub async fn open_pr(&self, asked: pb::OpenPrRequest) -> Result<pb::OpenPrResponse, Error> {
        let add_default = asked.add_default_reviewers;
        let mut open = Opening::parse(self, asked)?;
        let since = self.since(Instant::now());
        if open.draft {
            // Older ones would open it for review, and say nothing (FACTS 8).
            self.needs(Feature::Drafts).await?;
        }
        if add_default {
            self.add_default_reviewers(&mut open).await?;
        }
        let attempt = || async { reply(&self.send(open_request(&open)).await?) };
        let look = || self.opened(&open, since);
        match self.once_only(attempt, look).await {
            // With a key, it may be an earlier attempt that has opened it.
            Err(error) if self.call().key.is_some() && error.reason() == Some(Reason::PrExists) => {
                let found = self.opened_before(&open, since, &error).await?.ok_or(error)?;
                Ok(pb::OpenPrResponse { pull_request: Some(found), existing: true })
            }
            opened => Ok(pb::OpenPrResponse { pull_request: Some(opened?), existing: false }),
        }
    }

    async fn add_default_reviewers(&self, open: &mut Opening) -> Result<(), Error> {
        let (from, to) = ((&open.from_repo, &open.from), (&open.repo, &open.to));
        for name in self.default_reviewers(from, to).await? {
            if !open.reviewers.iter().any(|named| named.eq_ignore_ascii_case(&name)) {
                open.reviewers.push(name);
            }
        }
        Ok(())
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
            draft: false,
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
