//! What is measured of the gateway as a whole; calls are measured where they pass.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tonic::Status;

use super::name::AgentId;
use crate::ops::metrics::{Counter, Label, Metrics, Named};
use crate::proto::{Reason, code_name};
use crate::tunnel::Pulse;

/// Connections between their first byte and the end of their TLS handshake.
pub(super) const HANDSHAKES: Named = Named {
    name: "gitproxy.handshakes",
    unit: "{connection}",
    help: "Connections whose TLS handshake is not over, by listener.",
};

/// Connections that were closed at once.
pub(super) const REFUSED: Named = Named {
    name: "gitproxy.connections.refused",
    unit: "{connection}",
    help: "Connections closed at once because limits.handshakes was reached, by listener.",
};

/// Calls of other gateways' callers.
pub(super) const TAKEN: Named = Named {
    name: "gitproxy.forwards",
    unit: "{call}",
    help: "Calls that other gateways forwarded to this one; the caller's gateway counts the call itself.",
};

/// Whether this gateway is one of several at the moment.
pub(super) const JOINED: Named = Named {
    name: "gitproxy.cluster.joined",
    unit: "1",
    help: "1 while the directory is shared on NATS, 0 while this gateway goes on with what it knows.",
};

/// The gateways that are there beside this one.
pub(super) const OTHERS: Named = Named {
    name: "gitproxy.cluster.gateways",
    unit: "{gateway}",
    help: "Other gateways that live, by what the directory last said.",
};

/// The label of connections.
pub(super) const LISTENER: &str = "gitproxy.listener";

/// The sessions that there are, by agent, and what became of those who asked for one. Clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Attachments {
    /// The pulse of each.
    sessions: Arc<Mutex<HashMap<AgentId, Vec<Pulse>>>>,
    attaches: Counter,
}

/// Counts a session until it is dropped.
#[derive(Debug)]
pub(super) struct Counted {
    of: Attachments,
    agent: AgentId,
    pulse: Pulse,
}

impl Attachments {
    pub(super) fn new(metrics: &Metrics) -> Self {
        let attaches = metrics.counter(Named {
            name: "gitproxy.attaches",
            unit: "{attach}",
            help: "Agents that asked for a session, by what they were told: WELCOME, or the reason of a refusal.",
        });
        let new = Self { sessions: Arc::default(), attaches };
        let (each, all, far) = (new.clone(), new.clone(), new.clone());
        let sessions = Named {
            name: "gitproxy.sessions",
            unit: "{session}",
            help: "Sessions of instances that are attached to this gateway, by tenant and agent.",
        };
        let count = |pulses: &[Pulse]| Some(pulses.len() as f64);
        metrics.gauge(sessions, move || each.rows(count));
        let round_trip = Named {
            name: "gitproxy.sessions.round_trip",
            unit: "s",
            help: "The longest that a word takes to an instance that is attached to this gateway and back, by tenant and agent.",
        };
        let longest = |pulses: &[Pulse]| {
            pulses.iter().filter_map(Pulse::round_trip).max().map(|longest| longest.as_secs_f64())
        };
        metrics.gauge(round_trip, move || far.rows(longest));
        let agents = Named {
            name: "gitproxy.agents",
            unit: "{agent}",
            help: "Agents that have a session at this gateway.",
        };
        metrics.gauge(agents, move || vec![(Vec::new(), all.lock().len() as f64)]);
        new
    }

    /// Counts an answer to Attach.
    pub(super) fn judged(&self, refusal: Option<&Status>) {
        let word = match refusal {
            None => "WELCOME",
            Some(status) => Reason::of(status).map_or_else(|| code_name(status.code()), Reason::word),
        };
        self.attaches.add(1, &[Label::new("gitproxy.verdict", word)]);
    }

    /// Counts a session of `agent`.
    pub(super) fn enter(&self, agent: &AgentId, pulse: &Pulse) -> Counted {
        self.lock().entry(agent.clone()).or_default().push(pulse.clone());
        Counted { of: self.clone(), agent: agent.clone(), pulse: pulse.clone() }
    }

    /// What there is to tell of each agent's sessions.
    fn rows(&self, value: impl Fn(&[Pulse]) -> Option<f64>) -> Vec<(Vec<Label>, f64)> {
        self.lock().iter().filter_map(|(agent, pulses)| Some((labels(agent), value(pulses)?))).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AgentId, Vec<Pulse>>> {
        // Nothing below the lock can leave the map half changed.
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut sessions = self.of.lock();
        if let Some(pulses) = sessions.get_mut(&self.agent) {
            pulses.retain(|pulse| !pulse.is(&self.pulse));
            if pulses.is_empty() {
                sessions.remove(&self.agent);
            }
        }
    }
}

fn labels(AgentId { tenant, agent }: &AgentId) -> Vec<Label> {
    vec![Label::new("gitproxy.tenant", tenant.to_string()), Label::new("gitproxy.agent", agent.to_string())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::fake::agent_id;

    #[test]
    fn an_agent_counts_while_it_has_a_session() {
        let attachments = Attachments::new(&Metrics::default());
        let agent = agent_id("acme", "site");
        let count = |pulses: &[Pulse]| Some(pulses.len() as f64);
        let (one, other) = (Pulse::default(), Pulse::default());
        let sessions = [attachments.enter(&agent, &one), attachments.enter(&agent, &other)];
        assert_eq!(attachments.rows(count), [(labels(&agent), 2.0)]);
        let [first, second] = sessions;
        drop(first);
        assert_eq!(attachments.rows(count), [(labels(&agent), 1.0)]);
        drop(second);
        assert!(attachments.lock().is_empty());
    }
}
