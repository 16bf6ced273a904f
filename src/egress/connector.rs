//! The hops of a connection, one after the other.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::CertificateDer;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tower::Service;
use tracing::debug;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::budget::Budget;
use super::stream::Protocol;
use super::{Alpn, Error, Hop, Limits, Origin, Resolver, Scheme, Stream, dial};

/// Connects to one origin and to no other; clones are alike.
///
/// It is also what `hyper_util`'s pooled client takes as its connector, and refuses a request to another origin there.
#[derive(Clone)]
pub struct Connector {
    origin: Origin,
    alpn: Alpn,
    tls: TlsConnector,
    limits: Limits,
}

impl Connector {
    pub(super) fn new(origin: Origin, alpn: Alpn, tls: Arc<ClientConfig>, limits: Limits) -> Self {
        Self { origin, alpn, tls: tls.into(), limits }
    }

    /// Where it goes.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Opens a new connection, within the limits of [`super::Settings`].
    ///
    /// # Errors
    /// One that names the hop that failed.
    pub async fn connect(&self) -> Result<Stream, Error> {
        self.check()?;
        let budget = Budget::start(self.origin.clone(), self.limits);
        let tcp = self.dial(&budget).await?;
        let stream = match self.origin.scheme() {
            Scheme::Http => Stream::new(tcp, self.without_alpn()),
            Scheme::Https => self.secure(tcp, &budget).await?,
        };
        debug!(origin = %self.origin, http2 = stream.alpn_h2(), "connected");
        Ok(stream)
    }

    /// What is refused before a byte is sent, its name's resolution included.
    fn check(&self) -> Result<(), Error> {
        match self.origin.scheme() {
            Scheme::Http if !self.origin.is_loopback() => {
                Err(Error::PlainHttp { origin: self.origin.clone() })
            }
            Scheme::Http | Scheme::Https => Ok(()),
        }
    }

    async fn dial(&self, budget: &Budget) -> Result<TcpStream, Error> {
        let found = budget.within(Hop::Resolve, dial::resolve(&self.origin, &Resolver::system())).await?;
        let found = found.map_err(|source| Error::Resolve { origin: self.origin.clone(), source })?;
        let limit = budget.limit();
        dial::connect(&self.allowed(found)?, limit).await.map_err(|attempts| {
            if attempts.all_silent() {
                return budget.over(Hop::Connect, limit);
            }
            Error::Connect { origin: self.origin.clone(), source: io::Error::other(attempts) }
        })
    }

    /// Those of the addresses that may be dialed. A name that only says that it is this machine does not make it so.
    fn allowed(&self, mut found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Error> {
        match self.origin.scheme() {
            Scheme::Https => {}
            Scheme::Http => found.retain(|address| address.ip().is_loopback()),
        }
        if found.is_empty() { Err(Error::PlainHttp { origin: self.origin.clone() }) } else { Ok(found) }
    }

    async fn secure(&self, tcp: TcpStream, budget: &Budget) -> Result<Stream, Error> {
        let handshake = self.tls.connect(self.origin.server_name(), tcp);
        let tls = budget.within(Hop::Tls, handshake).await?;
        let tls = tls.map_err(|source| Error::handshake(self.origin.clone(), source))?;
        let (_, session) = tls.get_ref();
        let protocol =
            self.agreed(session.alpn_protocol(), session.peer_certificates().unwrap_or_default())?;
        Ok(Stream::new(tls, protocol))
    }

    /// The version of HTTP that the server agreed to. rustls offers it, but leaves it to us to insist.
    fn agreed(&self, alpn: Option<&[u8]>, chain: &[CertificateDer<'_>]) -> Result<Protocol, Error> {
        match (alpn, self.alpn) {
            (Some(b"h2"), _) => Ok(Protocol::Http2),
            (_, Alpn::Http1OrHttp2) => Ok(Protocol::Http1),
            (_, Alpn::Http2Only) => {
                Err(Error::NoHttp2 { origin: self.origin.clone(), issuer: chain.first().and_then(issuer) })
            }
        }
    }

    /// Without TLS nothing is agreed on, so what is insisted on is taken as known (RFC 9113, section 3.3).
    fn without_alpn(&self) -> Protocol {
        match self.alpn {
            Alpn::Http1OrHttp2 => Protocol::Http1,
            Alpn::Http2Only => Protocol::Http2,
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

/// Who issued a certificate, as in `CN=Inspecting Proxy, O=Example`.
fn issuer(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    Some(parsed.issuer().to_string())
}
