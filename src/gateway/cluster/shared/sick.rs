//! Which sessions here the others should pass over, and whether any still needs this gateway.

use std::sync::Arc;

use super::{Known, Shared};

impl Shared {
    /// Looks which sessions here have become sick or well, and tells the others.
    pub(in crate::gateway::cluster) fn look(&self) {
        let mut known = self.known();
        let Known { local, sick, .. } = &mut *known;
        let mut turned = Vec::new();
        for (key, session) in local.iter() {
            let is_sick = session.upstream.is_sick();
            if is_sick != sick.contains(key) {
                turned.push((key.clone(), Arc::clone(session)));
                if is_sick {
                    sick.insert(key.clone())
                } else {
                    sick.remove(key)
                };
            }
        }
        drop(known);
        for (key, session) in turned {
            self.tell(key, Some(session));
        }
    }

    /// Whether an agent still counts on this gateway though another one is there to go to.
    pub(in crate::gateway) fn is_needed(&self) -> bool {
        let known = self.known();
        let others = known.gateways.values().any(|gateway| !gateway.entry.leaving);
        others && known.local.values().any(|session| !session.is_draining())
    }
}
