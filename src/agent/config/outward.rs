//! The settings of the way out alone, for who asks a server something without being the agent.

use super::{Connection, GatewayUrl, Patience, ProxySettings, client, connection, patience, trust};
use crate::egress::{CaSource, ClientFiles, CongestionControl, Roots};
use crate::ops::settings::{Layers, Problems};

/// What [`super::Config`] has of the way out; nothing of it is required, and an access key is not asked for.
#[derive(Debug, Clone)]
pub struct Outward {
    pub(in crate::agent) roots: Roots,
    pub(in crate::agent) extra_ca: Vec<CaSource>,
    pub(in crate::agent) proxies: ProxySettings,
    pub(in crate::agent) gateway: Option<GatewayUrl>,
    pub(in crate::agent) gateway_client: Option<ClientFiles>,
    pub(in crate::agent) connections: Vec<Connection>,
    pub(in crate::agent) patience: Patience,
    pub(in crate::agent) congestion_control: Option<CongestionControl>,
}

impl Outward {
    /// Reads the settings out of their layers.
    ///
    /// # Errors
    /// Everything that is wrong with what decides over the way. A gateway or a connection that cannot be used for another
    /// reason, such as a missing token, is as if it were not named.
    pub fn read(layers: &Layers, mut problems: Problems) -> Result<Self, Problems> {
        let outward = Self::collect(layers, &mut problems);
        problems.or(outward)
    }

    fn collect(layers: &Layers, problems: &mut Problems) -> Option<Self> {
        // Each is read before any `?`, so that all problems are found.
        let (roots, extra_ca) = trust(layers, problems);
        let proxies = ProxySettings::read(layers, problems);
        let gateway_client = client::files(layers, "gateway", problems);
        let patience = patience(layers, problems);
        let congestion_control = layers.value("tcp.congestion_control", problems);
        let mut aside = Problems::new();
        let gateway = layers.value("gateway.url", &mut aside);
        let connections = connection::all(layers, &mut aside);
        Some(Self {
            roots,
            extra_ca,
            proxies: proxies?,
            gateway,
            gateway_client,
            connections,
            patience: patience?,
            congestion_control,
        })
    }

    /// How long a connection may take.
    pub fn patience(&self) -> Patience {
        self.patience
    }

    /// The same with this time for a connection.
    #[must_use]
    pub fn with_patience(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }
}
