//! What can go wrong on the way out, by hop.

use std::fmt;
use std::io;
use std::time::Duration;

use rustls::AlertDescription;

use super::{Kind, Origin, Rejected};

/// Why there is no connection. What is shown names the origin, the hop and the remedy, but no resolved address: that is
/// in the sources, for the operator's log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connector is for another origin.
    #[error("{asked} was asked for, but this connection may only go to {origin}")]
    OtherOrigin {
        /// The one that it may go to.
        origin: Origin,
        /// What was asked for, without user, path and query.
        asked: String,
    },
    /// Without TLS, and not to this machine.
    #[error(
        "{origin} is not this machine, and only there may a connection be without TLS: use an https:// URL"
    )]
    PlainHttp {
        /// Where it should have gone.
        origin: Origin,
    },
    /// The name has no address.
    #[error("{origin} cannot be resolved: check the name and the DNS of the agent's host")]
    Resolve {
        /// Where it should have gone.
        origin: Origin,
        /// What the resolver said.
        source: io::Error,
    },
    /// No address of the host could be connected to.
    #[error("{origin} cannot be connected to: check that it is up, and that no firewall is in between")]
    Connect {
        /// Where it should have gone.
        origin: Origin,
        /// What each address said.
        source: io::Error,
    },
    /// A hop, or all of them together, took too long.
    #[error("connecting to {origin} took longer than {limit:?} (stuck at: {hop})")]
    Timeout {
        /// Where it should have gone.
        origin: Origin,
        /// The hop that did not end.
        hop: Hop,
        /// The time that this hop had.
        limit: Duration,
    },
    /// There is no safe connection.
    #[error("TLS with {origin} failed: {fault}")]
    Tls {
        /// Where it should have gone.
        origin: Origin,
        /// What kind of failure it is.
        fault: TlsFault,
        /// What the TLS library said.
        source: io::Error,
    },
    /// HTTP/2 was insisted on, and the server did not agree.
    #[error(
        "{origin} does not speak HTTP/2{}; a TLS-inspecting proxy may be in between: have it leave this host alone",
        issuer.as_ref().map(|name| format!(" (its certificate was issued by: {name})")).unwrap_or_default()
    )]
    NoHttp2 {
        /// Where it should have gone.
        origin: Origin,
        /// Who issued the certificate that was presented, if one was.
        issuer: Option<String>,
    },
}

/// The steps of a connection, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hop {
    /// Before anything is sent: whether it may go there at all.
    Check,
    /// The host's name to its addresses.
    Resolve,
    /// TCP to one of them.
    Connect,
    /// The TLS handshake.
    Tls,
    /// The version of HTTP, agreed on within TLS.
    Alpn,
}

/// Kinds of failed TLS, told apart because each has another remedy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsFault {
    /// The chain ends at nobody that we trust.
    UntrustedIssuer,
    /// The certificate is for other names.
    WrongHost,
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYetValid,
    /// What answered does not speak TLS.
    NotTls,
    /// The other side hung up.
    Closed,
    /// Anything else.
    Other,
}

impl Error {
    /// The hop that failed.
    pub fn hop(&self) -> Hop {
        match self {
            Self::OtherOrigin { .. } | Self::PlainHttp { .. } => Hop::Check,
            Self::Resolve { .. } => Hop::Resolve,
            Self::Connect { .. } => Hop::Connect,
            Self::Timeout { hop, .. } => *hop,
            Self::Tls { .. } => Hop::Tls,
            Self::NoHttp2 { .. } => Hop::Alpn,
        }
    }

    /// Where the connection should have gone.
    pub fn origin(&self) -> &Origin {
        match self {
            Self::OtherOrigin { origin, .. }
            | Self::PlainHttp { origin }
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

    /// Sorts what a handshake ended with.
    pub(super) fn handshake(origin: Origin, source: io::Error) -> Self {
        let inner = source.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        if let Some(rejected) = inner.and_then(Rejected::of) {
            let fault = TlsFault::of_certificate(rejected.kind());
            return Self::Tls { origin, fault, source: io::Error::other(rejected.clone()) };
        }
        match inner {
            Some(rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol)) => {
                Self::NoHttp2 { origin, issuer: None }
            }
            Some(error) => Self::Tls { origin, fault: TlsFault::of(error), source },
            None => Self::Tls { origin, fault: TlsFault::Closed, source },
        }
    }
}

impl TlsFault {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the library's enum is open; the rest has one remedy")]
    fn of(error: &rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidMessage(_) => Self::NotTls,
            _ => Self::Other,
        }
    }

    fn of_certificate(kind: Kind) -> Self {
        match kind {
            Kind::UnknownIssuer
            | Kind::UnknownIssuerOrMissingIntermediate
            | Kind::SelfSigned
            | Kind::SelfSignedAuthority
            | Kind::OtherKeyOfSameName => Self::UntrustedIssuer,
            Kind::WrongHost | Kind::NoHosts => Self::WrongHost,
            Kind::Expired => Self::Expired,
            Kind::NotYetValid => Self::NotYetValid,
            Kind::Authority | Kind::Purpose | Kind::Other => Self::Other,
        }
    }
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            // In Go's words too, because those are what people search for.
            Self::UntrustedIssuer => {
                "its certificate comes from an issuer that is not trusted here (x509: certificate signed by unknown \
                 authority); add the issuer's CA certificate to the trusted ones"
            }
            Self::WrongHost => "its certificate is for another host; check the URL, or have a certificate made for it",
            Self::Expired => "its certificate has expired; it needs a new one, unless the agent's clock is wrong",
            Self::NotYetValid => "its certificate is not valid yet; check the agent's clock",
            Self::NotTls => "what answered does not speak TLS; check scheme and port",
            Self::Closed => "the connection was closed during the handshake; check the port, and what is in between",
            Self::Other => "no safe connection could be agreed on; the agent's log has the details",
        })
    }
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Check => "check",
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Tls => "TLS",
            Self::Alpn => "ALPN",
        })
    }
}
