//! What each listener serves: gRPC by content type, and a few plain words over HTTP.

use std::convert::Infallible;

use http::{HeaderValue, Method, Request, Response, StatusCode, Version, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use tonic::Code;
use tower::ServiceExt as _;

use super::phase::{Phase, Watch};
use crate::proto::{Fault, Reason, methods};
use crate::tunnel::{self, Body, wire};

/// Answers on the listener of agents: gRPC, and `GET /health` for probes that speak plain HTTP.
pub(super) async fn agents(
    request: Request<Incoming>,
    grpc: tunnel::Service,
    phase: Watch,
) -> Result<Response<Body>, Infallible> {
    if request.uri().path() == "/health" && matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(bare(request.method(), health(phase.now())));
    }
    // What callers may use says so even here; who asks learns no more than what this port is for.
    if refuse(&request).is_none() && !request.uri().path().starts_with(FOR_AGENTS) {
        let fault = Fault::new(Code::Unimplemented, Reason::MethodUnknown, ELSEWHERE);
        return Ok(wire::status_response(fault.into()));
    }
    callers(request, grpc).await
}

/// Answers on the listener of callers: gRPC. Git's smart HTTP and a console will live beside it.
pub(super) async fn callers(
    request: Request<Incoming>,
    grpc: tunnel::Service,
) -> Result<Response<Body>, Infallible> {
    match refuse(&request) {
        Some((status, what)) => Ok(bare(request.method(), text(status, what))),
        None => grpc.oneshot(request.map(Body::new)).await,
    }
}

fn health(phase: Phase) -> Response<Body> {
    match phase {
        Phase::Ready => text(StatusCode::OK, "ok"),
        Phase::Settling | Phase::Draining => text(StatusCode::SERVICE_UNAVAILABLE, "draining"),
    }
}

/// Says why a request is no gRPC call.
fn refuse<B>(request: &Request<B>) -> Option<(StatusCode, &'static str)> {
    let grpc = request.headers().get(header::CONTENT_TYPE).is_some_and(is_grpc);
    match (grpc, request.method() == Method::POST, request.version()) {
        (true, true, Version::HTTP_2) => None,
        (true, true, _) => Some((StatusCode::HTTP_VERSION_NOT_SUPPORTED, "gRPC needs HTTP/2")),
        (true, false, _) => Some((StatusCode::METHOD_NOT_ALLOWED, "gRPC needs POST")),
        (false, ..) if methods::find(request.uri().path()).is_some() => Some((
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "this path speaks gRPC (content-type: application/grpc)",
        )),
        (false, ..) => Some((StatusCode::NOT_FOUND, "nothing is here")),
    }
}

/// `application/grpc`, or with a suffix such as `+proto`. Not `application/grpc-web`, which is another protocol.
fn is_grpc(value: &HeaderValue) -> bool {
    let rest = value.as_bytes().strip_prefix(b"application/grpc");
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

/// Over HTTP/2 hyper would send the body after HEAD too, which peers take for a broken stream.
fn bare(method: &Method, answer: Response<Body>) -> Response<Body> {
    if method == Method::HEAD { answer.map(|_| Body::empty()) } else { answer }
}

fn text(status: StatusCode, what: &'static str) -> Response<Body> {
    let mut answer = Response::new(Body::new(Full::from(what).map_err(|never| match never {})));
    *answer.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    answer.headers_mut().insert(header::CONTENT_TYPE, plain);
    answer
}

/// What agents call.
pub(super) const FOR_AGENTS: &str = "/gitproxy.tunnel.v1.Tunnel/";
const ELSEWHERE: &str = "this is the gateway's listener for agents: callers come to its other one";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_grpc_over_http2_passes() {
        let path = "/gitproxy.scm.v1.Repos/ListRepos";
        let table = [
            (Method::POST, path, "application/grpc", Version::HTTP_2, None),
            (Method::POST, path, "application/grpc+proto", Version::HTTP_2, None),
            (Method::POST, "/no.such/Method", "application/grpc", Version::HTTP_2, None),
            (Method::POST, path, "application/grpc", Version::HTTP_11, Some(505)),
            (Method::GET, path, "application/grpc", Version::HTTP_2, Some(405)),
            (Method::POST, path, "application/grpc-web", Version::HTTP_2, Some(415)),
            (Method::POST, path, "application/json", Version::HTTP_2, Some(415)),
            (Method::GET, "/", "text/html", Version::HTTP_2, Some(404)),
            (Method::GET, "/health", "text/html", Version::HTTP_11, Some(404)),
        ];
        for (method, path, kind, version, expected) in table {
            let request = Request::builder().method(&method).uri(path).version(version);
            let request = request.header("content-type", kind).body(()).expect("a request");
            let refused = refuse(&request).map(|(status, _)| status.as_u16());
            assert_eq!(refused, expected, "{method} {path} {kind} {version:?}");
        }
    }

    #[test]
    fn health_says_when_to_look_elsewhere() {
        assert_eq!(health(Phase::Ready).status(), StatusCode::OK);
        assert_eq!(health(Phase::Settling).status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(health(Phase::Draining).status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}
