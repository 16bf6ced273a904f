//! Who is gone, which beats tell and no clock.

use tracing::info;

use super::{Known, REFRESH, Shared};
use crate::gateway::directory::Directory as _;

impl Shared {
    /// How many beats of this gateway have come back so far.
    pub(in crate::gateway::cluster) fn beats(&self) -> u64 {
        self.known().beats
    }

    /// How many other gateways are there.
    pub(in crate::gateway::cluster) fn others(&self) -> usize {
        self.known().gateways.len()
    }

    /// A gateway cannot be reached: when its beat is late too, its sessions count no more.
    pub(super) fn unreachable(&self, id: &str) {
        let mut known = self.known();
        let late = known.gateways.get(id).is_some_and(|it| known.beats - it.seen >= LATE);
        if late {
            self.forget_gateway(&mut known, id, "it cannot be reached and its beat is late");
            drop(known);
            self.told();
        }
    }

    pub(super) fn beat(&self) {
        let mut known = self.known();
        known.beats += 1;
        let beats = known.beats;
        let silent = known.gateways.iter().filter(|(_, it)| beats - it.seen >= GONE);
        let silent: Vec<_> = silent.map(|(id, _)| id.clone()).collect();
        for id in &silent {
            self.forget_gateway(&mut known, id, "its beats have ended");
        }
        let stale = known.remote.iter().filter(|(_, it)| beats - it.seen > STALE);
        let stale: Vec<_> = stale.map(|(key, _)| key.clone()).collect();
        for key in &stale {
            self.forget_session(&mut known, key);
        }
        drop(known);
        self.told();
    }

    /// Takes a gateway out, with its sessions. Its connection ends by itself, after the last call on it: whoever is silent at NATS
    /// may well answer, and who is dead shows there sooner.
    pub(super) fn forget_gateway(&self, known: &mut Known, id: &str, cause: &str) {
        let Some(gateway) = known.gateways.remove(id) else { return };
        info!(gateway = id, name = gateway.entry.name, cause, "another gateway is gone");
        for held in known.remote.values_mut().filter(|held| held.entry.gateway == id) {
            if let Some(session) = held.session.take() {
                self.memory.leave(&session);
            }
        }
    }

    pub(super) fn forget_session(&self, known: &mut Known, key: &str) {
        if let Some(session) = known.remote.remove(key).and_then(|held| held.session) {
            self.memory.leave(&session);
        }
    }
}

/// Beats without a word after which a gateway is late; with a connection that fails it is gone.
const LATE: u64 = 2;
/// Beats without a word after which a gateway is gone.
const GONE: u64 = 4;
/// Beats without a word after which a session is gone, whatever its gateway says of itself.
const STALE: u64 = 3 * REFRESH;
