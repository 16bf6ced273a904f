//! Addresses and names where no Bitbucket is, and something else may be.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// What an address or a name is, if it is special; shown as in "it leads to a loopback address".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Special {
    /// This machine, or this pod.
    Loopback,
    /// Its neighbours on the wire.
    LinkLocal,
    /// What once meant its site, and is out of use.
    SiteLocal,
    /// What hands out the machine's credentials in a cloud.
    Metadata,
    /// Many machines.
    Multicast,
    /// All machines of the wire.
    Broadcast,
    /// No machine, which means this one to many systems.
    Unspecified,
    /// No use has been defined.
    Reserved,
    /// Examples in documents.
    Documentation,
    /// The API of the cluster that this process is in.
    Kubernetes,
}

impl Special {
    /// What an address is by its own bits; see [`inside`] for those of an address in it.
    pub(super) fn of(ip: IpAddr) -> Option<Self> {
        match ip {
            IpAddr::V4(ip) => V4.iter().find(|(net, _)| net.contains(&ip)).map(|(_, special)| *special),
            IpAddr::V6(ip) => V6.iter().find(|(net, _)| net.contains(&ip)).map(|(_, special)| *special),
        }
    }

    /// What a name, in lower case and without the last dot, is by custom.
    pub(super) fn named(host: &str) -> Option<Self> {
        if LOOPBACK.contains(&host) || host.ends_with(".localhost") {
            Some(Self::Loopback)
        } else if METADATA.contains(&host) {
            Some(Self::Metadata)
        } else {
            let api = KUBERNETES.contains(&host) || host.starts_with("kubernetes.default.svc.");
            api.then_some(Self::Kubernetes)
        }
    }

    /// The addresses that its names stand for everywhere.
    pub(super) fn usual(self) -> &'static [IpAddr] {
        match self {
            Self::Loopback => &[IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)],
            Self::Metadata => &[METADATA_ADDRESS],
            Self::LinkLocal
            | Self::SiteLocal
            | Self::Multicast
            | Self::Broadcast
            | Self::Unspecified
            | Self::Reserved
            | Self::Documentation
            | Self::Kubernetes => &[],
        }
    }
}

/// The IPv4 addresses that an IPv6 address may lead to by translation or by a tunnel.
pub(super) fn inside(ip: IpAddr) -> Vec<IpAddr> {
    let IpAddr::V6(ip) = ip else { return Vec::new() };
    let bytes = ip.octets();
    let at = |places: [usize; 4]| Ipv4Addr::from(places.map(|place| bytes[place]));
    let last = at([12, 13, 14, 15]);
    let found = match ip.segments() {
        // `::` and `::1` are what they are.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => Vec::new(),
        // Compatible, mapped (both RFC 4291, section 2.5.5), translated (RFC 2765) and NAT64 (RFC 6052).
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => {
            vec![last]
        }
        // NAT64 of local use (RFC 8215): the length of its prefix, and with it the place of the address (RFC 6052,
        // section 2.2), is the network's secret. Where the address is not, there are zeros as a rule.
        [0x64, 0xff9b, 1, ..] => {
            let places = [[6, 7, 9, 10], [7, 9, 10, 11], [9, 10, 11, 12], [12, 13, 14, 15]].map(at);
            let set: Vec<_> = places.into_iter().filter(|ip| ip.octets()[0] != 0).collect();
            if set.is_empty() { vec![last] } else { set }
        }
        // 6to4 (RFC 3056, section 2).
        [0x2002, ..] => vec![at([2, 3, 4, 5])],
        // Teredo: the server, and the client with every bit flipped (RFC 4380, section 4).
        [0x2001, 0, ..] => vec![at([4, 5, 6, 7]), Ipv4Addr::from(last.octets().map(|byte| !byte))],
        _ => Vec::new(),
    };
    // ISATAP: behind any prefix, the interface of an IPv4 address (RFC 5214, section 6.1).
    let isatap = matches!(ip.segments(), [_, _, _, _, 0 | 0x200, 0x5efe, ..]).then_some(last);
    let found = found.into_iter().chain(isatap);
    found.map(IpAddr::V4).collect()
}

impl fmt::Display for Special {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loopback => "a loopback address",
            Self::LinkLocal => "a link-local address",
            Self::SiteLocal => "a site-local address, which is out of use",
            Self::Metadata => "a cloud's metadata service",
            Self::Multicast => "a multicast address",
            Self::Broadcast => "the broadcast address",
            Self::Unspecified => "an unspecified address",
            Self::Reserved => "a reserved address",
            Self::Documentation => "an address for documentation",
            Self::Kubernetes => "the Kubernetes API",
        })
    }
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(ip: [u16; 8], prefix: u8) -> Ipv6Net {
    let [a, b, c, d, e, f, g, h] = ip;
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), prefix)
}

/// The first that has the address counts. From the IANA registry of special-purpose addresses, and what clouds document.
const V4: &[(Ipv4Net, Special)] = &[
    // AWS, Google, Azure, OpenStack and most others.
    (v4(169, 254, 169, 254, 32), Special::Metadata),
    // Alibaba.
    (v4(100, 100, 100, 200, 32), Special::Metadata),
    // Azure's host agent.
    (v4(168, 63, 129, 16, 32), Special::Metadata),
    // Oracle.
    (v4(192, 0, 0, 192, 32), Special::Metadata),
    (v4(127, 0, 0, 0, 8), Special::Loopback),
    (v4(169, 254, 0, 0, 16), Special::LinkLocal),
    (v4(0, 0, 0, 0, 8), Special::Unspecified),
    (v4(224, 0, 0, 0, 4), Special::Multicast),
    (v4(255, 255, 255, 255, 32), Special::Broadcast),
    (v4(240, 0, 0, 0, 4), Special::Reserved),
    (v4(192, 0, 2, 0, 24), Special::Documentation),
    (v4(198, 51, 100, 0, 24), Special::Documentation),
    (v4(203, 0, 113, 0, 24), Special::Documentation),
];

/// As [`V4`].
const V6: &[(Ipv6Net, Special)] = &[
    // AWS: instance metadata, and credentials of pods (`::23`).
    (v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0], 32), Special::Metadata),
    // Google, where there is no IPv4.
    (v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128), Special::Metadata),
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 128), Special::Unspecified),
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), Special::Loopback),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), Special::LinkLocal),
    // Site-local, which nobody may use any more (RFC 3879), and old systems still route.
    (v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), Special::SiteLocal),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), Special::Multicast),
    (v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), Special::Documentation),
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), Special::Documentation),
];

/// RFC 6761, section 6.3, and what `/etc/hosts` of Debian and Red Hat has.
const LOOPBACK: &[&str] =
    &["localhost", "localhost.localdomain", "localhost6", "ip6-localhost", "ip6-loopback"];
/// Google's and AWS's.
const METADATA: &[&str] =
    &["metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal"];
/// As the cluster's DNS has it, whole or to be completed by a search list.
const KUBERNETES: &[&str] = &["kubernetes", "kubernetes.default", "kubernetes.default.svc"];

const METADATA_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254));
