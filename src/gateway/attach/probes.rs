//! Who probes right now: one at a time for each agent, so that probes cannot fill the gateway's line.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::gateway::name::AgentId;

/// The agents of which a probe is under way. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Probes {
    agents: Arc<Mutex<HashSet<AgentId>>>,
}

/// An agent's place, free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    probes: Probes,
    agent: AgentId,
}

impl Probes {
    /// Takes the agent's place, unless it is taken.
    pub(super) fn enter(&self, agent: &AgentId) -> Option<Place> {
        let entered = self.agents().insert(agent.clone());
        entered.then(|| Place { probes: self.clone(), agent: agent.clone() })
    }

    fn agents(&self) -> MutexGuard<'_, HashSet<AgentId>> {
        // Nothing below the lock can leave the set half changed.
        self.agents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.probes.agents().remove(&self.agent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::fake::agent_id;

    #[test]
    fn an_agent_has_one_place_and_others_have_theirs() {
        let probes = Probes::default();
        let (one, other) = (agent_id("acme", "a"), agent_id("acme", "b"));
        let place = probes.enter(&one).expect("free");
        assert!(probes.enter(&one).is_none() && probes.enter(&other).is_some());
        drop(place);
        assert!(probes.enter(&one).is_some());
    }
}
