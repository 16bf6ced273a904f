//! Gives each call a span with the id of its trace, and has it watched.

use std::convert::Infallible;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use http::{Request, Response};
use tower::{Layer, Service};
use tracing::{Instrument as _, info_span};

use crate::tunnel::Body;
use crate::tunnel::observe::Observer;

/// Makes [`Observe`].
#[derive(Clone)]
pub(in crate::gateway) struct ObserveLayer(Observer);

/// See the module.
#[derive(Clone)]
pub(in crate::gateway) struct Observe<S> {
    inner: S,
    observer: Observer,
}

impl ObserveLayer {
    pub(in crate::gateway) fn new(observer: Observer) -> Self {
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
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let watch = self.observer.begin(&mut request);
        // The agent's lines have the same id: what goes on to it is this call's place in the trace.
        let span = info_span!("call", method = request.uri().path(), request = watch.context().trace());
        let answer = span.in_scope(|| self.inner.call(request)).instrument(span);
        Box::pin(async move { Ok(watch.until_the_end_of(answer.await?)) })
    }
}
