//! Tasks that a drain waits for.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::time;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::{Instrument as _, warn};

/// The one place that spawns; clones share the same set of tasks.
///
/// A drain has two steps: [`Tasks::begin_drain`] asks every task to finish, [`Tasks::finish`] waits for them and cuts
/// what is left when the grace is over. With [`Tasks::finish_calls`] there is one between: calls end with a status. [`Tasks::group`] makes a set of its own that the whole still waits for.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    parents: Vec<TaskTracker>,
    drain: CancellationToken,
    end_calls: CancellationToken,
    cut: CancellationToken,
}

/// Keeps a drain waiting while it lives, such as in the body of a response.
#[derive(Debug)]
pub struct Guard {
    _held: Vec<TaskTrackerToken>,
}

/// How a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Every task finished by itself.
    Clean,
    /// This many were cut when the grace was over.
    Cut(usize),
}

impl Tasks {
    /// Makes an empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a set inside this one: it can drain and be cut alone, and drains and is cut with the whole.
    #[must_use]
    pub fn group(&self) -> Self {
        let mut parents = self.parents.clone();
        parents.push(self.tracker.clone());
        Self {
            tracker: TaskTracker::new(),
            parents,
            drain: self.drain.child_token(),
            end_calls: self.end_calls.child_token(),
            cut: self.cut.child_token(),
        }
    }

    /// Runs `task` until it ends or is cut. It keeps the caller's span, so that its log lines say where they belong.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that spawns")]
    pub fn spawn<F>(&self, task: F)
    where
        F: Future + Send + 'static,
        F::Output: Send,
    {
        let guard = self.guard();
        let cut = self.cut.clone();
        // A future that is handed on by value is kept twice for as long as the task lives, and a session's are large.
        let task = Box::pin(task);
        let bounded = async move {
            let _ = cut.run_until_cancelled(task).await;
            drop(guard);
        };
        tokio::spawn(bounded.in_current_span());
    }

    /// Keeps a drain waiting until the guard is dropped.
    #[must_use]
    pub fn guard(&self) -> Guard {
        let sets = self.parents.iter().chain([&self.tracker]);
        Guard { _held: sets.map(TaskTracker::token).collect() }
    }

    /// Asks every task to finish; new ones may still be spawned.
    pub fn begin_drain(&self) {
        self.drain.cancel();
    }

    /// Whether a drain was asked for.
    pub fn is_draining(&self) -> bool {
        self.drain.is_cancelled()
    }

    /// Waits until a drain is asked for.
    pub async fn draining(&self) {
        self.drain.cancelled().await;
    }

    /// Asks every call that is still in flight to end with a status: its time is over.
    pub fn end_calls(&self) {
        self.end_calls.cancel();
    }

    /// Whether calls in flight are to end.
    pub fn have_calls_ended(&self) -> bool {
        self.end_calls.is_cancelled()
    }

    /// Waits until calls in flight are to end.
    pub async fn calls_end(&self) {
        self.end_calls.cancelled().await;
    }

    /// Drops every task at its next await.
    pub fn cut(&self) {
        self.cut.cancel();
    }

    /// Waits until the tasks are cut.
    pub async fn cancelled(&self) {
        self.cut.cancelled().await;
    }

    /// Asks every task to finish, waits for at most `grace`, and cuts the rest.
    pub async fn finish(&self, grace: Duration) -> Drained {
        self.begin_drain();
        self.tracker.close();
        if time::timeout(grace, self.tracker.wait()).await.is_ok() {
            return Drained::Clean;
        }
        let left = self.tracker.len();
        self.cut();
        Drained::Cut(left)
    }

    /// As [`Tasks::finish`], but when the grace is over calls have a moment to say so to their callers.
    pub async fn finish_calls(&self, grace: Duration) -> Drained {
        let mut finished = pin!(self.finish(grace + LAST_WORDS));
        tokio::select! {
            outcome = finished.as_mut() => return outcome,
            () = time::sleep(grace) => {}
        }
        warn!(?grace, "the grace is over: calls in flight end");
        self.end_calls();
        finished.await
    }
}

/// For what has only to say goodbye, also when the calls took all of the grace.
pub const LAST_WORDS: Duration = Duration::from_millis(200);

impl<F> hyper::rt::Executor<F> for Tasks
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, task: F) {
        self.spawn(task);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_drain_waits_for_a_guard_in_a_group() {
        let tasks = Tasks::new();
        let guard = tasks.group().guard();
        let waiting = tasks.finish(Duration::from_secs(60));
        tokio::pin!(waiting);
        assert!(time::timeout(Duration::from_secs(1), &mut waiting).await.is_err());
        drop(guard);
        assert_eq!(waiting.await, Drained::Clean);
    }

    #[tokio::test(start_paused = true)]
    async fn what_outlives_the_grace_is_cut_and_counted() {
        let tasks = Tasks::new();
        tasks.spawn(std::future::pending::<()>());
        assert_eq!(tasks.finish(Duration::from_secs(1)).await, Drained::Cut(1));
        tasks.tracker.wait().await;
    }

    #[tokio::test(start_paused = true)]
    async fn calls_of_a_group_hear_that_their_time_is_over_before_they_are_cut() {
        let (tasks, begun) = (Tasks::new(), time::Instant::now());
        let calls = tasks.group();
        tasks.spawn(async move { calls.calls_end().await });
        assert_eq!(tasks.finish_calls(Duration::from_secs(9)).await, Drained::Clean);
        assert_eq!(begun.elapsed().as_secs(), 9);
    }

    #[tokio::test]
    async fn cutting_a_group_leaves_the_whole_alone() {
        let tasks = Tasks::new();
        tasks.group().cut();
        assert!(!tasks.cut.is_cancelled());
    }
}
