//! A certificate that was refused, with the facts that its reader needs.

use std::fmt;

use rustls::{CertificateError, OtherError};
use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::egress::Certificate;
use crate::egress::trust::Trusted;

/// Why a server is not believed: what the library said, what the server presented, and what is trusted here.
///
/// Its `Display` is for operators: it names files and settings of this side.
#[derive(Debug, Clone)]
pub struct Rejected {
    /// What the library said.
    pub why: CertificateError,
    /// What was presented, the server's own certificate first; one that cannot be parsed is not in it.
    pub chain: Vec<Certificate>,
    /// What is trusted, as in `140 of the platform, 2 of /etc/backline/ca/ca.crt`.
    pub trusted: String,
    kind: Kind,
}

/// Kinds of refusal, told apart because each has another remedy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The chain leads to an authority that is not trusted here, which [`Rejected::unknown_issuer`] names: add its
    /// certificate to the trusted ones. With two or more certificates presented this is nearly always so.
    UnknownIssuer,
    /// Only the server's own certificate was presented, and its issuer is not trusted here. Either the issuer is an
    /// authority to add, or it is one in between, whose certificate the server should send along: from here the two
    /// look alike.
    UnknownIssuerOrMissingIntermediate,
    /// The certificate names itself as its issuer, and is not among the trusted ones: add it, or have one issued.
    SelfSigned,
    /// An authority of this name is trusted, but another key signed: it was renewed under its old name (add the new
    /// certificate), or somebody pretends to be it.
    OtherKeyOfSameName,
    /// As before, and its basic constraints say `CA:TRUE`, as `openssl req -x509` makes it unless told otherwise:
    /// webpki takes no authority's certificate for a server's, not even a trusted one. Have one made that says
    /// `CA:FALSE`; only then does it help to add it.
    SelfSignedAuthority,
    /// It is an authority's certificate, issued by another, and serves as a server's, which webpki does not take either:
    /// have one issued that says `CA:FALSE`.
    Authority,
    /// It is for other hosts.
    WrongHost,
    /// It is for no host at all: it relies on the common name, which does not count.
    NoHosts,
    /// It, or one of its chain, has expired.
    Expired,
    /// It, or one of its chain, is not valid yet.
    NotYetValid,
    /// It may not be used for a server.
    Purpose,
    /// Anything else, such as an encoding that is not sound or a signature that is too weak.
    Other,
}

impl Rejected {
    pub(super) fn new(why: CertificateError, chain: &[&CertificateDer<'_>], trusted: &Trusted) -> Self {
        let parsed: Vec<_> =
            chain.iter().filter_map(|der| X509Certificate::from_der(der).ok()).map(|(_, it)| it).collect();
        let kind = kind(&why, &parsed, trusted);
        let chain = chain.iter().filter_map(|der| Certificate::read(der)).collect();
        Self { why, chain, trusted: trusted.to_string(), kind }
    }

    /// Takes the refusal out of what a handshake ended with, if that was one.
    pub fn of(error: &rustls::Error) -> Option<&Self> {
        let rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(inner))) = error else {
            return None;
        };
        inner.downcast_ref()
    }

    /// What kind of refusal it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The authority that nobody vouches for here: the issuer of the last certificate of the chain, as far as that
    /// leads.
    pub fn unknown_issuer(&self) -> Option<&str> {
        let mut top = self.chain.first()?;
        for _ in 1..self.chain.len() {
            let above = self.chain.iter().find(|it| it.subject == top.issuer);
            top = above.filter(|_| !top.self_signed).unwrap_or(top);
        }
        Some(&top.issuer)
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let CertificateError::Other(OtherError(inner)) = &self.why {
            // The library would show it as Rust's `Debug`.
            write!(f, "{inner}; presented:")?;
        } else {
            write!(f, "{}; presented:", self.why)?;
        }
        for (at, certificate) in self.chain.iter().take(SHOWN).enumerate() {
            write!(f, " {}. {certificate}", at + 1)?;
        }
        match self.chain.len() {
            0 => f.write_str(" nothing that can be parsed")?,
            presented if presented > SHOWN => write!(f, " and {} more", presented - SHOWN)?,
            _ => {}
        }
        write!(f, "; trusted: {}", self.trusted)
    }
}

impl std::error::Error for Rejected {}

#[expect(clippy::wildcard_enum_match_arm, reason = "the library's enum is open; the rest has one remedy")]
fn kind(why: &CertificateError, chain: &[X509Certificate<'_>], trusted: &Trusted) -> Kind {
    match why {
        CertificateError::UnknownIssuer
        | CertificateError::BadSignature
        // A trusted authority of the right name has a key for another algorithm than that of the signature.
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => issuer(chain, trusted),
        CertificateError::NotValidForName => Kind::WrongHost,
        CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => Kind::NoHosts,
        CertificateError::NotValidForNameContext { .. } => Kind::WrongHost,
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => Kind::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Kind::NotYetValid,
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => Kind::Purpose,
        // Where the library says no more than that, the certificate says it: `CaUsedAsEndEntity` has no name here.
        CertificateError::Other(_) => match chain.first() {
            Some(leaf) if leaf.is_ca() && is_self_signed(leaf) => Kind::SelfSignedAuthority,
            Some(leaf) if leaf.is_ca() => Kind::Authority,
            _ => Kind::Other,
        },
        _ => Kind::Other,
    }
}

/// Nobody vouches for the chain: what that comes from.
fn issuer(chain: &[X509Certificate<'_>], trusted: &Trusted) -> Kind {
    let Some(leaf) = chain.first() else { return Kind::Other };
    // Who is presented need not be in order, and may be there in vain: follow the names.
    let mut top = leaf;
    for _ in 1..chain.len() {
        if is_self_signed(top) {
            break;
        }
        let above = chain.iter().find(|it| it.subject().as_raw() == top.issuer().as_raw());
        top = above.unwrap_or(top);
    }
    if knows(trusted, top.issuer().as_raw()) {
        Kind::OtherKeyOfSameName
    } else if is_self_signed(leaf) {
        Kind::SelfSigned
    } else if std::ptr::eq(top, leaf) {
        Kind::UnknownIssuerOrMissingIntermediate
    } else {
        Kind::UnknownIssuer
    }
}

fn is_self_signed(certificate: &X509Certificate<'_>) -> bool {
    certificate.subject().as_raw() == certificate.issuer().as_raw()
}

/// Whether an authority of this name is trusted.
fn knows(trusted: &Trusted, name: &[u8]) -> bool {
    trusted.store.subjects().iter().any(|subject| subject.as_ref() == name)
}

/// A chain has two or three; a stranger may send thousands.
const SHOWN: usize = 8;
