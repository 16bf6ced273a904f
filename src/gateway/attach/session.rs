//! One session, from Welcome to its end.

use std::fmt::Display;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tonic::Status;
use tower::ServiceExt as _;
use tracing::{info, warn};

use super::Shared;
use crate::gateway::credentials::KnownAgent;
use crate::gateway::directory::{Identity, Place, Session, Upstream};
use crate::proto::tunnel::v1::{Drain, Hello};
use crate::tunnel::attach::{GatewayControl, GatewayPipe};
use crate::tunnel::{self, Body, Channel};

/// An instance that has been welcomed.
pub(super) struct Attached {
    pub(super) shared: Arc<Shared>,
    pub(super) known: KnownAgent,
    pub(super) hello: Hello,
    pub(super) id: String,
    /// Its share of the rate budgets, in thousandths, as the instance knows it.
    pub(super) share: u32,
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
    GatewayDrains,
    GatewayStops,
}

impl Attached {
    /// Keeps the session until its pipe ends, its key is revoked, or the gateway has no more calls for it.
    pub(super) async fn run(mut self, pipe: GatewayPipe) {
        let agent = self.known.agent.clone();
        // A set of its own, so that this one connection can be cut.
        let tasks = self.shared.tasks.group();
        let channel = match tunnel::channel(pipe, &self.shared.settings.tunnel, &tasks).await {
            Ok(channel) => channel,
            Err(status) => {
                return warn!(%agent, cause = status.message(), "an agent left before it was attached");
            }
        };
        let session = Arc::new(self.session(channel.clone()));
        if self.shared.directory.enter(Arc::clone(&session), self.shared.settings.sessions).is_err() {
            tasks.cut();
            return warn!(%agent, "an agent has as many sessions as it may: the newest is closed");
        }
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
        let mut share = session.share();
        // What has come to be while the session was on its way into the directory is a change too.
        share.mark_changed();
        loop {
            match self.next(channel, &mut share, told).await {
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
                Event::GatewayDrains => {
                    told = true;
                    self.tell_drain();
                }
            }
        }
    }

    async fn next(&mut self, channel: &Channel, share: &mut watch::Receiver<u32>, told: bool) -> Event {
        let mut phase = self.shared.phase.clone();
        tokio::select! {
            // A gateway without calls drains and stops in the same instant: the agent must hear of it first.
            biased;
            cause = channel.closed() => Event::Closed(cause),
            () = phase.draining(), if !told => Event::GatewayDrains,
            draining = self.control.draining() => Event::AgentDrains(draining.cause),
            Ok(()) = self.changes.changed() => Event::StoreChanged,
            Ok(()) = share.changed() => Event::Share(*share.borrow_and_update()),
            () = self.shared.tasks.draining() => Event::GatewayStops,
        }
    }

    fn tell_drain(&self) {
        let grace_ms = u32::try_from(self.shared.settings.grace.as_millis()).unwrap_or(u32::MAX);
        self.control.drain(Drain { cause: "the gateway is shutting down".to_owned(), grace_ms });
    }
}

impl Upstream for Channel {
    fn send(&self, request: http::Request<Body>) -> BoxFuture<'static, Result<http::Response<Body>, Status>> {
        Box::pin(self.clone().oneshot(request))
    }

    fn in_flight(&self) -> usize {
        Channel::in_flight(self)
    }
}
