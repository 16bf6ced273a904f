//! Ends what is still in flight when the grace is over, with a status instead of a broken connection.
//!
//! Unlike the deadline it strikes all calls at once, and only those that somebody still reads: a stalled reader is cut.
//! What is there goes first, up to a bound: a watch's last message carries the token to go on with, a download has no last one.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tonic::{Code, Status};
use tower::{Layer, Service};

use super::{Body, wire};
use crate::ops::Tasks;
use crate::proto::{Fault, Reason};

/// Makes [`Ending`].
#[derive(Debug, Clone)]
pub struct EndingLayer {
    tasks: Tasks,
    who: &'static str,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Ending<S> {
    inner: S,
    tasks: Tasks,
    who: &'static str,
}

/// A body that ends with DRAINING when the grace is over.
struct Ends {
    /// Dropped when the grace is over.
    inner: Option<Body>,
    over: Pin<Box<dyn Future<Output = ()> + Send>>,
    tasks: Tasks,
    /// What may still go once the grace is over, in bytes.
    left: usize,
    who: &'static str,
}

impl EndingLayer {
    /// Ends calls when `tasks` say so ([`Tasks::end_calls`]); `who` is what callers are told to be shutting down.
    pub fn new(tasks: &Tasks, who: &'static str) -> Self {
        Self { tasks: tasks.clone(), who }
    }
}

impl<S> Layer<S> for EndingLayer {
    type Service = Ending<S>;

    fn layer(&self, inner: S) -> Ending<S> {
        Ending { inner, tasks: self.tasks.clone(), who: self.who }
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
        let (answer, tasks, who) = (self.inner.call(request), self.tasks.clone(), self.who);
        Box::pin(async move {
            let ending = tasks.clone();
            let mut over: Pin<Box<dyn Future<Output = ()> + Send>> =
                Box::pin(async move { ending.calls_end().await });
            let answer = tokio::select! {
                // What is ready goes first.
                biased;
                answer = answer => answer?,
                () = &mut over => return Ok(wire::status_response(draining(who))),
            };
            Ok(answer.map(|body| match body.is_end_stream() {
                true => body,
                false => Body::new(Ends { inner: Some(body), over, tasks, left: LAST_BYTES, who }),
            }))
        })
    }
}

impl Ends {
    /// Gives the rest up.
    fn end(&mut self) -> Option<Result<Frame<Bytes>, Status>> {
        self.inner = None;
        Some(Ok(Frame::trailers(wire::status_trailers(&draining(self.who)))))
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
        if let Poll::Ready(frame) = Pin::new(inner).poll_frame(cx) {
            let data = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()).map_or(0, Bytes::len);
            if data > 0 && self.tasks.have_calls_ended() {
                if self.left == 0 {
                    return Poll::Ready(self.end());
                }
                self.left = self.left.saturating_sub(data);
            }
            return Poll::Ready(frame);
        }
        self.over.as_mut().poll(cx).map(|()| self.end())
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        // What has no known length may still end early.
        SizeHint::default()
    }
}

fn draining(who: &str) -> Status {
    let message = format!(
        "{who} is shutting down and the time for calls in flight is over; call again, and a watch goes on with its last \
         resume token; a write may have happened"
    );
    Fault::new(Code::Unavailable, Reason::Draining, message).retry_after(RETRY).into()
}

/// What a stream may still say once the grace is over, in bytes: a watch its last messages.
const LAST_BYTES: usize = 64 << 10;

/// Another one, or this one's successor, is there by then.
const RETRY: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, StreamBody};
    use tokio_stream::StreamExt as _;
    use tower::{ServiceExt as _, service_fn};

    use super::*;

    fn reason(trailers: Option<&http::HeaderMap>) -> (Option<Code>, Option<Reason>) {
        let status = trailers.and_then(Status::from_header_map);
        (status.as_ref().map(Status::code), status.as_ref().and_then(Reason::of))
    }

    const DRAINING: (Option<Code>, Option<Reason>) = (Some(Code::Unavailable), Some(Reason::Draining));

    async fn answer<F, R>(tasks: &Tasks, answer: F) -> http::Response<Body>
    where
        F: Fn() -> R + Clone + Send + 'static,
        R: Future<Output = http::Response<Body>> + Send + 'static,
    {
        let service = service_fn(move |_| {
            let answer = answer();
            async move { Ok::<_, Infallible>(answer.await) }
        });
        let request = http::Request::new(Body::empty());
        EndingLayer::new(tasks, "the test").layer(service).oneshot(request).await.expect("an answer")
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_gets_what_is_there_and_then_ends_as_draining() {
        let tasks = Tasks::new();
        let answer = answer(&tasks, || async {
            let first = tokio_stream::once(Ok::<_, Status>(Frame::data(Bytes::from_static(b"token"))));
            let never = futures_util::stream::pending();
            http::Response::new(Body::new(StreamBody::new(first.chain(never))))
        });
        let mut body = answer.await.into_body();
        tasks.begin_drain();
        let first = body.frame().await.expect("a frame").expect("good");
        assert_eq!(first.into_data().expect("data"), "token");
        tasks.end_calls();
        let rest = body.collect().await.expect("no broken stream");
        assert_eq!(reason(rest.trailers()), DRAINING);
    }

    #[tokio::test(start_paused = true)]
    async fn a_download_that_never_pauses_ends_as_draining() {
        let tasks = Tasks::new();
        let part = || Some(Ok::<_, Status>(Frame::data(Bytes::from_static(&[0; LAST_BYTES / 4]))));
        let answer = answer(&tasks, move || async move {
            let parts = tokio_stream::iter(std::iter::from_fn(part));
            http::Response::new(Body::new(StreamBody::new(parts)))
        });
        let mut body = answer.await.into_body();
        for _ in 0..100 {
            let frame = body.frame().await.expect("a frame").expect("good");
            assert!(frame.is_data(), "not before its time");
        }
        tasks.end_calls();
        let mut rest = Vec::new();
        while let Some(frame) = body.frame().await {
            rest.push(frame.expect("good"));
            assert!(rest.len() <= 5, "it goes on");
        }
        assert_eq!(reason(rest.last().and_then(Frame::trailers_ref)), DRAINING);
    }

    #[tokio::test(start_paused = true)]
    async fn a_download_that_is_about_to_end_stays_whole() {
        let tasks = Tasks::new();
        let answer = answer(&tasks, || async {
            let last = Frame::data(Bytes::from_static(&[0; 2 * LAST_BYTES]));
            let end = Frame::trailers(wire::status_trailers(&Status::ok("")));
            http::Response::new(Body::new(StreamBody::new(tokio_stream::iter([
                Ok::<_, Status>(last),
                Ok(end),
            ]))))
        });
        let body = answer.await.into_body();
        tasks.end_calls();
        let rest = body.collect().await.expect("no broken stream");
        assert_eq!(reason(rest.trailers()).0, Some(Code::Ok));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_without_an_answer_ends_as_draining() {
        let tasks = Tasks::new();
        let answer = answer(&tasks, std::future::pending);
        let (answer, ()) = tokio::join!(answer, async { tasks.end_calls() });
        assert_eq!(reason(Some(answer.headers())), DRAINING);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_whole_stays_whole() {
        let tasks = Tasks::new();
        tasks.end_calls();
        let answer = answer(&tasks, || async { Status::ok("").into_http() }).await;
        assert_eq!(Status::from_header_map(answer.headers()).expect("a status").code(), Code::Ok);
    }
}
