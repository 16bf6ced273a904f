//! How soon to look again.

use std::time::Duration;

/// Soon after a change, then ever more seldom.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    delay: Duration,
}

/// Whether a change is to be expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    /// A build runs, or Bitbucket still works something out.
    Busy,
    /// Somebody has to do something first.
    Calm,
}

impl Pace {
    /// As after a change.
    pub(super) fn new() -> Self {
        Self { delay: SOONEST }
    }

    /// How long to wait after a look that found a change.
    pub(super) fn changed(&mut self) -> Duration {
        self.delay = SOONEST;
        spread(self.delay)
    }

    /// How long to wait after a look that found none, or failed.
    pub(super) fn same(&mut self, mood: Mood) -> Duration {
        let latest = match mood {
            Mood::Busy => LATEST_BUSY,
            Mood::Calm => LATEST,
        };
        self.delay = self.delay.mul_f64(SLOWER).min(latest);
        spread(self.delay)
    }
}

/// Up to a fifth earlier, so that watches that began together do not stay together.
fn spread(delay: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or_default();
    delay.mul_f64(1.0 - f64::from(random) / f64::from(u32::MAX) / 5.0)
}

/// A person who waits for a build does not mind two seconds.
const SOONEST: Duration = Duration::from_secs(2);
const LATEST_BUSY: Duration = Duration::from_secs(15);
const LATEST: Duration = Duration::from_secs(60);
const SLOWER: f64 = 1.5;

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether it is the delay, but for the spread.
    fn about(found: Duration, whole: Duration) -> bool {
        (whole.mul_f64(0.8)..=whole).contains(&found)
    }

    #[test]
    fn looks_become_more_seldom_and_a_change_makes_them_frequent_again() {
        let mut pace = Pace::new();
        assert!(about(pace.same(Mood::Calm), Duration::from_secs(3)));
        for _ in 0..20 {
            pace.same(Mood::Calm);
        }
        assert!(about(pace.same(Mood::Calm), LATEST));
        assert!(about(pace.same(Mood::Busy), LATEST_BUSY));
        assert!(about(pace.changed(), SOONEST));
    }
}
