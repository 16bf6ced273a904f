//! What a walk found, as checks.

use std::time::{Duration, SystemTime};

use rustls::ProtocolVersion;

use super::stream::Protocol;
use super::walk::{Found, Session, Step, Walk};
use super::{Certificate, Connector, Error, Hop, Way};
use crate::ops::{Advice, Check};

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
    check.detail(detail).took(step.took)
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

/// From so many days before its end a certificate is a warning.
const SOON: i64 = 30;
