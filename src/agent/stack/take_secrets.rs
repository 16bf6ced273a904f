//! Takes secrets out of the headers, and who asks with them.
//!
//! Unlike [`observe`](super::observe), which looks at a request, this changes it: below here no header holds a secret, so any layer and
//! library may log them all. The connection that came along is an extension whose Debug shows no token.

use std::future::{Ready, ready};
use std::task::{Context, Poll};

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use futures_util::future::Either;
use http::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION};
use http::{HeaderMap, HeaderValue, Request, Response};
use secrecy::SecretSlice;
use tonic::Code;
use tower::{Layer, Service};

use crate::proto::{Fault, Reason};
use crate::scm::{Caller, HeldSecret};
use crate::tunnel::{Body, wire};

/// Makes [`TakeSecrets`].
#[derive(Debug, Clone, Copy, Default)]
pub struct TakeSecretsLayer(());

/// See the module.
#[derive(Debug, Clone)]
pub struct TakeSecrets<S> {
    inner: S,
}

impl TakeSecretsLayer {
    /// Makes the layer.
    pub fn new() -> Self {
        Self::default()
    }
}

impl<S> Layer<S> for TakeSecretsLayer {
    type Service = TakeSecrets<S>;

    fn layer(&self, inner: S) -> TakeSecrets<S> {
        TakeSecrets { inner }
    }
}

impl<S> Service<Request<Body>> for TakeSecrets<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<S::Response, S::Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let held = match take(request.headers_mut()) {
            Ok(held) => held,
            Err(fault) => return Either::Right(ready(Ok(wire::status_response(fault.into())))),
        };
        let caller = caller(request.headers());
        request.extensions_mut().insert(caller);
        if let Some(held) = held {
            request.extensions_mut().insert(held);
        }
        Either::Left(self.inner.call(request))
    }
}

/// Removes every header that may hold a secret; the connection that came along is kept in another form.
fn take(headers: &mut HeaderMap) -> Result<Option<HeldSecret>, Fault> {
    for name in [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE] {
        headers.remove(name);
    }
    let several = headers.get_all(HELD).iter().nth(1).is_some();
    match headers.remove(HELD) {
        None => Ok(None),
        Some(_) if several => Err(malformed()),
        Some(value) => decode(&value).map(Some).ok_or_else(malformed),
    }
}

fn decode(value: &HeaderValue) -> Option<HeldSecret> {
    let decoded = SecretSlice::from(BASE64.decode(value).ok()?);
    HeldSecret::decode(&decoded)
}

fn malformed() -> Fault {
    let message = format!("`{HELD}` is malformed; only a gateway may send it");
    Fault::new(Code::InvalidArgument, Reason::HeaderReserved, message).with("header", HELD)
}

/// A gateway names both on every call; what comes without came by a local listener, which lets neither in.
fn caller(headers: &HeaderMap) -> Caller {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    match (text(TENANT), text(CALLER)) {
        (tenant, caller) if tenant.is_empty() && caller.is_empty() => Caller::local(),
        (tenant, caller) => Caller { tenant, caller },
    }
}

const HELD: &str = "gitproxy-connection-bin";
const TENANT: &str = "gitproxy-tenant";
const CALLER: &str = "gitproxy-caller";

/// gRPC sends binary metadata with padding or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use prost::Message as _;
    use tonic::Status;
    use tower::{ServiceExt as _, service_fn};

    use super::*;
    use crate::proto::tunnel::v1::HeldConnection;

    fn held() -> String {
        let held = HeldConnection { name: "cloud".into(), token: "c4nary".into(), ..Default::default() };
        BASE64.encode(held.encode_to_vec())
    }

    /// What a service behind the layer sees of a request, all that Debug shows of it included.
    async fn seen(headers: &[(&str, &str)]) -> Result<(Option<Caller>, Option<String>, String), Status> {
        let mut request = Request::post("/x");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let behind = service_fn(|request: Request<Body>| async move {
            let held = request.extensions().get::<HeldSecret>();
            let shown = format!("{:?} {held:?}", request.headers());
            let seen = (
                request.extensions().get::<Caller>().cloned(),
                held.map(|held| held.name().to_owned()),
                shown,
            );
            let mut response = Response::new(Body::empty());
            response.extensions_mut().insert(seen);
            Ok::<_, Infallible>(response)
        });
        let request = request.body(Body::empty()).expect("a request");
        let mut response = TakeSecretsLayer::new().layer(behind).oneshot(request).await.expect("infallible");
        Status::from_header_map(response.headers())
            .map_or_else(|| Ok(response.extensions_mut().remove().expect("seen")), Err)
    }

    #[tokio::test]
    async fn no_secret_header_is_left() {
        let headers = [
            ("authorization", "Bearer c4nary"),
            ("proxy-authorization", "Basic c4nary"),
            ("cookie", "c4nary"),
            ("gitproxy-connection-bin", &held()),
            ("te", "trailers"),
        ];
        let (_, name, shown) = seen(&headers).await.expect("let in");
        assert_eq!(name.as_deref(), Some("cloud"));
        assert!(
            shown.contains("trailers") && !shown.contains("c4nary") && !shown.contains(&held()),
            "{shown}"
        );
    }

    #[tokio::test]
    async fn padding_does_not_matter() {
        let unpadded = held().trim_end_matches('=').to_owned();
        let (_, name, _) = seen(&[("gitproxy-connection-bin", &unpadded)]).await.expect("let in");
        assert_eq!(name.as_deref(), Some("cloud"));
    }

    #[tokio::test]
    async fn a_malformed_or_doubled_connection_is_refused_without_repeating_it() {
        let good = held();
        let (not_proto, not_base64) = (BASE64.encode("c4nary"), "!c4nary");
        let one = |value| vec![("gitproxy-connection-bin", value)];
        let doubled = vec![("gitproxy-connection-bin", good.as_str()); 2];
        for headers in [one(not_proto.as_str()), one(not_base64), doubled] {
            let status = seen(&headers).await.expect_err("refused");
            assert_eq!(
                (status.code(), Reason::of(&status)),
                (Code::InvalidArgument, Some(Reason::HeaderReserved))
            );
            assert!(!format!("{status:?}").contains("c4nary"), "{status:?}");
        }
    }

    #[tokio::test]
    async fn the_caller_is_whom_the_gateway_names_else_local() {
        let named = [("gitproxy-tenant", "acme"), ("gitproxy-caller", "bot")];
        let (caller, ..) = seen(&named).await.expect("let in");
        assert_eq!(caller, Some(Caller { tenant: "acme".into(), caller: "bot".into() }));
        assert_eq!(seen(&[]).await.expect("let in").0, Some(Caller::local()));
    }
}
