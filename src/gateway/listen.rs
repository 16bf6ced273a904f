//! Takes connections in, up to the end of their TLS handshake; what they are for is another's.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_rustls::server::TlsStream;
use tracing::{debug, warn};

use super::metrics::{self, LISTENER};
use crate::egress::serve::ServerTls;
use crate::ops::Tasks;
use crate::ops::metrics::{Counter, Label, Metrics};

/// A listener with TLS.
#[derive(Debug)]
pub(super) struct Listening {
    /// For logs.
    pub(super) name: &'static str,
    pub(super) metrics: Metrics,
    pub(super) tls: ServerTls,
    /// Connections whose handshake is not over.
    pub(super) handshakes: usize,
    /// Connections run here.
    pub(super) tasks: Tasks,
}

impl Listening {
    /// Accepts until its tasks drain, and gives each connection to `serve` with its place among the handshakes.
    pub(super) async fn run<F, R>(self, listener: TcpListener, serve: F)
    where
        F: Fn(TlsStream<TcpStream>, OwnedSemaphorePermit) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let places = Arc::new(Semaphore::new(self.handshakes));
        let refused = self.measure(&places);
        let tasks = self.tasks.clone();
        let (own, serve) = (Arc::new(self), Arc::new(serve));
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((tcp, _)) => own.take(tcp, &places, &refused, &serve),
                    Err(error) => own.pause(&error).await,
                },
                () = tasks.draining() => return,
            }
        }
    }

    /// Serves in a task of its own, so that a slow handshake holds up nobody.
    fn take<F, R>(
        self: &Arc<Self>,
        tcp: TcpStream,
        places: &Arc<Semaphore>,
        refused: &Counter,
        serve: &Arc<F>,
    ) where
        F: Fn(TlsStream<TcpStream>, OwnedSemaphorePermit) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        // Closing at once tells a peer to come again; a queue would only hide the storm.
        let Ok(place) = Arc::clone(places).try_acquire_owned() else {
            refused.add(1, &[Label::new(LISTENER, self.name)]);
            return debug!(listener = self.name, "too many handshakes: a connection is refused");
        };
        let (own, serve) = (Arc::clone(self), Arc::clone(serve));
        self.tasks.spawn(async move {
            // In a box of its own, which goes: what a handshake needs is not kept for the life of the connection.
            let stream = Box::pin(own.handshake(tcp)).await;
            if let Some(serving) = stream.map(|stream| serve(stream, place)) {
                serving.await;
            }
        });
    }

    async fn handshake(&self, tcp: TcpStream) -> Option<TlsStream<TcpStream>> {
        // Small frames must not wait for an acknowledgement.
        if let Err(error) = tcp.set_nodelay(true) {
            debug!(listener = self.name, %error, "a connection ended at once");
            return None;
        }
        match timeout(HANDSHAKE, self.tls.acceptor().accept(tcp)).await {
            Ok(Ok(stream)) => return Some(stream),
            Ok(Err(error)) => debug!(listener = self.name, %error, "a TLS handshake failed"),
            Err(_) => debug!(listener = self.name, limit = ?HANDSHAKE, "a TLS handshake took too long"),
        }
        None
    }

    fn measure(&self, places: &Arc<Semaphore>) -> Counter {
        let (name, most, places) = (self.name, self.handshakes, Arc::clone(places));
        self.metrics.gauge(metrics::HANDSHAKES, move || {
            let busy = most.saturating_sub(places.available_permits());
            vec![(vec![Label::new(LISTENER, name)], busy as f64)]
        });
        self.metrics.counter(metrics::REFUSED)
    }

    /// Out of descriptors, most often: accepting again at once would only spin.
    async fn pause(&self, error: &std::io::Error) {
        warn!(listener = self.name, %error, "a connection cannot be accepted");
        sleep(PAUSE).await;
    }
}

/// For the whole TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(100);
