//! How many calls may be in flight: of a caller, of a tenant, to an agent, on a session.
//!
//! Unlike `tunnel::admit`, which bounds them all together, it keeps one from taking the places of others. A call that finds
//! no place is refused at once; it waits for none.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tonic::Code;

use crate::gateway::directory::Session;
use crate::gateway::name::{AgentId, Name};
use crate::gateway::store::Caller;
use crate::proto::{Class, Fault, Reason};
use crate::tunnel::admit::Limits;

/// What one of each kind may have in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shares {
    /// A caller.
    pub caller: Limits,
    /// All callers of a tenant.
    pub tenant: Limits,
    /// All sessions of an agent.
    pub agent: Limits,
    /// A session.
    pub session: Limits,
}

impl Default for Shares {
    fn default() -> Self {
        let half = Limits { unary: 1024, bulk: 256, watch: 1024 };
        let quarter = Limits { unary: 512, bulk: 256, watch: 512 };
        Self { caller: half, tenant: half, agent: half, session: quarter }
    }
}

/// Counts the calls in flight. Clones share the counts.
#[derive(Debug, Clone)]
pub(super) struct Bounds {
    shares: Shares,
    counts: Arc<Mutex<HashMap<Whose, [usize; 3]>>>,
}

/// The places of a call, until it is dropped.
#[derive(Debug)]
pub(super) struct Places {
    counts: Arc<Mutex<HashMap<Whose, [usize; 3]>>>,
    taken: Vec<Whose>,
    class: Class,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Whose {
    Caller(Name, Name),
    Tenant(Name),
    Agent(AgentId),
    Session(String),
}

impl Bounds {
    pub(super) fn new(shares: Shares) -> Self {
        Self { shares, counts: Arc::default() }
    }

    /// Takes the places that a call has wherever it goes.
    ///
    /// # Errors
    /// BUSY with the scope that is full; then none is taken.
    pub(super) fn enter(&self, caller: &Caller, agent: &AgentId, class: Class) -> Result<Places, Fault> {
        let Shares { caller: of_caller, tenant, agent: of_agent, .. } = &self.shares;
        self.take(
            class,
            [
                (Whose::Caller(caller.tenant.clone(), caller.name.clone()), of_caller),
                (Whose::Tenant(caller.tenant.clone()), tenant),
                (Whose::Agent(agent.clone()), of_agent),
            ],
        )
    }

    /// Takes the place that a call has on a session.
    ///
    /// # Errors
    /// BUSY when that is full.
    pub(super) fn enter_session(&self, session: &Session, class: Class) -> Result<Places, Fault> {
        self.take(class, [(Whose::Session(session.id.clone()), &self.shares.session)])
    }

    fn take<const N: usize>(&self, class: Class, wanted: [(Whose, &Limits); N]) -> Result<Places, Fault> {
        let mut counts = lock(&self.counts);
        let full = |whose: &Whose, limits: &Limits| {
            counts.get(whose).is_some_and(|counts| counts[place(class)] >= most(limits, class))
        };
        if let Some((whose, limits)) = wanted.iter().find(|(whose, limits)| full(whose, limits)) {
            return Err(whose.is_full(class, most(limits, class)));
        }
        let taken = wanted.map(|(whose, _)| whose).to_vec();
        for whose in &taken {
            counts.entry(whose.clone()).or_default()[place(class)] += 1;
        }
        Ok(Places { counts: Arc::clone(&self.counts), taken, class })
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        let mut counts = lock(&self.counts);
        for whose in &self.taken {
            let Some(of) = counts.get_mut(whose) else { continue };
            of[place(self.class)] = of[place(self.class)].saturating_sub(1);
            // Who has nothing in flight takes no memory.
            if *of == [0; 3] {
                counts.remove(whose);
            }
        }
    }
}

impl Whose {
    /// No other's name is told: not whose calls they are, only how many may be.
    fn is_full(&self, class: Class, limit: usize) -> Fault {
        let (scope, words) = match self {
            Self::Caller(..) => ("caller", "of this caller are in flight"),
            Self::Tenant(_) => ("tenant", "of this tenant are in flight"),
            Self::Agent(_) => ("agent", "to this agent are in flight"),
            Self::Session(_) => ("session", "to this instance are in flight"),
        };
        let class = class.as_str();
        let message = format!("{limit} {class} calls {words}, which is the most");
        Fault::new(Code::ResourceExhausted, Reason::Busy, message)
            .with("scope", scope)
            .with("class", class)
            .with("limit", limit.to_string())
            .retry_after(RETRY)
    }
}

fn place(class: Class) -> usize {
    match class {
        Class::Unary => 0,
        Class::Bulk => 1,
        Class::Watch => 2,
    }
}

fn most(limits: &Limits, class: Class) -> usize {
    match class {
        Class::Unary => limits.unary,
        Class::Bulk => limits.bulk,
        Class::Watch => limits.watch,
    }
}

/// Every change below the lock is whole.
fn lock(counts: &Mutex<HashMap<Whose, [usize; 3]>>) -> MutexGuard<'_, HashMap<Whose, [usize; 3]>> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A place is free again soon: small calls are short.
const RETRY: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use tonic::Status;

    use super::*;
    use crate::gateway::fake;

    const WIDE: Limits = Limits { unary: 9, bulk: 9, watch: 9 };
    const NARROW: Limits = Limits { unary: 2, bulk: 1, watch: 1 };

    fn wide() -> Shares {
        Shares { caller: WIDE, tenant: WIDE, agent: WIDE, session: WIDE }
    }

    fn enter(bounds: &Bounds, tenant: &str, caller: &str, agent: &str) -> Result<Places, Fault> {
        bounds.enter(&fake::caller(tenant, caller), &fake::agent_id(tenant, agent), Class::Unary)
    }

    fn scope(outcome: Result<Places, Fault>) -> Option<String> {
        outcome.err().and_then(|fault| fault.fact("scope").map(str::to_owned))
    }

    #[test]
    fn a_caller_that_is_full_leaves_others_of_its_tenant_alone() {
        let bounds = Bounds::new(Shares { caller: NARROW, ..wide() });
        let _held = [enter(&bounds, "acme", "s", "a"), enter(&bounds, "acme", "s", "b")];
        assert_eq!(scope(enter(&bounds, "acme", "s", "a")).as_deref(), Some("caller"));
        assert!(enter(&bounds, "acme", "other", "a").is_ok());
        assert!(enter(&bounds, "other", "s", "a").is_ok(), "a caller of the same name elsewhere");
    }

    #[test]
    fn a_tenant_that_is_full_leaves_other_tenants_alone() {
        let bounds = Bounds::new(Shares { tenant: NARROW, ..wide() });
        let _held = [enter(&bounds, "acme", "s", "a"), enter(&bounds, "acme", "t", "b")];
        assert_eq!(scope(enter(&bounds, "acme", "u", "c")).as_deref(), Some("tenant"));
        assert!(enter(&bounds, "other", "u", "c").is_ok());
    }

    #[test]
    fn an_agent_that_is_full_leaves_the_tenants_others_alone() {
        let bounds = Bounds::new(Shares { agent: NARROW, ..wide() });
        let _held = [enter(&bounds, "acme", "s", "a"), enter(&bounds, "acme", "t", "a")];
        assert_eq!(scope(enter(&bounds, "acme", "u", "a")).as_deref(), Some("agent"));
        assert!(enter(&bounds, "acme", "u", "b").is_ok());
    }

    #[test]
    fn classes_have_places_of_their_own_and_a_place_comes_free() {
        let bounds = Bounds::new(Shares { session: NARROW, ..wide() });
        let session = fake::session("one", 0);
        let watch = bounds.enter_session(&session, Class::Watch).expect("a place");
        let fault = bounds.enter_session(&session, Class::Watch).expect_err("full");
        let facts = ["scope", "class", "limit"].map(|key| fault.fact(key).unwrap_or_default().to_owned());
        assert_eq!(facts, ["session", "watch", "1"]);
        let status = Status::from(fault);
        assert!(tonic_types::StatusExt::get_details_retry_info(&status).is_some());
        assert!(bounds.enter_session(&session, Class::Bulk).is_ok());
        drop(watch);
        assert!(bounds.enter_session(&session, Class::Watch).is_ok());
    }

    #[test]
    fn a_refused_call_takes_no_place_and_an_ended_one_no_memory() {
        let bounds = Bounds::new(Shares { agent: NARROW, ..wide() });
        let held = [enter(&bounds, "acme", "s", "a"), enter(&bounds, "acme", "s", "a")];
        assert!(enter(&bounds, "acme", "s", "a").is_err());
        assert_eq!(lock(&bounds.counts)[&Whose::Tenant(fake::agent_id("acme", "a").tenant)], [2, 0, 0]);
        drop(held);
        assert!(lock(&bounds.counts).is_empty());
    }
}
