//! The ways out of an agent: one to each end, with the settings of that leg.

use std::time::Duration;

use super::config::Connection;
use super::{Config, Error};
use crate::egress::{self, ClientFiles, ClientIdentity, Egress, Leg};
use crate::ops::Tasks;

/// A way out to each end; they share whom they trust.
#[derive(Debug)]
pub(super) struct Ways {
    /// To the gateway.
    pub(super) gateway: Egress,
    /// To the Bitbucket of each connection of the settings, in their order.
    pub(super) bitbuckets: Vec<Egress>,
    /// To the Bitbuckets of connections that come with calls, which may not go everywhere.
    pub(super) held: Egress,
}

/// How long a connection may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// For one hop.
    pub(super) hop: Duration,
    /// For all of them.
    pub(super) whole: Duration,
}

impl Ways {
    /// Loads trusted certificates and the client's own; tasks of `tasks` look whether they change.
    ///
    /// # Errors
    /// When one of them cannot be used.
    pub(super) fn open(config: &Config, patience: Patience, tasks: &Tasks) -> Result<Self, Error> {
        let settings = egress::Settings {
            roots: config.roots.clone(),
            extra_ca: config.extra_ca.clone(),
            proxies: config.proxies.clone(),
            hop_timeout: patience.hop,
            connect_timeout: patience.whole,
            ..egress::Settings::default()
        };
        let egress = Egress::new(&settings, tasks)?;
        let identity =
            |files: Option<&ClientFiles>| files.map(|files| ClientIdentity::open(files, tasks)).transpose();
        let bitbucket = |leg: Leg| egress.leg(Leg { proxies: config.bitbucket_proxies.clone(), ..leg });
        let local = |it: &Connection| {
            let identity = identity(it.client.as_ref())?;
            Ok::<_, Error>(bitbucket(Leg { identity, plaintext: it.plaintext, ..Leg::default() })?)
        };
        let (proxies, own) = (config.gateway_proxies.clone(), identity(config.gateway_client.as_ref())?);
        let connections = config.connections.iter();
        Ok(Self {
            gateway: egress.leg(Leg { proxies, identity: own, ..Leg::default() })?,
            bitbuckets: connections.map(local).collect::<Result<_, _>>()?,
            held: bitbucket(Leg { guard: Some(config.guard.clone()), ..Leg::default() })?,
        })
    }
}

impl Default for Patience {
    /// What egress takes for itself.
    fn default() -> Self {
        let egress::Settings { hop_timeout, connect_timeout, .. } = egress::Settings::default();
        Self { hop: hop_timeout, whole: connect_timeout }
    }
}
