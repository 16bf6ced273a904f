//! The operator's switch.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tonic::Code;

use crate::proto::{Effect, Fault, Reason};

/// Stops every command while it is on; clones share the switch.
///
/// Calls in flight go on, and what concerns gitproxy itself ([`Effect::Admin`]) is still answered, so that the gateway
/// can see what is the matter.
#[derive(Debug, Clone, Default)]
pub struct Pause(Arc<AtomicBool>);

impl Pause {
    /// Refuses commands from now on.
    pub fn pause(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Takes commands again.
    pub fn resume(&self) {
        self.0.store(false, Ordering::Release);
    }

    /// Whether commands are refused.
    pub fn is_paused(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    pub(super) fn check(&self, effect: Effect) -> Result<(), Fault> {
        match effect {
            Effect::Read | Effect::Write if self.is_paused() => Err(Fault::new(
                Code::Unavailable,
                Reason::Paused,
                "the operator of the agent has paused it; ask them to resume it",
            )),
            Effect::Read | Effect::Write | Effect::Admin => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_stops_commands_but_not_questions_about_gitproxy() {
        let pause = Pause::default();
        let switch = pause.clone();
        switch.pause();
        assert_eq!(pause.check(Effect::Read).unwrap_err().reason(), Reason::Paused);
        assert_eq!(pause.check(Effect::Write).unwrap_err().reason(), Reason::Paused);
        assert!(pause.check(Effect::Admin).is_ok());
        switch.resume();
        assert!(pause.check(Effect::Write).is_ok());
    }
}
