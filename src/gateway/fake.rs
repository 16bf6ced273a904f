//! A store, sessions and callers for the tests of this module.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt as _, Full};
use prost::Message as _;
use tokio::sync::watch;
use tonic::Status;
use tonic::body::Body;

use super::directory::{Identity, Place, Session, Upstream};
use super::name::{AgentId, Name};
use super::role::Role;
use super::store::{self, AgentKey, Auth, Caller, CallerToken, Held};
use crate::ops::Key;
use crate::proto::agent::v1::{DiagnoseResponse, Leg};

/// A store that tests fill.
#[derive(Clone, Default)]
pub(super) struct Store(Arc<Inner>);

#[derive(Default)]
struct Inner {
    keys: Mutex<HashMap<String, AgentKey>>,
    tokens: Mutex<HashMap<String, CallerToken>>,
    held: Mutex<BTreeMap<AgentId, BTreeMap<Name, Held>>>,
    changes: watch::Sender<u64>,
}

/// What an [`Echo`] was sent.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) path: String,
    pub(super) headers: http::HeaderMap,
    pub(super) body: Vec<u8>,
}

/// An upstream that keeps what it is sent and answers OK.
#[derive(Clone, Default)]
pub(super) struct Echo {
    pub(super) load: usize,
    pub(super) sick: bool,
    pub(super) seen: Arc<Mutex<Vec<Seen>>>,
    /// The message that it answers with, as it travels.
    message: Option<Bytes>,
}

impl Store {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Adds an agent with a new key.
    pub(super) fn agent_key(&self, tenant: &str, agent: &str) -> Key {
        let key = Key::generate().expect("entropy");
        self.put_agent_key(key.id(), tenant, agent, &key.digest());
        key
    }

    pub(super) fn put_agent_key(&self, id: &str, tenant: &str, agent: &str, digest: &str) {
        let agent = agent_id(tenant, agent);
        self.0.held.lock().expect("lock").entry(agent.clone()).or_default();
        let key = AgentKey { agent, digest: digest.to_owned() };
        self.0.keys.lock().expect("lock").insert(id.to_owned(), key);
    }

    /// Takes a key away and tells it.
    pub(super) fn revoke(&self, key: &Key) {
        self.0.keys.lock().expect("lock").remove(key.id());
        self.0.changes.send_modify(|count| *count += 1);
    }

    /// Adds a caller with the role `write` and a new token.
    pub(super) fn caller_token(&self, tenant: &str, name: &str) -> Key {
        self.caller_with(tenant, name, Role::Write)
    }

    pub(super) fn caller_with(&self, tenant: &str, name: &str, role: Role) -> Key {
        let token = Key::generate().expect("entropy");
        let caller = Caller { role, ..caller(tenant, name) };
        let row = CallerToken { caller, digest: token.digest() };
        self.0.tokens.lock().expect("lock").insert(token.id().to_owned(), row);
        token
    }

    /// Adds a held connection whose token is `s3cret`.
    pub(super) fn hold(&self, tenant: &str, agent: &str, connection: &str) {
        let name = named(connection);
        let held = Held {
            name: name.clone(),
            url: "https://git.example.com".into(),
            user: String::new(),
            token: "s3cret".into(),
            projects: vec!["PROJ".into()],
            auth: Auth::Bearer,
        };
        self.0.held.lock().expect("lock").entry(agent_id(tenant, agent)).or_default().insert(name, held);
    }
}

#[tonic::async_trait]
impl store::Store for Store {
    async fn agent_key(&self, id: &str) -> Result<Option<AgentKey>, store::Error> {
        Ok(self.0.keys.lock().expect("lock").get(id).cloned())
    }

    async fn caller_token(&self, id: &str) -> Result<Option<CallerToken>, store::Error> {
        Ok(self.0.tokens.lock().expect("lock").get(id).cloned())
    }

    async fn agents(&self, tenant: &Name) -> Result<BTreeSet<Name>, store::Error> {
        let held = self.0.held.lock().expect("lock");
        Ok(held.keys().filter(|id| id.tenant == *tenant).map(|id| id.agent.clone()).collect())
    }

    async fn held_names(&self, agent: &AgentId) -> Result<BTreeSet<Name>, store::Error> {
        let held = self.0.held.lock().expect("lock");
        Ok(held.get(agent).map(|names| names.keys().cloned().collect()).unwrap_or_default())
    }

    async fn held(&self, agent: &AgentId, connection: &Name) -> Result<Option<Held>, store::Error> {
        Ok(self.0.held.lock().expect("lock").get(agent).and_then(|names| names.get(connection).cloned()))
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }
}

impl Upstream for Echo {
    fn send(&self, request: http::Request<Body>) -> BoxFuture<'static, Result<http::Response<Body>, Status>> {
        let (seen, message) = (self.seen.clone(), self.message.clone());
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await?.to_bytes().to_vec();
            let path = parts.uri.path().to_owned();
            seen.lock().expect("lock").push(Seen { path, headers: parts.headers, body });
            Ok(message.map_or_else(|| Status::ok("").into_http(), answer))
        })
    }

    fn in_flight(&self) -> usize {
        self.load
    }

    fn is_sick(&self) -> bool {
        self.sick
    }
}

/// An upstream that answers every call with a diagnosis of one leg.
pub(super) fn diagnosis() -> Echo {
    let leg = Leg { name: "gateway".into(), ..Leg::default() };
    let found = DiagnoseResponse { legs: vec![leg] }.encode_to_vec();
    let length = u32::try_from(found.len()).expect("short").to_be_bytes();
    Echo { message: Some([&[0][..], &length, &found].concat().into()), ..Echo::default() }
}

fn answer(message: Bytes) -> http::Response<Body> {
    let trailers = http::HeaderMap::from_iter([("grpc-status".parse().expect("a name"), 0.into())]);
    let body = Full::new(message).with_trailers(std::future::ready(Some(Ok(trailers))));
    let mut answer = http::Response::new(Body::new(body.map_err(|never| match never {})));
    answer.headers_mut().insert("content-type", http::HeaderValue::from_static("application/grpc"));
    answer
}

/// A session of the instance with this many calls in flight.
pub(super) fn session(instance: &str, load: usize) -> Arc<Session> {
    upstream(instance, Echo { load, ..Echo::default() })
}

/// A session of the instance whose calls this takes.
fn upstream(instance: &str, upstream: Echo) -> Arc<Session> {
    attached(&agent_id("acme", "a"), instance, upstream)
}

/// A session that has been silent for too long.
pub(super) fn sick(instance: &str) -> Arc<Session> {
    upstream(instance, Echo { sick: true, ..Echo::default() })
}

/// A session that another gateway holds.
pub(super) fn at_peer(instance: &str, load: usize) -> Arc<Session> {
    let identity = Identity { place: Place::Peer, ..identity(&agent_id("acme", "a"), instance) };
    Arc::new(Session::new(identity, Box::new(Echo { load, ..Echo::default() })))
}

/// A session of an instance with these labels.
pub(super) fn labelled(instance: &str, labels: &[(&str, &str)]) -> Arc<Session> {
    let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let identity = Identity { labels, ..identity(&agent_id("acme", "a"), instance) };
    Arc::new(Session::new(identity, Box::new(Echo::default())))
}

/// A session of the agent at another gateway.
pub(super) fn attached_at_peer(agent: &AgentId, upstream: Echo) -> Arc<Session> {
    let identity = Identity { place: Place::Peer, ..identity(agent, "peer") };
    Arc::new(Session::new(identity, Box::new(upstream)))
}

/// A session of an agent's instance.
pub(super) fn attached(agent: &AgentId, instance: &str, upstream: impl Upstream) -> Arc<Session> {
    Arc::new(Session::new(identity(agent, instance), Box::new(upstream)))
}

fn identity(agent: &AgentId, instance: &str) -> Identity {
    Identity {
        id: uuid::Uuid::new_v4().to_string(),
        agent: agent.clone(),
        instance: instance.to_owned(),
        build: "0".to_owned(),
        labels: BTreeMap::new(),
        place: Place::Here,
    }
}

pub(super) fn caller(tenant: &str, name: &str) -> Caller {
    Caller { tenant: named(tenant), name: named(name), role: Role::Write }
}

pub(super) fn agent_id(tenant: &str, agent: &str) -> AgentId {
    AgentId { tenant: named(tenant), agent: named(agent) }
}

fn named(text: &str) -> Name {
    Name::parse(text).expect("name")
}
