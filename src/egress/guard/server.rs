//! What the settings of the guard list.

use std::convert::Infallible;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use crate::egress::{NotAnOrigin, Origin};

/// An entry of the allowed servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Server {
    /// Scheme, host and port, each exactly.
    Origin(Origin),
    /// Every server whose address, as it is dialed, is in this network.
    Net(IpNet),
}

/// Why a text is no entry; reads as the rest of a sentence about it, and does not repeat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAServer {
    /// A URL that has no origin, or more than one.
    #[error("{0}; give one such as https://git.example.com")]
    Origin(#[from] NotAnOrigin),
    /// Neither a URL nor a network.
    #[error("is neither an origin such as https://git.example.com nor a network such as 10.0.0.0/8")]
    Neither,
}

/// Where the Kubernetes API of this pod's cluster is. `KUBERNETES_SERVICE_HOST` has an address as a rule, and a name
/// where a cloud has it so (AKS does on request).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KubernetesApi {
    /// Its address.
    Address(IpAddr),
    /// Its name, in lower case.
    Name(String),
}

impl FromStr for Server {
    type Err = NotAServer;

    /// Takes an origin, a network or a single address.
    fn from_str(text: &str) -> Result<Self, NotAServer> {
        if text.contains("://") {
            return Ok(Self::Origin(text.parse()?));
        }
        let net = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        net.map(Self::Net).map_err(|_| NotAServer::Neither)
    }
}

impl FromStr for KubernetesApi {
    type Err = Infallible;

    /// Takes any text: what Kubernetes sets is no reason for an agent not to start.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        let bare = text.trim_start_matches('[').trim_end_matches(']');
        Ok(bare.parse().map_or_else(|_| Self::Name(bare.to_ascii_lowercase()), Self::Address))
    }
}

impl KubernetesApi {
    /// Its address, unless only its name is known.
    pub(super) fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Address(ip) => Some(*ip),
            Self::Name(_) => None,
        }
    }

    /// Whether it has this name, which is in lower case.
    pub(super) fn is_named(&self, host: &str) -> bool {
        match self {
            Self::Address(_) => false,
            Self::Name(name) => name == host,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_an_origin_a_network_or_an_address() {
        let origin = "https://git.example.com:8443";
        assert_eq!(origin.parse(), Ok(Server::Origin(origin.parse().unwrap())));
        assert_eq!("10.0.0.0/8".parse(), Ok(Server::Net("10.0.0.0/8".parse().unwrap())));
        assert_eq!("10.1.2.3".parse(), Ok(Server::Net("10.1.2.3/32".parse().unwrap())));
        assert_eq!("fd00::1".parse(), Ok(Server::Net("fd00::1/128".parse().unwrap())));
        for bad in ["git.example.com", "10.0.0.0/33", "10.0.0", "*", ""] {
            assert_eq!(bad.parse::<Server>(), Err(NotAServer::Neither), "{bad}");
        }
        for bad in ["https://git.example.com/bitbucket", "ssh://git.example.com", "https://me:s3cret@git"] {
            let error = bad.parse::<Server>().unwrap_err();
            assert!(matches!(error, NotAServer::Origin(_)), "{bad}: {error}");
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn the_kubernetes_api_is_an_address_or_a_name() {
        assert_eq!("10.96.0.1".parse(), Ok(KubernetesApi::Address("10.96.0.1".parse().unwrap())));
        for v6 in ["fd00::1", "[fd00::1]"] {
            assert_eq!(v6.parse(), Ok(KubernetesApi::Address("fd00::1".parse().unwrap())));
        }
        assert_eq!("API.example.com".parse(), Ok(KubernetesApi::Name("api.example.com".to_owned())));
    }
}
