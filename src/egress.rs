//! The one way out of the building: every socket that this process opens comes from here.
//!
//! [`Egress`] knows whom to trust and how long to wait; a [`Connector`] made by it reaches one [`Origin`] and no other.
//! What fails is an [`Error`] that names the [`Hop`]. TLS is always verified: there is no switch that turns it off.
//!
//! The parts, in the order of a connection: `connector` (the hops one after the other), `dial` (names and TCP), `trust`
//! (whose certificates count), `stream` (what comes out). `crypto` holds the one choice of a cryptographic library, and
//! [`serve`] the server's side of TLS, which needs that choice too.

mod budget;
mod connector;
mod crypto;
mod dial;
mod error;
mod origin;
mod proxy;
pub mod serve;
mod stream;
mod trust;

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;

pub use connector::Connector;
pub use error::{Error, Hop, TlsFault};
pub use origin::{NotAnOrigin, Origin, Scheme};
pub use proxy::{BadCredentials, BadEntry, Fault, NoProxy, NotAProxy, Proxies, Proxy, Route, Way};
pub use stream::Stream;
pub use trust::{CaSource, Roots, TrustError};

/// The way out; clones share everything.
#[derive(Debug, Clone)]
pub struct Egress {
    either: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
    limits: Limits,
}

/// What [`Egress::new`] needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The certificate authorities of the platform.
    pub roots: Roots,
    /// Those of the customer: trusted beside the platform's, never instead of them.
    pub extra_ca: Vec<CaSource>,
    /// How long one hop of a connection may take: resolve, connect, TLS.
    pub hop_timeout: Duration,
    /// How long a connection may take over all its hops.
    pub connect_timeout: Duration,
}

/// Which version of HTTP a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alpn {
    /// Whichever the server prefers.
    Http1OrHttp2,
    /// HTTP/2, and an error where the server does not agree to it.
    Http2Only,
}

#[derive(Debug, Clone, Copy)]
struct Limits {
    hop: Duration,
    whole: Duration,
}

impl Egress {
    /// Loads the trusted certificates, and logs how many came from where.
    ///
    /// # Errors
    /// When a named source of trust cannot be read, is not PEM or holds no certificate, or when nobody is trusted.
    pub fn new(settings: &Settings) -> Result<Self, TrustError> {
        let roots = Arc::new(trust::load(&settings.roots, &settings.extra_ca)?);
        Ok(Self {
            either: crypto::client(Arc::clone(&roots), &[b"h2", b"http/1.1"])?,
            http2: crypto::client(roots, &[b"h2"])?,
            limits: Limits { hop: settings.hop_timeout, whole: settings.connect_timeout },
        })
    }

    /// Makes a connector to one origin. Nothing is sent before it is used.
    pub fn connector(&self, origin: Origin, alpn: Alpn) -> Connector {
        let tls = match alpn {
            Alpn::Http1OrHttp2 => &self.either,
            Alpn::Http2Only => &self.http2,
        };
        Connector::new(origin, alpn, Arc::clone(tls), self.limits)
    }
}

impl Default for Settings {
    /// The platform's roots; 10 s a hop and 20 s over all.
    fn default() -> Self {
        Self {
            roots: Roots::Platform,
            extra_ca: Vec::new(),
            hop_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(20),
        }
    }
}

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
