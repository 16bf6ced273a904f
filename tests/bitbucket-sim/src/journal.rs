//! What the simulator saw and did, for tests to judge by. Tokens and bodies never enter it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// One request as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The path and query, as sent.
    pub path: String,
    /// Who it was, when the credentials were good.
    pub user: Option<String>,
    /// The status of the answer; none while there is none (a stall, a handler at work).
    pub status: Option<u16>,
}

/// What kind of write was performed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WriteKind {
    /// A project was created.
    CreateProject,
    /// A repository was created.
    CreateRepo,
    /// A repository was forked.
    ForkRepo,
    /// A branch was created.
    CreateBranch,
    /// A branch was deleted (also when it did not exist: fact `existed`).
    DeleteBranch,
    /// A file was edited, so there is a new commit.
    EditFile,
    /// Refs were pushed.
    Push,
    /// A pull request was opened.
    OpenPullRequest,
    /// A pull request's title, description, reviewers or target changed.
    UpdatePullRequest,
    /// A pull request was merged.
    MergePullRequest,
    /// A pull request was declined.
    DeclinePullRequest,
    /// A pull request was reopened.
    ReopenPullRequest,
    /// Somebody reviewed a pull request.
    ReviewPullRequest,
    /// A pull request was deleted.
    DeletePullRequest,
    /// Somebody was made a reviewer, or is one no longer.
    ChangeParticipant,
    /// The server was asked to merge a pull request once nothing stops it.
    RequestAutoMerge,
    /// That wish was taken back.
    CancelAutoMerge,
    /// A suggestion of a comment became a commit.
    ApplySuggestion,
    /// A reaction was added to a comment or taken back.
    React,
    /// Settings of a repository or project changed: fact `what`.
    ChangeSettings,
    /// A comment or task was written.
    Comment,
    /// A comment was edited, resolved or reopened.
    UpdateComment,
    /// A comment was deleted.
    DeleteComment,
    /// A build status was reported (not by the simulator's own builds).
    BuildStatus,
    /// A build status was deleted.
    DeleteBuildStatus,
    /// A Code Insights report was put: fact `replaced`.
    PutReport,
    /// A Code Insights report was deleted, with its annotations.
    DeleteReport,
    /// Annotations were added to a report: fact `count`.
    AddAnnotations,
    /// One annotation was put by its external id: fact `replaced`.
    PutAnnotation,
    /// Annotations of a report were deleted: fact `count`.
    DeleteAnnotations,
    /// A tag was created.
    CreateTag,
    /// A tag was deleted.
    DeleteTag,
    /// The default branch was set.
    SetDefaultBranch,
    /// A project's key, name or description changed.
    UpdateProject,
    /// A project was deleted.
    DeleteProject,
    /// A repository was renamed, moved, described or archived.
    UpdateRepo,
    /// A repository was deleted.
    DeleteRepo,
    /// A permission was granted or revoked.
    ChangePermission,
    /// A branch restriction was put or deleted.
    ChangeRestriction,
    /// A webhook was put or deleted.
    ChangeWebhook,
    /// An access token was made, changed or revoked.
    ChangeToken,
    /// The rate limit was changed by its administration.
    ChangeRateLimit,
}

/// One write that was performed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// What it was.
    pub kind: WriteKind,
    /// `PROJECT/slug`, or only the project.
    pub repo: String,
    /// The facts by name, such as `branch`, `commit`, `id`.
    pub facts: BTreeMap<&'static str, String>,
}

impl Write {
    /// A fact by name, empty when the write has no such fact.
    #[must_use]
    pub fn fact(&self, name: &str) -> &str {
        self.facts.get(name).map_or("", String::as_str)
    }
}

#[derive(Default)]
struct Lines {
    first: u64,
    requests: VecDeque<Request>,
    writes: Vec<Write>,
}

/// The two logs.
pub(crate) struct Journal {
    lines: Mutex<Lines>,
    written: watch::Sender<usize>,
}

impl Journal {
    /// An empty journal.
    pub(crate) fn new() -> Self {
        Self { lines: Mutex::default(), written: watch::Sender::new(0) }
    }

    /// Notes that a request arrived; the number is for [`Journal::answered`].
    pub(crate) fn arrived(&self, method: &str, path: &str) -> u64 {
        let mut lines = self.lock();
        if lines.requests.len() == REQUESTS_KEPT {
            lines.requests.pop_front();
            lines.first += 1;
        }
        let request = Request { method: method.to_owned(), path: path.to_owned(), user: None, status: None };
        lines.requests.push_back(request);
        lines.first + lines.requests.len() as u64 - 1
    }

    /// Notes who sent a request.
    pub(crate) fn known(&self, number: u64, user: &str) {
        self.edit(number, |request| request.user = Some(user.to_owned()));
    }

    /// Notes the status of an answer.
    pub(crate) fn answered(&self, number: u64, status: u16) {
        self.edit(number, |request| request.status = Some(status));
    }

    /// Notes a write that was performed.
    pub(crate) fn wrote(&self, kind: WriteKind, repo: &str, facts: &[(&'static str, &str)]) {
        let facts = facts.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let mut lines = self.lock();
        lines.writes.push(Write { kind, repo: repo.to_owned(), facts });
        let count = lines.writes.len();
        self.written.send_replace(count);
    }

    /// The requests so far, oldest first.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.lock().requests.iter().cloned().collect()
    }

    /// How many requests arrived so far, also those no longer kept.
    pub(crate) fn request_count(&self) -> u64 {
        let lines = self.lock();
        lines.first + lines.requests.len() as u64
    }

    /// The writes so far, in the order in which they were performed.
    pub(crate) fn writes(&self) -> Vec<Write> {
        self.lock().writes.clone()
    }

    /// Waits until at least `count` writes were performed.
    pub(crate) async fn written(&self, count: usize) {
        let mut seen = self.written.subscribe();
        // The sender lives in self, so this cannot fail while we wait.
        let _ = seen.wait_for(|now| *now >= count).await;
    }

    fn edit(&self, number: u64, change: impl FnOnce(&mut Request)) {
        let mut lines = self.lock();
        let index = number.checked_sub(lines.first).and_then(|index| usize::try_from(index).ok());
        if let Some(request) = index.and_then(|index| lines.requests.get_mut(index)) {
            change(request);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Enough for every test, and a bound for a simulator that runs for weeks.
const REQUESTS_KEPT: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_waiter_sees_the_write_it_waits_for() {
        let journal = Journal::new();
        let wait = journal.written(2);
        journal.wrote(WriteKind::Comment, "SHOP/web", &[("id", "1")]);
        journal.wrote(WriteKind::Comment, "SHOP/web", &[("id", "2")]);
        wait.await;
        assert_eq!(journal.writes()[1].fact("id"), "2");
    }

    #[test]
    fn an_answer_is_noted_at_its_own_request() {
        let journal = Journal::new();
        let first = journal.arrived("GET", "/a");
        let second = journal.arrived("GET", "/b");
        journal.answered(second, 404);
        journal.answered(first, 200);
        let statuses: Vec<_> = journal.requests().into_iter().map(|request| request.status).collect();
        assert_eq!(statuses, [Some(200), Some(404)]);
    }
}
