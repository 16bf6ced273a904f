//! What a hop found that failed, in the few words of a table's cell.
//!
//! They go to the cloud too: no address, no path, and of what the other side wrote only what its [`super::Refusal`] keeps.

use std::io;

use super::{Error, Hop, TlsFault};
use crate::egress::Kind;
use crate::egress::dial::Attempts;

impl Error {
    /// The bare fact; why it is so and what to do is in [`Error::advice`].
    pub(in crate::egress) fn found(&self) -> String {
        match self {
            Self::OtherOrigin { .. } | Self::PlainHttp { .. } | Self::Forbidden { .. } => {
                "not allowed".to_owned()
            }
            Self::ProxyResolve { source, .. } | Self::Resolve { source, .. } => unresolved(source).to_owned(),
            Self::ProxyConnect { source, .. } | Self::Connect { source, .. } => unconnected(source),
            Self::ProxyRefused { refusal, .. } => {
                format!("{} {}", refusal.status.as_u16(), refusal.reason).trim_end().to_owned()
            }
            Self::ProxyBroken { source, .. } => source.to_string(),
            Self::Timeout { limit, hop: Hop::ProxyTunnel, begun: true, .. } => {
                format!("no whole answer within {:.1} s", limit.as_secs_f64())
            }
            Self::Timeout { limit, .. } => format!("no answer within {:.1} s", limit.as_secs_f64()),
            Self::ProxyTls { fault, .. } | Self::Tls { fault, .. } => unsafe_because(*fault).to_owned(),
            Self::Secured { .. } => "TLS is spoken there".to_owned(),
            Self::NoHttp2 { .. } => "no HTTP/2".to_owned(),
        }
    }
}

/// What a resolver says is told by its words alone: `getaddrinfo` has codes, and the standard library keeps the text.
fn unresolved(source: &io::Error) -> &'static str {
    let said = source.to_string().to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
    if has(&["not known", "does not resolve", "no address"]) {
        "no such name"
    } else if has(&["temporary failure", "try again"]) {
        "no answer from DNS"
    } else {
        "not resolved"
    }
}

/// Each kind of failure of the addresses once, and not the addresses.
#[expect(clippy::wildcard_enum_match_arm, reason = "the library's enum is open, and has words for the rest")]
fn unconnected(source: &io::Error) -> String {
    let attempts = source.get_ref().and_then(|inner| inner.downcast_ref::<Attempts>());
    let mut kinds: Vec<String> = Vec::new();
    for kind in attempts.into_iter().flat_map(Attempts::kinds) {
        let said = match kind {
            io::ErrorKind::ConnectionRefused => "refused".to_owned(),
            io::ErrorKind::TimedOut => "no answer".to_owned(),
            other => other.to_string(),
        };
        if !kinds.contains(&said) {
            kinds.push(said);
        }
    }
    if kinds.is_empty() { "not connected".to_owned() } else { kinds.join(", ") }
}

fn unsafe_because(fault: TlsFault) -> &'static str {
    match fault {
        TlsFault::Certificate(kind) => refused_for(kind),
        TlsFault::ClientCertificate => "client certificate wanted",
        TlsFault::NotTls => "not TLS",
        TlsFault::Closed => "closed during the handshake",
        TlsFault::Other => "no agreement",
    }
}

fn refused_for(kind: Kind) -> &'static str {
    match kind {
        Kind::UnknownIssuer | Kind::UnknownIssuerOrMissingIntermediate | Kind::OtherKeyOfSameName => {
            "certificate refused: unknown authority"
        }
        Kind::SelfSigned => "certificate refused: self-signed",
        Kind::SelfSignedAuthority | Kind::Authority => "certificate refused: an authority's",
        Kind::WrongHost => "certificate refused: for another host",
        Kind::NoHosts => "certificate refused: names no host",
        Kind::Expired => "certificate refused: expired",
        Kind::NotYetValid => "certificate refused: not valid yet",
        Kind::Purpose => "certificate refused: not for servers",
        Kind::Other => "certificate refused",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_not_there_is_told_from_dns_that_does_not_answer() {
        let cases = [
            ("failed to lookup address information: Name or service not known", "no such name"),
            ("failed to lookup address information: Name does not resolve", "no such name"),
            ("the name has no address", "no such name"),
            (
                "failed to lookup address information: Temporary failure in name resolution",
                "no answer from DNS",
            ),
            ("failed to lookup address information: Try again", "no answer from DNS"),
            ("anything else", "not resolved"),
        ];
        for (said, found) in cases {
            let source = io::Error::other(said);
            let error = Error::Resolve { origin: "https://git.example.com".parse().unwrap(), source };
            assert_eq!(error.found(), found, "{said}");
        }
    }
}
