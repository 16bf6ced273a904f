//! Gives each command a span and an id, and has it watched.
//!
//! Unlike [`audit`](crate::scm::audit), which tells what became of a command, this says to which command each line of the log belongs. The
//! id is that of the call's trace and goes back to the caller as `gitproxy-request-id`, so that an operator finds the lines of
//! a call that failed.

use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use http::{HeaderValue, Request, Response};
use tower::{Layer, Service};
use tracing::{Instrument as _, Span, info_span};

use crate::scm::HeldSecret;
use crate::tunnel::Body;
use crate::tunnel::observe::Observer;

/// Makes [`Observe`].
#[derive(Debug, Clone, Default)]
pub struct ObserveLayer(Observer);

/// See the module.
#[derive(Debug, Clone)]
pub struct Observe<S> {
    inner: S,
    observer: Observer,
}

impl ObserveLayer {
    /// Has each command watched by `observer`.
    pub fn new(observer: Observer) -> Self {
        Self(observer)
    }
}

impl<S> Layer<S> for ObserveLayer {
    type Service = Observe<S>;

    fn layer(&self, inner: S) -> Observe<S> {
        Observe { inner, observer: self.0.clone() }
    }
}

impl<S> Service<Request<Body>> for Observe<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let watch = self.observer.begin(&mut request);
        let id = watch.context().trace();
        let span = span(&request, &id);
        let answer = span.in_scope(|| self.inner.call(request)).instrument(span);
        Box::pin(async move {
            let mut response = watch.until_the_end_of(answer.await?);
            if let Ok(id) = HeaderValue::try_from(id) {
                response.headers_mut().insert(REQUEST_ID, id);
            }
            Ok(response)
        })
    }
}

fn span(request: &Request<Body>, id: &str) -> Span {
    let named = request.headers().get("gitproxy-connection").and_then(|name| name.to_str().ok());
    let connection = request.extensions().get::<HeldSecret>().map(HeldSecret::name).or(named);
    info_span!("command", method = request.uri().path(), request = id, connection)
}

/// The response header that carries the id.
pub const REQUEST_ID: &str = "gitproxy-request-id";
