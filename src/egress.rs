//! The one way out of the building: every socket that this process opens comes from here.
//!
//! [`Egress`] knows the proxies, whom to trust and how long to wait; a [`Connector`] made by it reaches one [`Origin`] and
//! no other. What fails is an [`Error`] that names the [`Hop`], with a sentence of cause and one of remedy. TLS is always
//! verified: there is no switch that turns it off.
//!
//! The parts, in the order of a connection: `connector` (whom it may go to), `walk` (the hops one after the other),
//! `guard` (where connections that come with a call may go), `proxy` (which way, and CONNECT), `resolver` and `dial`
//! (names and TCP), `congestion` (how TCP shares a link), `trust` and `verify` (whose certificates count), `identity` (our own certificate), `stream` (what
//! comes out), `client` (HTTP over such streams), `push` (metrics and traces over those). `report` tells what a walk found. `crypto` holds the one choice of a cryptographic library, and [`serve`]
//! the server's side of TLS, which needs that choice too.

mod budget;
mod certificate;
mod client;
mod clients;
mod congestion;
mod connector;
mod crypto;
mod dial;
mod error;
mod expiry;
mod guard;
mod identity;
mod origin;
mod pair;
mod proxy;
pub mod push;
mod report;
mod resolver;
pub mod serve;
mod stream;
mod trust;
mod verify;
mod walk;

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;

use self::verify::Verifier;
use crate::ops::Tasks;

pub use certificate::Certificate;
pub use client::Client;
pub use congestion::{CongestionControl, NotAllowed};
pub use connector::Connector;
pub use error::{Credentials, Error, Hop, Refusal, TlsFault, WANTS_CERTIFICATE};
pub use expiry::Expiries;
pub use guard::{Forbidden, Guard, KubernetesApi, NotAServer, Server};
pub use identity::{ClientFiles, ClientIdentity};
pub use origin::{NotAnOrigin, Origin, Scheme};
pub use pair::Error as PairError;
pub use proxy::{BadCredentials, BadEntry, Fault, NoProxy, NotAProxy, Proxies, Proxy, Route, Way};
pub use resolver::Resolver;
pub use stream::Stream;
pub use trust::{CaSource, Roots, TrustError};
pub use verify::{Kind, Rejected};

/// The way out; clones share everything.
#[derive(Debug, Clone)]
pub struct Egress {
    shared: Arc<Shared>,
    leg: Arc<OwnLeg>,
}

/// What [`Egress::new`] needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The certificate authorities of the platform.
    pub roots: Roots,
    /// Those of the customer: trusted beside the platform's, never instead of them.
    pub extra_ca: Vec<CaSource>,
    /// Which connections go through which proxy.
    pub proxies: Proxies,
    /// What turns names into addresses.
    pub resolver: Resolver,
    /// How long one hop of a connection may take: resolve, connect, tunnel, TLS.
    pub hop_timeout: Duration,
    /// How long a connection may take over all its hops.
    pub connect_timeout: Duration,
    /// What dialed sockets use; `None` for what the system uses.
    pub congestion_control: Option<CongestionControl>,
}

/// What one leg has that the others have not; by default nothing.
#[derive(Debug, Clone, Default)]
pub struct Leg {
    /// The proxies of this leg, in place of the common ones.
    pub proxies: Option<Proxies>,
    /// The certificate that servers of this leg are shown. A proxy never is.
    pub identity: Option<ClientIdentity>,
    /// Where connections of this leg may go at all; anywhere without it.
    pub guard: Option<Guard>,
    /// Where connections of this leg may be without TLS.
    pub plaintext: Plaintext,
}

/// Where a connection may be without TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Plaintext {
    /// To this machine.
    #[default]
    LoopbackOnly,
    /// To any: somebody has decided that the token may travel in the clear.
    Anywhere,
}

/// Which version of HTTP a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alpn {
    /// Whichever the server prefers.
    Http1OrHttp2,
    /// HTTP/2, and an error where the server does not agree to it.
    Http2Only,
}

#[derive(Debug)]
struct Shared {
    congestion_control: Option<CongestionControl>,
    verifier: Arc<Verifier>,
    proxies: Proxies,
    resolver: Resolver,
    expiries: Expiries,
    limits: Limits,
}

/// A leg with what was made of it.
#[derive(Debug)]
struct OwnLeg {
    proxies: Proxies,
    guard: Option<Guard>,
    plaintext: Plaintext,
    tls: Tls,
    identity: Option<ClientIdentity>,
}

/// TLS for each use of a leg.
#[derive(Debug)]
struct Tls {
    either: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
    /// For a look at a certificate that a server shows only to who asks for this.
    http1: Arc<ClientConfig>,
    proxy: Arc<ClientConfig>,
}

#[derive(Debug, Clone, Copy)]
struct Limits {
    hop: Duration,
    whole: Duration,
}

impl Egress {
    /// Loads the trusted certificates, logs how many came from where, and reads them again when they change, in a task of
    /// `tasks`.
    ///
    /// # Errors
    /// When a named source of trust cannot be read, is not PEM or holds no certificate, or when nobody is trusted.
    pub fn new(settings: &Settings, tasks: &Tasks) -> Result<Self, TrustError> {
        let verifier = Verifier::open(&settings.roots, &settings.extra_ca, tasks)?;
        let shared = Shared {
            congestion_control: settings.congestion_control.clone(),
            verifier,
            proxies: settings.proxies.clone(),
            resolver: settings.resolver.clone(),
            expiries: Expiries::default(),
            limits: Limits { hop: settings.hop_timeout, whole: settings.connect_timeout },
        };
        let leg = OwnLeg::new(&shared, Leg::default())?;
        Ok(Self { shared: Arc::new(shared), leg: Arc::new(leg) })
    }

    /// The same way out with what one leg has for itself.
    ///
    /// # Errors
    /// When the TLS library does not take the configuration.
    pub fn leg(&self, leg: Leg) -> Result<Self, TrustError> {
        let leg = OwnLeg::new(&self.shared, leg)?;
        Ok(Self { shared: Arc::clone(&self.shared), leg: Arc::new(leg) })
    }

    /// Makes a connector to one origin. Nothing is sent before it is used.
    pub fn connector(&self, origin: Origin, alpn: Alpn) -> Connector {
        Connector { origin, alpn, egress: self.clone() }
    }

    /// TLS for a client library that opens its sockets itself; whom it trusts, and the
    /// certificate that it shows, follow the files as everything here.
    ///
    /// # Errors
    /// When the TLS library does not take the configuration.
    pub fn foreign_tls(&self) -> Result<ClientConfig, TrustError> {
        let config = crypto::client(Arc::clone(&self.shared.verifier), self.leg.identity.as_ref(), &[])?;
        Ok(Arc::unwrap_or_clone(config))
    }

    /// Says which way a connection to `origin` goes, and why.
    pub fn route(&self, origin: &Origin) -> Route {
        self.leg.proxies.route(origin)
    }

    /// When the certificates that were seen will expire.
    pub fn expiries(&self) -> &Expiries {
        &self.shared.expiries
    }

    /// How many certificates are trusted from where; it names paths of this machine.
    pub fn trusted(&self) -> String {
        self.shared.verifier.summary()
    }

    fn own(&self) -> &OwnLeg {
        &self.leg
    }

    fn congestion_control(&self) -> Option<&CongestionControl> {
        self.shared.congestion_control.as_ref()
    }

    fn resolver(&self) -> &Resolver {
        &self.shared.resolver
    }

    fn limits(&self) -> Limits {
        self.shared.limits
    }

    fn tls(&self, alpn: Alpn) -> Arc<ClientConfig> {
        Arc::clone(match alpn {
            Alpn::Http1OrHttp2 => &self.leg.tls.either,
            Alpn::Http2Only => &self.leg.tls.http2,
        })
    }
}

impl OwnLeg {
    fn new(shared: &Shared, leg: Leg) -> Result<Self, TrustError> {
        let Leg { proxies, identity, guard, plaintext } = leg;
        let config = |identity: Option<&ClientIdentity>, alpn: &[&[u8]]| {
            crypto::client(Arc::clone(&shared.verifier), identity, alpn)
        };
        let tls = Tls {
            either: config(identity.as_ref(), &[b"h2", b"http/1.1"])?,
            http2: config(identity.as_ref(), &[b"h2"])?,
            http1: config(identity.as_ref(), &[b"http/1.1"])?,
            // Our certificate is for the server: a proxy must neither see nor ask for it.
            proxy: config(None, &[b"http/1.1"])?,
        };
        let proxies = proxies.unwrap_or_else(|| shared.proxies.clone());
        Ok(Self { proxies, guard, plaintext, identity, tls })
    }
}

impl Default for Settings {
    /// The platform's roots, no proxy, the system's resolver; 10 s a hop and 20 s over all.
    fn default() -> Self {
        Self {
            roots: Roots::Platform,
            extra_ca: Vec::new(),
            proxies: Proxies::default(),
            resolver: Resolver::default(),
            hop_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(20),
            congestion_control: None,
        }
    }
}

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
