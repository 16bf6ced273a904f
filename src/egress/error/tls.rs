//! Kinds of failed TLS.

use std::io;

use rustls::AlertDescription;

use crate::egress::{Kind, Rejected};

/// Kinds of failed TLS, told apart because each has another remedy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TlsFault {
    /// The certificate was refused.
    Certificate(Kind),
    /// The server wants a certificate of ours, and got none or one that it refuses.
    ClientCertificate,
    /// What answered does not speak TLS.
    NotTls,
    /// The other side hung up.
    Closed,
    /// Anything else.
    Other,
}

impl TlsFault {
    /// Sorts what a handshake, or the first read after it, ended with. With TLS 1.3 a server says only then that it wants
    /// a certificate (RFC 8446, section 4.4.2.4).
    pub(super) fn of(source: &io::Error) -> Self {
        let Some(error) = library(source) else { return Self::Closed };
        match Rejected::of(error) {
            Some(rejected) => Self::Certificate(rejected.kind()),
            None => Self::of_library(error),
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the library's enums are open; the rest has one remedy"
    )]
    fn of_library(error: &rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidMessage(_) => Self::NotTls,
            rustls::Error::AlertReceived(
                AlertDescription::CertificateRequired
                | AlertDescription::BadCertificate
                | AlertDescription::CertificateUnknown
                | AlertDescription::UnknownCA
                | AlertDescription::AccessDenied,
            ) => Self::ClientCertificate,
            _ => Self::Other,
        }
    }
}

/// What the TLS library said among the causes of an error, if that is that the server wants a certificate of ours.
pub(super) fn certificate_wanted(error: &(dyn std::error::Error + 'static)) -> Option<io::Error> {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let mut said = causes.filter_map(|cause| cause.downcast_ref::<io::Error>());
    let source = said.find(|source| TlsFault::of(source) == TlsFault::ClientCertificate)?;
    library(source).map(|said| io::Error::new(source.kind(), said.clone()))
}

/// What the TLS library said, if it was the library.
pub(super) fn library(source: &io::Error) -> Option<&rustls::Error> {
    source.get_ref().and_then(|inner| inner.downcast_ref())
}
