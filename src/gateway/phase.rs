//! How far the gateway is on its way out.

use tokio::sync::watch;

/// What the gateway still takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Everything.
    Ready,
    /// Everything, but balancers are told to look elsewhere.
    Settling,
    /// No new session; calls in flight finish.
    Draining,
}

/// The phase as others see it.
#[derive(Debug, Clone)]
pub(super) struct Watch(watch::Receiver<Phase>);

/// Starts as ready.
pub(super) fn phase() -> (watch::Sender<Phase>, Watch) {
    let (sender, receiver) = watch::channel(Phase::Ready);
    (sender, Watch(receiver))
}

impl Watch {
    /// The phase now.
    pub(super) fn now(&self) -> Phase {
        *self.0.borrow()
    }

    /// Waits until no new session is taken.
    pub(super) async fn draining(&mut self) {
        // A gateway that is dropped takes nothing either.
        let _ = self.0.wait_for(|phase| *phase >= Phase::Draining).await;
    }
}
