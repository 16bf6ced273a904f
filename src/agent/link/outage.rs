//! How long there has been no link, and what the sessions before tell.

use std::time::Duration;

use tokio::time::Instant;

use super::over::Lasted;

/// Since when there has been no link worth the name.
///
/// A session that ends soon after it began does not count as a link: else a gateway that accepts and drops would be
/// dialed at the shortest delay for ever.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outage {
    since: Instant,
    lasted: Option<Duration>,
}

impl Outage {
    /// Begins now.
    pub(super) fn begin() -> Self {
        Self { since: Instant::now(), lasted: None }
    }

    /// Takes note that a session ended which was attached at `attached`, and says whether it counted as a link.
    pub(super) fn ended(&mut self, attached: Instant) -> bool {
        let held = attached.elapsed() >= STEADY;
        if held {
            self.since = Instant::now();
        }
        held
    }

    /// Takes note of how long a session lasted, and says whether the one before it lasted about as long: within a tenth.
    /// Those of less than a second say nothing.
    pub(super) fn lasted_alike(&mut self, lasted: Duration) -> Lasted {
        let before = self.lasted.replace(lasted);
        let near = |before: Duration| before.abs_diff(lasted) <= lasted / 10;
        match before.filter(|_| lasted >= Duration::from_secs(1)) {
            Some(before) if near(before) => Lasted::Alike,
            Some(_) | None => Lasted::Otherwise,
        }
    }

    /// How long there has been no link.
    pub(super) fn lost_for(&self) -> Duration {
        self.since.elapsed()
    }
}

/// How long a session must last to count as a link.
pub(super) const STEADY: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_session_that_is_dropped_at_once_does_not_end_the_outage() {
        let mut outage = Outage::begin();
        tokio::time::advance(Duration::from_secs(300)).await;
        assert!(!outage.ended(Instant::now() - STEADY / 2));
        assert_eq!(outage.lost_for(), Duration::from_secs(300));
        assert!(outage.ended(Instant::now() - STEADY));
        assert_eq!(outage.lost_for(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn two_sessions_that_last_as_long_are_alike_unless_they_were_short() {
        let mut outage = Outage::begin();
        let told: Vec<_> = [60.0, 61.0, 30.0, 0.5, 0.5, 30.0]
            .map(Duration::from_secs_f64)
            .map(|it| outage.lasted_alike(it))
            .into();
        use Lasted::{Alike, Otherwise};
        assert_eq!(told, [Otherwise, Alike, Otherwise, Otherwise, Otherwise, Otherwise]);
    }
}
