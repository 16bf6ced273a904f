//! Where the link is.

use std::fmt;

use crate::proto::tunnel::v1::Welcome;

/// Where the link is; a change is logged at INFO, between dials at DEBUG.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// A dial is under way.
    Dialing,
    /// A gateway sends calls. Of several sessions this is the newest that is in order.
    Attached {
        /// The gateway's name for itself.
        gateway: String,
        /// The agent that the access key belongs to.
        agent: String,
        /// The session's id, as in the gateway's log.
        session: String,
    },
    /// No session is in order, and the next dial comes after a delay.
    Waiting,
    /// This process stops: calls in flight finish, new ones go elsewhere.
    Draining,
    /// The link is over for good.
    Ended,
}

impl State {
    pub(super) fn of(welcome: &Welcome) -> Self {
        let Welcome { gateway, agent, session, .. } = welcome.clone();
        Self::Attached { gateway, agent, session }
    }

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
