//! The directory of several gateways: the sessions here, and what the others have told of theirs.
//!
//! Who is gone is told by beats, not by clocks: an entry grows older by each beat of *this* gateway that has made its way
//! through NATS and back. While NATS is away nothing beats, so nothing expires; and no two clocks are compared.

mod gone;
mod guest;
mod odd;
mod sick;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::{Notify, watch};
use tracing::info;

pub(super) use guest::Guest;

use super::entry::{self, Attached};
use super::peer::{Peer, Remote};
use super::{Config, hop};
use crate::gateway::directory::{Directory, Full, Memory, Place, Session};
use crate::gateway::name::AgentId;
use crate::ops::Tasks;
use crate::tunnel;

/// See the module.
pub(in crate::gateway) struct Shared {
    /// Random, new at each start.
    pub(super) id: String,
    pub(super) name: String,
    pub(super) config: Config,
    pub(super) tasks: Tasks,
    options: tunnel::Options,
    /// The sessions of all gateways.
    memory: Memory,
    known: Mutex<Known>,
    outbox: Mutex<HashMap<String, Option<Arc<Session>>>>,
    /// There is something to tell the others.
    pub(super) news: Notify,
    leaving: watch::Sender<bool>,
    /// Counts what the others have told.
    changes: watch::Sender<u64>,
    /// The last beat has made its way into NATS.
    pub(super) joined: AtomicBool,
    odd: Mutex<HashSet<String>>,
    /// How many gateways take agents in.
    replicas: watch::Sender<u32>,
    own: Weak<Self>,
}

#[derive(Default)]
struct Known {
    /// Own beats that have come back.
    beats: u64,
    gateways: HashMap<String, Gateway>,
    /// By their keys; one whose gateway is not known yet is not in `memory`.
    remote: HashMap<String, Held>,
    /// By their keys.
    local: HashMap<String, Arc<Session>>,
    /// Keys of those of them that were told to be sick.
    sick: HashSet<String>,
}

struct Gateway {
    entry: entry::Gateway,
    peer: Arc<Peer>,
    seen: u64,
}

struct Held {
    entry: Attached,
    session: Option<Arc<Session>>,
    sick: Arc<AtomicBool>,
    seen: u64,
}

impl Shared {
    pub(super) fn new(name: &str, config: Config, options: tunnel::Options, tasks: &Tasks) -> Arc<Self> {
        Arc::new_cyclic(|own| Self {
            id: uuid::Uuid::new_v4().simple().to_string(),
            name: name.to_owned(),
            config,
            tasks: tasks.clone(),
            options,
            memory: Memory::default(),
            known: Mutex::default(),
            outbox: Mutex::default(),
            news: Notify::new(),
            leaving: watch::Sender::new(false),
            changes: watch::Sender::new(0),
            joined: AtomicBool::new(false),
            odd: Mutex::default(),
            replicas: watch::Sender::new(1),
            own: own.clone(),
        })
    }

    /// Tells the others that this gateway drains.
    pub(in crate::gateway) fn leave_cluster(&self) {
        self.leaving.send_replace(true);
        self.news.notify_one();
    }

    /// Ends the connections to the others.
    pub(super) fn cut_peers(&self) {
        self.known().gateways.values().for_each(|gateway| gateway.peer.cut());
    }

    /// What this gateway says of itself.
    pub(super) fn entry(&self) -> entry::Gateway {
        entry::Gateway {
            advertise: self.config.advertise.clone(),
            certificate: self.config.identity.fingerprint(),
            name: self.name.clone(),
            build: env!("CARGO_PKG_VERSION").to_owned(),
            leaving: *self.leaving.borrow(),
        }
    }

    /// The sessions here that the others are to hear of again, by key.
    pub(super) fn own_sessions(&self) -> Vec<(String, Attached)> {
        let known = self.known();
        known.local.iter().map(|(key, session)| (key.clone(), Attached::of(session, &self.id))).collect()
    }

    /// What has changed since it was last asked: an entry to write, or `None` for one to delete.
    pub(super) fn changed_sessions(&self) -> Vec<(String, Option<Attached>)> {
        let changed = std::mem::take(&mut *self.outbox());
        let entry = |session: Arc<Session>| Attached::of(&session, &self.id);
        changed.into_iter().map(|(key, session)| (key, session.map(entry))).collect()
    }

    /// Sessions of an agent whose stream ends here.
    pub(super) fn here(&self, agent: &AgentId) -> Vec<Arc<Session>> {
        let mut sessions = self.memory.sessions(agent);
        sessions.retain(|session| session.place == Place::Here);
        sessions
    }

    /// A gateway has spoken; when it is this one, everything known has grown older by a beat.
    pub(super) fn heard_gateway(&self, id: &str, entry: entry::Gateway) {
        if id == self.id {
            self.beat();
            return;
        }
        let mut known = self.known();
        let beats = known.beats;
        let moved = known.gateways.get(id).is_some_and(|it| it.entry.advertise != entry.advertise);
        if let Some(gateway) = known.gateways.get_mut(id).filter(|_| !moved) {
            let news = gateway.entry != entry;
            gateway.peer.hears(&entry);
            (gateway.entry, gateway.seen) = (entry, beats);
            drop(known);
            if news {
                self.told();
            }
            return;
        }
        let Config { egress, .. } = &self.config;
        let Some(peer) = Peer::new(id, &entry, egress, &self.options, &self.tasks) else {
            return self.odd(id, &format!("`{}` is no host:port", entry.advertise));
        };
        info!(gateway = id, name = entry.name, address = entry.advertise, "another gateway is there");
        known.gateways.insert(id.to_owned(), Gateway { entry, peer, seen: beats });
        let waiting: Vec<_> = known
            .remote
            .iter()
            .filter(|(_, it)| it.entry.gateway == id)
            .map(|(key, _)| key.clone())
            .collect();
        for key in waiting {
            self.admit(&mut known, &key);
        }
        drop(known);
        self.told();
    }

    /// A session of another gateway, new or again.
    pub(super) fn heard_session(&self, key: &str, entry: Attached) {
        if entry.gateway == self.id {
            return;
        }
        let mut known = self.known();
        let beats = known.beats;
        if let Some(held) = known.remote.get_mut(key).filter(|held| held.entry.gateway == entry.gateway) {
            held.seen = beats;
            if let Some(session) = held.session.as_ref().filter(|_| entry.draining) {
                session.drain();
            }
            held.sick.store(entry.sick, Ordering::Relaxed);
            held.entry = entry;
        } else {
            self.forget_session(&mut known, key);
            known.remote.insert(
                key.to_owned(),
                Held { sick: Arc::new(entry.sick.into()), entry, session: None, seen: beats },
            );
            self.admit(&mut known, key);
        }
        drop(known);
        self.told();
    }

    /// An entry was deleted.
    pub(super) fn heard_end(&self, key: &str) {
        let mut known = self.known();
        match key.strip_prefix(entry::GATEWAY) {
            Some(id) => self.forget_gateway(&mut known, id, "it has left"),
            None => self.forget_session(&mut known, key),
        }
        drop(known);
        self.told();
    }

    /// Takes a session into the directory, once its gateway is known.
    fn admit(&self, known: &mut Known, key: &str) {
        let Some(held) = known.remote.get_mut(key) else { return };
        let Some(gateway) = known.gateways.get(&held.entry.gateway) else { return };
        let Ok(identity) = held.entry.identity() else {
            return self.odd(key, "its tenant or agent is no name");
        };
        let own = self.own.clone();
        let upstream = Remote {
            peer: Arc::clone(&gateway.peer),
            session: (identity.agent.clone(), identity.instance.clone()),
            unreachable: Arc::new(move |id| {
                if let Some(shared) = own.upgrade() {
                    shared.unreachable(id);
                }
            }),
            in_flight: Arc::default(),
            sick: Arc::clone(&held.sick),
        };
        let mut session = Session::new(identity, Box::new(upstream));
        session.since = held.entry.since();
        if held.entry.draining {
            session.drain();
        }
        let session = Arc::new(session);
        // What another gateway has let in is not for this one to refuse.
        if self.memory.enter(Arc::clone(&session), usize::MAX).is_ok() {
            held.session = Some(session);
        }
    }

    fn tell(&self, key: String, session: Option<Arc<Session>>) {
        self.outbox().insert(key, session);
        self.news.notify_one();
    }

    fn told(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
        // Counted within, so that of two at once the later count stays.
        self.replicas.send_if_modified(|count| {
            let now = self.staying();
            std::mem::replace(count, now) != now
        });
    }

    fn staying(&self) -> u32 {
        let staying = self.known().gateways.values().filter(|gateway| !gateway.entry.leaving).count();
        u32::try_from(staying).unwrap_or(u32::MAX).saturating_add(1)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Nothing below the lock can leave it half changed.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn outbox(&self) -> MutexGuard<'_, HashMap<String, Option<Arc<Session>>>> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Directory for Shared {
    fn enter(&self, session: Arc<Session>, most: usize) -> Result<(), Full> {
        let key = entry::session_key(&session);
        let mut known = self.known();
        self.memory.enter(Arc::clone(&session), most)?;
        known.local.insert(key.clone(), Arc::clone(&session));
        drop(known);
        self.tell(key, Some(session));
        Ok(())
    }

    fn leave(&self, session: &Session) {
        let key = entry::session_key(session);
        let mut known = self.known();
        self.memory.leave(session);
        known.sick.remove(&key);
        let was = known.local.remove(&key);
        drop(known);
        if was.is_some() {
            self.tell(key, None);
        }
    }

    fn sessions(&self, agent: &AgentId) -> Vec<Arc<Session>> {
        let mut sessions = self.memory.sessions(agent);
        if sessions.iter().all(|session| session.place == Place::Here) {
            return sessions;
        }
        let known = self.known();
        let leaving = |session: &Session| {
            let held = known.remote.get(&entry::session_key(session));
            let gateway = held.and_then(|held| known.gateways.get(&held.entry.gateway));
            gateway.is_some_and(|gateway| gateway.entry.leaving)
        };
        hop::without(&mut sessions, leaving);
        sessions
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.memory.changes()
    }

    fn drains(&self, session: &Session) {
        let key = entry::session_key(session);
        let local = self.known().local.get(&key).cloned();
        if local.is_some() {
            self.tell(key, local);
        }
    }

    fn replicas(&self) -> watch::Receiver<u32> {
        self.replicas.subscribe()
    }
}

/// After how many beats sessions are told again.
pub(super) const REFRESH: u64 = 6;
