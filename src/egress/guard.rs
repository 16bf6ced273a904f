//! Where connections that come with a call may go.

mod forbidden;
mod server;
mod special;

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use self::forbidden::Why;
use self::special::Special;
use super::Origin;

pub use forbidden::Forbidden;
pub use server::{KubernetesApi, NotAServer, Server};

/// Decides where connections that come with a call may go, since whoever is in the cloud names the server, and the agent
/// stands where Bitbucket is not the only thing that listens. Clones are alike; by default nothing is allowed or
/// restricted by settings.
///
/// Two rules, and both must hold:
///
/// 1. *Special addresses* are refused: loopback, link-local, site-local, metadata services of clouds, multicast, broadcast,
///    unspecified, reserved and documentation ranges, and the Kubernetes API. Private ranges (RFC 1918, `fc00::/7`) are
///    not special: that is where Bitbucket lives. An IPv4 address inside an IPv6 one (mapped, compatible, translated,
///    NAT64, 6to4, Teredo, ISATAP) is judged too. Only `allowed_addresses` lifts this, for the addresses that it covers.
/// 2. *Allowed servers*: where there are any, scheme, host and port must be those of an entry, or the address that is
///    really dialed must be in an entry that is a network. This lifts nothing of the first rule.
///
/// Networks are compared with the address as it is dialed, a mapped one as the IPv4 address that it is.
///
/// Addresses are checked at every dial and those that were checked are dialed, so that a name which leads elsewhere the
/// second time gains nothing. Through a proxy the proxy resolves the name, and only literals and names can be checked:
/// `proxied`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Guard {
    allowed_servers: Vec<Server>,
    allowed_addresses: Vec<IpNet>,
    kubernetes: Vec<KubernetesApi>,
}

impl Guard {
    /// From the settings: the only servers (any, if there are none), the special addresses that may be dialed all the
    /// same, and where the Kubernetes API is.
    pub fn new(
        allowed_servers: Vec<Server>,
        allowed_addresses: Vec<IpNet>,
        kubernetes: Vec<KubernetesApi>,
    ) -> Self {
        Self { allowed_servers, allowed_addresses, kubernetes }
    }

    /// What can be told before a name is resolved: literals, names like `localhost`, and the allowed servers as far as
    /// no network is among them.
    pub(super) fn origin(&self, origin: &Origin) -> Result<(), Forbidden> {
        match origin.ip() {
            Some(ip) => self.dialed(origin, &[ip]),
            None => {
                self.name(&origin.host())?;
                let open = self.allowed_servers.is_empty() || self.has_networks() || self.lists(origin);
                if open { Ok(()) } else { Err(Why::NotListed.into()) }
            }
        }
    }

    /// As [`Guard::origin`], for a connection through a proxy, which is the last check that there is: the proxy
    /// resolves the name, and no network can be compared with what it finds.
    pub(super) fn proxied(&self, origin: &Origin) -> Result<(), Forbidden> {
        self.origin(origin)?;
        let settled = origin.ip().is_some() || self.allowed_servers.is_empty() || self.lists(origin);
        if settled { Ok(()) } else { Err(Why::Unresolved.into()) }
    }

    /// The addresses that may be dialed: all of them or none. A name that leads to a good and to a forbidden address is
    /// an attempt at rebinding or a mistake, and either way nobody should find out by chance which one gets the token.
    pub(super) fn addresses(
        &self,
        origin: &Origin,
        found: Vec<SocketAddr>,
    ) -> Result<Vec<SocketAddr>, Forbidden> {
        self.origin(origin)?;
        let ips: Vec<IpAddr> = found.iter().map(SocketAddr::ip).collect();
        self.dialed(origin, &ips).map(|()| found)
    }

    fn dialed(&self, origin: &Origin, all: &[IpAddr]) -> Result<(), Forbidden> {
        for &ip in all {
            if let Some(special) = self.special(ip).filter(|_| !covers(&self.allowed_addresses, ip)) {
                return Err(Forbidden::address(Why::Special(special), ip, all));
            }
        }
        let open = self.allowed_servers.is_empty() || self.lists(origin);
        match all.iter().find(|&&ip| !open && !covers(self.networks(), ip)) {
            Some(&ip) => Err(Forbidden::address(Why::NotListed, ip, all)),
            None => Ok(()),
        }
    }

    /// What a name says by itself, unless one of the addresses that it stands for is allowed: then what it leads to
    /// decides.
    fn name(&self, host: &str) -> Result<(), Forbidden> {
        let host = host.strip_suffix('.').unwrap_or(host);
        let kubernetes = self.kubernetes.iter().any(|api| api.is_named(host)).then_some(Special::Kubernetes);
        let Some(special) = kubernetes.or_else(|| Special::named(host)) else { return Ok(()) };
        let lifted = self.stands_for(special).any(|ip| covers(&self.allowed_addresses, ip));
        if lifted { Ok(()) } else { Err(Why::Special(special).into()) }
    }

    /// The addresses that special names stand for.
    fn stands_for(&self, special: Special) -> impl Iterator<Item = IpAddr> {
        let api = self.kubernetes.iter().filter(move |_| special == Special::Kubernetes);
        special.usual().iter().copied().chain(api.filter_map(KubernetesApi::address))
    }

    fn special(&self, ip: IpAddr) -> Option<Special> {
        let api = |ip: &IpAddr| self.kubernetes.iter().any(|api| api.address() == Some(*ip));
        let mut inside = special::inside(ip);
        inside.push(ip);
        let kubernetes = inside.iter().any(api).then_some(Special::Kubernetes);
        kubernetes.or_else(|| inside.into_iter().find_map(Special::of))
    }

    fn lists(&self, origin: &Origin) -> bool {
        self.allowed_servers.iter().any(|server| matches!(server, Server::Origin(listed) if listed == origin))
    }

    fn networks(&self) -> impl Iterator<Item = &IpNet> {
        self.allowed_servers.iter().filter_map(|server| match server {
            Server::Net(net) => Some(net),
            Server::Origin(_) => None,
        })
    }

    fn has_networks(&self) -> bool {
        self.networks().next().is_some()
    }
}

/// Whether one of the networks has the address as it is dialed: `::ffff:10.0.0.1` is 10.0.0.1 for the kernel.
fn covers<'a>(networks: impl IntoIterator<Item = &'a IpNet>, ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    networks.into_iter().any(|net| net.contains(&ip))
}

#[cfg(test)]
mod tests;
