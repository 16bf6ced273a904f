//! The sessions as others see them.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::plan::Phase;
use crate::tunnel::{Calls, Pulse};

/// The sessions of a link, and every change of them. Clones see the same.
#[derive(Debug, Clone)]
pub struct Sessions(watch::Receiver<Vec<Row>>);

/// How it is with one session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionStatus {
    /// Its id, as in the logs of both ends.
    pub id: String,
    /// Its gateway.
    pub gateway: String,
    /// When it attached.
    pub since: Instant,
    /// How long nothing has come from the gateway.
    pub quiet_for: Duration,
    /// How long a word takes to the gateway and back; none until that is known, in a second or two.
    pub round_trip: Option<Duration>,
    /// The calls whose answer is not over.
    pub in_flight: usize,
    /// Whether it takes calls.
    pub phase: Phase,
}

/// What is kept of a session for others.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) gateway: String,
    pub(super) since: Instant,
    pub(super) pulse: Pulse,
    pub(super) calls: Calls,
    pub(super) phase: Phase,
}

/// Starts without any.
pub(in crate::agent) fn sessions() -> (Published, Sessions) {
    let (sender, receiver) = watch::channel(Vec::new());
    (Published(sender), Sessions(receiver))
}

/// Where a link publishes its sessions.
#[derive(Debug)]
pub(in crate::agent) struct Published(watch::Sender<Vec<Row>>);

impl Published {
    pub(super) fn put(&self, rows: Vec<Row>) {
        self.0.send_replace(rows);
    }
}

impl Sessions {
    /// How it is with each, now; the oldest first.
    pub fn list(&self) -> Vec<SessionStatus> {
        self.0.borrow().iter().map(Row::status).collect()
    }

    /// Waits until one comes, goes or enters another phase; for ever when the link is gone.
    pub async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending().await
        }
    }
}

impl Row {
    fn status(&self) -> SessionStatus {
        SessionStatus {
            id: self.id.clone(),
            gateway: self.gateway.clone(),
            since: self.since,
            quiet_for: self.pulse.quiet_for(),
            round_trip: self.pulse.round_trip(),
            in_flight: self.calls.in_flight(),
            phase: self.phase,
        }
    }
}
