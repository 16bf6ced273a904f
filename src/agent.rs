//! The agent: config, stack, link, local listeners.
//!
//! [`Agent::start`] puts a whole agent together; the program `gitproxy` adds command line, log and signals.

pub mod config;
pub mod doctor;
mod doors;
mod expiry;
mod instances;
mod link;
mod local;
mod metrics;
mod recent;
pub mod settings;
pub mod stack;
mod way_out;
mod ways;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{info, warn};

use self::instances::Doctor;
use self::link::{Link, Published, Tally};
use self::local::debug::Debug;
use self::local::socket::{Folder, Socket};
use self::local::status::Teller;
use self::local::token::Token;
use self::metrics::Measured;
use self::recent::{Recent, Trail};
use self::ways::Ways;
use crate::bitbucket::{self, Account, Budgets, Client};
use crate::egress::{Alpn, Egress, PairError, Plaintext, TrustError};
use crate::ops::{Key, Tasks, export};
use crate::proto::tunnel::v1::Hello;
use crate::scm::backend::{self, Held};
use crate::scm::{Connections, Core};
use crate::tunnel::observe::Observer;
use crate::tunnel::{self, attach};

pub use self::config::{Config, Connection, Patience};
pub use self::link::{Failure, Phase, SessionStatus, Sessions, State};
pub use self::local::status;
pub use self::way_out::WayOut;

/// A running agent. It ends with the drain of the tasks that it was started with.
#[derive(Debug)]
pub struct Agent {
    instance: String,
    state: watch::Receiver<State>,
    sessions: Sessions,
    debug_addr: Option<SocketAddr>,
    debug_token: Option<Arc<Token>>,
    service: tunnel::Service,
}

/// Why an agent cannot start. All of them are the settings' fault: what remotes do is never in here.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The way out cannot be built, such as for a CA that is not PEM.
    #[error("trust: {0}")]
    Trust(#[from] TrustError),
    /// A client certificate cannot be used.
    #[error("client certificate: {0}")]
    Client(#[from] PairError),
    /// A connection's client cannot be built.
    #[error("connections.{name}: {source}")]
    Connection {
        /// The connection.
        name: String,
        /// Why not.
        source: bitbucket::Error,
    },
    /// Metrics or traces cannot be pushed.
    #[error("metrics.endpoint or traces.endpoint: {0}")]
    Push(#[from] export::Error),
    /// The debug listener cannot listen.
    #[error("debug.listen: {0}")]
    Debug(io::Error),
    /// The status socket cannot listen.
    #[error("status.socket: {0}")]
    Status(io::Error),
    /// The contracts inside this build are broken.
    #[error("reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// What the gateway gets of an agent.
struct Serves {
    /// What answers its calls.
    service: tunnel::Service,
    /// Those of which it gives out shares.
    budgets: Budgets,
}

/// Where the link shows how it is.
struct Shows {
    state: watch::Sender<State>,
    sessions: Published,
    tally: Tally,
}

impl Agent {
    /// Binds what is to be bound, then dials in the background for ever.
    ///
    /// # Errors
    /// When the settings turn out to be unusable; no remote is asked before.
    pub async fn start(config: Config, tasks: &Tasks) -> Result<Self, Error> {
        Self::start_with(config, tasks, |core| core).await
    }

    /// As [`Agent::start`], with other hooks than the default ones in the core.
    ///
    /// # Errors
    /// As [`Agent::start`].
    pub async fn start_with(
        config: Config,
        tasks: &Tasks,
        hooks: impl FnOnce(Core) -> Core,
    ) -> Result<Self, Error> {
        let ways = Ways::open(&config, config.patience, tasks)?;
        for connection in config.connections.iter().filter(|it| it.plaintext == Plaintext::Anywhere) {
            let Account { name, base, .. } = &connection.account;
            if base.scheme() == "http" {
                warn!(connection = name, url = %base, "its token travels without TLS, as allow_http says");
            }
        }
        let budgets = Budgets::new(config.rate);
        let instance = uuid::Uuid::new_v4().to_string();
        let telemetry = config.push.start(&ways.telemetry, "gitproxy", &about(&instance), tasks)?;
        let seen = bitbucket::Telemetry::new(&telemetry.metrics, telemetry.tracer.clone());
        let local = clients(&config, &ways, &budgets, &seen)?;
        let (identities, expiries) = (ways.identities.clone(), ways.gateway.expiries().clone());
        let watch = expiry::Watch { clients: local.clone(), identities, expiries };
        tasks.spawn(watch.run(tasks.clone()));
        let core = Core::new(connections(local.clone(), &config, &ways, &budgets, &seen)).with_tasks(tasks);
        let recent = Recent::default();
        let core = core.with_audit(Trail::new(recent.clone()));
        let core = Arc::new(hooks(core));
        let (state, states) = watch::channel(State::Dialing);
        let (published, sessions) = link::sessions();
        let doctor = doctor::remote(config.clone(), budgets.clone(), tasks.clone());
        let observer = Observer::new(&telemetry.metrics, telemetry.tracer);
        let service = doors::tunnel(&core, &instance, Some(&doctor));
        let service = stack::stack(service, config.limits, &observer, tasks);
        let (debug_addr, debug_token) = (None, None);
        let mut agent = Self { instance, state: states, sessions, debug_addr, debug_token, service };
        agent.listen(&config, &core, &doctor, &observer, tasks).await?;
        let tally = Tally::default();
        metrics::tell(&telemetry.metrics, agent.measured(&ways, local, &tally));
        agent.tell_status(&config, &tally, recent, tasks)?;
        let serves = Serves { service: agent.service(), budgets };
        let link =
            agent.link(config, &ways.gateway, serves, tasks, Shows { state, sessions: published, tally });
        info!(instance = agent.instance, build = BUILD, "the agent starts");
        tasks.spawn(link.run());
        Ok(agent)
    }

    /// The random id of this process.
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// Where the link is, and every change of it.
    pub fn state(&self) -> watch::Receiver<State> {
        self.state.clone()
    }

    /// The sessions with gateways, and every change of them.
    pub fn sessions(&self) -> Sessions {
        self.sessions.clone()
    }

    /// Waits until the gateway can send calls; for ever when the link has ended.
    pub async fn attached(&self) {
        let mut state = self.state.clone();
        if state.wait_for(State::is_attached).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// What answers the calls of the gateway, for one that is reached by another pipe than a session's.
    pub fn service(&self) -> tunnel::Service {
        self.service.clone()
    }

    /// Where the debug listener is, if it is on TCP.
    pub fn debug_addr(&self) -> Option<SocketAddr> {
        self.debug_addr
    }

    /// What the debug listener on TCP wants as `authorization: Bearer …`.
    pub fn debug_token(&self) -> Option<&Key> {
        self.debug_token.as_deref().map(Token::key)
    }

    async fn listen(
        &mut self,
        config: &Config,
        core: &Arc<Core>,
        doctor: &Doctor,
        observer: &Observer,
        tasks: &Tasks,
    ) -> Result<(), Error> {
        let Some(listen) = &config.debug else { return Ok(()) };
        let debug = Debug::bind(listen, config.debug_token_file.as_deref()).await.map_err(Error::Debug)?;
        self.debug_addr = debug.address();
        self.debug_token = debug.token();
        let routes = doors::debug(core, &self.instance, Some(doctor)).await?;
        tasks.spawn(debug.serve(stack::stack(routes, config.limits, observer, tasks), tasks.clone()));
        Ok(())
    }

    fn measured(&self, ways: &Ways, clients: Vec<Client>, tally: &Tally) -> Measured {
        Measured {
            expiries: ways.gateway.expiries().clone(),
            clients,
            state: self.state(),
            sessions: self.sessions(),
            tally: tally.clone(),
        }
    }

    fn tell_status(
        &self,
        config: &Config,
        tally: &Tally,
        recent: Recent,
        tasks: &Tasks,
    ) -> Result<(), Error> {
        let Some(path) = &config.status_socket else { return Ok(()) };
        let socket = Socket::bind(path, Folder::Any).map_err(Error::Status)?;
        let host = |it: &Connection| it.account.base.host_str().unwrap_or_default().to_owned();
        let connection =
            |it: &Connection| status::Connection { name: it.account.name.clone(), host: host(it) };
        let teller = Teller {
            instance: self.instance.clone(),
            began: Instant::now(),
            state: self.state(),
            sessions: self.sessions(),
            tally: tally.clone(),
            recent,
            options: config.link.clone(),
            connections: config.connections.iter().map(connection).collect(),
        };
        tasks.spawn(status::serve(socket, teller));
        Ok(())
    }

    fn link(
        &self,
        config: Config,
        egress: &Egress,
        Serves { service, budgets }: Serves,
        tasks: &Tasks,
        Shows { state, sessions, tally }: Shows,
    ) -> Link {
        Link {
            connector: egress.connector(config.gateway.origin().clone(), Alpn::Http2Only),
            origin: config.gateway.uri(),
            hello: hello(&config, &self.instance),
            key: config.access_key,
            options: config.link,
            service,
            budgets,
            tasks: tasks.clone(),
            state,
            sessions,
            tally,
        }
    }
}

/// The Bitbuckets of the settings.
fn clients(
    config: &Config,
    ways: &Ways,
    budgets: &Budgets,
    seen: &bitbucket::Telemetry,
) -> Result<Vec<Client>, Error> {
    let client = |(Connection { account, .. }, egress): (&Connection, &Egress)| {
        let client = Client::new(account.clone(), egress, budgets);
        let client = client.map(|client| client.with_telemetry(seen.clone()));
        client.map_err(|source| Error::Connection { name: account.name.clone(), source })
    };
    config.connections.iter().zip(&ways.bitbuckets).map(client).collect()
}

/// The Bitbuckets of the settings, and the way to serve one that comes with a call.
fn connections(
    local: Vec<Client>,
    config: &Config,
    ways: &Ways,
    budgets: &Budgets,
    seen: &bitbucket::Telemetry,
) -> Connections {
    let (egress, budgets, seen) = (ways.held.clone(), budgets.for_held(), seen.for_held());
    let client = move |account| {
        let client = Client::new(account, &egress, &budgets);
        client.map(|client| client.with_telemetry(seen.clone()))
    };
    let held = Held::new(client, config.new_origins);
    Connections::new(local.into_iter().map(backend::connection), Arc::new(held))
}

/// What a collector is told of the process.
fn about(instance: &str) -> [(&'static str, String); 2] {
    [("service.version", BUILD.to_owned()), ("service.instance.id", instance.to_owned())]
}

/// How an instance introduces itself to the gateway.
fn hello(config: &Config, instance: &str) -> Hello {
    let (lowest, highest) = attach::PROTOCOL.into_inner();
    Hello {
        protocol_lowest: lowest,
        protocol_highest: highest,
        build: BUILD.to_owned(),
        instance: instance.to_owned(),
        labels: config.labels.clone().into_iter().collect(),
        window: config.link.window,
    }
}

/// The build, as Hello and the status tell it.
pub const BUILD: &str = env!("CARGO_PKG_VERSION");

#[cfg(test)]
mod tests;
