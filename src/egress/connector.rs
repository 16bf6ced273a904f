//! Whom a connection may go to, and as what HTTP's clients see it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::rt::TokioIo;
use tower::Service;
use tracing::debug;

use super::walk::Walk;
use super::{Alpn, Egress, Error, Origin, Proxy, Route, Scheme, Stream, Way, report};
use crate::ops::Check;

/// Connects to one origin and to no other; clones are alike.
///
/// It is also what `hyper_util`'s pooled client takes as its connector, and refuses a request to another origin there.
#[derive(Clone)]
pub struct Connector {
    pub(super) origin: Origin,
    pub(super) alpn: Alpn,
    pub(super) egress: Egress,
}

impl Connector {
    /// Where it goes.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Which way it goes, and why.
    pub fn route(&self) -> Route {
        self.egress.route(&self.origin)
    }

    /// Opens a new connection, within the limits of [`super::Settings`].
    ///
    /// # Errors
    /// One that names the hop that failed.
    pub async fn connect(&self) -> Result<Stream, Error> {
        let (walk, outcome) = Walk::of(self).await;
        let stream = outcome?;
        debug!(origin = %self.origin, http2 = stream.alpn_h2(), took = ?walk.took(), "connected");
        Ok(stream)
    }

    /// Opens a new connection as [`Connector::connect`] does, and reports on every hop of it.
    pub async fn probe(&self) -> (Vec<Check>, Result<Stream, Error>) {
        let (walk, outcome) = Walk::of(self).await;
        (report::checks(self, &walk, outcome.as_ref().err()), outcome)
    }

    /// The proxy that sees the requests themselves and forwards them, as one does with those without TLS.
    pub fn forwarder(&self) -> Option<Proxy> {
        // It is asked for each request: the way is decided only where it matters.
        if self.origin.scheme() == Scheme::Https || self.alpn == Alpn::Http2Only {
            return None;
        }
        match self.route().way {
            Way::Through(proxy) => Some(proxy),
            Way::Direct => None,
        }
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            let asked = Origin::of_uri(&target);
            if asked.as_ref() != Ok(&connector.origin) {
                let asked =
                    asked.map_or_else(|why| format!("a target that {why}"), |origin| origin.to_string());
                return Err(Error::OtherOrigin { origin: connector.origin, asked });
            }
            connector.connect().await.map(TokioIo::new)
        })
    }
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector")
            .field("origin", &self.origin)
            .field("alpn", &self.alpn)
            .finish_non_exhaustive()
    }
}
