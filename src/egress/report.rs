//! What a walk found, as checks.

use std::time::{Duration, SystemTime};

use rustls::ProtocolVersion;

use super::expiry::SOON;
use super::stream::Protocol;
use super::walk::{Found, Session, Step, Walk};
use super::{Certificate, Connector, Error, Hop, Way};
use crate::ops::{Advice, Check, Outcome};

/// One check for the way, one for each hop that was walked or failed, and one for each that was not tried.
pub(super) fn checks(connector: &Connector, walk: &Walk<'_>, failed: Option<&Error>) -> Vec<Check> {
    let mut checks: Vec<Check> = Vec::new();
    if let Some(error) = failed.filter(|error| error.hop() == Hop::Check && walk.route.is_none()) {
        checks.push(broken(error, walk));
    }
    let way = walk.route.as_ref();
    checks.extend(way.map(|route| Check::passed("proxy", way_in_words(&route.way)).detail(&route.because)));
    checks.extend(walk.steps.iter().map(|step| passed(step, connector)));
    if let Some(error) = failed.filter(|error| error.hop() != Hop::Check || way.is_some()) {
        checks.push(broken(error, walk));
    }
    if let Some(error) = failed {
        let done: Vec<&str> = checks.iter().map(|check| check.name).collect();
        let left = due(connector).into_iter().filter(|name| !done.contains(name));
        let skipped: Vec<Check> = left
            .map(|name| Check::skipped(name, format!("not tried: {} failed", name_of(error.hop()))))
            .collect();
        checks.extend(skipped);
    }
    checks
}

/// The checks of a connection that succeeds.
fn due(connector: &Connector) -> Vec<&'static str> {
    use super::Scheme::Https;
    let mut hops = vec!["proxy"];
    match connector.route().way {
        Way::Direct => hops.extend(["dns", "tcp"]),
        Way::Through(proxy) => {
            hops.extend(["proxy-dns", "proxy-tcp"]);
            hops.extend((proxy.origin().scheme() == Https).then_some("proxy-tls"));
            hops.extend((connector.origin.scheme() == Https).then_some("tunnel"));
        }
    }
    if connector.origin.scheme() == Https {
        hops.extend(["tls", "alpn"]);
    }
    hops
}

fn way_in_words(way: &Way) -> String {
    match way {
        Way::Direct => "direct".to_owned(),
        Way::Through(proxy) => format!("through {proxy}"),
    }
}

fn passed(step: &Step, connector: &Connector) -> Check {
    let name = name_of(step.hop);
    let check = match &step.found {
        Found::Addresses(addresses) => {
            let list: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
            let count = match list.len() {
                1 => "1 address".to_owned(),
                more => format!("{more} addresses"),
            };
            Check::passed(name, count).detail(list.join(", "))
        }
        Found::Peer(peer) => {
            let peer = peer.map(|peer| peer.to_string()).unwrap_or_default();
            Check::passed(name, "connected").detail(peer)
        }
        Found::Tunnel => Check::passed(name, "the proxy opened a tunnel"),
        Found::Session(found) => session(name, found),
        Found::Protocol(protocol) => Check::passed(name, http(*protocol)),
    };
    let trusted = if step.hop == Hop::Tls { connector.egress.trusted() } else { String::new() };
    let detail = [check.detail.clone(), trusted].into_iter().filter(|text| !text.is_empty());
    let detail = detail.collect::<Vec<_>>().join("; ");
    slow(check.detail(detail).took(step.took), step.hop)
}

/// A hop that succeeded late is near its limit: the next time it may fail.
fn slow(check: Check, hop: Hop) -> Check {
    if check.outcome != Outcome::Passed || check.took <= SLOW {
        return check;
    }
    let cause = format!("`{}` was through only after {:.1} s", check.name, check.took.as_secs_f64());
    let (remedy, section) = match hop {
        Hop::ProxyTunnel => {
            ("look at the proxy's log and load; egress.hop_timeout is how long it may take", "proxy-stalled")
        }
        Hop::Resolve | Hop::ProxyResolve => ("check the DNS of the agent's host", "dns"),
        Hop::Check | Hop::ProxyConnect | Hop::ProxyTls | Hop::Connect | Hop::Tls | Hop::Alpn => {
            ("look for a slow or lossy link; egress.hop_timeout is how long a hop may take", "slow-link")
        }
    };
    Check { outcome: Outcome::Warned(Advice::new(cause, remedy, section)), ..check }
}

fn session(name: &'static str, session: &Session) -> Check {
    let version = match session.version {
        Some(ProtocolVersion::TLSv1_3) => "TLS 1.3",
        Some(ProtocolVersion::TLSv1_2) => "TLS 1.2",
        Some(_) | None => "TLS",
    };
    let Some(leaf) = &session.leaf else { return Check::passed(name, version) };
    let now = SystemTime::now();
    let days = leaf.days_left(now);
    let found = format!("{version}, certificate of {} for {days} more days", leaf.subject);
    let check = match &session.sooner {
        Some(above) if above.days_left(now) < SOON => {
            let found = format!("{found}, and that of {} {}", above.subject, ends(above.days_left(now)));
            Check::warned(
                name,
                found,
                ending(&format!("the intermediate certificate of {}", above.subject), above, now),
            )
        }
        _ if days < SOON => {
            Check::warned(name, found, ending(&format!("the certificate of {}", leaf.subject), leaf, now))
        }
        _ => Check::passed(name, found),
    };
    check.detail(format!("issued by {}", leaf.issuer))
}

fn ending(what: &str, certificate: &Certificate, now: SystemTime) -> Advice {
    let ends = ends(certificate.days_left(now));
    Advice::new(format!("{what} {ends}"), "have it renewed in time", "certificate-expired")
}

/// An intermediate that has expired may be there in vain, beside another way to an authority that is trusted.
fn ends(days: i64) -> String {
    match days {
        ..0 => "has expired".to_owned(),
        _ => format!("expires in {days} days"),
    }
}

fn broken(error: &Error, walk: &Walk<'_>) -> Check {
    let spent: Duration = walk.steps.iter().map(|step| step.took).sum();
    let advice = error.advice();
    let took = walk.took().saturating_sub(spent);
    Check::failed(name_of(error.hop()), error.found(), advice).detail(error.detail()).took(took)
}

fn http(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Http1 => "HTTP/1.1",
        Protocol::Http2 => "HTTP/2",
    }
}

fn name_of(hop: Hop) -> &'static str {
    match hop {
        Hop::Check => "address",
        Hop::ProxyResolve => "proxy-dns",
        Hop::ProxyConnect => "proxy-tcp",
        Hop::ProxyTls => "proxy-tls",
        Hop::ProxyTunnel => "tunnel",
        Hop::Resolve => "dns",
        Hop::Connect => "tcp",
        Hop::Tls => "tls",
        Hop::Alpn => "alpn",
    }
}

/// A sound hop takes milliseconds, and around the world half a second.
const SLOW: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hop_that_was_late_is_a_warning_and_one_with_another_keeps_it() {
        let tunnel = |took| {
            slow(Check::passed("tunnel", "opened").took(Duration::from_millis(took)), Hop::ProxyTunnel)
        };
        assert_eq!(tunnel(3000).outcome, Outcome::Passed);
        let late = tunnel(6040);
        let advice = late.advice().unwrap();
        assert_eq!(late.outcome.to_string(), "warned");
        assert_eq!(advice.cause, "`tunnel` was through only after 6.0 s");
        assert_eq!(advice.section, "proxy-stalled");
        let own = Advice::new("it expires in 3 days", "have it renewed", "certificate-expired");
        let warned = Check::warned("tls", "TLS", own.clone()).took(Duration::from_secs(9));
        assert_eq!(slow(warned, Hop::Tls).advice(), Some(&own));
    }
}
