//! The store's content at one moment, in memory.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::gateway::name::{AgentId, Name};
use crate::ops::secret;

use super::{AgentKey, Auth, CallerToken, Held};

/// Everything that a store file said.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    pub(super) agent_keys: HashMap<String, AgentKey>,
    pub(super) caller_tokens: HashMap<String, CallerToken>,
    pub(super) tenants: BTreeMap<Name, BTreeMap<Name, Connections>>,
}

/// The connections that the cloud holds for one agent.
pub(super) type Connections = BTreeMap<Name, Connection>;

/// A held connection whose secret is read when it is asked for.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) url: String,
    pub(super) user: String,
    pub(super) token: secret::Source,
    pub(super) projects: Vec<String>,
    pub(super) auth: Auth,
}

impl Snapshot {
    pub(super) fn agents(&self, tenant: &Name) -> BTreeSet<Name> {
        self.tenants.get(tenant).map(|agents| agents.keys().cloned().collect()).unwrap_or_default()
    }

    pub(super) fn held_names(&self, agent: &AgentId) -> BTreeSet<Name> {
        self.connections(agent).map(|held| held.keys().cloned().collect()).unwrap_or_default()
    }

    pub(super) fn held(&self, agent: &AgentId, connection: &Name) -> Option<Held> {
        let held = self.connections(agent)?.get(connection)?;
        Some(Held {
            name: connection.clone(),
            url: held.url.clone(),
            user: held.user.clone(),
            token: held.token.current(),
            projects: held.projects.clone(),
            auth: held.auth,
        })
    }

    fn connections(&self, agent: &AgentId) -> Option<&Connections> {
        self.tenants.get(&agent.tenant)?.get(&agent.agent)
    }
}
