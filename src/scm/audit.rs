//! Who did what, with what outcome.

use std::time::Duration;

use tonic::Code;
use tracing::info;

use super::Command;
use crate::proto::Reason;

/// Keeps the trail of commands. Both methods must not block.
///
/// A command that pause, policy or a check refused has an end without a begin; every other has both, the end also when the
/// caller went away.
pub trait Audit: Send + Sync + 'static {
    /// A command that may be done is about to be done.
    fn begin(&self, command: &Command);

    /// It is over; for a stream, when its last message is out.
    fn end(&self, command: &Command, outcome: &Outcome);
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// The gRPC code; CANCELLED when the caller went away or its deadline passed.
    pub code: Code,
    /// Why it failed; `None` for a success and for a cancelled call.
    pub reason: Option<Reason>,
    /// From the arrival of the request to the end.
    pub lasted: Duration,
}

/// Writes one INFO line a command into the log.
#[derive(Debug, Clone, Copy, Default)]
pub struct Log;

impl Audit for Log {
    fn begin(&self, _: &Command) {}

    fn end(&self, command: &Command, outcome: &Outcome) {
        info!(
            target: "gitproxy::audit",
            method = command.method.path,
            caller = command.caller.caller,
            tenant = command.caller.tenant,
            connection = command.connection,
            project = command.target.projects.first(),
            repo = command.target.repo,
            code = ?outcome.code,
            reason = outcome.reason.map(Reason::word),
            ms = u64::try_from(outcome.lasted.as_millis()).unwrap_or(u64::MAX),
            "command ended"
        );
    }
}
