//! Gives each command a span and an id.
//!
//! Unlike [`audit`](crate::scm::audit), which tells what became of a command, this says to which command each line of the log belongs. The
//! id goes back to the caller as `gitproxy-request-id`, so that an operator finds the lines of a call that failed.

use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Request, Response};
use tower::{Layer, Service};
use tracing::{Instrument as _, Span, info_span};
use uuid::Uuid;

use crate::scm::HeldSecret;
use crate::tunnel::Body;

/// Makes [`Observe`].
#[derive(Debug, Clone, Copy, Default)]
pub struct ObserveLayer(());

/// See the module.
#[derive(Debug, Clone)]
pub struct Observe<S> {
    inner: S,
}

impl ObserveLayer {
    /// Makes the layer.
    pub fn new() -> Self {
        Self::default()
    }
}

impl<S> Layer<S> for ObserveLayer {
    type Service = Observe<S>;

    fn layer(&self, inner: S) -> Observe<S> {
        Observe { inner }
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

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let id = request_id(request.headers());
        let span = span(&request, &id);
        let answer = span.in_scope(|| self.inner.call(request)).instrument(span);
        Box::pin(async move {
            let mut response = answer.await?;
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

/// The trace that the call belongs to, else a random id: 32 hexadecimal digits either way.
fn request_id(headers: &HeaderMap) -> String {
    let parent = headers.get("traceparent").and_then(|value| value.to_str().ok());
    parent.and_then(trace_id).map_or_else(|| Uuid::new_v4().simple().to_string(), str::to_owned)
}

/// The trace id in a `traceparent` (W3C Trace Context, section 3.2.2); all zeroes are invalid there.
fn trace_id(parent: &str) -> Option<&str> {
    let id = parent.split('-').nth(1)?;
    let hexadecimal = id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (id.len() == 32 && hexadecimal && id.bytes().any(|byte| byte != b'0')).then_some(id)
}

/// The response header that carries the id.
pub const REQUEST_ID: &str = "gitproxy-request-id";

#[cfg(test)]
mod tests {
    use super::*;

    fn id_for(parent: &'static str) -> String {
        request_id(&HeaderMap::from_iter([(
            http::HeaderName::from_static("traceparent"),
            HeaderValue::from_static(parent),
        )]))
    }

    #[test]
    fn the_id_is_that_of_the_trace() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(id_for("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), trace);
    }

    #[test]
    fn without_a_valid_trace_the_id_is_random() {
        for bad in ["", "00", "00-x-y-z", "00-00000000000000000000000000000000-00f067aa0ba902b7-01"] {
            let (one, other) = (id_for(bad), id_for(bad));
            assert!(one.len() == 32 && one != other, "{bad}: {one}");
        }
    }
}
