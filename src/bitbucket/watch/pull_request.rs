//! A pull request under watch.

use futures_util::FutureExt as _;

use crate::bitbucket::names::RepoId;
use crate::bitbucket::pull_requests::Armed;
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
    known: Option<Known>,
}

/// What is left of the last looks.
struct Known {
    state: State,
    armed: bool,
    /// How many looks have taken an armed merge to be as it was.
    trusted: u32,
}

impl PullRequest {
    pub(super) fn new(client: Client, repo: RepoId, id: i64, place: Place) -> Self {
        Self { client, repo, id, place, known: None }
    }

    /// Where it stands: three requests; and whether a merge is armed is a fourth, where anything has changed, and now and then.
    async fn status(&mut self) -> Result<(pb::PrStatus, State), Error> {
        let trusted = self.known.as_mut().filter(|known| known.trusted < TRUSTED);
        let armed = trusted.as_ref().map_or(Armed::Asked, |known| Armed::Seen(known.armed));
        let mut status = self.client.pr_status(&self.repo, self.id, armed).await?;
        let mut state = State::of(&status);
        if let Some(known) = trusted {
            if known.state == state {
                known.trusted += 1;
                return Ok((status, state));
            }
            if !is_closed(&status) {
                status.auto_merge_armed = self.client.armed(&self.repo, self.id).await?;
                state = State::of(&status);
            }
        }
        self.known = Some(Known { state, armed: status.auto_merge_armed, trusted: 0 });
        Ok((status, state))
    }
}

impl Look for PullRequest {
    type Message = pb::WatchPrResponse;

    fn look(mut self) -> Looking<Self> {
        async {
            let looked = self.status().await.map(|(status, state)| looked(status, state, self.place));
            (self, looked)
        }
        .boxed()
    }

    fn heartbeat() -> pb::WatchPrResponse {
        pb::WatchPrResponse::default()
    }
}

fn looked(status: pb::PrStatus, state: State, place: Place) -> Looked<pb::WatchPrResponse> {
    let (mood, end) = (mood(&status), if is_closed(&status) { End::Reached } else { End::NotYet });
    let message = pb::WatchPrResponse { status: Some(status), resume_token: place.token(state) };
    Looked { message, state, mood, end }
}

fn mood(status: &pb::PrStatus) -> Mood {
    let busy = status.build_state() == pb::BuildState::InProgress
        || status.mergeability() == pb::Mergeability::Unspecified;
    if busy { Mood::Busy } else { Mood::Calm }
}

fn is_closed(status: &pb::PrStatus) -> bool {
    matches!(status.mergeability(), pb::Mergeability::Merged | pb::Mergeability::Closed)
}

/// Nearly always it is the caller who arms a merge, and when it is done, the pull request shows it: four looks of five do
/// without that request. As the contract promises, five looks are at most five minutes.
const TRUSTED: u32 = 4;

#[cfg(test)]
mod tests;
