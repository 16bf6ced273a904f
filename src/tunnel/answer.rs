//! Tells an answer of HTTP from one of gRPC, on the way to the gateway.
//!
//! tonic makes a status of either, and what answered is lost. Here an answer without gRPC's content type becomes
//! NOT_GRPC (or BODY_LIMIT) with a message that names its HTTP status and its server. Of the page itself nothing is kept;
//! it is only looked at for what a person would see at once: a form to log in, nginx's word for a missing certificate.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, StatusCode, header};
use http_body::Frame;
use http_body_util::BodyExt as _;
use tonic::{Code, Status};
use tower::Service;

use super::{Body, Channel, body_limit, channel};
use crate::ops::Echo;
use crate::proto::{Fault, Reason};

/// A channel to a gateway, through which only gRPC comes back.
#[derive(Debug, Clone)]
pub(super) struct GrpcOnly(pub(super) Channel);

/// What stands where the gateway should, as the fact `problem` of NOT_GRPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// A reverse proxy that does not reach its gateway: HTTP 502, 503 or 504.
    BadGateway,
    /// A server that wants a client certificate, or does not accept the one that it was shown.
    ClientCertificate,
    /// A page to log in, or the way to one.
    Login,
    /// Something else that speaks HTTP.
    Other,
}

impl Problem {
    /// Reads the problem out of NOT_GRPC; `None` for any other status.
    pub fn of(status: &Status) -> Option<Self> {
        use tonic_types::StatusExt as _;

        Reason::of(status).filter(|reason| *reason == Reason::NotGrpc)?;
        let word = status.get_details_error_info()?.metadata.remove(PROBLEM);
        let all = [Self::BadGateway, Self::ClientCertificate, Self::Login];
        Some(all.into_iter().find(|problem| word.as_deref() == Some(problem.word())).unwrap_or(Self::Other))
    }

    fn word(self) -> &'static str {
        match self {
            Self::BadGateway => "bad-gateway",
            Self::ClientCertificate => "client-certificate",
            Self::Login => "login",
            Self::Other => "other",
        }
    }
}

impl Service<http::Request<Body>> for GrpcOnly {
    type Response = http::Response<Body>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Status>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let sent = Echo::of(request.headers());
        let answer = self.0.call(request);
        Box::pin(async move {
            let (mut parts, body) = answer.await.map_err(channel::from_gateway)?.into_parts();
            let is_grpc = is_grpc(&parts.headers);
            // What answers may be anybody, and what it says goes into the log.
            sent.silence(&mut parts.headers);
            if is_grpc {
                let body = body.map_err(channel::from_gateway).map_frame(move |frame| silent(&sent, frame));
                return Ok(http::Response::from_parts(parts, Body::new(body)));
            }
            let page = beginning(body).await;
            Err(explain(parts.status, &parts.headers, &page).into())
        })
    }
}

/// Takes the key out of trailers, where gRPC has its message.
fn silent(sent: &Echo, frame: Frame<Bytes>) -> Frame<Bytes> {
    match frame.into_trailers() {
        Ok(mut trailers) => {
            sent.silence(&mut trailers);
            Frame::trailers(trailers)
        }
        Err(frame) => frame,
    }
}

/// `application/grpc`, or with a suffix such as `+proto`. Not `application/grpc-web`, which is another protocol.
fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).map(|value| value.as_bytes());
    let rest = kind.and_then(|kind| kind.strip_prefix(b"application/grpc"));
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

/// What of a page comes soon, up to [`LOOKED_AT`] bytes, in lower case.
async fn beginning(mut body: Body) -> String {
    let mut page = Vec::new();
    let read = async {
        while let Some(Ok(frame)) = body.frame().await {
            let data = frame.into_data().unwrap_or_default();
            page.extend_from_slice(&data[..data.len().min(LOOKED_AT - page.len())]);
            if page.len() == LOOKED_AT {
                break;
            }
        }
    };
    // A page that comes late is not needed: status and headers say the most.
    let _ = tokio::time::timeout(PATIENCE, read).await;
    String::from_utf8_lossy(&page).to_lowercase()
}

fn explain(status: StatusCode, headers: &HeaderMap, page: &str) -> Fault {
    let server = printable(headers, &header::SERVER);
    let who = if server.is_empty() { String::new() } else { format!(" from {server}") };
    let (problem, told) = problem(status, headers, page);
    let fault = match status {
        StatusCode::PAYLOAD_TOO_LARGE => body_limit::told(&who),
        _ => {
            let said = format!("HTTP {} {}", status.as_u16(), status.canonical_reason().unwrap_or_default());
            let message =
                format!("{}{who}, where a gitproxy gateway should answer with gRPC{told}", said.trim_end());
            Fault::new(Code::Unavailable, Reason::NotGrpc, message).with(PROBLEM, problem.word())
        }
    };
    fault
        .with("http_status", status.as_str())
        .with("content_type", printable(headers, &header::CONTENT_TYPE))
        .with("server", server)
}

/// What is wrong, and the words about it that follow the status.
fn problem(status: StatusCode, headers: &HeaderMap, page: &str) -> (Problem, String) {
    // nginx's own words: `ngx_http_error_496_page` and `ngx_http_error_495_page`, both sent with status 400.
    if page.contains("no required ssl certificate was sent") {
        return (Problem::ClientCertificate, "; it wants a client certificate".to_owned());
    }
    if page.contains("the ssl certificate error") {
        return (Problem::ClientCertificate, "; it does not accept the client certificate".to_owned());
    }
    match status {
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            (Problem::BadGateway, String::new())
        }
        _ if status.is_redirection() => (Problem::Login, redirected(headers)),
        _ if LOGIN.iter().any(|word| page.contains(word)) => {
            (Problem::Login, "; the page looks like a login".to_owned())
        }
        StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            (Problem::Login, "; it wants a login of its own".to_owned())
        }
        _ => (Problem::Other, String::new()),
    }
}

/// Names the host alone: the rest of such a URL may carry tokens.
fn redirected(headers: &HeaderMap) -> String {
    let target = headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
    let uri = target.and_then(|target| target.parse::<http::Uri>().ok());
    match uri.as_ref().and_then(http::Uri::host) {
        Some(host) => format!("; it redirects to {}, as a login page does", short(host, 100)),
        None => "; it redirects, as a login page does".to_owned(),
    }
}

fn printable(headers: &HeaderMap, name: &HeaderName) -> String {
    let value = headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
    short(&value.unwrap_or_default(), 40)
}

/// What a remote wrote, fit for a log line.
fn short(text: &str, most: usize) -> String {
    text.chars().filter(|letter| letter.is_ascii_graphic() || *letter == ' ').take(most).collect()
}

const PROBLEM: &str = "problem";
const LOOKED_AT: usize = 4096;
const PATIENCE: Duration = Duration::from_secs(2);

/// What pages to log in have, in lower case.
const LOGIN: [&str; 5] = ["type=\"password\"", "type='password'", "samlrequest", "log in", "sign in"];

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), value.parse().expect("a value"))
        };
        pairs.iter().map(pair).collect()
    }

    fn shown(status: u16, pairs: &[(&'static str, &str)], page: &str) -> (Option<Problem>, String) {
        let fault =
            explain(StatusCode::from_u16(status).expect("a status"), &headers(pairs), &page.to_lowercase());
        let message = fault.message().to_owned();
        (Problem::of(&fault.into()), message)
    }

    #[test]
    fn each_answer_that_is_not_grpc_is_told_for_what_it_is() {
        let nginx = [("server", "nginx"), ("content-type", "text/html")];
        let sso = [("location", "https://sso.example.com/saml?RelayState=s3cret")];
        let table = [
            (502, &nginx[..], "", Problem::BadGateway, "HTTP 502 Bad Gateway from nginx, where"),
            (504, &[], "", Problem::BadGateway, "HTTP 504 Gateway Timeout, where"),
            (404, &nginx, "<h1>not found</h1>", Problem::Other, "HTTP 404 Not Found from nginx"),
            (302, &sso, "", Problem::Login, "redirects to sso.example.com"),
            (200, &nginx, "<input type=\"password\">", Problem::Login, "looks like a login"),
            (401, &[], "", Problem::Login, "wants a login"),
            (
                400,
                &nginx,
                "No required SSL certificate was sent",
                Problem::ClientCertificate,
                "wants a client",
            ),
            (400, &nginx, "The SSL certificate error", Problem::ClientCertificate, "does not accept"),
        ];
        for (status, pairs, page, problem, words) in table {
            let (found, message) = shown(status, pairs, page);
            assert_eq!(found, Some(problem), "{status}: {message}");
            assert!(message.contains(words), "{status}: {message}");
            assert!(!message.contains("s3cret") && !message.contains("<h1>"), "{message}");
        }
    }

    #[test]
    fn a_413_is_the_body_limit() {
        let fault = explain(StatusCode::PAYLOAD_TOO_LARGE, &headers(&[("server", "nginx")]), "");
        assert_eq!(fault.reason(), Reason::BodyLimit);
        assert!(fault.message().starts_with("HTTP 413 Request Entity Too Large from nginx"), "{fault}");
    }

    #[test]
    fn a_servers_name_cannot_fill_or_break_the_log() {
        let long = format!("evil\u{1b}[31m{}", "x".repeat(200));
        let mut found = HeaderMap::new();
        found.insert(header::SERVER, http::HeaderValue::from_bytes(b"a\tb\x80c").expect("a value"));
        assert_eq!(printable(&found, &header::SERVER), "abc");
        assert_eq!(short(&long, 40).len(), 40);
        assert!(!short(&long, 40).contains('\u{1b}'));
    }

    #[test]
    fn grpc_web_is_not_grpc() {
        for (kind, grpc) in
            [("application/grpc", true), ("application/grpc+proto", true), ("application/grpc-web", false)]
        {
            assert_eq!(is_grpc(&headers(&[("content-type", kind)])), grpc, "{kind}");
        }
        assert!(!is_grpc(&HeaderMap::new()));
    }
}
