//! HTTP over a connection from `egress`, and what it means for a request when that breaks.

use std::time::Duration;

use bytes::Bytes;
use http::header::PROXY_AUTHORIZATION;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy;
use hyper_util::rt::TokioTimer;
use tower::util::BoxCloneSyncService;
use url::Url;

use crate::bitbucket::error::{Cause, Recovery};
use crate::egress::{self, Alpn, Connector, Egress, Hop, NotAnOrigin, Origin, Proxy};
use crate::ops::{Echo, Tasks};
use crate::proto::Reason;

/// The body of an answer.
pub(super) type Body = UnsyncBoxBody<Bytes, Cause>;

/// Carries one request to Bitbucket; any number at a time.
pub(super) type Transport = BoxCloneSyncService<Request<Full<Bytes>>, Response<Body>, Lost>;

/// A request without an answer.
#[derive(Debug)]
pub(super) enum Lost {
    /// No connection was made: not a byte of it was sent.
    Unsent {
        /// The hop that failed, as one of the `EGRESS_` reasons.
        hop: Reason,
        /// Whether another try may fare better.
        recovery: Recovery,
        /// What failed and the remedy, without a resolved address.
        says: String,
        /// What `egress` said.
        source: Cause,
    },
    /// It broke after a connection was there: it may have been sent.
    Underway {
        /// What broke.
        source: Cause,
    },
}

/// What opens the connections to a base URL: for HTTP/1.1 or 2, as TLS agrees.
///
/// # Errors
/// When the URL has no origin.
pub(super) fn connector(egress: &Egress, base: &Url) -> Result<Connector, NotAnOrigin> {
    Ok(egress.connector(Origin::of(base)?, Alpn::Http1OrHttp2))
}

/// HTTP over such connections; idle ones are kept for a while.
pub(super) fn over(connector: Connector) -> Transport {
    let way = connector.clone();
    // A set of its own: a connection that is idle in the pool must not keep a drain waiting, and a command that is under
    // way keeps it waiting by a guard of its own. The tasks end with the pool, which ends with the client.
    let client = legacy::Client::builder(Tasks::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .build::<_, Full<Bytes>>(connector);
    BoxCloneSyncService::new(tower::service_fn(move |mut request: Request<Full<Bytes>>| {
        let (client, way) = (client.clone(), way.clone());
        async move {
            // A proxy that forwards requests wants to know who we are in each; one that opens tunnels never sees them.
            let forwarder = way.forwarder();
            if let Some(authorization) = forwarder.as_ref().and_then(Proxy::authorization) {
                request.headers_mut().insert(PROXY_AUTHORIZATION, authorization);
            }
            let sent = Echo::of(request.headers());
            let mut response = client.request(request).await.map_err(lost)?;
            // What answers may be anybody, and what it says is quoted; for the body, who reads it sees to that.
            sent.silence(response.headers_mut());
            response.extensions_mut().insert(sent);
            match forwarder {
                Some(proxy) if response.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
                    Err(locked_out(&proxy))
                }
                Some(_) | None => Ok(response.map(|body| body.map_err(Cause::from).boxed_unsync())),
            }
        }
    }))
}

/// A forwarding proxy answered in Bitbucket's place: it passed nothing on.
fn locked_out(proxy: &Proxy) -> Lost {
    let says = format!(
        "the proxy {proxy} wants other credentials (407 Proxy Authentication Required): give its user and password in its \
         URL or in proxy.credentials_file; of its schemes only Basic is supported"
    );
    let source = Cause::from(says.clone());
    Lost::Unsent { hop: Reason::EgressProxy, recovery: Recovery::GiveUp, says, source }
}

fn lost(error: legacy::Error) -> Lost {
    if !error.is_connect() {
        return Lost::Underway { source: error.into() };
    }
    let (hop, recovery, says) = match said(&error) {
        Some(said) => (reason(said.hop()), recovery(said), said.to_string()),
        None => (Reason::EgressConnect, Recovery::Retry, "no connection to Bitbucket".to_owned()),
    };
    Lost::Unsent { hop, recovery, says, source: error.into() }
}

/// Finds what `egress` said among the causes.
fn said(error: &legacy::Error) -> Option<&egress::Error> {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(said) = error.downcast_ref() {
            return Some(said);
        }
        cause = error.source();
    }
    None
}

pub(super) fn reason(hop: Hop) -> Reason {
    match hop {
        Hop::Check => Reason::OriginRefused,
        Hop::Resolve => Reason::EgressDns,
        Hop::Connect => Reason::EgressConnect,
        Hop::ProxyResolve | Hop::ProxyConnect | Hop::ProxyTls | Hop::ProxyTunnel => Reason::EgressProxy,
        Hop::Tls | Hop::Alpn => Reason::EgressTls,
    }
}

/// Whether it may pass within a call: a certificate does not change so quickly.
fn recovery(said: &egress::Error) -> Recovery {
    match said.hop() {
        Hop::Resolve | Hop::Connect | Hop::ProxyResolve | Hop::ProxyConnect => Recovery::Retry,
        // A proxy that refuses does so again; one that cannot reach the host may in a moment.
        Hop::ProxyTunnel if matches!(said, egress::Error::ProxyRefused { refusal, .. } if refusal.status.is_server_error()) => {
            Recovery::Retry
        }
        Hop::Check | Hop::ProxyTls | Hop::ProxyTunnel | Hop::Tls | Hop::Alpn => Recovery::GiveUp,
    }
}

/// Shorter than the 20 s after which Tomcat closes an idle connection: a write that meets a connection just being closed
/// would be in doubt.
const IDLE: Duration = Duration::from_secs(10);
