//! When the other end of a pipe was last heard.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::clocks::Clocks;
use crate::proto::tunnel::v1::Beat;

/// Tells how long nothing has come through a pipe, and whether that is long enough to doubt it. Clones share it.
///
/// Doubt is no verdict: a doubted pipe still carries calls, and the next byte revives it. It is a reason to open another
/// one and to prefer others. Only [`super::Options::silence`] ends a pipe.
#[derive(Debug, Clone)]
pub struct Pulse {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    began: Instant,
    /// Nanoseconds from `began` to the last sign of life.
    last: AtomicU64,
    doubtful: watch::Sender<bool>,
    clocks: Clocks,
}

impl Default for Pulse {
    /// Begins with a sign of life.
    fn default() -> Self {
        let (began, last) = (Instant::now(), AtomicU64::new(0));
        let (doubtful, clocks) = (watch::Sender::new(false), Clocks::new(began));
        Self { shared: Arc::new(Shared { began, last, doubtful, clocks }) }
    }
}

impl Pulse {
    /// How long nothing has been read.
    pub fn quiet_for(&self) -> Duration {
        self.last().elapsed()
    }

    /// Whether nothing has been read for so long that the pipe is doubted.
    pub fn is_doubtful(&self) -> bool {
        *self.shared.doubtful.borrow()
    }

    /// Waits until the pipe is doubted.
    pub async fn doubtful(&self) {
        self.turns(true).await;
    }

    /// Waits until the pipe is not doubted.
    pub async fn revived(&self) {
        self.turns(false).await;
    }

    /// How long a word takes to the peer and back, smoothed over the last ones; none until both ends have told their clocks.
    ///
    /// It has what waits in sockets and on the network, since a word queues there like anything else, and not what waits in
    /// this process: words overtake bytes.
    pub fn round_trip(&self) -> Option<Duration> {
        self.shared.clocks.round_trip()
    }

    /// Whether `other` is a clone of this one.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// What to tell the peer of this end's clock, now.
    pub(super) fn tell(&self) -> Beat {
        self.shared.clocks.tell()
    }

    /// Takes note of what the peer told of its clock.
    pub(super) fn told(&self, beat: &Beat) {
        self.shared.clocks.told(beat);
    }

    /// Takes note of a sign of life.
    pub(super) fn beat(&self) {
        let since = self.shared.began.elapsed().as_nanos();
        self.shared.last.store(u64::try_from(since).unwrap_or(u64::MAX), Ordering::Relaxed);
        if self.is_doubtful() {
            self.shared.doubtful.send_replace(false);
        }
    }

    /// Begins to doubt.
    pub(super) fn doubt(&self) {
        self.shared.doubtful.send_if_modified(|doubtful| !std::mem::replace(doubtful, true));
    }

    /// When the last sign of life came.
    pub(super) fn last(&self) -> Instant {
        self.shared.began + Duration::from_nanos(self.shared.last.load(Ordering::Relaxed))
    }

    async fn turns(&self, to: bool) {
        let mut doubtful = self.shared.doubtful.subscribe();
        // The sender lives as long as `self`.
        let _ = doubtful.wait_for(|now| *now == to).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_waits_hears_of_doubt_and_of_revival() {
        let pulse = Pulse::default();
        let waiting = pulse.doubtful();
        tokio::pin!(waiting);
        assert!(futures_util::poll!(&mut waiting).is_pending());
        tokio::time::advance(Duration::from_secs(2)).await;
        pulse.doubt();
        waiting.await;
        assert_eq!(pulse.quiet_for(), Duration::from_secs(2));
        pulse.beat();
        pulse.revived().await;
        assert_eq!((pulse.quiet_for(), pulse.is_doubtful()), (Duration::ZERO, false));
    }
}
