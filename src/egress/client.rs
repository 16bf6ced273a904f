//! HTTP over the connections of one connector.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::header::PROXY_AUTHORIZATION;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::rt::TokioTimer;

use super::{Connector, Error, Hop, Origin};
use crate::ops::{Echo, Tasks, causes};

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
            .http1_max_buf_size(HELD)
            .build(way.clone());
        Self { pool, way }
    }

    /// Where the requests go.
    pub fn origin(&self) -> &Origin {
        self.way.origin()
    }

    /// What an answer of [`Client::send`] means if the origin did not give it: a refusal by the proxy that forwards the
    /// requests, where there is one and it may be. Whether the origin did, only who knows the origin can tell.
    pub fn refusal<B>(&self, answer: &Response<B>) -> Option<Error> {
        let proxy = self.way.forwarder()?;
        let (status, headers) = (answer.status(), answer.headers());
        let failed = status.is_client_error() || status.is_server_error();
        let refused = REFUSALS.contains(&status) || (failed && headers.contains_key(SQUID));
        refused.then(|| Error::not_forwarded(self.origin().clone(), &proxy, status, headers))
    }

    /// What it means that [`Client::send`] failed after a connection was there: between here and the origin stands the proxy
    /// that forwards the requests, where there is one, and it alone was spoken to.
    pub fn broken(&self, source: &legacy::Error) -> Option<Error> {
        let proxy = self.way.forwarder()?.origin().clone();
        let source = io::Error::new(io::ErrorKind::ConnectionAborted, causes(source));
        Some(Error::ProxyBroken { origin: self.origin().clone(), proxy, source })
    }

    /// What it means that [`Client::send`] took longer than `limit`, in the same case.
    pub fn stalled(&self, limit: Duration) -> Option<Error> {
        let proxy = Some(self.way.forwarder()?.origin().clone());
        Some(Error::Timeout {
            origin: self.origin().clone(),
            proxy,
            hop: Hop::ProxyTunnel,
            limit,
            begun: false,
        })
    }

    /// How long a hop may take, where a proxy forwards the requests: for who waits for an answer that needs no work.
    pub fn forwarders_limit(&self) -> Option<Duration> {
        self.way.forwarder().map(|_| self.way.egress.limits().hop)
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
        if let Some(authorization) = self.way.forwarder().and_then(|proxy| proxy.authorization()) {
            request.headers_mut().insert(PROXY_AUTHORIZATION, authorization);
        }
        let sent = Echo::of(request.headers());
        let mut response = self.pool.request(request).await?;
        sent.silence(response.headers_mut());
        response.extensions_mut().insert(sent);
        Ok(response)
    }
}

/// What proxies answer in the origin's place, other than that a page does not exist or is malformed, which are said of
/// requests that were passed on.
const REFUSALS: &[StatusCode] = &[
    StatusCode::FORBIDDEN,
    StatusCode::METHOD_NOT_ALLOWED,
    StatusCode::PROXY_AUTHENTICATION_REQUIRED,
    StatusCode::NOT_IMPLEMENTED,
    StatusCode::BAD_GATEWAY,
    StatusCode::SERVICE_UNAVAILABLE,
    StatusCode::GATEWAY_TIMEOUT,
];

/// The header of squid's own error pages, and of no other answer.
const SQUID: &str = "x-squid-error";

/// What may be held of an answer that nobody reads on, in bytes, and what its head may take; hyper would hold 400 KiB.
const HELD: usize = 64 * 1024;
/// Shorter than the 20 s after which Tomcat closes an idle connection: a write that meets a connection just being closed
/// would be in doubt.
const IDLE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use http::header::AUTHORIZATION;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::egress::{Alpn, Egress, Settings};

    #[tokio::test]
    async fn a_header_that_gives_the_credentials_back_is_left_out_of_the_answer() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (url, tasks) = (format!("http://{}", listener.local_addr().unwrap()), Tasks::new());
        tasks.spawn(async move {
            let (mut tcp, _) = listener.accept().await.unwrap();
            let _head = tcp.read(&mut [0; 4096]).await;
            let answer =
                "HTTP/1.1 200 OK\r\nx-seen: Bearer c4nary-t0ken\r\nx-else: y\r\ncontent-length: 0\r\n\r\n";
            tcp.write_all(answer.as_bytes()).await.unwrap();
        });
        let egress = Egress::new(&Settings::default(), &tasks).unwrap();
        let client = Client::new(egress.connector(url.parse().unwrap(), Alpn::Http1OrHttp2));
        let request = Request::get(url).header(AUTHORIZATION, "Bearer c4nary-t0ken").body(Full::default());
        let answer = client.send(request.unwrap()).await.unwrap();
        assert!(!format!("{:?}", answer.headers()).contains("c4nary"), "{:?}", answer.headers());
        assert_eq!(answer.headers()["x-else"], "y");
        tasks.cut();
    }
}
