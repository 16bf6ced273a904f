//! What has become of dials and sessions, in numbers, and the last that went wrong.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::over::Over;
use crate::ops::Advice;

/// Counts since the process began; clones are the same.
#[derive(Debug, Clone, Default)]
pub(in crate::agent) struct Tally(Arc<Mutex<Counts>>);

/// The counts, each by a word of a fixed set.
#[derive(Debug, Clone, Default)]
pub(in crate::agent) struct Counts {
    /// Dials: `attached`, or the verdict on what failed.
    pub(in crate::agent) dials: BTreeMap<&'static str, u64>,
    /// Sessions that are over, by how they ended.
    pub(in crate::agent) ends: BTreeMap<&'static str, u64>,
    /// The last that went wrong.
    pub(in crate::agent) trouble: Option<Trouble>,
}

/// Something that went wrong with the link, as it may be shown to anybody.
#[derive(Debug, Clone)]
pub(in crate::agent) struct Trouble {
    pub(in crate::agent) at: Instant,
    pub(in crate::agent) verdict: String,
    pub(in crate::agent) cause: String,
    pub(in crate::agent) remedy: String,
}

impl Tally {
    /// As of now.
    pub(in crate::agent) fn counts(&self) -> Counts {
        self.lock().clone()
    }

    pub(super) fn attached(&self) {
        *self.lock().dials.entry(ATTACHED).or_default() += 1;
    }

    pub(super) fn failed(&self, verdict: &'static str, trouble: Trouble) {
        let mut counts = self.lock();
        *counts.dials.entry(verdict).or_default() += 1;
        counts.trouble = Some(trouble);
    }

    pub(super) fn ended(&self, how: &'static str) {
        *self.lock().ends.entry(how).or_default() += 1;
    }

    pub(super) fn trouble(&self, trouble: Trouble) {
        self.lock().trouble = Some(trouble);
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        // Nothing below the lock can leave the counts half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Trouble {
    /// A verdict, and what there is to say about it.
    pub(super) fn new(verdict: &impl Display, Advice { cause, remedy, .. }: Advice) -> Self {
        Self { at: Instant::now(), verdict: verdict.to_string(), cause, remedy }
    }

    /// The end of a session, where it was none that somebody wished for.
    pub(super) fn of(over: &Over) -> Option<Self> {
        let remedy = match over {
            Over::Lost(_) => "nothing at first: the agent attaches again; the log says more where it repeats",
            Over::Limited(_) => crate::tunnel::body_limit::REMEDY,
            Over::Moved | Over::Drained => return None,
        };
        let (verdict, cause) = ("the session ended".to_owned(), over.to_string());
        Some(Self { at: Instant::now(), verdict, cause, remedy: remedy.to_owned() })
    }
}

/// The word for a dial that succeeded.
const ATTACHED: &str = "attached";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dials_and_ends_are_counted_by_their_words_and_the_last_trouble_is_kept() {
        let tally = Tally::default();
        tally.attached();
        for cause in ["first", "second"] {
            let trouble = Trouble::new(&"no way", Advice::new(cause, "wait", "dns"));
            tally.failed("way", trouble);
        }
        tally.ended("lost");
        let counts = tally.counts();
        assert_eq!(counts.dials, BTreeMap::from([("attached", 1), ("way", 2)]));
        assert_eq!(counts.ends, BTreeMap::from([("lost", 1)]));
        assert_eq!(counts.trouble.expect("kept").cause, "second");
        assert!(Trouble::of(&Over::Moved).is_none());
    }
}
