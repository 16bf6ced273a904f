//! A pull request under watch.

use futures_util::FutureExt as _;

use crate::bitbucket::names::{CommitId, RepoId};
use crate::bitbucket::watch::pace::Mood;
use crate::bitbucket::watch::stream::{End, Look, Looked, Looking};
use crate::bitbucket::watch::{Place, State};
use crate::bitbucket::{Client, Error};
use crate::proto::scm::v1 as pb;

/// See the module.
pub(super) struct PullRequest {
    client: Client,
    repo: RepoId,
    id: i64,
    place: Place,
    /// What the last look saw, and how often it was enough since.
    known: Option<(State, pb::PrStatus, u32)>,
}

impl PullRequest {
    pub(super) fn new(client: Client, repo: RepoId, id: i64, place: Place) -> Self {
        Self { client, repo, id, place, known: None }
    }

    async fn status(&mut self) -> Result<pb::PrStatus, Error> {
        let glance = self.glance().await?;
        if let Some((state, status, times)) = &mut self.known
            && *state == glance
            && *times < GLANCES
        {
            *times += 1;
            return Ok(status.clone());
        }
        let asked = pb::GetPrStatusRequest { repo: Some(self.repo.named()), id: self.id };
        let status = self.client.get_pr_status(asked).await?.status.unwrap_or_default();
        self.known = Some((glance, status.clone(), 0));
        Ok(status)
    }

    /// The pull request and its builds, in which nearly every change shows: two requests.
    async fn glance(&self) -> Result<State, Error> {
        let pull_request = self.client.pull_request(&self.repo, self.id).await?;
        let head = pull_request.from.as_ref().map(|side| side.commit_id.as_str()).unwrap_or_default();
        let builds = match CommitId::parse(head) {
            Ok(head) => self.client.builds(&head).await?,
            Err(_) => Vec::new(),
        };
        Ok(State::of(&pb::PrStatus { pull_request: Some(pull_request), builds, ..Default::default() }))
    }
}

impl Look for PullRequest {
    type Message = pb::WatchPrResponse;

    fn look(mut self) -> Looking<Self> {
        async {
            let looked = self.status().await.map(|status| looked(status, self.place));
            (self, looked)
        }
        .boxed()
    }

    fn heartbeat() -> pb::WatchPrResponse {
        pb::WatchPrResponse::default()
    }
}

fn looked(status: pb::PrStatus, place: Place) -> Looked<pb::WatchPrResponse> {
    let state = State::of(&status);
    let busy = status.build_state() == pb::BuildState::InProgress
        || status.mergeability() == pb::Mergeability::Unspecified;
    let closed = matches!(status.mergeability(), pb::Mergeability::Merged | pb::Mergeability::Closed);
    let message = pb::WatchPrResponse { status: Some(status), resume_token: place.token(state) };
    let (mood, end) =
        (if busy { Mood::Busy } else { Mood::Calm }, if closed { End::Reached } else { End::NotYet });
    Looked { message, state, mood, end }
}

/// A merge check may change its mind though neither the pull request nor a build does.
const GLANCES: u32 = 4;
