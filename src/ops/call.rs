//! What work on behalf of a call must know of it.

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::traces;

/// When the call must be over. In a request's extensions; what travels is the time left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline(pub Instant);

/// The call's place among those that may be in flight, which is free when the last clone is dropped. In a request's
/// extensions: whatever goes on for a call that has ended keeps it.
#[derive(Debug, Clone)]
pub struct Place {
    _held: Arc<dyn Any + Send + Sync>,
}

/// What a backend needs to know of the command that it works for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Call {
    /// When nobody waits for the answer any more; `None` for a transfer or a watch that may last.
    pub deadline: Option<Instant>,
    /// Whether somebody waits for it.
    pub urgency: Urgency,
    /// When the caller made its idempotency key, as the key says, by the caller's clock; `None` without a key.
    pub key_made: Option<SystemTime>,
    /// Its place in its trace.
    pub trace: Option<traces::Context>,
    /// Whose key it is and which, as a digest: it tells the writes under one key of one caller from all others.
    pub key: Option<u128>,
}

/// Which work goes first where there is not room for all of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Urgency {
    /// Somebody waits for the answer. A download counts here too: its one request is as small as any.
    #[default]
    Interactive,
    /// A watch asks whether something has changed; the next look comes anyway.
    Watch,
}

impl Place {
    /// A place that is given back when `held` is dropped.
    pub fn new(held: impl Any + Send + Sync) -> Self {
        Self { _held: Arc::new(held) }
    }
}

impl Call {
    /// The time left until the deadline; `None` where there is none.
    pub fn left(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }
}
