//! How a session ended, and what there is to say about it.

use std::fmt;
use std::time::Duration;

use tracing::warn;

use crate::ops::Advice;
use crate::proto::Fault;

/// How a session ended.
pub(super) enum Over {
    /// The pipe ended.
    Lost(Lost),
    /// A reverse proxy cut the stream.
    Limited(Fault),
    /// The gateway said so, right before.
    Moved,
    /// It was let go, and every call has finished.
    Drained,
}

/// What is known of a session that was cut.
#[derive(Debug)]
pub(super) struct Lost {
    /// What the library for HTTP/2 and the peer said.
    pub(super) cause: String,
    /// Where something else than the gateway ended the stream alone: how long it had rested by then.
    pub(super) rested: Option<Duration>,
}

/// Whether the session before lasted about as long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lasted {
    /// It did.
    Alike,
    /// It did not, or there was none.
    Otherwise,
}

impl Lost {
    /// The time limit of something on the way, where the end looks like one: after a rest, or again after the same time.
    ///
    /// A gateway that went behind its reverse proxy may look the same, so that it is named too.
    pub(super) fn advice(&self, lasted: Duration, again: Lasted) -> Option<Advice> {
        let after = match (self.rested, again) {
            (_, Lasted::Alike) => format!("after {lasted:.1?} as the session before it"),
            (Some(rested), Lasted::Otherwise) if rested >= REST => {
                format!("when nothing had been sent for {rested:.1?}")
            }
            (Some(_) | None, Lasted::Otherwise) => return None,
        };
        Some(Advice::new(
            format!(
                "{}; the session was cut {after}: most likely by a time limit of a proxy, a load balancer or a firewall on \
                 the way, unless the gateway itself went",
                self.cause
            ),
            "raise the read, send and idle timeouts and take off the time limits of what stands before the gateway: both ends \
             say something each second",
            "idle-timeout",
        ))
    }
}

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(lost) => f.write_str(&lost.cause),
            Self::Limited(fault) => f.write_str(fault.message()),
            Self::Moved => f.write_str("the gateway ended it"),
            Self::Drained => f.write_str("its calls have finished"),
        }
    }
}

impl Over {
    /// One word, as metrics have it.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Lost(_) => "lost",
            Self::Limited(_) => "body_limit",
            Self::Moved => "moved",
            Self::Drained => "drained",
        }
    }
}

/// Logs an end with what to do about it.
pub(super) fn tell(session: &str, lasted: Duration, advice: &Advice) {
    let Advice { cause, remedy, .. } = advice;
    warn!(session, ?lasted, cause, remedy, docs = advice.link(), "the session ended");
}

/// A transfer has shorter pauses, and no time limit that somebody set is shorter.
const REST: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(rested: Option<u64>) -> Lost {
        Lost { cause: "the stream was reset".to_owned(), rested: rested.map(Duration::from_millis) }
    }

    #[test]
    fn a_cut_after_a_rest_or_after_the_same_time_again_is_laid_to_a_time_limit() {
        let minute = Duration::from_secs(60);
        for (lost, again) in [
            (lost(Some(1000)), Lasted::Otherwise),
            (lost(Some(0)), Lasted::Alike),
            (lost(None), Lasted::Alike),
        ] {
            let advice = lost.advice(minute, again).expect("advice");
            assert_eq!(advice.section, "idle-timeout");
            assert!(advice.cause.starts_with("the stream was reset; "), "{advice:?}");
            assert!(advice.remedy.contains("time limits"), "{advice:?}");
        }
    }

    #[test]
    fn a_cut_in_the_middle_of_a_transfer_is_not() {
        for rested in [Some(20), None] {
            assert_eq!(lost(rested).advice(Duration::from_secs(7), Lasted::Otherwise), None);
        }
    }
}
