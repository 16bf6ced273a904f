//! The one way in: every command passes here, whichever door it came through.
//!
//! In this order: connection → describe → pause → policy → the connection's projects and the fields → audit begins →
//! idempotency → backend → audit ends. Whatever refuses, nothing after it happens, except that audit always hears the end.

use std::sync::Arc;

use prost::Message;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use super::audit::{Audit, Log};
use super::connections::{Connection, Connections};
use super::describe::Describe;
use super::idempotency::{Journal, Key};
use super::pause::Pause;
use super::policy::{AllowAll, Policy};
use super::{Reply, Scm};
use crate::ops::Tasks;
use crate::proto::Fault;

use entry::Entry;
pub use stream::Messages;

mod entry;
mod keyed;
mod stream;
#[cfg(test)]
mod tests;

/// What every command needs: the connections, and the hooks that it passes.
pub struct Core {
    connections: Connections,
    pause: Pause,
    policy: Arc<dyn Policy>,
    audit: Arc<dyn Audit>,
    journal: Arc<Journal>,
    tasks: Tasks,
}

impl Core {
    /// Makes a core that allows everything, audits into the log and is not paused.
    pub fn new(connections: Connections) -> Self {
        Self {
            connections,
            pause: Pause::default(),
            policy: Arc::new(AllowAll),
            audit: Arc::new(Log),
            journal: Arc::default(),
            tasks: Tasks::new(),
        }
    }

    /// Runs writes that have a key among `tasks`, whose drain waits for them.
    #[must_use]
    pub fn with_tasks(self, tasks: &Tasks) -> Self {
        Self { tasks: tasks.group(), ..self }
    }

    /// Asks `policy` about every command.
    #[must_use]
    pub fn with_policy(self, policy: impl Policy) -> Self {
        Self { policy: Arc::new(policy), ..self }
    }

    /// Tells `audit` of every command.
    #[must_use]
    pub fn with_audit(self, audit: impl Audit) -> Self {
        Self { audit: Arc::new(audit), ..self }
    }

    /// The operator's switch.
    pub fn pause(&self) -> &Pause {
        &self.pause
    }

    /// The connections.
    pub fn connections(&self) -> &Connections {
        &self.connections
    }

    fn enter<Q: Describe>(&self, request: &Request<Q>) -> Entry {
        Entry::open(Arc::clone(&self.audit), request)
    }

    /// Chooses the connection, then lets the command in.
    fn connect<Q>(&self, entry: &mut Entry, request: &Request<Q>) -> Result<Arc<Connection>, Fault> {
        let connection = self.connections.choose(request)?;
        entry.command.connection = Some(connection.name.clone());
        self.admit(entry, Some(&connection), request.metadata())?;
        Ok(connection)
    }

    /// The steps between the connection and the backend.
    fn admit(
        &self,
        entry: &mut Entry,
        connection: Option<&Connection>,
        metadata: &MetadataMap,
    ) -> Result<(), Fault> {
        let effect = entry.command.method.effect;
        self.pause.check(effect)?;
        self.policy.decide(&entry.command).into_result()?;
        if let Some(connection) = connection {
            connection.projects.check(&entry.command.target.projects)?;
        }
        entry.check_fields()?;
        self.audit.begin(&entry.command);
        entry.command.idempotency_key = Key::of(effect, metadata)?;
        Ok(())
    }
}

/// Does a command of a connection.
///
/// # Errors
/// The status of whatever step refused it, see the module, or of what the backend met.
pub async fn call<Q, A, F>(core: &Core, request: Request<Q>, act: F) -> Result<Response<A>, Status>
where
    Q: Describe + Message,
    A: Message + Default + 'static,
    F: for<'a> FnOnce(&'a dyn Scm, Q) -> Reply<'a, A> + Send + 'static,
{
    let mut entry = core.enter(&request);
    let connection = match core.connect(&mut entry, &request) {
        Ok(connection) => connection,
        Err(fault) => return entry.close(Err(fault)),
    };
    let call = entry.call(request.extensions());
    let (backend, request) = (connection.backend.during(call), request.into_inner());
    match entry.command.idempotency_key {
        Some(key) => keyed::once(core, (entry, key), &connection, (call, backend), request, act).await,
        None => entry.close(act(&*backend, request).await),
    }
}

/// Does a command that answers with a stream; audit hears the end when the stream ends.
///
/// # Errors
/// As [`call`]; the stream too may end with one.
pub async fn stream<Q, A, F>(
    core: &Core,
    request: Request<Q>,
    act: F,
) -> Result<Response<Messages<A>>, Status>
where
    Q: Describe,
    F: for<'a> FnOnce(&'a dyn Scm, Q) -> Reply<'a, super::Stream<A>> + Send,
{
    let mut entry = core.enter(&request);
    let outcome = match core.connect(&mut entry, &request) {
        Ok(connection) => {
            let backend = connection.backend.during(entry.call(request.extensions()));
            act(&*backend, request.into_inner()).await
        }
        Err(fault) => Err(fault),
    };
    match outcome {
        Ok(messages) => Ok(Response::new(Messages::new(messages, entry))),
        Err(fault) => entry.close(Err(fault)),
    }
}

/// Does what needs no connection, such as a question to the agent about itself; it passes the same pause, policy and
/// audit. `gitproxy.agent.v1` enters here too.
///
/// # Errors
/// As [`call`].
pub async fn own<Q, A>(
    core: &Core,
    request: Request<Q>,
    act: impl Future<Output = Result<A, Fault>> + Send,
) -> Result<Response<A>, Status>
where
    Q: Describe,
{
    let mut entry = core.enter(&request);
    let outcome = match core.admit(&mut entry, None, request.metadata()) {
        Ok(()) => act.await,
        Err(fault) => Err(fault),
    };
    entry.close(outcome)
}
