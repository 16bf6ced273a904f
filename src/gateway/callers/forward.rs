//! Sends a call to an instance of its agent, undecoded.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{HeaderMap, Uri};
use tonic::{Code, Status};
use tracing::debug;

use super::door::Admitted;
use crate::gateway::credentials::unanswered;
use crate::gateway::directory::{self, Directory, Session};
use crate::gateway::headers;
use crate::gateway::name::{AgentId, Name};
use crate::gateway::store::Store;
use crate::proto::{Fault, Reason};
use crate::tunnel::deadline::Deadline;
use crate::tunnel::{Body, wire};

/// Finds the session that takes a call.
pub(super) struct Forward {
    store: Arc<dyn Store>,
    directory: Arc<dyn Directory>,
    turn: AtomicUsize,
}

impl Forward {
    pub(super) fn new(store: Arc<dyn Store>, directory: Arc<dyn Directory>) -> Self {
        Self { store, directory, turn: AtomicUsize::new(0) }
    }

    /// Sends the call and gives back of the answer what callers may see.
    pub(super) async fn call(&self, request: http::Request<Body>) -> http::Response<Body> {
        match self.send(request).await {
            Ok(answer) => headers::returned(answer),
            Err(status) => wire::status_response(status),
        }
    }

    async fn send(&self, request: http::Request<Body>) -> Result<http::Response<Body>, Status> {
        let (parts, body) = request.into_parts();
        let admitted = parts.extensions.get::<Admitted>();
        let admitted = admitted.ok_or_else(|| Fault::internal("the call came past the door"))?;
        let agent = self.agent(admitted).await?;
        let session = self.session(&agent)?;
        let mut sent = http::Request::new(body);
        *sent.method_mut() = parts.method;
        // The door knows the path; a query is no part of any.
        *sent.uri_mut() =
            Uri::try_from(parts.uri.path()).map_err(|_| Fault::internal("the path is no URI"))?;
        *sent.headers_mut() = self.headers(&parts.headers, admitted, &agent).await?;
        if let Some(&deadline) = parts.extensions.get::<Deadline>() {
            sent.extensions_mut().insert::<Deadline>(deadline);
        }
        debug!(caller = %admitted.caller.name, %agent, session = session.id, path = parts.uri.path(), "forwarded");
        session.upstream.send(sent).await
    }

    /// The agent that the call names, or the tenant's only one.
    async fn agent(&self, admitted: &Admitted) -> Result<AgentId, Fault> {
        let tenant = &admitted.caller.tenant;
        let agents = self.store.agents(tenant).await.map_err(|error| unanswered(&error))?;
        let agent = match &admitted.destination.agent {
            Some(name) => agents.contains(name).then_some(name).ok_or_else(|| unknown(name))?,
            None => match (agents.first(), agents.len()) {
                (Some(only), 1) => only,
                (None, _) => return Err(none()),
                (Some(_), _) => return Err(ambiguous()),
            },
        };
        Ok(AgentId { tenant: tenant.clone(), agent: agent.clone() })
    }

    fn session(&self, agent: &AgentId) -> Result<Arc<Session>, Fault> {
        let sessions = self.directory.sessions(agent);
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        directory::choose(&sessions, turn).cloned().ok_or_else(|| away(&agent.agent))
    }

    async fn headers(
        &self,
        received: &HeaderMap,
        admitted: &Admitted,
        agent: &AgentId,
    ) -> Result<HeaderMap, Fault> {
        let mut sent = headers::forwarded(received);
        headers::sign(&mut sent, &admitted.caller);
        if let Some(name) = &admitted.destination.connection {
            headers::direct(&mut sent, name);
        }
        let Some(name) = self.held(admitted, agent).await? else { return Ok(sent) };
        if let Some(held) = self.store.held(agent, &name).await.map_err(|error| unanswered(&error))? {
            headers::entrust(&mut sent, held);
        }
        Ok(sent)
    }

    /// The connection that may come from the cloud: the one that the call names, or the only one that there is. In the
    /// second case the agent still sees that the call named none, and refuses to guess when it has one of its own.
    async fn held(&self, admitted: &Admitted, agent: &AgentId) -> Result<Option<Name>, Fault> {
        if let Some(name) = &admitted.destination.connection {
            return Ok(Some(name.clone()));
        }
        let held = self.store.held_names(agent).await.map_err(|error| unanswered(&error))?;
        Ok(held.first().filter(|_| held.len() == 1).cloned())
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

/// An agent that lost its link is back within a second, most often.
const RETRY_WHEN_AWAY: Duration = Duration::from_secs(1);
