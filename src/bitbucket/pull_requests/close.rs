//! The end of a pull request without a merge, and the way back: DeclinePR, ReopenPR.

use bytes::Bytes;
use http::{Method, Request};

use crate::bitbucket::names::RepoId;
use crate::bitbucket::pull_requests::revise::{Expected, closed};
use crate::bitbucket::pull_requests::{number, path};
use crate::bitbucket::request::{Draft, Permission};
use crate::bitbucket::{Client, Error};
use crate::proto::scm::v1 as pb;

/// `POST /rest/api/latest/projects/{p}/repos/{r}/pull-requests/{id}/decline?version=…`, or `…/reopen?version=…`
fn request(turn: &Turn, version: i32) -> Request<Bytes> {
    let path = path(&turn.repo, turn.id).segment(turn.way.resource());
    let draft = Draft::new(Method::POST, path, Permission::RepoWrite);
    draft.query("version", &version.to_string()).json(&serde_json::json!({}))
}

/// Which way it shall turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Decline,
    Reopen,
}

impl Way {
    fn resource(self) -> &'static str {
        match self {
            Self::Decline => "decline",
            Self::Reopen => "reopen",
        }
    }

    /// The state that it leads from, and the one that it leads to.
    fn states(self) -> [pb::PrState; 2] {
        match self {
            Self::Decline => [pb::PrState::Open, pb::PrState::Declined],
            Self::Reopen => [pb::PrState::Declined, pb::PrState::Open],
        }
    }
}

/// A pull request that shall turn.
#[derive(Debug)]
struct Turn {
    repo: RepoId,
    id: i64,
    way: Way,
    expected: Expected,
}

impl Turn {
    /// The request that turns it; `None` when it has turned, whatever its version is by now.
    fn step(&self, pr: &pb::PullRequest) -> Result<Option<Request<Bytes>>, Error> {
        let [from, to] = self.way.states();
        match pr.state() {
            state if state == to => Ok(None),
            // Bitbucket has the word on a state that is not known here.
            state if state == from || state == pb::PrState::Unspecified => {
                self.expected.check(pr)?;
                Ok(Some(request(self, pr.version)))
            }
            pb::PrState::Unspecified
            | pb::PrState::Open
            | pb::PrState::Merged
            | pb::PrState::Declined
            | pb::PrState::Superseded => Err(closed(pr)),
        }
    }
}

impl Client {
    /// Declines a pull request; one that is declined is a success.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals; `PR_OUT_OF_DATE`, `PR_CLOSED`.
    pub async fn decline_pr(&self, asked: pb::DeclinePrRequest) -> Result<pb::DeclinePrResponse, Error> {
        let pr = self.turn(asked.repo.as_ref(), asked.id, Way::Decline, asked.expected_version).await?;
        Ok(pb::DeclinePrResponse { pull_request: Some(pr) })
    }

    /// Opens a declined pull request again; one that is open is a success.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals; `PR_OUT_OF_DATE`, `PR_CLOSED` for a merged
    /// one, `PR_EXISTS` where another took its place.
    pub async fn reopen_pr(&self, asked: pb::ReopenPrRequest) -> Result<pb::ReopenPrResponse, Error> {
        let pr = self.turn(asked.repo.as_ref(), asked.id, Way::Reopen, asked.expected_version).await?;
        Ok(pb::ReopenPrResponse { pull_request: Some(pr) })
    }

    async fn turn(
        &self,
        repo: Option<&pb::RepoRef>,
        id: i64,
        way: Way,
        version: Option<i32>,
    ) -> Result<pb::PullRequest, Error> {
        let (repo, id) = (self.repo(repo)?, number("id", id)?);
        let turn = Turn { repo, id, way, expected: Expected { version, commit: None } };
        self.revise(&turn.repo, id, |pr| turn.step(pr)).await
    }
}
