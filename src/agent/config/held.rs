//! Where connections that come with a call may go.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use crate::egress::{Guard, KubernetesApi};
use crate::ops::settings::{Layers, Problems};

struct Network(IpNet);

/// Reads what the guard goes by.
pub(super) fn guard(layers: &Layers, problems: &mut Problems) -> Guard {
    let servers = layers.list("held.allowed_servers", problems);
    let addresses = layers.list::<Network>("held.allowed_addresses", problems);
    let kubernetes = layers.list::<KubernetesApi>("held.kubernetes", problems);
    Guard::new(servers, addresses.into_iter().map(|Network(net)| net).collect(), kubernetes)
}

impl FromStr for Network {
    type Err = &'static str;

    /// Takes a network or a single address.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let net = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        net.map(Self).map_err(|_| "is no network such as 127.0.0.0/8 or ::1/128")
    }
}
