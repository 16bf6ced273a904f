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
}

/// Whether a session counts as a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It was held long enough.
    Steady,
    /// It ended soon after it began.
    Fleeting,
}

/// How long the last session lasted.
#[derive(Debug, Default)]
pub(super) struct Last(Option<Duration>);

impl Outage {
    /// Begins now.
    pub(super) fn begin(now: Instant) -> Self {
        Self { since: now }
    }

    /// Takes note that no session is open any more, the last having been attached at `attached`.
    pub(super) fn ended(&mut self, now: Instant, attached: Instant) -> Standing {
        let standing = Standing::of(now, attached);
        if standing == Standing::Steady {
            self.since = now;
        }
        standing
    }

    /// How long there has been no link.
    pub(super) fn lost_for(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }
}

impl Standing {
    /// Of a session that was attached at `attached`.
    pub(super) fn of(now: Instant, attached: Instant) -> Self {
        match now.saturating_duration_since(attached) >= STEADY {
            true => Self::Steady,
            false => Self::Fleeting,
        }
    }
}

impl Last {
    /// Takes note of how long a session lasted, and says whether the one before it lasted about as long: within a tenth.
    /// Those of less than a second say nothing.
    pub(super) fn alike(&mut self, lasted: Duration) -> Lasted {
        let before = self.0.replace(lasted);
        let near = |before: Duration| before.abs_diff(lasted) <= lasted / 10;
        match before.filter(|_| lasted >= Duration::from_secs(1)) {
            Some(before) if near(before) => Lasted::Alike,
            Some(_) | None => Lasted::Otherwise,
        }
    }
}

/// How long a session must last to count as a link.
pub(super) const STEADY: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_is_dropped_at_once_does_not_end_the_outage() {
        let begun = Instant::now();
        let mut outage = Outage::begin(begun);
        let now = begun + Duration::from_secs(300);
        assert_eq!(outage.ended(now, now - STEADY / 2), Standing::Fleeting);
        assert_eq!(outage.lost_for(now), Duration::from_secs(300));
        assert_eq!(outage.ended(now, now - STEADY), Standing::Steady);
        assert_eq!(outage.lost_for(now), Duration::ZERO);
    }

    #[test]
    fn two_sessions_that_last_as_long_are_alike_unless_they_were_short() {
        let mut last = Last::default();
        let told: Vec<_> =
            [60.0, 61.0, 30.0, 0.5, 0.5, 30.0].map(Duration::from_secs_f64).map(|it| last.alike(it)).into();
        use Lasted::{Alike, Otherwise};
        assert_eq!(told, [Otherwise, Alike, Otherwise, Otherwise, Otherwise, Otherwise]);
    }
}
