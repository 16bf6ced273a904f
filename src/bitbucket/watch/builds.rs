//! Builds under watch.

use futures_util::FutureExt as _;

use crate::bitbucket::names::{CommitId, RepoId};
use crate::bitbucket::watch::pace::Mood;
use crate::bitbucket::watch::stream::{End, Look, Looked, Looking};
use crate::bitbucket::watch::{Place, State};
use crate::bitbucket::{Client, Error};
use crate::proto::scm::v1 as pb;

/// See the module.
pub(super) struct Builds {
    client: Client,
    repo: RepoId,
    of: Of,
    place: Place,
}

/// Whose builds.
pub(super) enum Of {
    Commit(CommitId),
    /// The head, wherever it is.
    PullRequest(i64),
}

impl Builds {
    pub(super) fn new(client: Client, repo: RepoId, of: Of, place: Place) -> Self {
        Self { client, repo, of, place }
    }

    /// Two requests.
    async fn status(&self) -> Result<Looked<pb::WatchBuildStatusResponse>, Error> {
        let (commit, end) = match &self.of {
            // Each time: who may not see the repository any more does not see its builds.
            Of::Commit(commit) => (self.client.commit_in(&self.repo, commit.as_str()).await?, End::NotYet),
            Of::PullRequest(id) => {
                let pr = self.client.pull_request(&self.repo, *id).await?;
                let open = matches!(pr.state(), pb::PrState::Open | pb::PrState::Unspecified);
                (self.client.tip(&pr)?, if open { End::NotYet } else { End::Reached })
            }
        };
        let status = self.client.build_status(&commit).await?;
        let (state, mood) = (State::of(&status), mood(&status));
        let message = pb::WatchBuildStatusResponse {
            state: status.state,
            commit_id: status.commit_id,
            builds: status.builds,
            resume_token: self.place.token(state),
        };
        Ok(Looked { message, state, mood, end })
    }
}

impl Look for Builds {
    type Message = pb::WatchBuildStatusResponse;

    fn look(self) -> Looking<Self> {
        async {
            let looked = self.status().await;
            (self, looked)
        }
        .boxed()
    }

    fn heartbeat() -> pb::WatchBuildStatusResponse {
        pb::WatchBuildStatusResponse::default()
    }
}

/// A commit without builds most likely gets some soon.
fn mood(status: &pb::GetBuildStatusResponse) -> Mood {
    match status.state() {
        pb::BuildState::InProgress => Mood::Busy,
        pb::BuildState::Unspecified if status.builds.is_empty() => Mood::Busy,
        pb::BuildState::Unspecified
        | pb::BuildState::Successful
        | pb::BuildState::Failed
        | pb::BuildState::Cancelled => Mood::Calm,
    }
}

#[cfg(test)]
mod tests;
