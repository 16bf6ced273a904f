//! One session, from Welcome to its end.

use std::fmt::Display;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::time::{Duration, Instant, sleep_until, timeout};
use tonic::Status;
use tower::ServiceExt as _;
use tracing::{info, warn};

use super::Shared;
use crate::gateway::credentials::KnownAgent;
use crate::gateway::directory::{Identity, Place, Session, Upstream};
use crate::proto::tunnel::v1::{Drain, Hello};
use crate::tunnel::attach::{GatewayControl, GatewayPipe};
use crate::tunnel::{Body, Channel};

/// An instance that has been welcomed.
pub(super) struct Attached {
    pub(super) shared: Arc<Shared>,
    pub(super) known: KnownAgent,
    pub(super) hello: Hello,
    pub(super) id: String,
    /// Its share of the rate budgets, in thousandths, as the instance knows it.
    pub(super) share: u32,
    /// How many gateways there are, as the instance knows it.
    pub(super) replicas: u32,
    pub(super) control: GatewayControl,
    /// Subscribed before the key was looked up.
    pub(super) changes: watch::Receiver<u64>,
}

/// What may happen to a session.
enum Event {
    Closed(Arc<str>),
    AgentDrains(String),
    StoreChanged,
    Share(u32),
    Replicas(u32),
    GatewayDrains,
    Aged,
    GatewayStops,
}

impl Attached {
    /// Keeps the session until its pipe ends, its key is revoked, or the gateway has no more calls for it.
    pub(super) async fn run(mut self, pipe: GatewayPipe) {
        let agent = self.known.agent.clone();
        // A set of its own, so that this one connection can be cut.
        let tasks = self.shared.tasks.group();
        let mut begun = pipe.begun();
        // In a box of its own, which goes: what a handshake needs is not kept for the life of the session.
        let channel = match Box::pin(pipe.channel(&self.shared.settings.tunnel, &tasks)).await {
            Ok(channel) => channel,
            Err(status) => {
                return warn!(%agent, cause = status.message(), "an agent left before it was attached");
            }
        };
        // An instance dials again beside a dial that hangs, and serves only the session that it takes: a call on another
        // would be lost.
        let serves = timeout(SERVES, begun.wait_for(|begun| *begun)).await.is_ok_and(|begun| begun.is_ok());
        if !serves {
            tasks.cut();
            return info!(%agent, session = self.id, "an agent gave a session up before it served");
        }
        let session = Arc::new(self.session(channel.clone()));
        if self.shared.directory.enter(Arc::clone(&session), self.shared.settings.sessions).is_err() {
            tasks.cut();
            return warn!(%agent, "an agent has as many sessions as it may: the newest is closed");
        }
        let _counted = self.shared.attached.enter(&agent, channel.pulse());
        let Hello { instance, build, .. } = &self.hello;
        let key = &self.known.key_id;
        info!(%agent, session = self.id, instance, build, key, "agent attached");
        let cause = self.watch(&session, &channel).await;
        self.shared.directory.leave(&session);
        tasks.cut();
        let lasted = session.since.elapsed();
        info!(%agent, session = self.id, %cause, ?lasted, "agent left");
    }

    fn session(&self, channel: Channel) -> Session {
        let Hello { instance, build, labels, .. } = self.hello.clone();
        let identity = Identity {
            id: self.id.clone(),
            agent: self.known.agent.clone(),
            instance,
            build,
            labels: labels.into_iter().collect(),
            place: Place::Here,
        };
        Session::new(identity, Box::new(channel))
    }

    /// Waits for the end and says why it came.
    async fn watch(&mut self, session: &Session, channel: &Channel) -> Box<dyn Display + Send> {
        let mut told = false;
        let mut renewal = self.renewal();
        let mut share = session.share();
        // What has come to be while the session was on its way into the directory is a change too.
        share.mark_changed();
        let mut replicas = self.shared.directory.replicas();
        replicas.mark_changed();
        loop {
            match self.next(channel, (&mut share, &mut replicas), (told, renewal)).await {
                Event::Closed(cause) => return Box::new(cause),
                Event::GatewayStops => return Box::new("the gateway stops"),
                Event::StoreChanged if !self.shared.credentials.still_good(&self.known).await => {
                    return Box::new("its access key was revoked");
                }
                Event::StoreChanged => {}
                Event::AgentDrains(cause) => {
                    session.drain();
                    self.shared.directory.drains(session);
                    info!(agent = %session.agent, session = session.id, cause, "agent drains");
                }
                Event::Share(permille) if permille == self.share => {}
                Event::Share(permille) => {
                    self.share = permille;
                    self.control.share(permille);
                }
                Event::Replicas(count) if count == self.replicas => {}
                Event::Replicas(count) => {
                    self.replicas = count;
                    self.control.replicas(count);
                }
                Event::GatewayDrains => {
                    told = true;
                    self.tell_drain("the gateway is shutting down");
                }
                Event::Aged => {
                    // Again after as long again, should the agent not come by then.
                    renewal = self.renewal();
                    info!(agent = %session.agent, session = session.id, "a session is old: the agent is asked for another");
                    self.tell_drain("renewed");
                }
            }
        }
    }

    async fn next(
        &mut self,
        channel: &Channel,
        (share, replicas): (&mut watch::Receiver<u32>, &mut watch::Receiver<u32>),
        (told, renewal): (bool, Option<Instant>),
    ) -> Event {
        let mut phase = self.shared.phase.clone();
        tokio::select! {
            // A gateway without calls drains and stops in the same instant: the agent must hear of it first.
            biased;
            cause = channel.closed() => Event::Closed(cause),
            () = phase.draining(), if !told => Event::GatewayDrains,
            draining = self.control.draining() => Event::AgentDrains(draining.cause),
            Ok(()) = self.changes.changed() => Event::StoreChanged,
            Ok(()) = share.changed() => Event::Share(*share.borrow_and_update()),
            Ok(()) = replicas.changed() => Event::Replicas(*replicas.borrow_and_update()),
            () = until(renewal), if !told => Event::Aged,
            () = self.shared.tasks.draining() => Event::GatewayStops,
        }
    }

    /// When the session shall be replaced. Load balancers cut old streams, and at their moment, not ours.
    fn renewal(&self) -> Option<Instant> {
        let age = self.shared.settings.max_age;
        (!age.is_zero()).then(|| Instant::now() + self.shared.dice.about(age))
    }

    /// Asks the agent for another session. This one takes calls until the instance's newer one is in the directory, or
    /// the agent says that it drains.
    fn tell_drain(&self, cause: &str) {
        let grace_ms = u32::try_from(self.shared.settings.grace.as_millis()).unwrap_or(u32::MAX);
        self.control.drain(Drain { cause: cause.to_owned(), grace_ms });
    }
}

/// Waits until then; for ever without an instant.
async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

/// How long an instance may take from Welcome to its first bytes.
const SERVES: Duration = Duration::from_secs(10);

impl Upstream for Channel {
    fn send(&self, request: http::Request<Body>) -> BoxFuture<'static, Result<http::Response<Body>, Status>> {
        Box::pin(self.clone().oneshot(request))
    }

    fn in_flight(&self) -> usize {
        Channel::in_flight(self)
    }

    fn is_sick(&self) -> bool {
        self.pulse().is_doubtful()
    }
}
