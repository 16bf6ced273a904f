//! Takes in agents: checks the key, greets, and keeps the session in the directory for as long as it lasts.

mod probes;
mod session;

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tonic::{Code, Request, Response, Status, Streaming};
use tracing::info;
use uuid::Uuid;

use self::probes::Probes;
use self::session::Attached;
use super::credentials::{Credentials, KnownAgent};
use super::dice::Dice;
use super::directory::{self, Directory};
use super::metrics::Attachments;
use super::phase::{Phase, Watch};
use super::store::Store;
use crate::ops::Tasks;
use crate::ops::metrics::Metrics;
use crate::proto::tunnel::v1::tunnel_server::Tunnel;
use crate::proto::tunnel::v1::{AttachRequest, Hello, Limits, ProbeRequest, Welcome};
use crate::proto::{Fault, Reason};
use crate::tunnel::probe::Report;
use crate::tunnel::{self, attach, probe};

/// The service that agents attach to.
#[derive(Clone)]
pub(super) struct Attach {
    shared: Arc<Shared>,
}

/// What every session needs.
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) store: Arc<dyn Store>,
    pub(super) directory: Arc<dyn Directory>,
    pub(super) credentials: Credentials,
    pub(super) phase: Watch,
    pub(super) greetings: Arc<Semaphore>,
    pub(super) dice: Dice,
    probes: Probes,
    pub(super) attached: Attachments,
    pub(super) tasks: Tasks,
}

/// What an operator may choose.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// The gateway's name, for logs at both ends.
    pub(super) gateway: String,
    /// Of the pipe.
    pub(super) tunnel: tunnel::Options,
    /// Sessions of one agent.
    pub(super) sessions: usize,
    /// How old a session may get; zero for any age.
    pub(super) max_age: Duration,
    /// Agents that are between their call and their Hello.
    pub(super) greetings: usize,
    /// How long calls may take to finish once the gateway drains.
    pub(super) grace: Duration,
    /// Where sessions and attaches are counted.
    pub(super) metrics: Metrics,
}

impl Attach {
    /// Sessions run as tasks of `tasks`, whose drain ends them.
    pub(super) fn new(
        settings: Settings,
        store: Arc<dyn Store>,
        directory: Arc<dyn Directory>,
        phase: Watch,
        tasks: &Tasks,
    ) -> Self {
        let credentials = Credentials::new(Arc::clone(&store));
        let greetings = Arc::new(Semaphore::new(settings.greetings));
        let tasks = tasks.clone();
        let (dice, probes) = (Dice::default(), Probes::default());
        let attached = Attachments::new(&settings.metrics);
        let shared = Shared {
            settings,
            store,
            directory,
            credentials,
            phase,
            greetings,
            dice,
            probes,
            attached,
            tasks,
        };
        Self { shared: Arc::new(shared) }
    }
}

#[tonic::async_trait]
impl Tunnel for Attach {
    type AttachStream = attach::Responses;
    type ProbeStream = probe::Echo;

    async fn attach(
        &self,
        request: Request<Streaming<AttachRequest>>,
    ) -> Result<Response<Self::AttachStream>, Status> {
        let guest = self.shared.meet(request, attach::greet).await;
        let guest = guest.and_then(|guest| {
            self.shared.refuse_when_full(&guest.known)?;
            Ok(guest)
        });
        self.shared.attached.judged(guest.as_ref().err());
        let Guest { known, hello, opening, changes, .. } = guest?;
        let id = Uuid::new_v4().to_string();
        let welcome = self.shared.welcome(&known, &hello.instance, &id);
        let (share, replicas) = (welcome.budget_share_permille, welcome.replicas);
        let (pipe, control, responses) = opening.welcome(welcome);
        let attached = Attached {
            shared: Arc::clone(&self.shared),
            known,
            hello,
            id,
            share,
            replicas,
            control,
            changes,
        };
        // The pipe moves only once tonic has the response stream, so its handshake cannot be awaited here.
        self.shared.tasks.spawn(attached.run(pipe));
        Ok(Response::new(responses))
    }

    async fn probe(
        &self,
        request: Request<Streaming<ProbeRequest>>,
    ) -> Result<Response<Self::ProbeStream>, Status> {
        let Guest { known, hello, opening, .. } = self.shared.meet(request, probe::hear).await?;
        let place = self.shared.probes.enter(&known.agent).ok_or_else(one_probe)?;
        let id = Uuid::new_v4().to_string();
        let welcome = self.shared.welcome(&known, &hello.instance, &id);
        let report = move |Report { bytes, took }| {
            drop(place);
            info!(agent = %known.agent, probe = id, instance = hello.instance, build = hello.build, bytes, ?took, "probe");
        };
        Ok(Response::new(opening.welcome(welcome, report)))
    }
}

/// An agent that has shown its key and said Hello, whatever it came for.
struct Guest<T> {
    known: KnownAgent,
    hello: Hello,
    opening: T,
    /// Subscribed before the key was looked up.
    changes: watch::Receiver<u64>,
    /// Held until Welcome.
    _place: OwnedSemaphorePermit,
}

impl Shared {
    /// What every agent passes, whatever it comes for.
    async fn meet<M, T, F>(
        &self,
        request: Request<Streaming<M>>,
        greet: impl FnOnce(Streaming<M>) -> F,
    ) -> Result<Guest<T>, Status>
    where
        F: Future<Output = Result<(Hello, T), Status>>,
    {
        self.refuse_while_draining()?;
        let place = self.place_to_greet()?;
        // Before the key is looked up: one that is revoked meanwhile is then noticed as a change.
        let changes = self.store.changes();
        let known = self.credentials.agent(request.metadata().as_ref()).await?;
        let (hello, opening) = greet(request.into_inner()).await?;
        check(&hello)?;
        Ok(Guest { known, hello, opening, changes, _place: place })
    }

    fn refuse_while_draining(&self) -> Result<(), Fault> {
        match self.phase.now() {
            Phase::Ready | Phase::Settling => Ok(()),
            Phase::Draining => {
                let message = "this gateway is shutting down; attach again";
                Err(Fault::new(Code::Unavailable, Reason::Draining, message).retry_after(RETRY))
            }
        }
    }

    /// Bounds who has called but not said Hello, so that a storm of reconnects is shed and not queued.
    fn place_to_greet(&self) -> Result<OwnedSemaphorePermit, Fault> {
        Arc::clone(&self.greetings).try_acquire_owned().map_err(|_| {
            let limit = self.settings.greetings;
            busy(format!("{limit} agents are attaching right now, which is the most"), limit)
        })
    }

    fn refuse_when_full(&self, known: &KnownAgent) -> Result<(), Fault> {
        let limit = self.settings.sessions;
        if self.directory.sessions(&known.agent).len() < limit {
            return Ok(());
        }
        Err(busy(format!("the agent has {limit} sessions, which is the most"), limit))
    }

    fn welcome(&self, known: &KnownAgent, instance: &str, session: &str) -> Welcome {
        let options = &self.settings.tunnel;
        Welcome {
            protocol: *attach::PROTOCOL.end(),
            gateway: self.settings.gateway.clone(),
            replicas: *self.directory.replicas().borrow(),
            session: session.to_owned(),
            limits: Some(Limits { max_streams: options.max_streams, window: options.window }),
            budget_share_permille: directory::share_with(
                &self.directory.sessions(&known.agent),
                Some(instance),
            ),
            agent: known.agent.agent.to_string(),
            unix_ms: unix_ms(SystemTime::now()),
        }
    }
}

/// A clock that is set before 1970 tells nothing, which is what 0 says.
fn unix_ms(now: SystemTime) -> i64 {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or_default()
}

/// The bounds that the contract states for Hello; what it says ends up in logs and lists.
fn check(hello: &Hello) -> Result<(), Fault> {
    let instance = &hello.instance;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if instance.is_empty() || instance.len() > 64 || !instance.bytes().all(plain) {
        return Err(broken("`Hello.instance` is not 1 to 64 characters of `[A-Za-z0-9-]`"));
    }
    if hello.build.chars().count() > 64 || hello.build.chars().any(char::is_control) {
        return Err(broken("`Hello.build` has more than 64 characters or control characters"));
    }
    let short = |text: &String| text.chars().count() <= 63;
    if hello.labels.len() > 16 || !hello.labels.iter().all(|(key, value)| short(key) && short(value)) {
        return Err(broken("`Hello.labels` has more than 16 labels or one with more than 63 characters"));
    }
    Ok(())
}

fn broken(message: &str) -> Fault {
    Fault::new(Code::InvalidArgument, Reason::ProtocolError, message)
}

fn one_probe() -> Fault {
    busy("a probe of this agent is under way; one at a time".to_owned(), 1)
}

fn busy(message: String, limit: usize) -> Fault {
    Fault::new(Code::ResourceExhausted, Reason::Busy, message)
        .with("limit", limit.to_string())
        .retry_after(RETRY)
}

/// Long enough for a balancer or a slot to change.
const RETRY: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
