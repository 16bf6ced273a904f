//! Ends what is still in flight when the grace is over, with a status instead of a broken connection.
//!
//! Unlike the deadline it strikes all calls at once, and only those that somebody still reads: a stalled reader is cut.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tonic::{Code, Status};
use tower::{Layer, Service};

use crate::gateway::phase::Watch;
use crate::proto::{Fault, Reason};
use crate::tunnel::{Body, wire};

/// Makes [`Ending`].
#[derive(Clone)]
pub(in crate::gateway) struct EndingLayer {
    phase: Watch,
}

/// See the module.
#[derive(Clone)]
pub(in crate::gateway) struct Ending<S> {
    inner: S,
    phase: Watch,
}

/// A body that ends with DRAINING when the grace is over.
struct Ends {
    /// Dropped when the grace is over.
    inner: Option<Body>,
    over: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl EndingLayer {
    pub(in crate::gateway) fn new(phase: Watch) -> Self {
        Self { phase }
    }
}

impl<S> Layer<S> for EndingLayer {
    type Service = Ending<S>;

    fn layer(&self, inner: S) -> Ending<S> {
        Ending { inner, phase: self.phase.clone() }
    }
}

impl<S> Service<http::Request<Body>> for Ending<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let (answer, phase) = (self.inner.call(request), self.phase.clone());
        Box::pin(async move {
            let mut over: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(phase.over());
            let answer = tokio::select! {
                // What is ready goes first.
                biased;
                answer = answer => answer?,
                () = &mut over => return Ok(wire::status_response(draining())),
            };
            Ok(answer.map(|body| match body.is_end_stream() {
                true => body,
                false => Body::new(Ends { inner: Some(body), over }),
            }))
        })
    }
}

impl HttpBody for Ends {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(inner) = &mut self.inner else { return Poll::Ready(None) };
        // What is there goes first: a watch's last message carries the token to go on with.
        if let Poll::Ready(frame) = Pin::new(inner).poll_frame(cx) {
            return Poll::Ready(frame);
        }
        self.over.as_mut().poll(cx).map(|()| {
            self.inner = None;
            Some(Ok(Frame::trailers(wire::status_trailers(&draining()))))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        // What has no known length may still end early.
        SizeHint::default()
    }
}

fn draining() -> Status {
    let message = "the gateway is shutting down and the time for calls in flight is over; call again, and a watch goes \
                   on with its last resume token; a write may have happened";
    Fault::new(Code::Unavailable, Reason::Draining, message).retry_after(RETRY).into()
}

/// Another gateway, or this one's successor, is there by then.
const RETRY: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, StreamBody};
    use tokio_stream::StreamExt as _;
    use tower::{ServiceExt as _, service_fn};

    use super::*;
    use crate::gateway::phase::{Phase, phase};

    fn reason(trailers: Option<&http::HeaderMap>) -> (Option<Code>, Option<Reason>) {
        let status = trailers.and_then(Status::from_header_map);
        (status.as_ref().map(Status::code), status.as_ref().and_then(Reason::of))
    }

    const DRAINING: (Option<Code>, Option<Reason>) = (Some(Code::Unavailable), Some(Reason::Draining));

    async fn answer<F, R>(phase: Watch, answer: F) -> http::Response<Body>
    where
        F: Fn() -> R + Clone + Send + 'static,
        R: Future<Output = http::Response<Body>> + Send + 'static,
    {
        let service = service_fn(move |_| {
            let answer = answer();
            async move { Ok::<_, Infallible>(answer.await) }
        });
        let request = http::Request::new(Body::empty());
        EndingLayer::new(phase).layer(service).oneshot(request).await.expect("an answer")
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_gets_what_is_there_and_then_ends_as_draining() {
        let (sender, watch) = phase();
        let answer = answer(watch, || async {
            let first = tokio_stream::once(Ok::<_, Status>(Frame::data(Bytes::from_static(b"token"))));
            let never = futures_util::stream::pending();
            http::Response::new(Body::new(StreamBody::new(first.chain(never))))
        });
        let mut body = answer.await.into_body();
        sender.send_replace(Phase::Draining);
        let first = body.frame().await.expect("a frame").expect("good");
        assert_eq!(first.into_data().expect("data"), "token");
        sender.send_replace(Phase::Over);
        let rest = body.collect().await.expect("no broken stream");
        assert_eq!(reason(rest.trailers()), DRAINING);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_without_an_answer_ends_as_draining() {
        let (sender, watch) = phase();
        let answer = answer(watch, std::future::pending);
        let (answer, ()) =
            tokio::join!(answer, async { assert_eq!(sender.send_replace(Phase::Over), Phase::Ready) });
        assert_eq!(reason(Some(answer.headers())), DRAINING);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_whole_stays_whole() {
        let (sender, watch) = phase();
        sender.send_replace(Phase::Over);
        let answer = answer(watch, || async { Status::ok("").into_http() }).await;
        assert_eq!(Status::from_header_map(answer.headers()).expect("a status").code(), Code::Ok);
    }
}
