//! Sends a call to an instance of its agent, undecoded.

use std::sync::Arc;

use http::{HeaderMap, Uri};
use tonic::Status;
use tracing::debug;

use super::door::Admitted;
use super::routing::Routing;
use crate::gateway::credentials::unanswered;
use crate::gateway::directory::Directory;
use crate::gateway::headers;
use crate::gateway::name::{AgentId, Name};
use crate::gateway::store::Store;
use crate::ops::call::Deadline;
use crate::proto::Fault;
use crate::tunnel::{Body, wire};

/// Sends calls to the sessions that take them.
pub(super) struct Forward {
    store: Arc<dyn Store>,
    routing: Routing,
}

impl Forward {
    pub(super) fn new(store: Arc<dyn Store>, directory: Arc<dyn Directory>) -> Self {
        Self { routing: Routing::new(Arc::clone(&store), directory), store }
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
        let agent = self.routing.agent(&admitted.caller, admitted.destination.agent.as_ref()).await?;
        let session = self.routing.session(&agent)?;
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
