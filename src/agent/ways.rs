//! The ways out of an agent: one to each end, with the settings of that leg.

use super::config::{Connection, Patience};
use super::{Config, Error};
use crate::egress::{self, ClientFiles, ClientIdentity, Egress, Leg, Plaintext};
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
    /// To a collector of metrics, which may be spoken to without TLS: they have no secret.
    pub(super) telemetry: Egress,
    /// Our own certificates, by whose they are.
    pub(super) identities: Vec<(String, ClientIdentity)>,
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
            congestion_control: config.congestion_control.clone(),
            ..egress::Settings::default()
        };
        let egress = Egress::new(&settings, tasks)?;
        let mut identities = Vec::new();
        let mut identity = |whose: String, files: Option<&ClientFiles>| {
            let identity = files.map(|files| ClientIdentity::open(files, tasks)).transpose()?;
            identities.extend(identity.clone().map(|identity| (whose, identity)));
            Ok::<_, Error>(identity)
        };
        let bitbucket = |leg: Leg| egress.leg(Leg { proxies: config.bitbucket_proxies.clone(), ..leg });
        let mut local = |it: &Connection| {
            let whose = format!("the client certificate of connection {}", it.account.name);
            let identity = identity(whose, it.client.as_ref())?;
            Ok::<_, Error>(bitbucket(Leg { identity, plaintext: it.plaintext, ..Leg::default() })?)
        };
        let bitbuckets = config.connections.iter().map(&mut local).collect::<Result<_, _>>()?;
        let whose = "the client certificate of the gateway".to_owned();
        let (proxies, own) =
            (config.gateway_proxies.clone(), identity(whose, config.gateway_client.as_ref())?);
        Ok(Self {
            gateway: egress.leg(Leg { proxies, identity: own, ..Leg::default() })?,
            bitbuckets,
            held: bitbucket(Leg { guard: Some(config.guard.clone()), ..Leg::default() })?,
            telemetry: egress.leg(Leg { plaintext: Plaintext::Anywhere, ..Leg::default() })?,
            identities,
        })
    }
}

#[cfg(test)]
mod tests;
