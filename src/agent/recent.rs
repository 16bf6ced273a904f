//! The last commands, for the operator who asks what the agent has been doing.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tonic::Code;

use super::local::status::clipped;
use crate::proto::Reason;
use crate::scm::audit::{Audit, Log, Outcome};
use crate::scm::{Caller, Command};

/// The last [`KEPT`] commands; clones are the same. What they were about is not kept: no project, no field, no secret.
#[derive(Debug, Clone, Default)]
pub(super) struct Recent(Arc<Mutex<VecDeque<Ended>>>);

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) at: Instant,
    pub(super) method: &'static str,
    pub(super) connection: Option<String>,
    pub(super) caller: Caller,
    pub(super) code: Code,
    pub(super) reason: Option<Reason>,
    pub(super) lasted: Duration,
}

/// The log's trail, of which the last commands are kept.
#[derive(Debug, Clone, Default)]
pub(super) struct Trail {
    log: Log,
    recent: Recent,
}

impl Recent {
    /// The newest first.
    pub(super) fn list(&self) -> Vec<Ended> {
        self.lines().iter().rev().cloned().collect()
    }

    fn add(&self, ended: Ended) {
        let mut lines = self.lines();
        if lines.len() == KEPT {
            lines.pop_front();
        }
        lines.push_back(ended);
    }

    fn lines(&self) -> MutexGuard<'_, VecDeque<Ended>> {
        // Nothing below the lock can leave the list half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Trail {
    /// Keeps them in `recent`.
    pub(super) fn new(recent: Recent) -> Self {
        Self { log: Log, recent }
    }
}

impl Audit for Trail {
    fn begin(&self, command: &Command) {
        self.log.begin(command);
    }

    fn end(&self, command: &Command, outcome: &Outcome) {
        self.log.end(command, outcome);
        let Caller { tenant, caller } = &command.caller;
        self.recent.add(Ended {
            at: Instant::now(),
            method: command.method.path,
            connection: command.connection.as_deref().map(clipped),
            caller: Caller { tenant: clipped(tenant), caller: clipped(caller) },
            code: outcome.code,
            reason: outcome.reason,
            lasted: outcome.lasted,
        });
    }
}

/// How many commands are kept.
pub(super) const KEPT: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::methods::METHODS;

    #[test]
    fn the_last_twenty_are_kept_the_newest_first() {
        let recent = Recent::default();
        let trail = Trail::new(recent.clone());
        for number in 0..25_u64 {
            let command = Command {
                method: &METHODS[0],
                caller: Caller { tenant: "acme".into(), caller: "x".repeat(500) },
                connection: None,
                target: crate::scm::Target::default(),
                idempotency_key: None,
            };
            let lasted = Duration::from_millis(number);
            trail.end(&command, &Outcome { code: Code::Ok, reason: None, lasted });
        }
        let told: Vec<_> = recent.list().iter().map(|ended| ended.lasted.as_millis()).collect();
        assert_eq!(told, (5..25).rev().collect::<Vec<_>>());
        assert!(recent.list().iter().all(|ended| ended.caller.caller.chars().count() <= 64));
    }
}
