//! Finds the agent that a caller means, and the session of it that takes the call.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tonic::Code;

use crate::gateway::credentials::unanswered;
use crate::gateway::directory::{self, Directory, Session};
use crate::gateway::headers;
use crate::gateway::name::{AgentId, Name};
use crate::gateway::store::{Caller, Store};
use crate::proto::{Fault, Reason};

/// The way from a caller to a session.
pub(super) struct Routing {
    store: Arc<dyn Store>,
    directory: Arc<dyn Directory>,
    turn: AtomicUsize,
}

impl Routing {
    pub(super) fn new(store: Arc<dyn Store>, directory: Arc<dyn Directory>) -> Self {
        Self { store, directory, turn: AtomicUsize::new(0) }
    }

    /// The agent of this name, or the only one of the caller's tenant.
    pub(super) async fn agent(&self, caller: &Caller, name: Option<&Name>) -> Result<AgentId, Fault> {
        let tenant = &caller.tenant;
        let agents = self.store.agents(tenant).await.map_err(|error| unanswered(&error))?;
        let agent = match name {
            Some(name) => agents.contains(name).then_some(name).ok_or_else(|| unknown(name))?,
            None => match (agents.first(), agents.len()) {
                (Some(only), 1) => only,
                (None, _) => return Err(none()),
                (Some(_), _) => return Err(ambiguous()),
            },
        };
        Ok(AgentId { tenant: tenant.clone(), agent: agent.clone() })
    }

    /// A session that takes the agent's next call.
    pub(super) fn session(&self, agent: &AgentId) -> Result<Arc<Session>, Fault> {
        let sessions = self.directory.sessions(agent);
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        directory::choose(&sessions, turn).cloned().ok_or_else(|| away(&agent.agent))
    }

    /// The session of this very instance.
    pub(super) fn instance(&self, agent: &AgentId, instance: &str) -> Result<Arc<Session>, Fault> {
        let mut sessions = self.directory.sessions(agent);
        sessions.retain(|session| session.instance == instance);
        directory::choose(&sessions, 0).cloned().ok_or_else(|| gone(&agent.agent, instance))
    }
}

/// Nothing here may tell an agent of another tenant from one that does not exist.
fn unknown(name: &Name) -> Fault {
    let message = format!("no agent `{name}` belongs to the caller's tenant; check `{}`", headers::AGENT);
    Fault::new(Code::NotFound, Reason::AgentUnknown, message).with("agent", name.as_str())
}

fn none() -> Fault {
    Fault::new(Code::NotFound, Reason::AgentUnknown, "the caller's tenant has no agent").with("agent", "")
}

fn ambiguous() -> Fault {
    let message = format!("the tenant has several agents; name one in `{}`", headers::AGENT);
    Fault::new(Code::InvalidArgument, Reason::AgentAmbiguous, message)
}

fn away(name: &Name) -> Fault {
    let message = format!("no instance of the agent `{name}` is attached; look at its log");
    Fault::new(Code::Unavailable, Reason::AgentAway, message)
        .with("agent", name.as_str())
        .retry_after(RETRY_WHEN_AWAY)
}

/// No RetryInfo: an instance that has ended does not come back under its id.
fn gone(name: &Name, instance: &str) -> Fault {
    let message =
        format!("no such instance of the agent `{name}` is attached; ListAgents names those that are");
    Fault::new(Code::Unavailable, Reason::AgentAway, message)
        .with("agent", name.as_str())
        .with("instance", instance)
}

/// An agent that lost its link is back within a second, most often.
const RETRY_WHEN_AWAY: Duration = Duration::from_secs(1);
