//! Serves agents and callers: HTTP/1.1 or HTTP/2 by what the peer negotiated.

use std::convert::Infallible;
use std::fmt::Display;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulConnection;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio_rustls::server::TlsStream;
use tracing::debug;

use super::listen::Listening;
use crate::egress::serve::ServerTls;
use crate::ops::Tasks;
use crate::ops::metrics::Metrics;
use crate::tunnel::Body;

/// A listener and what it serves.
pub(super) struct Entrance<S> {
    /// For logs.
    pub(super) name: &'static str,
    pub(super) metrics: Metrics,
    pub(super) tls: ServerTls,
    pub(super) bounds: Bounds,
    pub(super) service: S,
    /// Connections run here; a drain ends them gracefully.
    pub(super) tasks: Tasks,
}

/// What a peer can make the gateway hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Connections whose TLS handshake is not over.
    pub(super) handshakes: usize,
    /// Streams of one HTTP/2 connection.
    pub(super) streams: u32,
    /// Bytes in flight on one HTTP/2 stream towards the gateway.
    pub(super) window: u32,
    /// Streams that a peer gave up before the gateway looked at them, waiting on one connection; one more ends it.
    pub(super) given_up: usize,
}

/// Bounds HTTP/2; the two builders have the same methods and no trait for them.
macro_rules! bound {
    ($http2:expr, $bounds:expr) => {
        $http2
            .timer(TokioTimer::new())
            .initial_stream_window_size($bounds.window)
            // The largest there is: one stalled stream must not starve the others. Streams × window bounds the memory.
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_concurrent_streams($bounds.streams)
            .max_frame_size(FRAME)
            .max_header_list_size(HEADERS)
            // Who gives up many calls at once is no attacker; the default of 20 would end its connection.
            .max_pending_accept_reset_streams($bounds.given_up)
            // It counts over the connection's life, and callers keep theirs for weeks.
            .max_local_error_reset_streams(LIFETIME_RESETS)
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING)
    };
}

impl<S> Entrance<S>
where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send + 'static,
{
    /// Accepts until its tasks drain.
    pub(super) async fn run(self, listener: TcpListener) {
        let listening = Listening {
            name: self.name,
            metrics: self.metrics.clone(),
            tls: self.tls.clone(),
            handshakes: self.bounds.handshakes,
            tasks: self.tasks.clone(),
        };
        let entrance = Arc::new(self);
        let serve = move |stream, place| {
            drop::<OwnedSemaphorePermit>(place);
            Arc::clone(&entrance).serve(stream)
        };
        listening.run(listener, serve).await;
    }

    /// The connection is in a box from the beginning: each future that it passes through would have its size.
    fn serve(self: Arc<Self>, stream: TlsStream<TcpStream>) -> BoxFuture<'static, ()> {
        let agreed = stream.get_ref().1.alpn_protocol() == Some(H2);
        let (io, service) = (TokioIo::new(stream), self.service.clone());
        if agreed {
            let connection = Box::pin(self.http2().serve_connection(io, service));
            Box::pin(self.until_drained(connection))
        } else {
            let connection = Box::pin(self.by_first_bytes().serve_connection(io, service).into_owned());
            Box::pin(self.until_drained(connection))
        }
    }

    /// Serves the connection; a drain ends it gracefully.
    async fn until_drained<C>(self: Arc<Self>, mut connection: Pin<Box<C>>)
    where
        C: GracefulConnection<Error: Display>,
    {
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.tasks.draining() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            debug!(listener = self.name, %error, "a connection ended");
        }
    }

    fn http2(&self) -> http2::Builder<Tasks> {
        let mut server = http2::Builder::new(self.tasks.clone());
        bound!(server, self.bounds);
        server
    }

    /// For a peer that has not said which HTTP it speaks.
    fn by_first_bytes(&self) -> auto::Builder<Tasks> {
        let mut server = auto::Builder::new(self.tasks.clone());
        server.http1().timer(TokioTimer::new()).header_read_timeout(HANDSHAKE).max_buf_size(HEADERS as usize);
        bound!(server.http2(), self.bounds);
        server
    }
}

/// What ALPN calls HTTP/2.
const H2: &[u8] = b"h2";
/// For the header of an HTTP/1.1 request.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// A peer that is silent for two of these is gone.
const PING: Duration = Duration::from_secs(20);
/// As in the tunnel: small frames cost more than they please.
const FRAME: u32 = 64 * 1024;
const HEADERS: u32 = 32 * 1024;
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;
const LIFETIME_RESETS: usize = 1_000_000;
