//! How soon to look again.

use std::time::Duration;

/// The times between the looks of a watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rhythm {
    /// After a look that found a change.
    pub soonest: Duration,
    /// The longest while something is on its way: a build runs, or Bitbucket works something out.
    pub latest_busy: Duration,
    /// The longest while somebody has to do something first.
    pub latest: Duration,
}

impl Default for Rhythm {
    /// 2, 15 and 60 seconds: a person who waits for a build does not mind two, and a look is two to four requests.
    fn default() -> Self {
        Self {
            soonest: Duration::from_secs(2),
            latest_busy: Duration::from_secs(15),
            latest: Duration::from_secs(60),
        }
    }
}

/// Soon after a change, then ever more seldom.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    rhythm: Rhythm,
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
    pub(super) fn new(rhythm: Rhythm) -> Self {
        Self { rhythm, delay: rhythm.soonest }
    }

    /// How long to wait after a look that found a change.
    pub(super) fn changed(&mut self) -> Duration {
        self.delay = self.rhythm.soonest;
        spread(self.delay)
    }

    /// How long to wait after a look that found none, or failed.
    pub(super) fn same(&mut self, mood: Mood) -> Duration {
        let latest = match mood {
            Mood::Busy => self.rhythm.latest_busy,
            Mood::Calm => self.rhythm.latest,
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
        let rhythm = Rhythm::default();
        let mut pace = Pace::new(rhythm);
        assert!(about(pace.same(Mood::Calm), Duration::from_secs(3)));
        for _ in 0..20 {
            pace.same(Mood::Calm);
        }
        assert!(about(pace.same(Mood::Calm), rhythm.latest));
        assert!(about(pace.same(Mood::Busy), rhythm.latest_busy));
        assert!(about(pace.changed(), rhythm.soonest));
    }
}
