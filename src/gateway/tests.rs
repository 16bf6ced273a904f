//! The whole gateway on its two listeners.

use std::convert::Infallible;

use bytes::Bytes;
use http_body::Frame;
use http_body_util::{BodyExt as _, Empty, StreamBody};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::Code;

use super::*;
use crate::proto::Reason;
use crate::proto::tunnel::v1::Hello;
use crate::tunnel::attach;

#[tokio::test]
async fn health_answers_over_http1_and_http2_and_says_when_it_drains() {
    let house = House::start().await;
    for alpn in ["h2", "http/1.1"] {
        for method in [http::Method::GET, http::Method::HEAD] {
            assert_eq!(house.health(method.clone(), alpn).await, Some(200), "{method} {alpn}");
        }
    }
    house.gateway.phase.send_replace(Phase::Settling);
    assert_eq!(house.health(http::Method::GET, "http/1.1").await, Some(503));
}

#[tokio::test]
async fn a_stalled_handshake_holds_up_nobody() {
    let house = House::start().await;
    let _stalled = tcp(house.gateway.agents_addr()).await;
    assert_eq!(house.health(http::Method::GET, "h2").await, Some(200));
}

#[tokio::test]
async fn a_call_travels_through_gateway_and_agent_and_a_drain_lets_it_finish() {
    let house = House::start().await;
    let key = house.store.agent_key("acme", "a");
    let token = house.store.caller_token("acme", "s");
    let (started, mut began) = tokio::sync::mpsc::channel::<()>(1);
    let (release, gate) = watch::channel(false);
    let agent = house.attach(&key, started, gate).await;
    let caller = house.transport(house.gateway.callers_addr()).await;

    let call = request(&token);
    let answer = async { tower::ServiceExt::oneshot(caller.clone(), call).await };
    let release = async {
        began.recv().await.expect("the call reached the agent");
        let drain = house.gateway.drain();
        let release = async { release.send_replace(true) };
        tokio::join!(drain, release).0
    };
    let (answer, drained) = tokio::join!(answer, release);

    let status = Status::from_header_map(answer.expect("an answer").headers()).expect("a status");
    assert_eq!((status.code(), status.message()), (Code::Ok, ""));
    assert_eq!(drained, Drained::Clean);
    drop(agent);
}

#[tokio::test]
async fn at_the_end_of_the_grace_calls_in_flight_end_as_draining() {
    let mut house = House::start().await;
    house.gateway.grace = Duration::ZERO;
    let key = house.store.agent_key("acme", "a");
    let token = house.store.caller_token("acme", "s");
    let (started, mut began) = tokio::sync::mpsc::channel::<()>(2);
    let service = tower::service_fn(move |request: http::Request<Body>| {
        let started = started.clone();
        async move {
            started.send(()).await.expect("heard");
            if request.uri().path() != WATCH {
                std::future::pending::<()>().await;
            }
            let first = tokio_stream::once(Ok::<_, Status>(Frame::data(Bytes::from_static(b"token"))));
            let events = tokio_stream::StreamExt::chain(first, futures_util::stream::pending());
            Ok::<_, Infallible>(http::Response::new(Body::new(StreamBody::new(events))))
        }
    });
    let _agent = house.attach_with(&key, tunnel::Service::new(service), &house.tasks).await;
    let caller = house.transport(house.gateway.callers_addr()).await;
    let mut watch = request(&token);
    *watch.uri_mut() = http::Uri::from_static(WATCH);
    let watch = tower::ServiceExt::oneshot(caller.clone(), watch).await.expect("a head");
    let small = tower::ServiceExt::oneshot(caller.clone(), request(&token));
    let drain = async {
        for _ in 0..2 {
            began.recv().await.expect("the call reached the agent");
        }
        house.gateway.drain().await
    };

    let (small, watched, drained) = tokio::join!(small, watch.into_body().collect(), drain);

    let small = small.expect("an answer");
    let watched = watched.expect("a whole stream, not a broken one");
    for headers in [small.headers(), watched.trailers().expect("trailers")] {
        let status = Status::from_header_map(headers).expect("a status");
        assert_eq!((status.code(), Reason::of(&status)), (Code::Unavailable, Some(Reason::Draining)));
    }
    assert_eq!(watched.to_bytes(), "token", "what was sent before has arrived");
    assert_eq!(drained, Drained::Clean);
}

#[tokio::test]
async fn calls_at_a_killed_agent_fail_within_100_ms_as_tunnel_lost() {
    let house = House::start().await;
    let key = house.store.agent_key("acme", "a");
    let token = house.store.caller_token("acme", "s");
    let (started, mut began) = tokio::sync::mpsc::channel::<()>(1);
    let (_closed, gate) = watch::channel(false);
    let process = Tasks::new();
    let agent = house.attach_with(&key, gated(started, gate), &process).await;
    let caller = house.transport(house.gateway.callers_addr()).await;
    let call = async {
        let answer = tower::ServiceExt::oneshot(caller.clone(), request(&token)).await;
        (answer.expect("an answer"), Instant::now())
    };
    let kill = async {
        began.recv().await.expect("the call reached the agent");
        // As the system does with a killed process: its sockets close.
        process.cut();
        drop(agent);
        Instant::now()
    };
    let ((answer, failed), killed) = tokio::join!(call, kill);
    let status = Status::from_header_map(answer.headers()).expect("a status");
    assert_eq!((status.code(), Reason::of(&status)), (Code::Unavailable, Some(Reason::TunnelLost)));
    assert!(failed - killed < Duration::from_millis(100), "{:?}", failed - killed);
}

#[tokio::test]
async fn an_agents_key_opens_no_door_for_callers() {
    let house = House::start().await;
    let key = house.store.agent_key("acme", "a");
    let caller = house.transport(house.gateway.callers_addr()).await;
    let answer = tower::ServiceExt::oneshot(caller, request(&key)).await.expect("an answer");
    let status = Status::from_header_map(answer.headers()).expect("a status");
    assert_eq!(Reason::of(&status), Some(Reason::CredentialInvalid));
}

#[tokio::test]
async fn a_caller_at_the_agents_listener_is_told_of_the_other_one() {
    let house = House::start().await;
    let token = house.store.caller_token("acme", "s");
    let agents = house.transport(house.gateway.agents_addr()).await;
    let answer = tower::ServiceExt::oneshot(agents, request(&token)).await.expect("an answer");
    let status = Status::from_header_map(answer.headers()).expect("a status");
    assert_eq!(Reason::of(&status), Some(Reason::MethodUnknown));
    assert!(status.message().contains("callers come to its other one"), "{status:?}");
}

const WATCH: &str = "/gitproxy.scm.v1.PullRequests/WatchPR";

struct House {
    gateway: Gateway,
    store: fake::Store,
    roots: Arc<RootCertStore>,
    tasks: Tasks,
    _folder: tempfile::TempDir,
}

impl House {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
        std::fs::write(&certificate, made.cert.pem()).expect("written");
        std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).expect("a root");
        let (store, tasks) = (fake::Store::new(), Tasks::new());
        let tls = ServerTls::new(&certificate, &key, &[b"h2", b"http/1.1"], &tasks).expect("a pair");
        let (agents, callers) = (bind().await, bind().await);
        let gateway =
            Gateway::start(config(tls), agents, callers, Arc::new(store.clone()), &tasks).expect("started");
        Self { gateway, store, roots: Arc::new(roots), tasks, _folder: folder }
    }

    async fn tls(&self, addr: SocketAddr, alpn: &str) -> TlsStream<TcpStream> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(Arc::clone(&self.roots))
            .with_no_client_auth();
        config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
        let name = "localhost".try_into().expect("a name");
        TlsConnector::from(Arc::new(config)).connect(name, tcp(addr).await).await.expect("a handshake")
    }

    async fn transport(&self, addr: SocketAddr) -> Channel {
        self.transport_of(addr, &self.tasks).await
    }

    async fn transport_of(&self, addr: SocketAddr, tasks: &Tasks) -> Channel {
        let io = self.tls(addr, "h2").await;
        tunnel::channel(io, &tunnel::Options::default(), tasks).await.expect("a channel")
    }

    async fn health(&self, method: http::Method, alpn: &str) -> Option<u16> {
        let io = TokioIo::new(self.tls(self.gateway.agents_addr(), alpn).await);
        let request = http::Request::builder().method(method).uri("https://localhost/health");
        let request = request.body(Empty::<Bytes>::new()).ok()?;
        let answer = if alpn == "h2" {
            let (mut sender, connection) =
                hyper::client::conn::http2::handshake(self.tasks.clone(), io).await.ok()?;
            self.tasks.spawn(connection);
            sender.send_request(request).await.ok()?
        } else {
            let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.ok()?;
            self.tasks.spawn(connection);
            sender.send_request(request).await.ok()?
        };
        let status = answer.status().as_u16();
        // A probe reads to the end; a body after HEAD would break it.
        http_body_util::BodyExt::collect(answer.into_body()).await.ok()?;
        Some(status)
    }

    /// Plays an agent that answers once the gate is open.
    async fn attach(
        &self,
        key: &crate::ops::Key,
        started: tokio::sync::mpsc::Sender<()>,
        gate: watch::Receiver<bool>,
    ) -> attach::AgentControl {
        self.attach_with(key, gated(started, gate), &self.tasks).await
    }

    /// Plays an agent whose process runs these tasks.
    async fn attach_with(
        &self,
        key: &crate::ops::Key,
        service: tunnel::Service,
        tasks: &Tasks,
    ) -> attach::AgentControl {
        let transport = self.transport_of(self.gateway.agents_addr(), tasks).await;
        let hello =
            Hello { protocol_lowest: 1, protocol_highest: 1, instance: "one".into(), ..Hello::default() };
        let origin = http::Uri::from_static("https://localhost");
        let attached = attach::dial(transport, origin, key, hello).await.expect("welcome");
        let (pipe, own) = (attached.pipe, tasks.clone());
        tasks.spawn(async move {
            tunnel::serve(pipe, service, &tunnel::Options::default(), &own).await;
        });
        // The session enters the directory right after Welcome; a call before that would find the agent away.
        self.entered().await;
        attached.control
    }

    async fn entered(&self) {
        let token = self.store.caller_token("acme", "waits");
        let caller = self.transport(self.gateway.callers_addr()).await;
        let mut agents = crate::proto::gateway::v1::agents_client::AgentsClient::new(caller);
        loop {
            let mut request = tonic::Request::new(crate::proto::gateway::v1::ListAgentsRequest {});
            request.metadata_mut().insert("authorization", bearer(&token).parse().expect("ASCII"));
            let listed = agents.list_agents(request).await.expect("listed").into_inner();
            if listed.agents.iter().any(|agent| !agent.instances.is_empty()) {
                return;
            }
        }
    }
}

/// Tells of each call, and answers it once the gate is open.
fn gated(started: tokio::sync::mpsc::Sender<()>, gate: watch::Receiver<bool>) -> tunnel::Service {
    tunnel::Service::new(tower::service_fn(move |_: http::Request<Body>| {
        let (started, mut gate) = (started.clone(), gate.clone());
        async move {
            started.send(()).await.expect("heard");
            gate.wait_for(|open| *open).await.expect("opened");
            Ok::<_, Infallible>(Status::ok("").into_http())
        }
    }))
}

fn config(tls: ServerTls) -> Config {
    Config {
        name: "test".to_owned(),
        agents_tls: tls.clone(),
        callers_tls: tls,
        handshakes: 16,
        sessions: 16,
        tunnel: tunnel::Options::default(),
        deadlines: deadline::Defaults::default(),
        limits: admit::Limits::default(),
        telemetry: Telemetry::default(),
        shares: Shares::default(),
        max_age: Duration::ZERO,
        settle: Duration::ZERO,
        grace: Duration::from_secs(10),
    }
}

fn request(key: &crate::ops::Key) -> http::Request<Body> {
    http::Request::post("/gitproxy.scm.v1.Repos/ListRepos")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("authorization", bearer(key))
        .body(Body::empty())
        .expect("a request")
}

fn bearer(key: &crate::ops::Key) -> String {
    format!("Bearer {}", secrecy::ExposeSecret::expose_secret(key.secret()))
}

async fn bind() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("bound")
}

#[expect(clippy::disallowed_methods, reason = "the test plays the peers, which are no part of gitproxy")]
async fn tcp(addr: SocketAddr) -> TcpStream {
    TcpStream::connect(addr).await.expect("connected")
}
