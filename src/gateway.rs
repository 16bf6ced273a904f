//! The cloud side: accepts agents, authenticates callers, routes their calls.
//!
//! A command is never decoded here. What is known of tenants is behind [`store::Store`]; who is attached is in the
//! directory; a call meets both in `callers`.

mod accept;
mod attach;
mod callers;
pub mod cluster;
mod credentials;
mod dice;
mod directory;
#[cfg(test)]
mod fake;
mod headers;
mod listen;
mod metrics;
pub mod name;
mod phase;
pub mod role;
pub mod settings;

pub mod store;
mod web;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tonic::Status;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use tower::ServiceExt as _;
use tracing::{info, warn};
use uuid::Uuid;

use self::accept::{Bounds, Entrance};
use self::attach::Attach;
pub use self::callers::Shares;
use self::callers::{Limits, Local};
use self::directory::{Directory, Full, Identity, Memory, Place, Session};
use self::name::AgentId;
use self::phase::{Phase, Watch};
use self::store::Store;
use crate::egress::push::Telemetry;
use crate::egress::serve::ServerTls;
use crate::ops::Tasks;
use crate::ops::tasks::{Drained, LAST_WORDS};
use crate::proto::tunnel::v1::tunnel_server::TunnelServer;
use crate::tunnel::admit;
use crate::tunnel::deadline;
use crate::tunnel::observe::Observer;
use crate::tunnel::{self, Body, Channel};

/// What a gateway is started with.
#[derive(Debug, Clone)]
pub struct Config {
    /// Its name, for logs at both ends.
    pub name: String,
    /// Certificate and key of the agents' listener.
    pub agents_tls: ServerTls,
    /// Certificate and key of the callers' listener.
    pub callers_tls: ServerTls,
    /// Handshakes in progress, on each listener and between Attach and Hello.
    pub handshakes: usize,
    /// Sessions of one agent.
    pub sessions: usize,
    /// The pipe's stream window and streams; the window is the outer streams' too.
    pub tunnel: tunnel::Options,
    /// Bounds of calls without `grpc-timeout`.
    pub deadlines: deadline::Defaults,
    /// Calls of all callers in flight.
    pub limits: admit::Limits,
    /// Where calls, sessions and handshakes are counted.
    pub telemetry: Telemetry,
    /// What one caller, tenant, agent or session may have of them.
    pub shares: Shares,
    /// How old a session may get before its agent is asked for another one; zero for any age.
    pub max_age: Duration,
    /// How long balancers get to notice, before anything is refused.
    pub settle: Duration,
    /// How long calls in flight may take after that.
    pub grace: Duration,
}

/// A running gateway.
pub struct Gateway {
    agents_addr: SocketAddr,
    callers_addr: SocketAddr,
    phase: watch::Sender<Phase>,
    health: HealthReporter,
    settle: Duration,
    grace: Duration,
    callers: Tasks,
    /// Connections of other gateways.
    peers: Tasks,
    sessions: Tasks,
    agents: Tasks,
    /// The talk with the other gateways.
    talk: Tasks,
    cluster: Option<Arc<cluster::Shared>>,
    directory: Arc<dyn Directory>,
    /// Of one agent.
    most_sessions: usize,
}

/// Why a gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A listener has no address.
    #[error("a listener has no address")]
    Listener(#[from] io::Error),
    /// The contracts that were built in cannot be read.
    #[error("the built-in contracts cannot be read")]
    Contracts(#[from] tonic_reflection::server::Error),
}

impl Gateway {
    /// Serves on two listeners that are bound already, until [`Gateway::drain`] or until `tasks` are cut.
    ///
    /// # Errors
    /// When a listener has no address.
    pub fn start(
        config: Config,
        agents_listener: TcpListener,
        callers_listener: TcpListener,
        store: Arc<dyn Store>,
        tasks: &Tasks,
    ) -> Result<Self, Error> {
        Self::start_with(config, agents_listener, callers_listener, None, store, tasks)
    }

    /// As [`Gateway::start`], but as one of several, with a listener for the others, if there is a `cluster`.
    ///
    /// # Errors
    /// When a listener has no address.
    pub fn start_with(
        config: Config,
        agents_listener: TcpListener,
        callers_listener: TcpListener,
        cluster: Option<(cluster::Config, TcpListener)>,
        store: Arc<dyn Store>,
        tasks: &Tasks,
    ) -> Result<Self, Error> {
        let (phase, watch) = phase::phase();
        let mut gateway = Self {
            agents_addr: agents_listener.local_addr()?,
            callers_addr: callers_listener.local_addr()?,
            phase,
            health: HealthReporter::new(),
            settle: config.settle,
            grace: config.grace,
            callers: tasks.group(),
            sessions: tasks.group(),
            agents: tasks.group(),
            peers: tasks.group(),
            talk: tasks.group(),
            cluster: None,
            directory: Arc::new(Memory::default()),
            most_sessions: config.sessions,
        };
        if let Some((cluster, listener)) = cluster {
            let shared = gateway.join(&config, cluster, listener);
            gateway.directory = Arc::<cluster::Shared>::clone(&shared);
            gateway.cluster = Some(shared);
        }
        let directory = Arc::clone(&gateway.directory);
        gateway.serve_callers(&config, callers_listener, &store, &directory, watch.clone())?;
        gateway.serve_agents(config, agents_listener, store, directory, watch);
        let (agents, callers) = (gateway.agents_addr, gateway.callers_addr);
        info!(%agents, %callers, "gateway serves");
        Ok(gateway)
    }

    /// Where agents attach.
    pub fn agents_addr(&self) -> SocketAddr {
        self.agents_addr
    }

    /// Where callers call.
    pub fn callers_addr(&self) -> SocketAddr {
        self.callers_addr
    }

    /// Lets calls for an agent go into a channel that is open already, such as one to an agent in the same process. It is a
    /// session with these labels, of an instance of its own, until the channel ends.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED when the agent has as many sessions as it may.
    pub fn adopt(
        &self,
        agent: AgentId,
        labels: BTreeMap<String, String>,
        channel: Channel,
    ) -> Result<(), Status> {
        let instance = Uuid::new_v4().to_string();
        let (id, build, place) = (instance.clone(), env!("CARGO_PKG_VERSION").to_owned(), Place::Here);
        let identity = Identity { id, agent, instance, build, labels, place };
        let session = Arc::new(Session::new(identity, Box::new(channel.clone())));
        let entered = self.directory.enter(Arc::clone(&session), self.most_sessions);
        entered.map_err(|Full| Status::resource_exhausted("the agent has as many sessions as it may"))?;
        let directory = Arc::clone(&self.directory);
        self.sessions.spawn(async move {
            channel.closed().await;
            directory.leave(&session);
        });
        Ok(())
    }

    /// Leaves in order: not ready → settling time → agents are told and none is taken in → calls finish → sessions end.
    /// What is left after the grace ends as DRAINING.
    pub async fn drain(self) -> Drained {
        self.phase.send_replace(Phase::Settling);
        self.health.set_service_status("", ServingStatus::NotServing).await;
        sleep(self.settle).await;
        self.phase.send_replace(Phase::Draining);
        if let Some(cluster) = &self.cluster {
            cluster.leave_cluster();
        }
        info!(grace = ?self.grace, "gateway drains");
        let deadline = Instant::now() + self.grace;
        let mut outcome = self.callers.finish_calls(self.grace).await;
        self.agents_moved(deadline).await;
        let left = deadline.saturating_duration_since(Instant::now()).max(LAST_WORDS);
        outcome = worse(outcome, self.peers.finish_calls(left).await);
        // In this order: a session must outlive the calls that it carries, a connection its sessions.
        for tasks in [&self.sessions, &self.agents, &self.talk] {
            let left = deadline.saturating_duration_since(Instant::now()).max(LAST_WORDS);
            outcome = worse(outcome, tasks.finish(left).await);
        }
        match outcome {
            Drained::Clean => info!("gateway drained"),
            Drained::Cut(tasks) => {
                warn!(tasks, "gateway drained: the grace was over and what was left is cut")
            }
        }
        outcome
    }

    /// Waits, for a moment, until each agent has a session at another gateway: before that, calls for it come over here.
    async fn agents_moved(&self, deadline: Instant) {
        let Some(cluster) = &self.cluster else { return };
        let deadline = deadline.min(Instant::now() + MOVE);
        while cluster.is_needed() && Instant::now() < deadline {
            sleep(LOOK).await;
        }
    }

    fn join(&self, config: &Config, cluster: cluster::Config, listener: TcpListener) -> Arc<cluster::Shared> {
        let bounds = cluster::Bounds {
            handshakes: config.handshakes,
            tunnel: config.tunnel.clone(),
            deadlines: config.deadlines,
            limits: config.limits,
            telemetry: config.telemetry.clone(),
        };
        cluster::start(&config.name, cluster, listener, bounds, (&self.peers, &self.talk))
    }

    fn serve_callers(
        &self,
        config: &Config,
        listener: TcpListener,
        store: &Arc<dyn Store>,
        directory: &Arc<dyn Directory>,
        watch: Watch,
    ) -> Result<(), Error> {
        let local = Local::new(store, directory, self.health.clone())?;
        let Telemetry { metrics, tracer } = config.telemetry.clone();
        let observer = Observer::new(&metrics, tracer);
        let limits = Limits { deadlines: config.deadlines, all: config.limits, shares: config.shares };
        let stack = callers::stack(store, directory, local, limits, &observer, (watch, &self.callers));
        let entrance = Entrance {
            name: "callers",
            metrics,
            tls: config.callers_tls.clone(),
            bounds: Bounds {
                handshakes: config.handshakes,
                streams: config.tunnel.max_streams,
                window: config.tunnel.window,
                given_up: CALLS_GIVEN_UP,
            },
            service: service_fn(move |request| web::callers(request, stack.clone())),
            tasks: self.callers.clone(),
        };
        self.callers.spawn(entrance.run(listener));
        Ok(())
    }

    fn serve_agents(
        &self,
        config: Config,
        listener: TcpListener,
        store: Arc<dyn Store>,
        directory: Arc<dyn Directory>,
        watch: Watch,
    ) {
        let bounds = Bounds {
            handshakes: config.handshakes,
            streams: OUTER_STREAMS,
            window: config.tunnel.window,
            given_up: OUTER_STREAMS as usize,
        };
        let settings = attach::Settings {
            gateway: config.name,
            tunnel: config.tunnel,
            sessions: config.sessions,
            max_age: config.max_age,
            greetings: config.handshakes,
            grace: config.grace,
            metrics: config.telemetry.metrics.clone(),
        };
        let attach = Attach::new(settings, store, directory, watch.clone(), &self.sessions);
        let routes = Routes::new(TunnelServer::new(attach)).prepare();
        let grpc = tunnel::Service::new(routes.map_request(|request: http::Request<Body>| request));
        let entrance = Entrance {
            name: "agents",
            metrics: config.telemetry.metrics,
            tls: config.agents_tls,
            bounds,
            service: service_fn(move |request| web::agents(request, grpc.clone(), watch.clone())),
            tasks: self.agents.clone(),
        };
        self.agents.spawn(entrance.run(listener));
    }
}

fn worse(one: Drained, other: Drained) -> Drained {
    match (one, other) {
        (Drained::Cut(one), Drained::Cut(other)) => Drained::Cut(one + other),
        (Drained::Cut(one), Drained::Clean) | (Drained::Clean, Drained::Cut(one)) => Drained::Cut(one),
        (Drained::Clean, Drained::Clean) => Drained::Clean,
    }
}

/// A connection of an agent carries one session, one that replaces it, and a health check.
const OUTER_STREAMS: u32 = 8;
/// A caller that gives up all its calls at once frees their streams and may open as many again before the gateway has read
/// on, so the streams open at once are no bound for an honest one. HTTP/2 knows who calls by the call and not by the connection,
/// hence it is the same for whom the door will refuse: such a one gets no further than the door, and what it can make wait
/// here is bounded before this is, by the half MiB that a task reads from a TLS connection before it yields.
const CALLS_GIVEN_UP: usize = 16 * 1024;

/// An agent dials, greets and attaches in much less; one that cannot must not hold up the end.
const MOVE: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_millis(20);
#[cfg(test)]
mod tests;
