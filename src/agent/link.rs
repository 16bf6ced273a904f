//! The link: connect, attach, serve, recover, repeat for ever.
//!
//! Usually one session takes calls, and two where there are several gateways; while one is doubted or about to end, another
//! begins beside it. [`plan`] decides, [`life`] does it. No answer of a remote ends the link; a drain of this process does.

mod life;
mod next;
mod outage;
mod over;
mod plan;
mod race;
mod repeats;
mod session;
mod sessions;
mod state;
mod tally;

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{self, Instant};
use tonic::Status;
use tracing::{debug, info};

use self::life::Life;
use self::session::{Session, SessionTasks};
use super::config::AccessKey;
use crate::bitbucket::Budgets;
use crate::egress::Connector;
use crate::ops::{Tasks, causes};
use crate::proto::Reason;
use crate::proto::tunnel::v1::Hello;
use crate::tunnel::attach::{self, Attached};
use crate::tunnel::{self, Calls, Channel};

pub use self::next::Failure;
pub use self::plan::Phase;
pub(super) use self::sessions::{Published, sessions};
pub use self::sessions::{SessionStatus, Sessions};
pub use self::state::State;
pub(super) use self::tally::Tally;

/// What a link needs; [`Link::run`] is its life.
pub(super) struct Link {
    /// The way to the gateway.
    pub(super) connector: Connector,
    /// The gateway's scheme, host and port, as requests name it.
    pub(super) origin: http::Uri,
    /// What to attach with.
    pub(super) key: AccessKey,
    /// Who attaches.
    pub(super) hello: Hello,
    /// How both HTTP/2 connections behave.
    pub(super) options: tunnel::Options,
    /// What answers the calls.
    pub(super) service: tunnel::Service,
    /// What the gateway tells our share of.
    pub(super) budgets: Budgets,
    /// What a drain waits for.
    pub(super) tasks: Tasks,
    /// Where others see the state.
    pub(super) state: watch::Sender<State>,
    /// Where others see the sessions.
    pub(super) sessions: Published,
    /// Where attaches, failed dials and ends of sessions are counted.
    pub(super) tally: Tally,
}

impl Link {
    /// Attaches, again and again, until the tasks drain.
    pub(super) async fn run(self) {
        Life::new(&self, &|| Box::pin(self.dial())).run().await;
    }

    async fn dial(&self) -> Result<Session, Failure> {
        time::timeout(DIAL, self.attach()).await.map_err(|_| Failure::Slow(DIAL))?
    }

    async fn attach(&self) -> Result<Session, Failure> {
        self.greet(self.connector.connect().await?).await
    }

    /// Attaches over a connection.
    async fn greet<IO>(&self, stream: IO) -> Result<Session, Failure>
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let tasks = SessionTasks(self.tasks.group());
        let ping_every = self.options.ping_every.max(OUTER_PING);
        let options = tunnel::Options { ping_every, ..self.options.clone() };
        let outer = tunnel::channel(stream, &options, &tasks.0).await?;
        let key = self.key.current();
        let attached = attach::dial(outer.clone(), self.origin.clone(), &key, self.hello.clone()).await;
        let Attached { welcome, pipe, control } = match attached {
            Ok(attached) => attached,
            Err(status) => return Err(Failure::of(status, &outer).await),
        };
        let (pulse, calls) = (pipe.pulse(), Calls::default());
        let (service, options, inner) = (self.service.clone(), self.options.clone(), tasks.0.clone());
        let counted = calls.clone();
        let serving = Box::pin(async move { pipe.serve(service, &options, counted, &inner).await });
        Ok(Session { welcome, control, serving, outer, tasks, since: Instant::now(), pulse, calls })
    }

    fn enter(&self, state: State) {
        self.state.send_if_modified(|now| {
            if *now == state {
                return false;
            }
            // A session says for itself that it attached; of dials their failures tell.
            match state {
                State::Attached { .. } => {}
                State::Dialing | State::Waiting if !now.is_attached() => {
                    debug!(from = %now, to = %state, "the link changed");
                }
                State::Dialing | State::Waiting | State::Draining | State::Ended => {
                    info!(from = %now, to = %state, "the link changed");
                }
            }
            *now = state;
            true
        });
    }
}

impl Failure {
    /// What failed with all its causes, for a log that has the remedy beside it.
    fn why(&self) -> String {
        match self {
            Self::Unreachable(error) => format!("{self}: {}", error.why()),
            Self::Slow(_) | Self::Cut(_) | Self::Refused(_) => causes(self),
        }
    }

    /// Sorts what a greeting over `outer` ended with; where the connection ended, it knows better than the status why.
    pub(super) async fn of(status: Status, outer: &Channel) -> Self {
        if attach::was_reset(&status) {
            return Self::Cut(status.message().into());
        }
        match Reason::of(&status) {
            Some(Reason::TunnelLost) => Self::Cut(outer.closed().await),
            Some(_) | None => status.into(),
        }
    }
}

/// The longest that one dial may take. Egress (20 s) and the greeting (10 s) have limits of their own within it, whose
/// errors say more.
const DIAL: Duration = Duration::from_secs(31);

/// Longer than the gateway is ever quiet on a session, so that none is sent: HTTP/2 does not read while a PING cannot be
/// written, and behind a backlog of calls that would make the gateway look silent.
const OUTER_PING: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests;
