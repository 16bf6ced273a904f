//! Has an instance of an agent look for what is wrong, and passes its findings on.

use std::time::Duration;

use http::{HeaderMap, Uri};
use tokio::time::{Instant, timeout_at};
use tonic::{Code, Request, Status};
use tower::service_fn;

use super::door::Admitted;
use super::routing::Routing;
use crate::gateway::directory::{Session, Wanted};
use crate::gateway::headers::{self, Patience};
use crate::gateway::name::Name;
use crate::gateway::store::Caller;
use crate::ops::call::Deadline;
use crate::proto::agent::v1::instances_client::InstancesClient;
use crate::proto::agent::v1::{DiagnoseRequest, DiagnoseResponse};
use crate::proto::gateway::v1::{DiagnoseAgentRequest, DiagnoseAgentResponse};
use crate::proto::{Fault, Reason};

/// Asks the instance that the request means.
///
/// # Errors
/// AGENT_UNKNOWN, AGENT_AMBIGUOUS or AGENT_AWAY when there is none, DEADLINE after 20 s, or what the agent answers.
pub(super) async fn diagnose(
    routing: &Routing,
    admitted: &Admitted,
    asked: DiagnoseAgentRequest,
) -> Result<DiagnoseAgentResponse, Status> {
    let named = match asked.agent.as_str() {
        "" => admitted.destination.agent.clone(),
        name => Some(Name::parse(name).map_err(|malformed| Fault::field("agent", malformed.to_string()))?),
    };
    let agent = routing.agent(&admitted.caller, named.as_ref()).await?;
    let session = match asked.instance.as_str() {
        "" => routing.session(&agent, &Wanted::default(), Patience::None).await?,
        instance => routing.instance(&agent, instance)?,
    };
    let deadline = Instant::now() + LONGEST;
    let answer = timeout_at(deadline, ask(&session, &admitted.caller, deadline)).await;
    let DiagnoseResponse { legs } = answer.map_err(|_| late())??;
    Ok(DiagnoseAgentResponse { agent: agent.agent.to_string(), instance: session.instance.clone(), legs })
}

async fn ask(session: &Session, caller: &Caller, deadline: Instant) -> Result<DiagnoseResponse, Status> {
    let upstream = service_fn(|request| session.upstream.send(request));
    // The pipe has no host; its channel puts one in.
    let mut client = InstancesClient::with_origin(upstream, Uri::from_static("/"));
    let mut request = Request::new(DiagnoseRequest {});
    let mut signed = HeaderMap::new();
    headers::sign(&mut signed, caller);
    *request.metadata_mut() = tonic::metadata::MetadataMap::from_headers(signed);
    request.extensions_mut().insert(Deadline(deadline));
    match client.diagnose(request).await {
        Ok(answer) => Ok(answer.into_inner()),
        Err(status) => Err(passed_on(&status, session)),
    }
}

/// Without the headers of the agent's answer, which are none of the caller's business.
fn passed_on(status: &Status, session: &Session) -> Status {
    if status.code() == Code::Unimplemented && Reason::of(status).is_none() {
        let message = format!("the agent's build {} cannot diagnose itself: upgrade it", session.build);
        return Fault::new(Code::Unimplemented, Reason::MethodUnknown, message).into();
    }
    Status::with_details(status.code(), status.message(), status.details().to_vec().into())
}

fn late() -> Fault {
    let message = format!("the agent did not finish its checks within {LONGEST:?}");
    Fault::new(Code::DeadlineExceeded, Reason::Deadline, message)
}

/// The doctor keeps to 15 s; the rest is for the way.
const LONGEST: Duration = Duration::from_secs(20);
