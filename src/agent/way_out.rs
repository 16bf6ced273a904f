//! The way out to any server, the same that the agent takes there.

use super::Error;
use super::config::Outward;
use crate::egress::{self, ClientFiles, ClientIdentity, Egress, Leg, Origin, Plaintext};
use crate::ops::Tasks;

/// The way out to any server. To the gateway, and to the Bitbucket of a connection, it is the agent's own, with the
/// proxy and the client certificate that only these have; to anybody else, what the settings have for all.
#[derive(Debug)]
pub struct WayOut {
    egress: Egress,
    settings: Outward,
    tasks: Tasks,
}

impl WayOut {
    /// Loads the trusted certificates; tasks of `tasks` look whether they change.
    ///
    /// # Errors
    /// When nobody can be trusted.
    pub fn open(settings: Outward, tasks: &Tasks) -> Result<Self, Error> {
        let egress = egress::Settings {
            roots: settings.roots.clone(),
            extra_ca: settings.extra_ca.clone(),
            proxies: settings.proxies.common.clone(),
            hop_timeout: settings.patience.hop,
            connect_timeout: settings.patience.whole,
            congestion_control: settings.congestion_control.clone(),
            ..egress::Settings::default()
        };
        Ok(Self { egress: Egress::new(&egress, tasks)?, settings, tasks: tasks.clone() })
    }

    /// The way to `origin`.
    ///
    /// # Errors
    /// When the client certificate for it cannot be used.
    pub fn to(&self, origin: &Origin) -> Result<Egress, Error> {
        Ok(self.egress.leg(self.leg(origin)?)?)
    }

    fn leg(&self, origin: &Origin) -> Result<Leg, Error> {
        let own = &self.settings;
        if own.gateway.as_ref().is_some_and(|gateway| gateway.origin() == origin) {
            let identity = self.identity(own.gateway_client.as_ref())?;
            return Ok(Leg { proxies: own.proxies.gateway.clone(), identity, ..Leg::default() });
        }
        let here = |base: &url::Url| Origin::of(base).is_ok_and(|base| base == *origin);
        if let Some(connection) = own.connections.iter().find(|it| here(&it.account.base)) {
            let identity = self.identity(connection.client.as_ref())?;
            let (proxies, plaintext) = (own.proxies.bitbucket.clone(), connection.plaintext);
            return Ok(Leg { proxies, identity, plaintext, ..Leg::default() });
        }
        // No secret of the agent's goes there.
        Ok(Leg { plaintext: Plaintext::Anywhere, ..Leg::default() })
    }

    fn identity(&self, files: Option<&ClientFiles>) -> Result<Option<ClientIdentity>, Error> {
        Ok(files.map(|files| ClientIdentity::open(files, &self.tasks)).transpose()?)
    }
}
