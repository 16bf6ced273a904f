//! What the log has said of dials that fail, so that it does not say the same at every dial: in the first seconds of an
//! outage there are several in each.

use std::time::Duration;

use tokio::time::Instant;

/// Which failure was told last.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    told: Option<(Instant, String)>,
    unsaid: u32,
}

impl Repeats {
    /// Whether a failure with these words is to be told: when it differs from the one before, and every 10 s. Then how many
    /// like the last were not, since that was.
    pub(super) fn tell(&mut self, now: Instant, words: String) -> Option<u32> {
        match &self.told {
            Some((at, last)) if *last == words && now.duration_since(*at) < EVERY => {
                self.unsaid += 1;
                None
            }
            Some(_) | None => {
                self.told = Some((now, words));
                Some(std::mem::take(&mut self.unsaid))
            }
        }
    }

    /// What comes next is told again, whatever it is.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

const EVERY: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_told_again_after_ten_seconds_with_how_often_it_was() {
        let (mut repeats, start) = (Repeats::default(), Instant::now());
        let mut tell = |ms, words: &str| repeats.tell(start + Duration::from_millis(ms), words.to_owned());
        assert_eq!(tell(0, "refused"), Some(0));
        assert_eq!((tell(150, "refused"), tell(9_999, "refused")), (None, None));
        assert_eq!((tell(10_000, "refused"), tell(10_001, "refused")), (Some(2), None));
    }

    #[test]
    fn another_failure_and_one_after_a_session_are_told_at_once() {
        let (mut repeats, now) = (Repeats::default(), Instant::now());
        assert_eq!(repeats.tell(now, "refused".to_owned()), Some(0));
        assert_eq!(repeats.tell(now, "reset".to_owned()), Some(0));
        assert_eq!(repeats.tell(now, "reset".to_owned()), None);
        repeats.forget();
        assert_eq!(repeats.tell(now, "reset".to_owned()), Some(0));
    }
}
