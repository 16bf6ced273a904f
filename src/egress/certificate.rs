//! What a certificate says of itself, for messages and warnings; whether to believe it is `verify`'s business.

use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls_pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{ASN1Time, FromDer as _, X509Certificate};

/// A certificate as a reader of messages wants it. Whoever presents it has written it: the texts are shortened and
/// without control characters, but nothing in them is proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Whose it is, as in `CN=git.example.com, O=Example`.
    pub subject: String,
    /// Who issued it, in the same form.
    pub issuer: String,
    /// The hosts that it is for: DNS names and addresses of its subject alternative name, the first 100 of them. The
    /// common name does not count (RFC 9525, section 2).
    pub names: Vec<String>,
    /// The first moment of its validity.
    pub not_before: SystemTime,
    /// The last one.
    pub not_after: SystemTime,
    /// Whether it names itself as its issuer.
    pub self_signed: bool,
    /// Whether it may issue others.
    pub ca: bool,
}

impl Certificate {
    /// Reads a certificate; `None` when it cannot be parsed.
    pub fn read(der: &CertificateDer<'_>) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(der).ok()?;
        let validity = parsed.validity();
        Some(Self {
            subject: shown(&parsed.subject().to_string()),
            issuer: shown(&parsed.issuer().to_string()),
            names: names(&parsed),
            not_before: time(validity.not_before),
            not_after: time(validity.not_after),
            self_signed: parsed.subject().as_raw() == parsed.issuer().as_raw(),
            ca: parsed.is_ca(),
        })
    }

    /// How many whole days are left until it expires; below zero once it has.
    pub fn days_left(&self, now: SystemTime) -> i64 {
        let days = |span: Duration| i64::try_from(span.as_secs() / DAY).unwrap_or(i64::MAX);
        match self.not_after.duration_since(now) {
            Ok(left) => days(left),
            // Rounded away from zero, so that an hour too late is not "0 days left".
            Err(over) => -1 - days(over.duration()),
        }
    }
}

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subject, issuer, .. } = self;
        if self.self_signed {
            write!(f, "{subject} (self-signed")?;
        } else {
            write!(f, "{subject} (issued by {issuer}")?;
        }
        write!(f, ", valid from {} to {}", date(self.not_before), date(self.not_after))?;
        match &self.names[..] {
            [] => {}
            names if names.len() <= SHOWN_NAMES => write!(f, ", for {}", names.join(" "))?,
            names => {
                let more = names.len() - SHOWN_NAMES;
                write!(f, ", for {} and {more} more", names[..SHOWN_NAMES].join(" "))?;
            }
        }
        f.write_str(")")
    }
}

/// A day in UTC, as in `2026-11-22`.
pub(super) fn date(time: SystemTime) -> String {
    let seconds = match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_secs()).unwrap_or(i64::MAX),
    };
    ASN1Time::from_timestamp(seconds)
        .map_or_else(|_| "an unknown day".to_owned(), |time| time.to_datetime().date().to_string())
}

fn time(time: ASN1Time) -> SystemTime {
    let seconds = time.timestamp();
    let span = Duration::from_secs(seconds.unsigned_abs());
    let moment = if seconds < 0 { UNIX_EPOCH.checked_sub(span) } else { UNIX_EPOCH.checked_add(span) };
    moment.unwrap_or(UNIX_EPOCH)
}

fn names(parsed: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = parsed.subject_alternative_name() else { return Vec::new() };
    extension.value.general_names.iter().filter_map(name).take(MOST_NAMES).collect()
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(shown(name)),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let v6 = || <[u8; 16]>::try_from(*bytes).map(IpAddr::from);
            v4.or_else(|_| v6()).ok().map(|address| address.to_string())
        }
        GeneralName::OtherName(..)
        | GeneralName::RFC822Name(_)
        | GeneralName::X400Address(_)
        | GeneralName::DirectoryName(_)
        | GeneralName::EDIPartyName(_)
        | GeneralName::URI(_)
        | GeneralName::RegisteredID(_)
        | GeneralName::Invalid(..) => None,
    }
}

/// Foreign text for a line of a log.
fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(LONGEST).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown.chars().map(|it| if it.is_control() { '\u{fffd}' } else { it }).collect()
}

const DAY: u64 = 24 * 60 * 60;
/// More than any sound name has.
const LONGEST: usize = 256;
const MOST_NAMES: usize = 100;
const SHOWN_NAMES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::fixture::Ca;

    #[test]
    fn a_certificate_is_told_with_names_validity_and_issuer() {
        let ca = Ca::new("Example Root");
        let leaf =
            Certificate::read(&ca.issue_for(&["git.example.com", "10.1.2.3", "::1"]).der().into()).unwrap();
        assert_eq!(leaf.names, ["git.example.com", "10.1.2.3", "::1"]);
        assert_eq!(leaf.issuer, "CN=Example Root");
        assert!(!leaf.self_signed && !leaf.ca);
        let root = Certificate::read(&ca.der().into()).unwrap();
        assert!(root.self_signed && root.ca, "{root}");
        let expired = Certificate::read(&ca.issue_expired("git.example.com").der().into()).unwrap();
        let text = expired.to_string();
        assert!(
            text.ends_with(
                "(issued by CN=Example Root, valid from 2001-01-01 to 2002-01-01, for git.example.com)"
            ),
            "{text}"
        );
        assert_eq!(Certificate::read(&CertificateDer::from(b"no DER".to_vec())), None);
    }

    #[test]
    fn the_days_left_are_whole_and_below_zero_once_expired() {
        let ca = Ca::new("ours");
        let certificate = Certificate::read(&ca.issue_expired("localhost").der().into()).unwrap();
        let end = certificate.not_after;
        let hour = Duration::from_secs(60 * 60);
        for (now, days) in
            [(end - hour * 24 * 30, 30), (end - hour, 0), (end + hour, -1), (end + hour * 25, -2)]
        {
            assert_eq!(certificate.days_left(now), days);
        }
    }

    #[test]
    fn what_a_stranger_wrote_cannot_break_a_line() {
        let ca = Ca::new("first\nsecond\u{1b}[31m");
        let root = Certificate::read(&ca.der().into()).unwrap();
        assert!(root.subject.contains("first") && !root.subject.chars().any(char::is_control), "{root:?}");
        let long = Certificate::read(&Ca::new(&"x".repeat(1000)).der().into()).unwrap();
        assert!(long.subject.chars().count() <= LONGEST + 1, "{long:?}");
    }
}
