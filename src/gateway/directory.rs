//! Which instances of which agents are attached, and which of them a call goes to.

mod choice;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;

pub(super) use self::choice::{Wanted, choose};
use super::name::AgentId;

/// Where sessions are kept: in memory for one gateway, shared for several.
pub(super) trait Directory: Send + Sync + 'static {
    /// Adds a session, unless its agent has `most` of them.
    fn enter(&self, session: Arc<Session>, most: usize) -> Result<(), Full>;

    /// Removes a session; one that is not there is no error.
    fn leave(&self, session: &Session);

    /// The sessions of an agent, the oldest first.
    fn sessions(&self, agent: &AgentId) -> Vec<Arc<Session>>;

    /// Counts what comes and goes: whoever found no session looks again when the number moves.
    fn changes(&self) -> watch::Receiver<u64>;

    /// Hears that a session of this gateway has begun to drain.
    fn drains(&self, _session: &Session) {}

    /// How many gateways take agents in, this one included, and every change of that.
    fn replicas(&self) -> watch::Receiver<u32>;
}

/// Who is attached, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    /// The session's, random, for logs at both ends.
    pub(super) id: String,
    /// Whose instance it is.
    pub(super) agent: AgentId,
    /// The random id of the process.
    pub(super) instance: String,
    /// The process's build.
    pub(super) build: String,
    /// What the operator says of the instance, such as `zone` = `b`.
    pub(super) labels: BTreeMap<String, String>,
    /// Which gateway holds the stream.
    pub(super) place: Place,
}

/// Which gateway holds a session's stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// This one.
    Here,
    /// Another one, a hop away.
    Peer,
}

/// One attached instance.
pub(super) struct Session {
    /// As in [`Identity`], and so is what follows.
    pub(super) id: String,
    pub(super) agent: AgentId,
    pub(super) instance: String,
    pub(super) build: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) place: Place,
    /// When it attached.
    pub(super) since: Instant,
    /// Takes its calls.
    pub(super) upstream: Box<dyn Upstream>,
    draining: AtomicBool,
    /// Of the agent's rate budgets, in thousandths.
    share: watch::Sender<u32>,
}

/// What takes a session's calls.
pub(super) trait Upstream: Send + Sync + 'static {
    /// Sends one call. The body of the answer may still run when this is done.
    fn send(&self, request: http::Request<Body>) -> BoxFuture<'static, Result<http::Response<Body>, Status>>;

    /// Calls whose answer is not over.
    fn in_flight(&self) -> usize;

    /// Whether it has been silent for so long that others are better; it may still answer.
    fn is_sick(&self) -> bool {
        false
    }
}

/// The agent has as many sessions as it may.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

/// The directory of a gateway that is alone.
pub(super) struct Memory {
    agents: Mutex<HashMap<AgentId, Vec<Arc<Session>>>>,
    changes: watch::Sender<u64>,
    /// Always 1.
    replicas: watch::Sender<u32>,
}

impl Session {
    pub(super) fn new(identity: Identity, upstream: Box<dyn Upstream>) -> Self {
        let (since, draining) = (Instant::now(), AtomicBool::new(false));
        let share = watch::Sender::new(WHOLE);
        let Identity { id, agent, instance, build, labels, place } = identity;
        Self { id, agent, instance, build, labels, place, since, upstream, draining, share }
    }

    /// The instance's share of the agent's rate budgets, in thousandths, and every change of it.
    pub(super) fn share(&self) -> watch::Receiver<u32> {
        self.share.subscribe()
    }

    /// From now on the session gets no new call.
    pub(super) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether it gets no new call.
    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}

impl Memory {
    fn agents(&self) -> MutexGuard<'_, HashMap<AgentId, Vec<Arc<Session>>>> {
        // Nothing below the lock can leave the map half changed.
        self.agents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self { agents: Mutex::default(), changes: watch::Sender::default(), replicas: watch::Sender::new(1) }
    }
}

impl Directory for Memory {
    fn enter(&self, session: Arc<Session>, most: usize) -> Result<(), Full> {
        let mut agents = self.agents();
        let sessions = agents.entry(session.agent.clone()).or_default();
        if sessions.len() >= most {
            return Err(Full);
        }
        sessions.push(session);
        share_out(sessions);
        drop(agents);
        self.changed();
        Ok(())
    }

    fn leave(&self, session: &Session) {
        let mut agents = self.agents();
        if let Some(sessions) = agents.get_mut(&session.agent) {
            sessions.retain(|other| other.id != session.id);
            share_out(sessions);
            if sessions.is_empty() {
                agents.remove(&session.agent);
            }
        }
        drop(agents);
        self.changed();
    }

    fn sessions(&self, agent: &AgentId) -> Vec<Arc<Session>> {
        self.agents().get(agent).cloned().unwrap_or_default()
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn replicas(&self) -> watch::Receiver<u32> {
        self.replicas.subscribe()
    }
}

/// The share of each instance of an agent, were `joining` attached too: a rate limit is the user's, whoever spends it. An
/// instance that is about to leave counts until it has left, since its calls in flight still ask.
pub(super) fn share_with(sessions: &[Arc<Session>], joining: Option<&str>) -> u32 {
    let instances: HashSet<_> = sessions.iter().map(|it| it.instance.as_str()).chain(joining).collect();
    WHOLE / u32::try_from(instances.len()).unwrap_or(WHOLE).clamp(1, WHOLE)
}

fn share_out(sessions: &[Arc<Session>]) {
    let share = share_with(sessions, None);
    for session in sessions {
        session.share.send_if_modified(|now| std::mem::replace(now, share) != share);
    }
}

/// All of a budget, in thousandths.
const WHOLE: u32 = 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::fake;

    #[test]
    fn an_agent_has_at_most_so_many_sessions() {
        let directory = Memory::default();
        let (first, second) = (fake::session("one", 0), fake::session("two", 0));
        assert_eq!(directory.enter(first.clone(), 1), Ok(()));
        assert_eq!(directory.enter(second.clone(), 1), Err(Full));
        directory.leave(&first);
        assert_eq!(directory.enter(second.clone(), 1), Ok(()));
        assert_eq!(directory.sessions(&second.agent).len(), 1);
    }

    #[test]
    fn instances_share_and_sessions_of_one_do_not() {
        let directory = Memory::default();
        let (first, again, second) =
            (fake::session("one", 0), fake::session("one", 0), fake::session("two", 0));
        let share = |session: &Session| *session.share().borrow();
        for session in [&first, &again] {
            directory.enter(session.clone(), 9).expect("room");
        }
        assert_eq!((share(&first), share(&again)), (1000, 1000));
        let mut changes = first.share();
        directory.enter(second.clone(), 9).expect("room");
        assert_eq!((share(&first), share(&again), share(&second)), (500, 500, 500));
        assert!(changes.has_changed().expect("there"), "the session must hear of it");
        changes.mark_unchanged();
        directory.leave(&again);
        assert!(!changes.has_changed().expect("there"), "the instance has a session left");
        directory.leave(&second);
        assert_eq!(share(&first), 1000);
        assert_eq!(share_with(&[first, again], Some("three")), 500);
    }

    #[test]
    fn who_waits_hears_of_each_coming_and_going() {
        let (directory, session) = (Memory::default(), fake::session("one", 0));
        let mut changes = directory.changes();
        directory.enter(session.clone(), 1).expect("room");
        assert!(changes.has_changed().expect("there"));
        changes.mark_unchanged();
        directory.leave(&session);
        assert!(changes.has_changed().expect("there"));
    }
}
