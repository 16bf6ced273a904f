//! What a CI system reports: SetBuildStatus.

use bytes::Bytes;
use http::{Method, Request};
use serde::Serialize;

use crate::bitbucket::names::{CommitId, RepoId};
use crate::bitbucket::request::{Draft, Path, Permission};
use crate::bitbucket::version::Feature;
use crate::bitbucket::{Client, Error};
use crate::proto::scm::v1 as pb;

/// Which of the two resources takes the build (FACTS 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Resource {
    /// `POST /rest/api/latest/projects/{p}/repos/{r}/commits/{id}/builds`
    Repository,
    /// `POST /rest/build-status/latest/commits/{id}`, which keeps less.
    Commit,
}

fn request(repo: &RepoId, commit: &CommitId, resource: Resource, build: &Body<'_>) -> Request<Bytes> {
    let path = match resource {
        Resource::Repository => {
            Path::repo(repo).segment("commits").segment(commit.as_str()).segment("builds")
        }
        Resource::Commit => Path::rest("build-status").segment("commits").segment(commit.as_str()),
    };
    Draft::new(Method::POST, path, Permission::RepoRead).json(build)
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    key: &'a str,
    state: &'static str,
    url: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    #[serde(flatten)]
    more: Option<More<'a>>,
}

/// What only the newer resource keeps.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct More<'a> {
    #[serde(rename = "ref", skip_serializing_if = "str::is_empty")]
    reference: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    parent: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    build_number: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    test_results: Option<Tests>,
}

#[derive(Debug, Serialize)]
struct Tests {
    successful: i32,
    failed: i32,
    skipped: i32,
}

impl<'a> Body<'a> {
    fn new(asked: &'a pb::SetBuildStatusRequest, state: &'static str, resource: Resource) -> Self {
        let tests = asked.tests.map(|tests| Tests {
            successful: tests.passed,
            failed: tests.failed,
            skipped: tests.skipped,
        });
        let more = More {
            reference: &asked.r#ref,
            parent: &asked.parent,
            build_number: &asked.number,
            duration: Some(asked.duration_ms).filter(|duration| *duration > 0),
            test_results: tests,
        };
        Self {
            key: &asked.key,
            state,
            url: &asked.url,
            name: &asked.name,
            description: &asked.description,
            more: (resource == Resource::Repository).then_some(more),
        }
    }

    /// Whether a build says what this one would.
    fn is_in(&self, build: &pb::Build) -> bool {
        let name = if self.name.is_empty() { self.key } else { self.name };
        word(build.state()) == Some(self.state)
            && (build.url.as_str(), build.name.as_str()) == (self.url, name)
            && build.description == self.description
    }
}

/// Bitbucket's word for a state.
fn word(state: pb::BuildState) -> Option<&'static str> {
    match state {
        pb::BuildState::InProgress => Some("INPROGRESS"),
        pb::BuildState::Successful => Some("SUCCESSFUL"),
        pb::BuildState::Failed => Some("FAILED"),
        pb::BuildState::Cancelled => Some("CANCELLED"),
        pb::BuildState::Unspecified => None,
    }
}

impl Client {
    /// Reports a build; the same key on the same commit replaces what it said.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals; `REF_NOT_FOUND` for a commit that the repository
    /// does not have; [`Error::TooOld`] for a build that was cancelled.
    pub async fn set_build_status(
        &self,
        asked: pb::SetBuildStatusRequest,
    ) -> Result<pb::SetBuildStatusResponse, Error> {
        let repo = self.repo(asked.repo.as_ref())?;
        let state = pb::BuildState::try_from(asked.state).unwrap_or_default();
        let word = word(state)
            .ok_or_else(|| Error::field("state", "is missing, or one that this gitproxy does not know"))?;
        if state == pb::BuildState::Cancelled {
            // Another state in its place would be another thing than was asked for.
            self.needs(Feature::CancelledBuilds).await?;
        }
        // Neither resource asks whether the commit is the repository's.
        let commit = self.commit_in(&repo, &asked.commit_id).await?;
        let rich = self.has(Feature::RepositoryBuilds).await?;
        let resource = if rich { Resource::Repository } else { Resource::Commit };
        let body = Body::new(&asked, word, resource);
        let send = || self.send(request(&repo, &commit, resource, &body));
        let doubt = match send().await {
            Err(doubt @ Error::Uncertain { .. }) => doubt,
            sent => return sent.map(|_| pb::SetBuildStatusResponse {}),
        };
        // Nobody knows whether it arrived. If it did not, once more is harmless: the key makes the second the first.
        match self.build_of(&repo, &commit, &asked.key).await {
            Ok(Some(build)) if body.is_in(&build) => Ok(pb::SetBuildStatusResponse {}),
            Ok(_) | Err(_) => match send().await {
                Ok(_) => Ok(pb::SetBuildStatusResponse {}),
                Err(error) => Err(error.after(doubt)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::bitbucket::builds::tests::web;

    fn asked() -> pb::SetBuildStatusRequest {
        pb::SetBuildStatusRequest {
            key: "k".into(),
            url: "https://ci.example/1".into(),
            r#ref: "refs/heads/x".into(),
            number: "7".into(),
            duration_ms: 1500,
            tests: Some(pb::TestResults { passed: 3, failed: 1, skipped: 0 }),
            ..Default::default()
        }
    }

    fn sent(resource: Resource) -> (String, Value) {
        let commit = CommitId::parse(&"a".repeat(40)).expect("whole");
        let asked = asked();
        let request = request(&web(), &commit, resource, &Body::new(&asked, "FAILED", resource));
        (request.uri().path().to_owned(), serde_json::from_slice(request.body()).expect("JSON"))
    }

    #[test]
    fn the_newer_resource_is_told_all_and_the_older_what_it_keeps() {
        let (path, body) = sent(Resource::Repository);
        assert!(path.ends_with(&format!("/repos/web/commits/{}/builds", "a".repeat(40))));
        let all = json!({"key": "k", "state": "FAILED", "url": "https://ci.example/1", "ref": "refs/heads/x",
            "buildNumber": "7", "duration": 1500,
            "testResults": {"successful": 3, "failed": 1, "skipped": 0}});
        assert_eq!(body, all);
        let (path, body) = sent(Resource::Commit);
        assert_eq!(path, format!("/rest/build-status/latest/commits/{}", "a".repeat(40)));
        assert_eq!(body, json!({"key": "k", "state": "FAILED", "url": "https://ci.example/1"}));
    }

    #[test]
    fn a_build_that_says_something_else_is_another() {
        let asked = asked();
        let body = Body::new(&asked, "FAILED", Resource::Repository);
        let build = pb::Build {
            name: "k".into(),
            url: asked.url.clone(),
            state: pb::BuildState::Failed.into(),
            ..Default::default()
        };
        assert!(body.is_in(&build));
        assert!(!body.is_in(&pb::Build { state: pb::BuildState::InProgress.into(), ..build.clone() }));
        assert!(!body.is_in(&pb::Build { description: "d".into(), ..build }));
    }
}
