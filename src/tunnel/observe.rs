//! Counts, times and traces the calls that pass, at either end.
//!
//! Each end puts an [`Observer`] around its calls, before anything that may refuse them. A call counts until its answer's
//! body ends, and its code is the one that its trailers tell; who leaves before that has cancelled it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::task::{Context as Waker, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::time::Instant;
use tonic::{Code, Status};

use super::Body;
use crate::ops::metrics::{Counter, Label, Metrics, Named, Timer};
use crate::ops::traces::{Context, Side, Span, Tracer};
use crate::proto::{Class, Method, Reason, code_name, methods};

/// What sees the calls; clones are the same. By default it only knows their places in their traces.
#[derive(Debug, Clone, Default)]
pub struct Observer {
    meters: Option<Arc<Meters>>,
    tracer: Tracer,
}

#[derive(Debug)]
struct Meters {
    duration: Timer,
    failures: Counter,
    bytes: Counter,
    in_flight: Arc<[AtomicI64; 3]>,
}

/// A call that is being watched, until it is dropped.
#[derive(Debug)]
pub struct Watch {
    method: Option<&'static Method>,
    began: Instant,
    meters: Option<Arc<Meters>>,
    span: Span,
    received: Arc<AtomicU64>,
    sent: u64,
    /// CANCELLED until the answer says otherwise.
    code: Code,
    reason: Option<Reason>,
}

impl Observer {
    /// Measures into `metrics` and tells `tracer`.
    pub fn new(metrics: &Metrics, tracer: Tracer) -> Self {
        Self { meters: metrics.are_on().then(|| Arc::new(Meters::new(metrics))), tracer }
    }

    /// Watches a call from here on. Its place in its trace goes into the header `traceparent` and the extensions.
    pub fn begin(&self, request: &mut Request<Body>) -> Watch {
        let method = methods::find(request.uri().path());
        let parent = request.headers().get(PARENT).and_then(|value| value.to_str().ok());
        let parent = parent.and_then(Context::parse).unwrap_or_else(Context::fresh);
        let mut span = self.tracer.begin(name(method), Side::Server, parent);
        if span.is_told() {
            span.note([Label::new("rpc.system.name", "grpc"), Label::new("rpc.method", name(method))]);
        }
        let context = span.context();
        if let Ok(value) = HeaderValue::try_from(context.to_string()) {
            request.headers_mut().insert(PARENT, value);
        }
        request.extensions_mut().insert(context);
        let watch = Watch {
            method,
            began: Instant::now(),
            meters: self.meters.clone(),
            span,
            received: Arc::default(),
            sent: 0,
            code: Code::Cancelled,
            reason: None,
        };
        if let Some(meters) = &watch.meters {
            meters.in_flight[place(method)].fetch_add(1, Ordering::Relaxed);
            count(request.body_mut(), &watch.received);
        }
        watch
    }
}

impl Watch {
    /// The call's place in its trace.
    pub fn context(&self) -> Context {
        self.span.context()
    }

    /// Goes on watching until the body of the answer ends.
    pub fn until_the_end_of(mut self, answer: Response<Body>) -> Response<Body> {
        if self.meters.is_none() && !self.span.is_told() {
            return answer;
        }
        // A refusal has no trailers: its status stands in the headers.
        self.look(answer.headers());
        answer.map(|body| match body.is_end_stream() {
            true => body,
            false => Body::new(Watched { inner: body, watch: Some(self) }),
        })
    }

    fn look(&mut self, headers: &HeaderMap) {
        match headers.get(Status::GRPC_STATUS).map(HeaderValue::as_bytes) {
            None => {}
            Some(b"0") => self.code = Code::Ok,
            Some(_) => {
                let Some(status) = Status::from_header_map(headers) else { return };
                (self.code, self.reason) = (status.code(), Reason::of(&status));
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let (method, code) = (name(self.method), code_name(self.code));
        if let Some(meters) = &self.meters {
            meters.in_flight[place(self.method)].fetch_sub(1, Ordering::Relaxed);
            let [system, method] = [Label::new("rpc.system.name", "grpc"), Label::new("rpc.method", method)];
            let labels = [system, method, Label::new("rpc.response.status_code", code)];
            meters.duration.took(self.began.elapsed(), &labels);
            if self.code != Code::Ok {
                let reason = self.reason.map_or("NONE", Reason::word);
                let class = Label::new("gitproxy.class", class(self.method));
                meters.failures.add(1, &[class, Label::new("gitproxy.reason", reason)]);
            }
            let received = self.received.load(Ordering::Relaxed);
            meters.bytes.add(received, &[Label::new(DIRECTION, "receive")]);
            meters.bytes.add(self.sent, &[Label::new(DIRECTION, "transmit")]);
        }
        if self.span.is_told() {
            self.span.note([Label::new("rpc.response.status_code", code)]);
            if let Some(reason) = self.reason {
                self.span.note([Label::new("gitproxy.reason", reason.word())]);
            }
            if is_our_fault(self.code) {
                self.span.note([Label::new("error.type", code)]);
                self.span.failed();
            }
        }
    }
}

impl Meters {
    fn new(metrics: &Metrics) -> Self {
        let in_flight: Arc<[AtomicI64; 3]> = Arc::default();
        let seen = Arc::clone(&in_flight);
        let what = Named {
            name: "gitproxy.calls.in_flight",
            unit: "{call}",
            help: "Calls whose answer is not over, by class.",
        };
        metrics.gauge(what, move || {
            let classes = [Class::Unary, Class::Bulk, Class::Watch].into_iter().zip(seen.iter());
            let value = |count: &AtomicI64| count.load(Ordering::Relaxed) as f64;
            classes
                .map(|(class, count)| (vec![Label::new("gitproxy.class", class.as_str())], value(count)))
                .collect()
        });
        let failures = Named {
            name: "gitproxy.call.failures",
            unit: "{call}",
            help: "Calls that did not end with OK, by class and reason (docs/errors.md).",
        };
        let bytes = Named { name: "gitproxy.call.io", unit: "By", help: "Messages of calls, by direction." };
        Self {
            duration: metrics.timer("rpc.server.call.duration", "From a call's arrival to its end."),
            failures: metrics.counter(failures),
            bytes: metrics.counter(bytes),
            in_flight,
        }
    }
}

/// The body of an answer that is watched.
struct Watched {
    inner: Body,
    watch: Option<Watch>,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Waker<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = std::task::ready!(Pin::new(&mut self.inner).poll_frame(cx));
        let over = self.inner.is_end_stream();
        match (&frame, &mut self.watch) {
            (Some(Ok(frame)), Some(watch)) => {
                watch.sent += frame.data_ref().map_or(0, |data| data.len() as u64);
                if let Some(trailers) = frame.trailers_ref() {
                    watch.look(trailers);
                }
            }
            (Some(Err(status)), Some(watch)) => {
                (watch.code, watch.reason) = (status.code(), Reason::of(status));
            }
            (None, Some(_)) | (_, None) => {}
        }
        if over || !matches!(frame, Some(Ok(_))) {
            self.watch = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Counts what comes out of a body.
fn count(body: &mut Body, into: &Arc<AtomicU64>) {
    let into = Arc::clone(into);
    let inner = std::mem::replace(body, Body::empty());
    *body = Body::new(inner.map_frame(move |frame| {
        into.fetch_add(frame.data_ref().map_or(0, |data| data.len() as u64), Ordering::Relaxed);
        frame
    }));
}

/// As the conventions want it, without the slash in front. What no contract has is one name, or callers could make as many
/// as they like.
fn name(method: Option<&'static Method>) -> &'static str {
    method.map_or("_OTHER", |method| method.path.trim_start_matches('/'))
}

fn class(method: Option<&Method>) -> &'static str {
    method.map_or(Class::Unary, |method| method.class).as_str()
}

fn place(method: Option<&Method>) -> usize {
    match method.map_or(Class::Unary, |method| method.class) {
        Class::Unary => 0,
        Class::Bulk => 1,
        Class::Watch => 2,
    }
}

/// Which codes of a server are an error, by the conventions for gRPC; the others are the caller's business.
fn is_our_fault(code: Code) -> bool {
    matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    )
}

const PARENT: &str = "traceparent";
const DIRECTION: &str = "network.io.direction";
