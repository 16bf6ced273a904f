//! Where the link is.

use std::fmt;

/// Where the link is; each change is logged at INFO.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// A dial is under way.
    Dialing,
    /// The gateway sends calls.
    Attached {
        /// The gateway's name for itself.
        gateway: String,
        /// The agent that the access key belongs to.
        agent: String,
        /// The session's id, as in the gateway's log.
        session: String,
    },
    /// The last dial failed, or the session ended; the next dial comes after a delay.
    Waiting,
    /// This process stops: calls in flight finish, new ones go elsewhere.
    Draining,
    /// The link is over for good.
    Ended,
}

impl State {
    /// Whether the gateway can send calls.
    pub fn is_attached(&self) -> bool {
        matches!(self, Self::Attached { .. })
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dialing => "dialing",
            Self::Attached { .. } => "attached",
            Self::Waiting => "waiting",
            Self::Draining => "draining",
            Self::Ended => "ended",
        })
    }
}
