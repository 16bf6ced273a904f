//! Turns what went wrong below into a status.
//!
//! Unlike a fault of a command, which is a status already, this is for what no command answers for: an error of a layer,
//! or a panic. The caller learns that it was gitproxy's fault and nothing else; the log has the rest. A panic inside a
//! body that is already on its way is beyond it: hyper resets that one call.

use std::any::Any;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::task::{Context, Poll};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use tonic::Status;
use tower::{BoxError, Layer, Service, ServiceExt as _};
use tracing::{error, warn};

use crate::proto::Fault;
use crate::tunnel::{Body, wire};

/// Makes [`Rescue`].
#[derive(Debug, Clone, Copy, Default)]
pub struct RescueLayer(());

/// See the module.
#[derive(Debug, Clone)]
pub struct Rescue<S> {
    inner: S,
}

impl RescueLayer {
    /// Makes the layer.
    pub fn new() -> Self {
        Self::default()
    }
}

impl<S> Layer<S> for RescueLayer {
    type Service = Rescue<S>;

    fn layer(&self, inner: S) -> Rescue<S> {
        Rescue { inner }
    }
}

impl<S> Service<Request<Body>> for Rescue<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // The inner service gets ready inside the call, where its failure too becomes a status.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let inner = self.inner.clone();
        // Nothing that a panic may have left half done is used again: the clone is dropped with the call.
        let answer = AssertUnwindSafe(async move { inner.oneshot(request).await }).catch_unwind();
        Box::pin(answer.map(|outcome| {
            Ok(match outcome {
                Ok(Ok(response)) => response,
                Ok(Err(failure)) => wire::status_response(status(failure.into())),
                Err(panic) => wire::status_response(panicked(&*panic)),
            })
        }))
    }
}

fn status(failure: BoxError) -> Status {
    match failure.downcast::<Status>() {
        Ok(status) => *status,
        Err(failure) => {
            warn!(%failure, cause = failure.source(), "a call failed inside gitproxy");
            internal()
        }
    }
}

/// The message of a panic may quote content, so it stays out of the log; the panic hook says where it happened.
fn panicked(_: &(dyn Any + Send)) -> Status {
    error!("a handler panicked; this is a defect of gitproxy");
    internal()
}

fn internal() -> Status {
    Fault::internal("gitproxy failed; the agent's log has the cause under this call's id").into()
}

#[cfg(test)]
mod tests {
    use tonic::Code;
    use tower::service_fn;

    use super::*;
    use crate::proto::Reason;

    async fn rescued<F, E>(handler: impl Fn() -> F + Clone + Send + 'static) -> Status
    where
        F: Future<Output = Result<Response<Body>, E>> + Send + 'static,
        E: Into<BoxError> + 'static,
    {
        let inner = service_fn(move |_: Request<Body>| handler());
        let response = RescueLayer::new().layer(inner).oneshot(Request::new(Body::empty())).await;
        let Ok(response) = response;
        Status::from_header_map(response.headers()).expect("a status")
    }

    #[tokio::test]
    async fn a_panic_is_internal_and_tells_the_caller_nothing() {
        let status = rescued(|| async { panic!("c4nary") as Result<_, Infallible> }).await;
        assert_eq!((status.code(), Reason::of(&status)), (Code::Internal, Some(Reason::Internal)));
        assert!(!format!("{status:?}").contains("c4nary"));
    }

    #[tokio::test]
    async fn an_error_is_internal_and_tells_the_caller_nothing() {
        let status = rescued(|| async { Err(std::io::Error::other("c4nary")) }).await;
        assert_eq!((status.code(), Reason::of(&status)), (Code::Internal, Some(Reason::Internal)));
        assert!(!format!("{status:?}").contains("c4nary"));
    }

    #[tokio::test]
    async fn an_error_that_is_a_status_stays_what_it_is() {
        let status = rescued(|| async { Err(Status::unavailable("away")) }).await;
        assert_eq!((status.code(), status.message()), (Code::Unavailable, "away"));
    }
}
