//! Finds the agent that a caller means, and the session of it that takes the call.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;
use tonic::Code;

use crate::gateway::credentials::unanswered;
use crate::gateway::dice::Dice;
use crate::gateway::directory::{self, Directory, Session, Wanted};
use crate::gateway::headers::{self, Label, Patience};
use crate::gateway::name::{AgentId, Name};
use crate::gateway::phase::{Phase, Watch};
use crate::gateway::store::{Caller, Store};
use crate::proto::{Fault, Reason};

/// The way from a caller to a session.
pub(super) struct Routing {
    store: Arc<dyn Store>,
    directory: Arc<dyn Directory>,
    dice: Dice,
    phase: Option<Watch>,
}

impl Routing {
    pub(super) fn new(store: Arc<dyn Store>, directory: Arc<dyn Directory>) -> Self {
        Self { store, directory, dice: Dice::default(), phase: None }
    }

    /// Knows when the gateway drains: its agents have other sessions elsewhere then, and so should their callers.
    pub(super) fn leaving(self, phase: Watch) -> Self {
        Self { phase: Some(phase), ..self }
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

    /// A session that takes the agent's next call; where there is none, it may wait for one to come.
    ///
    /// Whoever has a deadline ends the wait with it; without one it ends after [`LONGEST_WAIT`].
    pub(super) async fn session(
        &self,
        agent: &AgentId,
        wanted: &Wanted<'_>,
        patience: Patience,
    ) -> Result<Arc<Session>, Fault> {
        let away = || match self.is_leaving() {
            true => moved(&agent.agent),
            false => away(&agent.agent, wanted.labels),
        };
        match patience {
            Patience::None => self.now(agent, wanted).ok_or_else(away),
            Patience::Waits => {
                let next = timeout(LONGEST_WAIT, self.next(agent, wanted));
                tokio::select! {
                    // What is there goes first.
                    biased;
                    next = next => next.map_err(|_| away()),
                    // No agent comes any more, here.
                    () = self.left() => Err(away()),
                }
            }
        }
    }

    /// The session of this very instance.
    pub(super) fn instance(&self, agent: &AgentId, instance: &str) -> Result<Arc<Session>, Fault> {
        let mut sessions = self.directory.sessions(agent);
        sessions.retain(|session| session.instance == instance);
        let session = directory::choose(&sessions, &Wanted::default(), &self.dice);
        session.cloned().ok_or_else(|| gone(&agent.agent, instance))
    }

    fn now(&self, agent: &AgentId, wanted: &Wanted<'_>) -> Option<Arc<Session>> {
        let sessions = self.directory.sessions(agent);
        let leaving = || self.is_leaving().then(|| directory::choose_leaving(&sessions, wanted)).flatten();
        directory::choose(&sessions, wanted, &self.dice).or_else(leaving).cloned()
    }

    fn is_leaving(&self) -> bool {
        self.phase.as_ref().is_some_and(|phase| phase.now() >= Phase::Draining)
    }

    /// Waits until the gateway drains.
    async fn left(&self) {
        if let Some(mut phase) = self.phase.clone() {
            phase.draining().await;
        }
        // One that is dropped cuts its calls.
        if !self.is_leaving() {
            std::future::pending().await
        }
    }

    async fn next(&self, agent: &AgentId, wanted: &Wanted<'_>) -> Arc<Session> {
        let mut changes: watch::Receiver<u64> = self.directory.changes();
        loop {
            // Before the look: what comes after it is a change then.
            changes.mark_unchanged();
            if let Some(session) = self.now(agent, wanted) {
                return session;
            }
            if changes.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
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

fn away(name: &Name, labels: &[Label]) -> Fault {
    let labels = labels.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let message = match labels.as_str() {
        "" => format!("no instance of the agent `{name}` is attached; look at its log"),
        labels => {
            format!("no instance of the agent `{name}` with {labels} is attached; look at its `labels`")
        }
    };
    let fault = Fault::new(Code::Unavailable, Reason::AgentAway, message)
        .with("agent", name.as_str())
        .retry_after(RETRY_WHEN_AWAY);
    if labels.is_empty() { fault } else { fault.with("label", labels) }
}

/// The agent's newer session is at another gateway, and a caller's next connection is too.
fn moved(name: &Name) -> Fault {
    let message = format!(
        "this gateway is shutting down and the agent `{name}` has left it; nothing was done: call again on a new connection"
    );
    Fault::new(Code::Unavailable, Reason::Draining, message)
        .with("agent", name.as_str())
        .retry_after(RETRY_WHEN_MOVED)
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

/// Balancers know already that this gateway leaves.
const RETRY_WHEN_MOVED: Duration = Duration::from_millis(200);

/// For a watch or a transfer without a deadline: an instance that takes longer to come is not about to.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
