//! What gateways tell one another through NATS: one entry for each gateway and one for each session.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tokio::time::{Duration, Instant};

use crate::gateway::directory::{Identity, Place, Session};
use crate::gateway::name::{AgentId, Malformed, Name};

/// A gateway, under `gw.ID`. Members that a later build adds are passed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Gateway {
    /// `host:port` of its peers' listener.
    pub(super) advertise: String,
    /// SHA-256 of the certificate that it shows, in hexadecimal digits.
    pub(super) certificate: String,
    pub(super) name: String,
    pub(super) build: String,
    /// It drains: what is also elsewhere goes there.
    #[serde(default)]
    pub(super) leaving: bool,
}

/// A session, under `s.TENANT.AGENT.SESSION`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Attached {
    /// The id of the gateway that holds it.
    pub(super) gateway: String,
    tenant: String,
    agent: String,
    session: String,
    instance: String,
    build: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) draining: bool,
    /// Its gateway has not heard from it for a while.
    #[serde(default)]
    pub(super) sick: bool,
    /// How long ago it attached when this was written; no clock is shared.
    #[serde(default)]
    attached_s: u64,
}

impl Attached {
    pub(super) fn of(session: &Session, gateway: &str) -> Self {
        Self {
            gateway: gateway.to_owned(),
            tenant: session.agent.tenant.to_string(),
            agent: session.agent.agent.to_string(),
            session: session.id.clone(),
            instance: session.instance.clone(),
            build: session.build.clone(),
            labels: session.labels.clone(),
            draining: session.is_draining(),
            sick: session.upstream.is_sick(),
            attached_s: session.since.elapsed().as_secs(),
        }
    }

    pub(super) fn identity(&self) -> Result<Identity, Malformed> {
        let agent = AgentId { tenant: Name::parse(&self.tenant)?, agent: Name::parse(&self.agent)? };
        Ok(Identity {
            id: self.session.clone(),
            agent,
            instance: self.instance.clone(),
            build: self.build.clone(),
            labels: self.labels.clone(),
            place: Place::Peer,
        })
    }

    pub(super) fn since(&self) -> Instant {
        let now = Instant::now();
        now.checked_sub(Duration::from_secs(self.attached_s)).unwrap_or(now)
    }
}

/// The key of a gateway.
pub(super) fn gateway_key(id: &str) -> String {
    format!("{GATEWAY}{id}")
}

/// The key of a session. A name may have dots, which NATS takes apart at, but no `=`.
pub(super) fn session_key(session: &Session) -> String {
    let plain = |name: &Name| name.as_str().replace('.', "=");
    format!("{SESSION}{}.{}.{}", plain(&session.agent.tenant), plain(&session.agent.agent), session.id)
}

pub(super) const GATEWAY: &str = "gw.";
pub(super) const SESSION: &str = "s.";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::fake;

    #[test]
    fn a_key_has_no_empty_part_whatever_the_names() {
        let session = fake::attached(&fake::agent_id("a..b", "c."), "one", fake::Echo::default());
        let key = session_key(&session);
        assert_eq!(key, format!("s.a==b.c=.{}", session.id));
    }

    #[test]
    fn an_entry_reads_back_as_a_session_of_a_peer_and_later_members_are_passed_over() {
        let session = fake::session("one", 0);
        let mut written = serde_json::to_value(Attached::of(&session, "g")).expect("JSON");
        written["later"] = true.into();
        let read: Attached = serde_json::from_value(written).expect("read");
        let identity = read.identity().expect("names");
        assert_eq!((identity.id, identity.place), (session.id.clone(), Place::Peer));
        assert_eq!((read.gateway.as_str(), read.draining), ("g", false));
    }
}
