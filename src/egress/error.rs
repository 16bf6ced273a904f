//! What can go wrong on the way out, by hop.

mod advice;
mod found;
mod tls;

use std::fmt;
use std::io;
use std::time::Duration;

use http::header::PROXY_AUTHENTICATE;
use http::{HeaderMap, StatusCode};
use rustls::AlertDescription;

use super::proxy::tunnel::{Refused, schemes};
use super::{Forbidden, Origin, Proxy, Rejected};

pub use tls::{TlsFault, WANTS_CERTIFICATE};

/// Why there is no connection. What is shown names the origin, the hop, the cause and the remedy, but no resolved address
/// and no path of this machine: those are in the sources, for the operator's log.
#[derive(Debug)]
pub enum Error {
    /// The connector is for another origin.
    OtherOrigin {
        /// The one that it may go to.
        origin: Origin,
        /// What was asked for, without user, path and query.
        asked: String,
    },
    /// Without TLS, and neither to this machine nor allowed.
    PlainHttp {
        /// Where it should have gone.
        origin: Origin,
    },
    /// The settings do not let a connection that came with a call go there.
    Forbidden {
        /// Where it should have gone.
        origin: Origin,
        /// Which rule forbids it.
        source: Forbidden,
    },
    /// The proxy's name has no address.
    ProxyResolve {
        /// Where it should have gone.
        origin: Origin,
        /// The proxy.
        proxy: Origin,
        /// What the resolver said.
        source: io::Error,
    },
    /// The proxy cannot be connected to.
    ProxyConnect {
        /// Where it should have gone.
        origin: Origin,
        /// The proxy.
        proxy: Origin,
        /// What each address said.
        source: io::Error,
    },
    /// There is no safe connection to the proxy, which is spoken to by TLS.
    ProxyTls {
        /// Where it should have gone.
        origin: Origin,
        /// The proxy.
        proxy: Origin,
        /// What kind of failure it is.
        fault: TlsFault,
        /// What the TLS library said.
        source: io::Error,
    },
    /// The proxy refused the tunnel, or to forward a request.
    ProxyRefused {
        /// Where it should have gone.
        origin: Origin,
        /// The proxy.
        proxy: Origin,
        /// What it said.
        refusal: Box<Refusal>,
    },
    /// The proxy did not answer as a proxy does.
    ProxyBroken {
        /// Where it should have gone.
        origin: Origin,
        /// The proxy.
        proxy: Origin,
        /// What it did instead.
        source: io::Error,
    },
    /// The name has no address.
    Resolve {
        /// Where it should have gone.
        origin: Origin,
        /// What the resolver said.
        source: io::Error,
    },
    /// No address of the host could be connected to.
    Connect {
        /// Where it should have gone.
        origin: Origin,
        /// What each address said.
        source: io::Error,
    },
    /// A hop, or all of them together, took too long.
    Timeout {
        /// Where it should have gone.
        origin: Origin,
        /// The proxy, if it goes through one.
        proxy: Option<Origin>,
        /// The hop that did not end.
        hop: Hop,
        /// The time that this hop had.
        limit: Duration,
        /// Whether a part of the answer had come by then, as far as the hop can tell: a proxy's to CONNECT.
        begun: bool,
    },
    /// There is no safe connection.
    Tls {
        /// Where it should have gone.
        origin: Origin,
        /// What kind of failure it is.
        fault: TlsFault,
        /// What the TLS library said.
        source: io::Error,
    },
    /// TLS is spoken where it was not expected.
    Secured {
        /// Where it was asked without TLS.
        origin: Origin,
    },
    /// HTTP/2 was insisted on, and the server did not agree.
    NoHttp2 {
        /// Where it should have gone.
        origin: Origin,
        /// Who issued the certificate that was presented, if one was.
        issuer: Option<String>,
    },
}

/// What a proxy says that refuses a tunnel, or to forward a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The status.
    pub status: StatusCode,
    /// Its words for that.
    pub reason: String,
    /// The schemes of authentication that it offers, such as `Basic`.
    pub schemes: Vec<String>,
    /// Whether it was given credentials.
    pub credentials: Credentials,
}

/// Whether a proxy was given credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credentials {
    /// It was.
    Sent,
    /// There are none for it.
    None,
}

/// The steps of a connection, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hop {
    /// Before anything is sent: whether it may go there at all.
    Check,
    /// The proxy's name to its addresses.
    ProxyResolve,
    /// TCP to the proxy.
    ProxyConnect,
    /// The TLS handshake with the proxy.
    ProxyTls,
    /// CONNECT: the proxy's consent to a tunnel.
    ProxyTunnel,
    /// The host's name to its addresses.
    Resolve,
    /// TCP to one of them.
    Connect,
    /// The TLS handshake.
    Tls,
    /// The version of HTTP, agreed on within TLS.
    Alpn,
}

impl Error {
    /// The hop that failed.
    pub fn hop(&self) -> Hop {
        match self {
            Self::OtherOrigin { .. } | Self::PlainHttp { .. } | Self::Forbidden { .. } => Hop::Check,
            Self::ProxyResolve { .. } => Hop::ProxyResolve,
            Self::ProxyConnect { .. } => Hop::ProxyConnect,
            Self::ProxyTls { .. } => Hop::ProxyTls,
            Self::ProxyRefused { .. } | Self::ProxyBroken { .. } => Hop::ProxyTunnel,
            Self::Resolve { .. } => Hop::Resolve,
            Self::Connect { .. } => Hop::Connect,
            Self::Timeout { hop, .. } => *hop,
            Self::Tls { .. } | Self::Secured { .. } => Hop::Tls,
            Self::NoHttp2 { .. } => Hop::Alpn,
        }
    }

    /// Where the connection should have gone.
    pub fn origin(&self) -> &Origin {
        match self {
            Self::OtherOrigin { origin, .. }
            | Self::PlainHttp { origin }
            | Self::Secured { origin }
            | Self::Forbidden { origin, .. }
            | Self::ProxyResolve { origin, .. }
            | Self::ProxyConnect { origin, .. }
            | Self::ProxyTls { origin, .. }
            | Self::ProxyRefused { origin, .. }
            | Self::ProxyBroken { origin, .. }
            | Self::Resolve { origin, .. }
            | Self::Connect { origin, .. }
            | Self::Timeout { origin, .. }
            | Self::Tls { origin, .. }
            | Self::NoHttp2 { origin, .. } => origin,
        }
    }

    /// Whether the same might do better in a while. A name, an address and a certificate can be put right at any time;
    /// only what we refuse ourselves stays refused.
    pub fn is_transient(&self) -> bool {
        self.hop() != Hop::Check
    }

    /// What of the sources only the operator may see: addresses, the certificates, what is trusted. Empty if there is none.
    pub fn detail(&self) -> String {
        if let Self::Forbidden { source, .. } = self {
            return source.detail();
        }
        std::error::Error::source(self).map(ToString::to_string).unwrap_or_default()
    }

    /// The cause and what is behind it, for the operator's log, where the remedy has a place of its own.
    pub fn why(&self) -> String {
        let (cause, detail) = (self.advice().cause, self.detail());
        if detail.is_empty() { cause } else { format!("{cause}: {detail}") }
    }

    /// Sorts what a handshake with the origin ended with.
    pub(super) fn handshake(origin: Origin, source: io::Error) -> Self {
        match tls::library(&source) {
            Some(rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol)) => {
                Self::NoHttp2 { origin, issuer: None }
            }
            _ => Self::Tls { origin, fault: TlsFault::of(&source), source: readable(source) },
        }
    }

    /// Whether a handshake ended with a certificate that was refused.
    pub(super) fn is_of_certificate(source: &io::Error) -> bool {
        matches!(TlsFault::of(source), TlsFault::Certificate(_))
    }

    /// Explains an error of reading, where it is the server's refusal of our certificate: before it, nothing that we wrote
    /// was heard. Any other error stays what it is.
    pub(super) fn after_handshake(origin: &Origin, source: io::Error) -> io::Error {
        match TlsFault::of(&source) {
            fault @ TlsFault::ClientCertificate => {
                let kind = source.kind();
                io::Error::new(kind, Self::Tls { origin: origin.clone(), fault, source })
            }
            TlsFault::Certificate(_) | TlsFault::NotTls | TlsFault::Closed | TlsFault::Other => source,
        }
    }

    /// The server's refusal of our certificate, for who has nothing but the text of an error: HTTP/2 keeps no more of it.
    pub fn in_text(origin: &Origin, text: &str) -> Option<Self> {
        text.contains(WANTS_CERTIFICATE).then(|| Self::Tls {
            origin: origin.clone(),
            fault: TlsFault::ClientCertificate,
            source: io::Error::other(text.to_owned()),
        })
    }

    /// Finds one among the causes of an error, also where the library for sockets carries it.
    pub fn among<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Self> {
        let mut cause = Some(error);
        while let Some(error) = cause {
            let carried = error.downcast_ref::<io::Error>().and_then(|error| error.get_ref());
            let carried = carried.and_then(|inner| inner.downcast_ref());
            if let Some(found) = error.downcast_ref().or(carried) {
                return Some(found);
            }
            cause = error.source();
        }
        None
    }

    /// Sorts what a handshake with the proxy ended with.
    pub(super) fn proxy_handshake(origin: Origin, proxy: &Proxy, source: io::Error) -> Self {
        let (proxy, fault) = (proxy.origin().clone(), TlsFault::of(&source));
        Self::ProxyTls { origin, proxy, fault, source: readable(source) }
    }

    /// Adds to a timeout whether the answer had begun.
    pub(super) fn half_answered(mut self, so_far: bool) -> Self {
        if let Self::Timeout { begun, .. } = &mut self {
            *begun = so_far;
        }
        self
    }

    /// Reads what the proxy answered in place of forwarding a request. Its words beside the status are not known any more
    /// when the answer is.
    pub(super) fn not_forwarded(
        origin: Origin,
        proxy: &Proxy,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Self {
        let offers = headers.get_all(PROXY_AUTHENTICATE).iter();
        let offers: Vec<_> = offers.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        let schemes = schemes::of(offers.iter().map(AsRef::as_ref));
        let reason = status.canonical_reason().unwrap_or_default().to_owned();
        Self::no_tunnel(origin, proxy, Refused::Status { status, reason, schemes })
    }

    /// Sorts why the proxy gave no tunnel.
    pub(super) fn no_tunnel(origin: Origin, proxy: &Proxy, refused: Refused) -> Self {
        let at = proxy.origin().clone();
        match refused {
            Refused::Status { status, reason, schemes } => {
                let credentials = match proxy.authorization() {
                    Some(_) => Credentials::Sent,
                    None => Credentials::None,
                };
                let refusal = Box::new(Refusal { status, reason, schemes, credentials });
                Self::ProxyRefused { origin, proxy: at, refusal }
            }
            Refused::Io(source) => Self::ProxyBroken { origin, proxy: at, source },
            Refused::NotHttp | Refused::TooLong | Refused::Closed => {
                Self::ProxyBroken { origin, proxy: at, source: io::Error::other(refused) }
            }
        }
    }
}

/// The same without the library's wrapping, which shows what it does not know as Rust's `Debug`: a log is for people.
fn readable(source: io::Error) -> io::Error {
    match tls::library(&source).and_then(Rejected::of) {
        Some(rejected) => io::Error::new(source.kind(), rejected.clone()),
        None => source,
    }
}

/// What is known of a certificate that was refused.
fn rejected(source: &io::Error) -> Option<&Rejected> {
    source.get_ref().and_then(|inner| inner.downcast_ref())
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::OtherOrigin { .. }
            | Self::PlainHttp { .. }
            | Self::ProxyRefused { .. }
            | Self::Timeout { .. }
            | Self::Secured { .. }
            | Self::NoHttp2 { .. } => None,
            Self::Forbidden { source, .. } => Some(source),
            Self::ProxyResolve { source, .. }
            | Self::ProxyConnect { source, .. }
            | Self::ProxyTls { source, .. }
            | Self::ProxyBroken { source, .. }
            | Self::Resolve { source, .. }
            | Self::Connect { source, .. }
            | Self::Tls { source, .. } => Some(source),
        }
    }
}

impl fmt::Display for Error {
    /// Cause and remedy, in one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let advice = self.advice();
        write!(f, "{}: {}", advice.cause, advice.remedy)
    }
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Check => "check",
            Self::ProxyResolve => "resolve the proxy",
            Self::ProxyConnect => "connect to the proxy",
            Self::ProxyTls => "TLS with the proxy",
            Self::ProxyTunnel => "tunnel through the proxy",
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Tls => "TLS",
            Self::Alpn => "ALPN",
        })
    }
}
