//! The link: connect, attach, serve, recover, repeat for ever.
//!
//! One session at a time takes calls. No answer of a remote ends the link; a drain of this process does.

mod next;
mod outage;
mod over;
mod race;
mod state;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{self, Instant};
use tonic::Status;
use tracing::{info, warn};

use self::next::Wait;
use self::outage::Outage;
use self::over::{Lost, Over};
use self::race::race;
use super::config::AccessKey;
use crate::bitbucket::Budgets;
use crate::egress::Connector;
use crate::ops::{Tasks, causes};
use crate::proto::Reason;
use crate::proto::tunnel::v1::{Budget, Drain, Hello, Welcome};
use crate::tunnel::attach::{self, AgentControl, Attached, Word};
use crate::tunnel::{self, Channel, Ended};

pub use self::next::Failure;
pub use self::state::State;

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
}

/// A dial that attached.
struct Session {
    welcome: Welcome,
    control: AgentControl,
    serving: Serving,
    outer: Channel,
    tasks: SessionTasks,
    since: Instant,
}

/// The tasks of one dial and its session, cut when it is dropped: a connection that hangs must not outlive its dial.
struct SessionTasks(Tasks);

type Serving = Pin<Box<dyn Future<Output = Ended> + Send>>;

impl Link {
    /// Attaches, again and again, until the tasks drain.
    pub(super) async fn run(self) {
        let mut outage = Outage::begin();
        while let Some(dialed) = self.unless_draining(race(|| self.dial())).await {
            let wait = match dialed {
                Ok(session) => self.hold(session, &mut outage).await,
                Err(failure) => Some(self.failed(&failure, &outage)),
            };
            let Some(wait) = wait else { break };
            if wait.is_zero() {
                continue;
            }
            self.enter(State::Waiting);
            if self.unless_draining(time::sleep(wait)).await.is_none() {
                break;
            }
        }
        self.enter(State::Ended);
    }

    async fn dial(&self) -> Result<Session, Failure> {
        self.enter(State::Dialing);
        time::timeout(DIAL, self.attach()).await.map_err(|_| Failure::Slow(DIAL))?
    }

    async fn attach(&self) -> Result<Session, Failure> {
        let stream = self.connector.connect().await?;
        let tasks = SessionTasks(self.tasks.group());
        let outer = tunnel::channel(stream, &self.options, &tasks.0).await?;
        let key = self.key.current();
        let attached = attach::dial(outer.clone(), self.origin.clone(), &key, self.hello.clone()).await;
        let Attached { welcome, pipe, control } = match attached {
            Ok(attached) => attached,
            Err(status) => return Err(Failure::of(status, &outer).await),
        };
        let (service, options, inner) = (self.service.clone(), self.options.clone(), tasks.0.clone());
        let serving = Box::pin(async move { tunnel::serve(pipe, service, &options, &inner).await });
        Ok(Session { welcome, control, serving, outer, tasks, since: Instant::now() })
    }

    /// Serves a session, and says how long to wait before the next dial; `None` when there shall be none.
    async fn hold(&self, session: Session, outage: &mut Outage) -> Option<Duration> {
        let (since, id) = (session.since, session.welcome.session.clone());
        self.enter(session.state());
        self.budgets.share(session.welcome.budget_share_permille);
        let over = self.serve(session).await;
        let was_link = outage.ended(since);
        let lasted = since.elapsed();
        let again = outage.lasted_alike(lasted);
        match over {
            Over::Drained => return None,
            Over::Moved if was_link => return Some(Duration::ZERO),
            Over::Moved => {
                warn!(session = id, ?lasted, "the gateway welcomed this instance only to send it away")
            }
            Over::Lost(lost) => match lost.advice(lasted, again) {
                None => warn!(session = id, ?lasted, cause = lost.cause, "the session ended"),
                Some(advice) => over::tell(&id, lasted, &advice),
            },
            Over::Limited(fault) => over::tell(&id, lasted, &Failure::from(Status::from(fault)).advice()),
        }
        Some(Wait::Backoff.length(outage.lost_for()))
    }

    async fn serve(&self, mut session: Session) -> Over {
        loop {
            tokio::select! {
                // First, since `serve` hears of the drain too and may be through before the gateway is told.
                biased;
                () = self.tasks.draining() => return self.finish(session).await,
                word = session.control.hear() => match word {
                    Word::Drain(drain) => return self.move_on(session, &drain),
                    Word::Budget(budget) => self.take_share(&session, &budget),
                },
                ended = &mut session.serving => return session.ended(ended).await,
            }
        }
    }

    fn take_share(&self, session: &Session, budget: &Budget) {
        let permille = budget.share_permille;
        info!(
            session = session.welcome.session,
            permille, "this instance's share of the rate budgets changed"
        );
        self.budgets.share(permille);
    }

    /// Lets the calls in flight of a session finish while the next one is dialed.
    fn move_on(&self, session: Session, drain: &Drain) -> Over {
        info!(
            session = session.welcome.session,
            cause = drain.cause,
            "the gateway is about to stop; attaching elsewhere"
        );
        self.tasks.spawn(async move {
            let (id, ended) = session.run_out().await;
            info!(session = id, ?ended, "the old session is over");
        });
        Over::Moved
    }

    async fn finish(&self, session: Session) -> Over {
        self.enter(State::Draining);
        session.control.draining("the agent stops");
        // `serve` has heard of the drain too, and comes back when the last call has ended.
        let (id, ended) = session.run_out().await;
        info!(session = id, ?ended, "drained");
        Over::Drained
    }

    fn failed(&self, failure: &Failure, outage: &Outage) -> Duration {
        let lost_for = outage.lost_for();
        let wait = failure.wait().length(lost_for);
        let (verdict, cause, advice) = (failure.verdict(), failure.why(), failure.advice());
        let (remedy, docs) = (&advice.remedy, advice.link());
        warn!(gateway = %self.origin, %verdict, cause, remedy, docs, retry_in = ?wait, ?lost_for, "not attached");
        wait
    }

    async fn unless_draining<F: Future>(&self, work: F) -> Option<F::Output> {
        tokio::select! {
            () = self.tasks.draining() => None,
            done = work => Some(done),
        }
    }

    fn enter(&self, state: State) {
        self.state.send_if_modified(|now| {
            if *now == state {
                return false;
            }
            match &state {
                State::Attached { gateway, agent, session } => info!(gateway, agent, session, "attached"),
                other @ (State::Dialing | State::Waiting | State::Draining | State::Ended) => {
                    info!(from = %now, to = %other, "the link changed")
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

impl Session {
    fn state(&self) -> State {
        let Welcome { gateway, agent, session, .. } = self.welcome.clone();
        State::Attached { gateway, agent, session }
    }

    /// Serves until the last call has ended, and sees the last bytes off: cutting the connection at once would lose them.
    async fn run_out(self) -> (String, Ended) {
        let Self { welcome, control, serving, outer, tasks, .. } = self;
        let ended = serving.await;
        // The connection ends by itself when nobody holds it any more.
        drop((control, outer));
        tasks.0.finish(LAST_BYTES).await;
        (welcome.session, ended)
    }

    /// Says how the session ended; the outer connection knows better than the pipe inside it why it did.
    async fn ended(mut self, ended: Ended) -> Over {
        // A gateway without calls stops right after it said so: both may come in one read.
        if let Some(Drain { cause, .. }) = self.control.heard_drain() {
            info!(session = self.welcome.session, cause, "the gateway stopped; attaching elsewhere");
            return Over::Moved;
        }
        match ended {
            Ended::Drained => Over::Drained,
            Ended::Lost(inner) if self.outer.is_closed() => {
                let cause = format!("{inner}; the connection: {}", self.outer.closed().await);
                Over::Lost(Lost { cause, rested: None })
            }
            Ended::Lost(cause) => match self.control.body_limit() {
                Some(limit) => Over::Limited(limit),
                None => Over::Lost(Lost { cause, rested: self.control.cut_after_rest() }),
            },
        }
    }
}

impl Drop for SessionTasks {
    fn drop(&mut self) {
        self.0.cut();
    }
}

/// The longest that one dial may take. Egress (20 s) and the greeting (10 s) have limits of their own within it, whose
/// errors say more.
const DIAL: Duration = Duration::from_secs(31);

/// How long the last bytes of a session may take to leave.
const LAST_BYTES: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
