//! Writes that name the version of the pull request that they are made against.
//!
//! Bitbucket does such a write only while the pull request has the version that it names, and raises the version when it
//! does. The version also moves without us: with a push to the source, a merge into the same target, an edit (FACTS 4). So
//! each write begins with a read, and one that came too late is done once more after another read.
//!
//! The version is what makes a lost answer harmless, too. The pull request is read back:
//! - It is as asked: the write was done, or somebody else did the same. That is a success.
//! - It is not, and has another version: the write may have been done and undone since. Nobody can tell, and it is not
//!   repeated.
//! - It is not, and has the same version: the write was not done *yet*; it may still be on its way. To send it again with that
//!   version is safe: whichever of the two comes first moves the version, and the other is refused as out of date. An
//!   armed merge does not move it (FACTS 4), but to arm the same merge twice is to arm it once.

use bytes::Bytes;
use http::Request;

use crate::bitbucket::names::{CommitId, RepoId};
use crate::bitbucket::pull_requests::reply;
use crate::bitbucket::{Client, Error};
use crate::proto::Reason;
use crate::proto::scm::v1 as pb;

/// What the caller insists on.
#[derive(Debug, Default)]
pub(super) struct Expected {
    pub(super) version: Option<i32>,
    pub(super) commit: Option<CommitId>,
}

impl Expected {
    /// Reads what the caller insists on; an empty commit is any.
    pub(super) fn parse(version: Option<i32>, commit: &str) -> Result<Self, Error> {
        let commit = (!commit.is_empty()).then(|| CommitId::parse(commit)).transpose();
        let commit = commit.map_err(|why| Error::field("expected_commit_id", why))?;
        Ok(Self { version, commit })
    }

    /// Refuses a pull request that is another than the caller has seen.
    pub(super) fn check(&self, pr: &pb::PullRequest) -> Result<(), Error> {
        let same = self.version.is_none_or(|version| version == pr.version);
        if same && self.head(pr) { Ok(()) } else { Err(out_of_date(pr)) }
    }

    /// Refuses a merged pull request that was another than the caller had seen: the merge itself moved the version by one.
    pub(super) fn check_merged(&self, pr: &pb::PullRequest) -> Result<(), Error> {
        let same = |version: i32| version == pr.version || version.saturating_add(1) == pr.version;
        if self.version.is_none_or(same) && self.head(pr) { Ok(()) } else { Err(out_of_date(pr)) }
    }

    fn head(&self, pr: &pb::PullRequest) -> bool {
        let head = pr.from.as_ref().map(|side| side.commit_id.as_str()).unwrap_or_default();
        self.commit.as_ref().is_none_or(|commit| commit.as_str().eq_ignore_ascii_case(head))
    }
}

/// Says that the pull request is not the one that the caller has seen.
pub(super) fn out_of_date(pr: &pb::PullRequest) -> Error {
    let says = "the pull request has another version or head than the call expects";
    Error::unmet(Reason::PrOutOfDate, says, vec![("current_version", pr.version.to_string())])
}

/// Says that the pull request is in a state that it does not come back from in this way.
pub(super) fn closed(pr: &pb::PullRequest) -> Error {
    Error::unmet(Reason::PrClosed, format!("the pull request is {}", pr.state().as_str_name()), Vec::new())
}

/// What a failed write leaves open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failure {
    /// It was not done, since the pull request or the target had moved.
    Late,
    /// Its answer is lost.
    Lost,
    /// It was not done, for a reason that another try does not change.
    Plain,
}

impl Failure {
    fn of(error: &Error) -> Self {
        match error {
            Error::Uncertain { .. } => Self::Lost,
            _ if error.reason() == Some(Reason::PrOutOfDate) || is_race(error) => Self::Late,
            _ => Self::Plain,
        }
    }
}

/// Whether something was pushed while Bitbucket merged (FACTS 1.4).
pub(super) fn is_race(error: &Error) -> bool {
    matches!(error, Error::Refused(refusal) if refusal.exception == "MergeException")
}

impl Client {
    /// Does what is left to do with a pull request, as `step` finds it; `None` when it is as asked already.
    ///
    /// `step` refuses a pull request that is not what the caller insists on.
    ///
    /// # Errors
    /// Those of `step`, and Bitbucket's refusals; [`Error::Uncertain`] when nobody can tell whether it was done.
    pub(super) async fn revise(
        &self,
        repo: &RepoId,
        id: i64,
        step: impl Fn(&pb::PullRequest) -> Result<Option<Request<Bytes>>, Error> + Send + Sync,
    ) -> Result<pb::PullRequest, Error> {
        let mut pr = self.pull_request(repo, id).await?;
        let mut doubt = None;
        let mut tries = TRIES;
        loop {
            let Some(request) = step(&pr)? else { return Ok(pr) };
            let error = match self.send(request).await.and_then(|done| reply(&done)) {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            tries -= 1;
            let failure = Failure::of(&error);
            if failure == Failure::Plain && doubt.is_none() {
                return Err(error);
            }
            let Ok(now) = self.pull_request(repo, id).await else { return Err(doubt.unwrap_or(error)) };
            let left = step(&now);
            if matches!(left, Ok(None)) {
                return Ok(now);
            }
            let unsure = failure == Failure::Lost || doubt.is_some();
            if unsure && now.version != pr.version {
                return Err(doubt.unwrap_or(error));
            }
            if tries == 0 {
                left?;
                return Err(error);
            }
            doubt = doubt.or((failure == Failure::Lost).then_some(error));
            pr = now;
        }
    }
}

/// The first try and the one after another read.
const TRIES: u32 = 2;

#[cfg(test)]
mod tests;
