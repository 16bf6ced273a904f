//! Sends a call to an instance of its agent, undecoded.

use std::sync::Arc;

use http::{HeaderMap, Uri};
use tonic::{Code, Status};
use tracing::debug;

use super::bounds::{Bounds, Places, Shares};
use super::door::Admitted;
use super::kept::Kept;
use super::routing::Routing;
use crate::gateway::credentials::unanswered;
use crate::gateway::directory::{Directory, Session, Wanted};
use crate::gateway::headers::{self, Destination};
use crate::gateway::name::{AgentId, Name};
use crate::gateway::phase::Watch;
use crate::gateway::store::Store;
use crate::ops::call::Deadline;
use crate::proto::{Class, Fault, Reason, methods};
use crate::tunnel::{Body, Holding, is_unprocessed, wire};

/// Sends calls to the sessions that take them.
pub(super) struct Forward {
    store: Arc<dyn Store>,
    routing: Routing,
    bounds: Bounds,
}

/// What of a call is the same at every session.
struct Call {
    agent: AgentId,
    destination: Destination,
    class: Class,
    /// Without its body.
    head: http::request::Parts,
    body: Kept,
}

impl Forward {
    pub(super) fn new(
        store: Arc<dyn Store>,
        directory: Arc<dyn Directory>,
        phase: Watch,
        shares: Shares,
    ) -> Self {
        let bounds = Bounds::new(shares);
        let routing = Routing::new(Arc::clone(&store), directory).leaving(phase);
        Self { routing, store, bounds }
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
        let class = methods::find(parts.uri.path()).map_or(Class::Unary, |method| method.class);
        // Before it waits for a session: who waits is in flight too.
        let places = self.bounds.enter(&admitted.caller, &agent, class)?;
        let head = self.head(&parts, admitted, &agent).await?;
        let destination = admitted.destination.clone();
        let caller = &admitted.caller.name;
        debug!(%caller, %agent, path = head.uri.path(), "forwards");
        let call = Call { agent, destination, class, head, body: Kept::new(body) };
        let (answer, place) = self.attempt(&call).await?;
        Ok(answer.map(|body| Body::new(Holding::new(body, (places, place)))))
    }

    /// Sends the call to one session after the other, until one has taken it. Only what provably was not processed goes on
    /// to the next.
    async fn attempt(&self, call: &Call) -> Result<(http::Response<Body>, Places), Status> {
        let Destination { labels, patience, .. } = &call.destination;
        let (mut tried, mut refusal) = (Vec::new(), None::<Status>);
        loop {
            let wanted = Wanted { labels, tried: &tried };
            let session = match self.routing.session(&call.agent, &wanted, *patience).await {
                Ok(session) => session,
                Err(away) => return Err(telling(refusal, away.into())),
            };
            match self.try_at(&session, call).await {
                Ok(answer) => return Ok(answer),
                Err(Failed::Elsewhere(status)) => {
                    debug!(agent = %call.agent, session = session.id, cause = status.message(), "not taken");
                    refusal = Some(status);
                    tried.push(session.id.clone());
                }
                Err(Failed::Final(status)) => return Err(status),
            }
        }
    }

    async fn try_at(&self, session: &Session, call: &Call) -> Result<(http::Response<Body>, Places), Failed> {
        let place = self.bounds.enter_session(session, call.class);
        let place = place.map_err(|full| Failed::Elsewhere(full.into()))?;
        let Some(body) = call.body.attempt() else {
            return Err(Failed::Final(Fault::internal("the call's body is not there any more").into()));
        };
        let answer = session.upstream.send(http::Request::from_parts(call.head.clone(), body)).await;
        match answer {
            Ok(answer) => {
                call.body.forget();
                Ok((answer, place))
            }
            Err(status) => Err(call.judge(status)),
        }
    }

    /// The call as the agent shall see it.
    async fn head(
        &self,
        parts: &http::request::Parts,
        admitted: &Admitted,
        agent: &AgentId,
    ) -> Result<http::request::Parts, Fault> {
        let (mut head, ()) = http::Request::new(()).into_parts();
        head.method = parts.method.clone();
        // The door knows the path; a query is no part of any.
        head.uri = Uri::try_from(parts.uri.path()).map_err(|_| Fault::internal("the path is no URI"))?;
        head.headers = self.headers(&parts.headers, admitted, agent).await?;
        if let Some(&deadline) = parts.extensions.get::<Deadline>() {
            head.extensions.insert::<Deadline>(deadline);
        }
        Ok(head)
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

/// What a session said tells more than that there is no other, unless it has only left because the gateway does.
fn telling(refusal: Option<Status>, away: Status) -> Status {
    let moved = Reason::of(&away) == Some(Reason::Draining);
    match refusal {
        Some(refusal) if !(moved && refusal.code() == Code::Unavailable) => refusal,
        Some(_) | None => away,
    }
}

/// What becomes of a call that a session did not answer.
enum Failed {
    /// It was not processed, and can be sent again.
    Elsewhere(Status),
    /// It may have been processed, or is gone.
    Final(Status),
}

impl Call {
    fn judge(&self, status: Status) -> Failed {
        // Without a message no method has begun, whatever became of the headers.
        let untouched = Reason::of(&status) == Some(Reason::TunnelLost) && self.body.is_untouched();
        if (is_unprocessed(&status) || untouched) && self.body.can_repeat() {
            return Failed::Elsewhere(status);
        }
        Failed::Final(status)
    }
}
