//! One entry of NO_PROXY.

use std::fmt;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};
use rustls_pki_types::DnsName;
use url::Host;

use crate::egress::Origin;
use crate::egress::proxy::{bare, unwrapped};

/// What is reached without the proxy: a pattern of hosts, on one port or on all.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    text: String,
    hosts: Hosts,
    port: Option<u16>,
}

/// An entry of NO_PROXY that means nothing. It names the entry, without a user and password that it may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadEntry {
    entry: String,
    fault: Fault,
}

/// What is wrong with an entry of NO_PROXY; it completes a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A scheme, a path or a user.
    #[error("is more than a host; write the host alone, with `:port` if only one port is meant")]
    Url,
    /// A port that is no number from 1 to 65535.
    #[error("has a port that is not from 1 to 65535")]
    Port,
    /// A network whose address or length of prefix is not one.
    #[error("is not a network such as 10.0.0.0/8 or fd00::/8")]
    Network,
    /// Digits and dots that are no address of four numbers, or brackets without an address in them.
    #[error("is not an address such as 10.1.2.3 or [fd00::1], nor a network such as 10.0.0.0/8")]
    Address,
    /// An asterisk in the middle.
    #[error("has `*` elsewhere than alone or in front, as in *.example.com")]
    Asterisk,
    /// Characters that no host has, or nothing between two dots.
    #[error("is not a host name")]
    Name,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Hosts {
    All,
    /// The name, where `Itself::Too`, and every name under it.
    Domain(String, Itself),
    Network(IpNet),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Itself {
    Too,
    Not,
}

impl Entry {
    /// Reads a text without commas and white space.
    pub(super) fn parse(text: &str) -> Result<Self, BadEntry> {
        let parsed = split(text).and_then(|(host, port)| Ok((Hosts::parse(host)?, port)));
        match parsed {
            Ok((hosts, port)) => Ok(Self { text: text.to_owned(), hosts, port }),
            Err(fault) => Err(BadEntry { entry: without_user(text, fault), fault }),
        }
    }

    /// As it was written.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn matches(&self, origin: &Origin) -> bool {
        self.port.is_none_or(|port| port == origin.port()) && self.hosts.contain(origin)
    }
}

impl Hosts {
    fn parse(host: Bracketed<'_>) -> Result<Self, Fault> {
        match host {
            Bracketed::Yes(inside) => network(inside).filter(is_ipv6).ok_or(Fault::Address).map(Self::of),
            Bracketed::No("*") => Ok(Self::All),
            Bracketed::No(text) => match network(text) {
                Some(network) => Ok(Self::of(network)),
                None if text.contains('/') => Err(if is_numeric(text) { Fault::Network } else { Fault::Url }),
                None if text.contains(':') => Err(Fault::Address),
                None => Self::domain(text),
            },
        }
    }

    /// A network with IPv4 mapped into IPv6 is the one of IPv4, since that is how hosts are compared.
    fn of(network: IpNet) -> Self {
        let IpNet::V6(v6) = network else { return Self::Network(network) };
        let mapped = v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(MAPPED));
        let v4 = mapped.and_then(|(address, length)| Ipv4Net::new(address, length).ok());
        Self::Network(v4.map_or(network, IpNet::V4))
    }

    fn domain(text: &str) -> Result<Self, Fault> {
        let (name, itself) = match text.strip_prefix("*.") {
            Some(name) => (name, Itself::Not),
            None => (text.strip_prefix('.').unwrap_or(text), Itself::Too),
        };
        if name.contains('*') {
            return Err(Fault::Asterisk);
        }
        let name = bare(name);
        if name.split('.').any(str::is_empty) {
            return Err(Fault::Name);
        }
        // The same that the URL of an origin goes through: lower case, punycode (UTS #46), and what looks like an
        // address of IPv4 is one. Such a look-alike, as 010.0.0.1 or 10.0, is refused: it means different hosts to
        // different programs.
        match Host::parse(&name) {
            Ok(Host::Domain(name)) if DnsName::try_from(name.as_str()).is_ok() => {
                Ok(Self::Domain(name, itself))
            }
            Ok(Host::Domain(_)) => Err(Fault::Name),
            Ok(Host::Ipv4(_) | Host::Ipv6(_)) => Err(Fault::Address),
            Err(url::ParseError::InvalidIpv4Address) => Err(Fault::Address),
            Err(_) => Err(Fault::Name),
        }
    }

    fn contain(&self, origin: &Origin) -> bool {
        match (self, origin.ip()) {
            (Self::All, _) => true,
            (Self::Network(network), Some(ip)) => network.contains(&unwrapped(ip)),
            (Self::Domain(domain, itself), None) => {
                let host = bare(&origin.host());
                match host.strip_suffix(domain.as_str()) {
                    Some("") => *itself == Itself::Too,
                    Some(labels) => labels.ends_with('.'),
                    None => false,
                }
            }
            (Self::Network(_), None) | (Self::Domain(..), Some(_)) => false,
        }
    }
}

impl fmt::Display for BadEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the entry `{}` {}", self.entry, self.fault)
    }
}

impl std::error::Error for BadEntry {}

/// A host, and whether it was in brackets.
#[derive(Debug, Clone, Copy)]
enum Bracketed<'a> {
    Yes(&'a str),
    No(&'a str),
}

/// Takes the port off.
fn split(text: &str) -> Result<(Bracketed<'_>, Option<u16>), Fault> {
    if text.contains("://") || text.contains('@') {
        return Err(Fault::Url);
    }
    if let Some(rest) = text.strip_prefix('[') {
        let (inside, after) = rest.split_once(']').ok_or(Fault::Address)?;
        return match after.strip_prefix(':') {
            Some(number) => Ok((Bracketed::Yes(inside), Some(port(number)?))),
            None if after.is_empty() => Ok((Bracketed::Yes(inside), None)),
            None => Err(Fault::Address),
        };
    }
    // An address of IPv6 has colons of its own, so that a port needs the brackets.
    let colons = text.bytes().filter(|byte| *byte == b':').count();
    match text.rsplit_once(':') {
        Some((host, number)) if colons == 1 => Ok((Bracketed::No(host), Some(port(number)?))),
        _ => Ok((Bracketed::No(text), None)),
    }
}

fn port(number: &str) -> Result<u16, Fault> {
    match number.parse() {
        Ok(port) if port > 0 && number.bytes().all(|byte| byte.is_ascii_digit()) => Ok(port),
        _ => Err(Fault::Port),
    }
}

/// An address is the network of itself alone; in a network the bits after the prefix do not count.
fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// Whether it can be meant as a network: digits, also those of IPv6, dots and colons.
fn is_numeric(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_hexdigit() || matches!(c, '.' | ':' | '/'))
}

fn is_ipv6(network: &IpNet) -> bool {
    matches!(network, IpNet::V6(_))
}

/// What is shown of a bad entry: who wrote a URL may have written a password, too, and a comma in that has cut it in two.
fn without_user(entry: &str, fault: Fault) -> String {
    let start = entry.find("://").map_or(0, |at| at + 3);
    let shown = match (entry.rsplit_once('@'), entry[start..].find(':').map(|at| start + at + 1)) {
        (Some((_, host)), _) => host.to_owned(),
        (None, Some(end))
            if matches!(fault, Fault::Url | Fault::Port)
                && !entry.starts_with('[')
                && !is_port(&entry[end..]) =>
        {
            format!("{}…", &entry[..end])
        }
        (None, _) => entry.to_owned(),
    };
    shown.chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}

/// Whether it begins with a number that ends where a port would: one that is too large is still no password.
fn is_port(text: &str) -> bool {
    let digits = text.split('/').next().unwrap_or_default();
    digits.len() <= PORT_SHOWN && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// The length of the prefix `::ffff:0:0/96` (RFC 4291, section 2.5.5.2).
const MAPPED: u8 = 96;
/// How many characters of a bad entry are shown: more than a host name has.
const LONGEST: usize = 260;
/// How many digits of a bad port are shown.
const PORT_SHOWN: usize = 6;
