//! HTTP over a connection from `egress`, and what it means for a request when that breaks.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use tokio::time;
use tokio::time::error::Elapsed;
use tower::util::BoxCloneSyncService;
use url::Url;

use crate::bitbucket::error::{Cause, Recovery};
use crate::bitbucket::reply::{self, Kind};
use crate::egress::{self, Alpn, Connector, Egress, Hop, NotAnOrigin, Origin, Scheme};
use crate::ops::causes;
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
    /// A proxy on the way says that it got no answer of Bitbucket. It may have passed the request on.
    Between {
        /// The hop that failed, as one of the `EGRESS_` reasons.
        hop: Reason,
        /// Whether another try may fare better.
        recovery: Recovery,
        /// What failed and the remedy, without a resolved address.
        says: String,
        /// What the proxy said.
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
    let client = egress::Client::new(connector);
    BoxCloneSyncService::new(tower::service_fn(move |request| {
        let client = client.clone();
        async move {
            let response = sent(&client, request).await?;
            match turned_away(&client, &response) {
                Some(lost) => Err(lost),
                None => Ok(response.map(|body| body.map_err(Cause::from).boxed_unsync())),
            }
        }
    }))
}

/// Whether a proxy that should have forwarded the request answers in Bitbucket's place.
fn turned_away<B>(client: &egress::Client, answer: &Response<B>) -> Option<Lost> {
    let (status, headers) = (answer.status(), answer.headers());
    // Whatever stands before Bitbucket and takes its number out of the answers leaves them JSON, which no proxy answers.
    let passed_on = reply::is_bitbucket(headers) || reply::kind(headers) == Kind::Json;
    // This one is a proxy's in any case (RFC 9110, section 15.5.8).
    if passed_on && status != StatusCode::PROXY_AUTHENTICATION_REQUIRED {
        return None;
    }
    let said = client.refusal(answer)?;
    let (hop, recovery, says) = told(&said);
    Some(if status.is_server_error() {
        Lost::Between { hop, recovery, says, source: said.into() }
    } else {
        Lost::Unsent { hop, recovery, says, source: said.into() }
    })
}

/// Sends a request and waits for the head of its answer.
///
/// Where a proxy forwards it and nobody answers, the proxy must be named: so this has a limit of its own then, below those
/// of the callers. What Bitbucket answers without any work has the time of a hop.
async fn sent(client: &egress::Client, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Lost> {
    let path = request.uri().path();
    let easy = EASY.iter().any(|easy| path.ends_with(easy));
    let limit = client.forwarders_limit().map(|hop| if easy { hop.min(HEAD) } else { HEAD });
    let answer = client.send(request);
    let Some(limit) = limit else { return answer.await.map_err(|error| lost(error, client)) };
    match time::timeout(limit, answer).await {
        Ok(answer) => answer.map_err(|error| lost(error, client)),
        Err(elapsed) => Err(stalled(client, limit, elapsed)),
    }
}

fn stalled(client: &egress::Client, limit: Duration, elapsed: Elapsed) -> Lost {
    match client.stalled(limit) {
        Some(said) => between(said),
        None => Lost::Underway { source: elapsed.into() },
    }
}

/// It may have passed the request on.
fn between(said: egress::Error) -> Lost {
    let (hop, recovery, says) = told(&said);
    Lost::Between { hop, recovery, says, source: said.into() }
}

fn lost(error: legacy::Error, client: &egress::Client) -> Lost {
    let origin = client.origin();
    if let Some(said) = egress::Error::among(&error) {
        // What `egress` refuses to read is as good as not sent: the server did not let us in.
        let (hop, recovery, says) = told(said);
        return Lost::Unsent { hop, recovery, says, source: error.into() };
    }
    if let Some(said) = egress::Error::in_text(origin, &causes(&error)) {
        let (hop, recovery, says) = told(&said);
        return Lost::Unsent { hop, recovery, says, source: said.into() };
    }
    if error.is_connect() {
        let says = "no connection to Bitbucket".to_owned();
        let (hop, recovery) = (Reason::EgressConnect, Recovery::Retry);
        return Lost::Unsent { hop, recovery, says, source: error.into() };
    }
    match client.broken(&error) {
        Some(said) => between(said),
        None => Lost::Underway { source: error.into() },
    }
}

/// What `egress` said, in the words of the adapter.
fn told(said: &egress::Error) -> (Reason, Recovery, String) {
    (reason(said.hop()), recovery(said), said.to_string())
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
        // A connection that was kept may just have been closed.
        Hop::ProxyTunnel if matches!(said, egress::Error::ProxyBroken { origin, .. } if origin.scheme() == Scheme::Http) => {
            Recovery::Retry
        }
        Hop::Check | Hop::ProxyTls | Hop::ProxyTunnel | Hop::Tls | Hop::Alpn => Recovery::GiveUp,
    }
}

/// Below the 30 s of an attempt.
const HEAD: Duration = Duration::from_secs(29);

/// What a probe asks first, and Bitbucket answers at once.
const EASY: &[&str] = &["/status", "/rest/api/latest/application-properties"];

#[cfg(test)]
mod tests;
