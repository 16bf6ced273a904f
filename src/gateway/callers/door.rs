//! Lets a call in when its caller is known, the method exists, and the caller's role allows it.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tonic::Code;
use tower::{Layer, Service};

use super::local;
use crate::gateway::credentials::Credentials;
use crate::gateway::headers::Destination;
use crate::gateway::store::Caller;
use crate::gateway::web::FOR_AGENTS;
use crate::proto::{Effect, Fault, Reason, methods};
use crate::tunnel::{Body, wire};

/// What the door found out; in the extensions of each request below it.
#[derive(Debug, Clone)]
pub(super) struct Admitted {
    /// Who calls.
    pub(super) caller: Caller,
    /// Where the call shall go.
    pub(super) destination: Destination,
}

/// Makes [`Door`].
#[derive(Clone)]
pub(super) struct DoorLayer {
    credentials: Credentials,
}

/// See the module.
#[derive(Clone)]
pub(super) struct Door<S> {
    inner: S,
    credentials: Credentials,
}

impl DoorLayer {
    pub(super) fn new(credentials: Credentials) -> Self {
        Self { credentials }
    }
}

impl<S> Layer<S> for DoorLayer {
    type Service = Door<S>;

    fn layer(&self, inner: S) -> Door<S> {
        Door { inner, credentials: self.credentials.clone() }
    }
}

impl<S> Service<http::Request<Body>> for Door<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        // The instance that was polled ready takes the call; its clone waits for the next.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let credentials = self.credentials.clone();
        Box::pin(async move {
            match admit(&credentials, request.uri().path(), request.headers()).await {
                Ok(admitted) => {
                    request.extensions_mut().insert(admitted);
                    inner.call(request).await
                }
                Err(fault) => Ok(wire::status_response(fault.into())),
            }
        })
    }
}

/// Who is unknown learns nothing, not even which methods exist; but that agents attach elsewhere is told before the
/// key is looked at, since an agent's key is none here however good it is.
async fn admit(credentials: &Credentials, path: &str, headers: &http::HeaderMap) -> Result<Admitted, Fault> {
    if path.starts_with(FOR_AGENTS) {
        return Err(Fault::new(Code::Unimplemented, Reason::MethodUnknown, ELSEWHERE));
    }
    let caller = credentials.caller(headers).await?;
    caller.role.permit(effect(path)?)?;
    Ok(Admitted { caller, destination: Destination::of(headers)? })
}

fn effect(path: &str) -> Result<Effect, Fault> {
    let method = methods::find(path);
    if local::serves(path) {
        // Reflection and health are no methods of ours; they change nothing.
        return Ok(method.map_or(Effect::Read, |method| method.effect));
    }
    match method.filter(|method| method.package == methods::SCM_PACKAGE) {
        Some(method) => Ok(method.effect),
        None => Err(Fault::new(
            Code::Unimplemented,
            Reason::MethodUnknown,
            "the path is no method that a caller may use; reflection lists them",
        )),
    }
}

const ELSEWHERE: &str = "this is the gateway's listener for callers: agents attach at its other one";
