//! Watches: the present state, then each change: WatchPR, WatchBuildStatus.
//!
//! Bitbucket calls nobody without an inbound route (FACTS 10), so a watch looks again and again: soon after a change, ever more
//! seldom while nothing moves, and behind every call that somebody waits for. What a look costs counts: two requests for
//! builds, and three for a pull request, its builds and its merge check; only whether a merge is armed is not asked each time.

mod builds;
mod pace;
mod pull_request;
mod stream;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use futures_util::Stream;
use sha2::{Digest as _, Sha256};

use crate::bitbucket::names::{CommitId, RepoId};
use crate::bitbucket::page::{Cursor, Listing};
use crate::bitbucket::pull_requests::number;
use crate::bitbucket::{Client, Error};
use crate::ops::{Call, Urgency};
use crate::proto::scm::v1 as pb;
use crate::proto::scm::v1::watch_build_status_request::Target;

pub use self::pace::Rhythm;

use self::builds::Builds;
use self::pull_request::PullRequest;
use self::stream::watch;

impl Client {
    /// The same client with other times between the looks of its watches.
    #[must_use]
    pub fn watching_at(mut self, rhythm: Rhythm) -> Self {
        self.rhythm = rhythm;
        self
    }

    /// Sends where a pull request stands, then each change, and heartbeats; it ends when the pull request is closed.
    ///
    /// It begins before Bitbucket is asked anything. What the first look meets ends it; later only what does not pass within
    /// two minutes.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`] and [`Error::ResumeToken`]; the stream ends with Bitbucket's refusals.
    pub fn watch_pr(
        &self,
        asked: pb::WatchPrRequest,
    ) -> Result<impl Stream<Item = Result<pb::WatchPrResponse, Error>> + Send + 'static + use<>, Error> {
        let pb::WatchPrRequest { repo, id, resume_token } = asked;
        let repo = self.repo(repo.as_ref())?;
        let id = number("id", id)?;
        let place = Place::new("WatchPR", &repo, &id.to_string());
        let seen = place.resume(&resume_token)?;
        Ok(watch(PullRequest::new(self.watching(), repo, id, place), seen, self.rhythm))
    }

    /// Sends what builds say, then each change, and heartbeats; it ends when the pull request is closed, if it is of one.
    ///
    /// # Errors
    /// As [`Client::watch_pr`].
    pub fn watch_build_status(
        &self,
        asked: pb::WatchBuildStatusRequest,
    ) -> Result<impl Stream<Item = Result<pb::WatchBuildStatusResponse, Error>> + Send + 'static + use<>, Error>
    {
        let repo = self.repo(asked.repo.as_ref())?;
        let target = asked
            .target
            .ok_or_else(|| Error::field("target", "is missing: name a commit or a pull request"))?;
        let (of, name) = match target {
            Target::CommitId(id) => {
                let commit = CommitId::parse(&id).map_err(|why| Error::field("commit_id", why))?;
                (builds::Of::Commit(commit), id)
            }
            Target::PrId(id) => (builds::Of::PullRequest(number("pr_id", id)?), id.to_string()),
        };
        let place = Place::new("WatchBuildStatus", &repo, &name);
        let seen = place.resume(&asked.resume_token)?;
        Ok(watch(Builds::new(self.watching(), repo, of, place), seen, self.rhythm))
    }

    /// This client, behind whoever waits for an answer.
    fn watching(&self) -> Self {
        self.during(Call { urgency: Urgency::Watch, ..*self.call() })
    }
}

/// What a resume token belongs to.
#[derive(Debug, Clone, Copy)]
struct Place(Listing);

/// A state, told from others: 96 bits of its SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State(Cursor);

impl Place {
    fn new(method: &str, repo: &RepoId, target: &str) -> Self {
        Self(Listing::new(method, [repo.project().as_str(), repo.slug().as_str(), target]))
    }

    /// The state that a caller has already; `None` for one who begins.
    fn resume(self, token: &str) -> Result<Option<State>, Error> {
        if token.is_empty() {
            return Ok(None);
        }
        self.0.resume(token).map(|cursor| Some(State(cursor))).map_err(|_| Error::ResumeToken)
    }

    fn token(self, state: State) -> String {
        self.0.token(Some(state.0))
    }
}

impl State {
    fn of(message: &impl prost::Message) -> Self {
        let hash = Sha256::digest(message.encode_to_vec());
        let (mut part, mut start) = ([0; 4], [0; 8]);
        part.copy_from_slice(&hash[..4]);
        start.copy_from_slice(&hash[4..12]);
        Self(Cursor { part: u32::from_be_bytes(part), start: u64::from_be_bytes(start) })
    }
}
