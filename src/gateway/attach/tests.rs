use std::convert::Infallible;
use std::sync::LazyLock;

use tokio::io::duplex;
use tokio::time::{Instant, timeout};
use tonic::service::Routes;
use tower::service_fn;

use super::*;
use crate::gateway::directory::{self, Memory, Session, Wanted};
use crate::gateway::fake;
use crate::gateway::phase::phase;
use crate::ops::Key;
use crate::proto::tunnel::v1::Budget;
use crate::proto::tunnel::v1::tunnel_server::TunnelServer;
use crate::tunnel::attach::{AgentPipe, Attached, Word};
use crate::tunnel::{Body, Channel};

#[tokio::test(start_paused = true)]
async fn an_attached_agent_is_in_the_directory_and_takes_calls_until_it_leaves() {
    let house = House::new();
    let key = house.store.agent_key("acme", "a");
    let attached = house.dial(&key, "one").await.expect("welcome");
    assert_eq!((attached.welcome.agent.as_str(), attached.welcome.gateway.as_str()), ("a", "test"));
    assert_eq!(attached.welcome.limits.expect("limits").window, 1 << 20);
    let tasks = Tasks::new();
    serve(attached.pipe, &tasks);
    house.until(1).await;
    let request = http::Request::post("/x").body(Body::empty()).expect("a request");
    let answer = house.sessions()[0].upstream.send(request).await.expect("an answer");
    assert_eq!(answer.status(), 200);
    tasks.cut();
    house.until(0).await;
}

#[tokio::test(start_paused = true)]
async fn a_wrong_key_is_refused() {
    let house = House::new();
    house.store.agent_key("acme", "a");
    let refusal = house.dial(&Key::generate().expect("entropy"), "one").await.expect_err("refused");
    assert_eq!((refusal.code(), reason(&refusal)), (Code::Unauthenticated, Reason::CredentialInvalid));
}

#[tokio::test(start_paused = true)]
async fn a_revoked_key_ends_its_sessions_and_no_others() {
    let house = House::new();
    let (revoked, kept) = (house.store.agent_key("acme", "a"), house.store.agent_key("acme", "a"));
    let tasks = Tasks::new();
    serve(house.dial(&revoked, "one").await.expect("welcome").pipe, &tasks);
    serve(house.dial(&kept, "two").await.expect("welcome").pipe, &tasks);
    house.until(2).await;
    house.store.revoke(&revoked);
    house.until(1).await;
    assert_eq!(house.sessions()[0].instance, "two");
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_drains_gets_nothing_new() {
    let house = House::new();
    let key = house.store.agent_key("acme", "a");
    let (attached, tasks) = (house.dial(&key, "one").await.expect("welcome"), Tasks::new());
    serve(attached.pipe, &tasks);
    house.until(1).await;
    attached.control.draining("an upgrade");
    until(|| house.sessions()[0].is_draining()).await;
    assert!(house.next().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_draining_gateway_tells_its_agents_and_takes_no_more() {
    let house = House::new();
    let key = house.store.agent_key("acme", "a");
    let Attached { mut control, pipe, .. } = house.dial(&key, "one").await.expect("welcome");
    // A word is heard where the pipe is read.
    let tasks = Tasks::new();
    serve(pipe, &tasks);
    house.until(1).await;
    house.phase.send_replace(Phase::Draining);
    assert_eq!(control.drained().await.grace_ms, 20_000);
    let refusal = house.dial(&key, "two").await.expect_err("refused");
    assert_eq!((refusal.code(), reason(&refusal)), (Code::Unavailable, Reason::Draining));
    assert_eq!(house.sessions().len(), 1, "calls in flight still run there");
    house.tasks.begin_drain();
    house.until(0).await;
}

#[tokio::test(start_paused = true)]
async fn a_session_gets_no_call_before_its_instance_serves() {
    let house = House::new();
    let (key, tasks) = (house.store.agent_key("acme", "a"), Tasks::new());
    let dropped = house.dial(&key, "one").await.expect("welcome");
    let taken = house.dial(&key, "one").await.expect("welcome");
    let session = taken.welcome.session.clone();
    serve(taken.pipe, &tasks);
    house.until(1).await;
    assert_eq!(house.next().map(|session| session.id.clone()), Some(session));
    drop(dropped);
    assert_eq!(house.sessions().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn instances_are_told_their_share_and_every_change_of_it() {
    let house = House::new();
    let (key, tasks) = (house.store.agent_key("acme", "a"), Tasks::new());
    let Attached { welcome, mut control, pipe } = house.dial(&key, "one").await.expect("welcome");
    assert_eq!(welcome.budget_share_permille, 1000);
    serve(pipe, &tasks);
    house.until(1).await;
    let others = Tasks::new();
    let second = house.dial(&key, "two").await.expect("welcome");
    assert_eq!(second.welcome.budget_share_permille, 500);
    serve(second.pipe, &others);
    let share = |share_permille| Word::Budget(Budget { share_permille });
    let mut hears = async || timeout(Duration::from_secs(60), control.hear()).await.expect("a word");
    assert_eq!(hears().await, share(500));
    others.cut();
    drop(second.control);
    assert_eq!(hears().await, share(1000));
}

#[tokio::test(start_paused = true)]
async fn an_agent_has_no_more_sessions_than_it_may() {
    let house = House::new();
    let key = house.store.agent_key("acme", "a");
    let tasks = Tasks::new();
    let one = house.dial(&key, "one").await.expect("welcome");
    let two = house.dial(&key, "two").await.expect("welcome");
    serve(one.pipe, &tasks);
    serve(two.pipe, &tasks);
    house.until(2).await;
    let refusal = house.dial(&key, "three").await.expect_err("refused");
    assert_eq!((refusal.code(), reason(&refusal)), (Code::ResourceExhausted, Reason::Busy));
    let other = house.store.agent_key("acme", "b");
    assert!(house.dial(&other, "four").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn agents_beyond_the_greetings_are_shed_with_a_delay() {
    let house = House::new();
    let key = house.store.agent_key("acme", "a");
    let place = Arc::clone(&house.attach.shared.greetings).acquire_many_owned(4).await.expect("places");
    let refusal = house.dial(&key, "one").await.expect_err("refused");
    assert_eq!((refusal.code(), reason(&refusal)), (Code::ResourceExhausted, Reason::Busy));
    assert!(tonic_types::StatusExt::get_details_retry_info(&refusal).is_some());
    drop(place);
    assert!(house.dial(&key, "one").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_probe_passes_the_same_door_as_attach() {
    let house = House::new();
    let key = house.store.agent_key("acme", "a");
    let wire = house.wire().await.expect("a wire");
    let greet = |key: Key, hello: Hello| {
        let wire = wire.clone();
        async move { probe::greet(wire, ORIGIN.clone(), &key, hello).await }
    };
    let greeted = greet(key.clone(), hello("one")).await.expect("welcome");
    assert_eq!((greeted.welcome.agent.as_str(), greeted.welcome.gateway.as_str()), ("a", "test"));
    assert!(house.sessions().is_empty(), "a probe is no session");
    let stranger = Key::generate().expect("entropy");
    let refused = [
        (greet(stranger, hello("one")).await, Reason::CredentialInvalid),
        (greet(key.clone(), Hello { protocol_highest: 0, ..hello("one") }).await, Reason::ProtocolTooOld),
        (greet(key.clone(), hello("a b")).await, Reason::ProtocolError),
    ];
    for (outcome, expected) in refused {
        assert_eq!(reason(&outcome.expect_err("refused")), expected);
    }
    let places = Arc::clone(&house.attach.shared.greetings).acquire_many_owned(4).await.expect("places");
    assert_eq!(reason(&greet(key.clone(), hello("one")).await.expect_err("refused")), Reason::Busy);
    drop(places);
    house.phase.send_replace(Phase::Draining);
    assert_eq!(reason(&greet(key, hello("one")).await.expect_err("refused")), Reason::Draining);
}

#[tokio::test(start_paused = true)]
async fn an_old_session_is_renewed_alone_and_no_call_is_lost() {
    let house = House::with(Duration::from_secs(3600));
    let (key, tasks) = (house.store.agent_key("acme", "a"), Tasks::new());
    let start = Instant::now();
    let Attached { mut control, pipe, .. } = house.dial(&key, "one").await.expect("welcome");
    let (release, gate) = watch::channel(false);
    serve_gated(pipe, &tasks, gate);
    house.until(1).await;
    let session = house.next().expect("attached");
    let flying = session.upstream.send(request());
    let (flying, drain) = tokio::join!(flying, async {
        let drain = control.drained().await;
        let after = start.elapsed().as_secs();
        assert!((3240..=3960).contains(&after), "{after} s");
        assert_eq!(house.next().expect("attached").id, session.id, "it takes calls until there is another");
        let again = house.dial(&key, "one").await.expect("welcome");
        serve(again.pipe, &tasks);
        house.until(2).await;
        let next = house.next().expect("attached");
        assert_ne!(next.id, session.id, "the newer one takes over");
        next.upstream.send(request()).await.expect("an answer");
        let mut young = again.control;
        // The young one has an age of its own.
        assert!(timeout(Duration::from_secs(60), young.drained()).await.is_err());
        release.send_replace(true);
        drain
    });
    assert_eq!((drain.cause.as_str(), flying.expect("an answer").status().as_u16()), ("renewed", 200));
}

#[tokio::test(start_paused = true)]
async fn labels_of_hello_are_the_sessions() {
    let house = House::new();
    let key = house.store.agent_key("acme", "a");
    let hello = Hello { labels: [("zone".into(), "b".into())].into(), ..hello("one") };
    let wire = house.wire().await.expect("a wire");
    let attached = attach::dial(wire, ORIGIN.clone(), &key, hello).await.expect("welcome");
    let tasks = Tasks::new();
    serve(attached.pipe, &tasks);
    house.until(1).await;
    assert_eq!(house.sessions()[0].labels.get("zone").map(String::as_str), Some("b"));
}

#[test]
fn a_hello_beyond_the_contracts_bounds_is_refused() {
    let good = Hello { instance: "one".into(), ..Hello::default() };
    assert!(check(&good).is_ok());
    let bad = [
        Hello { instance: String::new(), ..good.clone() },
        Hello { instance: "a b".into(), ..good.clone() },
        Hello { instance: "a".repeat(65), ..good.clone() },
        Hello { build: "1\n2".into(), ..good.clone() },
        Hello { labels: [("k".into(), "v".repeat(64))].into(), ..good.clone() },
        Hello { labels: (0..17).map(|n| (n.to_string(), String::new())).collect(), ..good },
    ];
    for hello in bad {
        let fault = check(&hello).expect_err("refused");
        assert_eq!(fault.reason(), Reason::ProtocolError, "{hello:?}");
    }
}

struct House {
    store: fake::Store,
    directory: Arc<dyn Directory>,
    attach: Attach,
    phase: watch::Sender<Phase>,
    tasks: Tasks,
    wires: Tasks,
}

impl House {
    fn new() -> Self {
        Self::with(Duration::ZERO)
    }

    fn with(max_age: Duration) -> Self {
        let store = fake::Store::new();
        let directory: Arc<dyn Directory> = Arc::new(Memory::default());
        let (phase, watch) = phase();
        let tasks = Tasks::new();
        let settings = Settings {
            gateway: "test".to_owned(),
            tunnel: tunnel::Options::default(),
            sessions: 2,
            max_age,
            greetings: 4,
            grace: Duration::from_secs(20),
            metrics: Metrics::default(),
        };
        let attach = Attach::new(settings, Arc::new(store.clone()), Arc::clone(&directory), watch, &tasks);
        Self { store, directory, attach, phase, tasks, wires: Tasks::new() }
    }

    /// Attaches over a wire of its own.
    async fn dial(&self, key: &Key, instance: &str) -> Result<Attached, Status> {
        attach::dial(self.wire().await?, ORIGIN.clone(), key, hello(instance)).await
    }

    async fn wire(&self) -> Result<Channel, Status> {
        let (near, far) = duplex(1 << 20);
        let service = tunnel::Service::new(Routes::new(TunnelServer::new(self.attach.clone())).prepare());
        let tasks = self.wires.clone();
        self.wires.spawn(async move {
            tunnel::serve(far, service, &tunnel::Options::default(), &tasks).await;
        });
        tunnel::channel(near, &tunnel::Options::default(), &self.wires).await
    }

    fn sessions(&self) -> Vec<Arc<Session>> {
        self.directory.sessions(&fake::agent_id("acme", "a"))
    }

    /// The session that takes the next call.
    fn next(&self) -> Option<Arc<Session>> {
        directory::choose(&self.sessions(), &Wanted::default(), &Dice::seeded(1)).cloned()
    }

    async fn until(&self, sessions: usize) {
        until(|| self.sessions().len() == sessions).await;
    }
}

fn hello(instance: &str) -> Hello {
    Hello { protocol_lowest: 1, protocol_highest: 1, instance: instance.to_owned(), ..Hello::default() }
}

static ORIGIN: LazyLock<http::Uri> = LazyLock::new(|| http::Uri::from_static("http://gateway"));

fn request() -> http::Request<Body> {
    http::Request::post("/x").body(Body::empty()).expect("a request")
}

/// Plays the agent: answers every call with OK.
fn serve(pipe: AgentPipe, tasks: &Tasks) {
    serve_gated(pipe, tasks, watch::channel(true).1);
}

/// Answers every call with OK once the gate is open.
fn serve_gated(pipe: AgentPipe, tasks: &Tasks, gate: watch::Receiver<bool>) {
    let ok = move |_: http::Request<Body>| {
        let mut gate = gate.clone();
        async move {
            gate.wait_for(|open| *open).await.expect("opened");
            Ok::<_, Infallible>(http::Response::new(Body::empty()))
        }
    };
    let service = tunnel::Service::new(service_fn(ok));
    let own = tasks.clone();
    tasks.spawn(async move {
        tunnel::serve(pipe, service, &tunnel::Options::default(), &own).await;
    });
}

/// Waits in the test's own time.
async fn until(mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(Duration::from_secs(5), waiting).await.expect("in time");
}

fn reason(status: &Status) -> Reason {
    Reason::of(status).unwrap_or_default()
}
