//! HTTP over the connections of one connector.

use std::time::Duration;

use bytes::Bytes;
use http::header::PROXY_AUTHORIZATION;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::rt::TokioTimer;

use super::{Connector, Origin, Proxy};
use crate::ops::{Echo, Tasks};

/// An HTTP client of one origin, HTTP/1.1 or 2 as TLS agrees; clones share their connections, of which idle ones are kept
/// for 10 s.
#[derive(Debug, Clone)]
pub struct Client {
    pool: legacy::Client<Connector, Full<Bytes>>,
    way: Connector,
}

impl Client {
    /// Makes a client; nothing is sent yet.
    pub fn new(way: Connector) -> Self {
        // A set of its own: a connection that is idle in the pool must not keep a drain waiting, and a command that is
        // under way keeps it waiting by a guard of its own. The tasks end with the pool, which ends with the client.
        let pool = legacy::Client::builder(Tasks::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(way.clone());
        Self { pool, way }
    }

    /// Where the requests go.
    pub fn origin(&self) -> &Origin {
        self.way.origin()
    }

    /// The proxy that forwards the requests, if there is one: what it answers may be its own.
    pub fn forwarder(&self) -> Option<Proxy> {
        self.way.forwarder()
    }

    /// Sends a request and waits for the head of its answer, without a limit of time.
    ///
    /// What answers may be anybody, and what it says is quoted: headers with the credentials of the request are left out,
    /// and the [`Echo`] is among the extensions, for whoever reads the body.
    ///
    /// # Errors
    /// With `is_connect` when there was no connection, so that nothing was sent; an [`super::Error`] is then among the
    /// sources. Else the request may have been sent.
    pub async fn send(&self, mut request: Request<Full<Bytes>>) -> Result<Response<Incoming>, legacy::Error> {
        // A proxy that forwards requests wants to know who we are in each; one that opens tunnels never sees them.
        if let Some(authorization) = self.forwarder().and_then(|proxy| proxy.authorization()) {
            request.headers_mut().insert(PROXY_AUTHORIZATION, authorization);
        }
        let sent = Echo::of(request.headers());
        let mut response = self.pool.request(request).await?;
        sent.silence(response.headers_mut());
        response.extensions_mut().insert(sent);
        Ok(response)
    }
}

/// Shorter than the 20 s after which Tomcat closes an idle connection: a write that meets a connection just being closed
/// would be in doubt.
const IDLE: Duration = Duration::from_secs(10);
