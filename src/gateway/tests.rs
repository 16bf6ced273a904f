//! The whole gateway on its two listeners.

use bytes::Bytes;
use http_body_util::Empty;
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

    let status = tonic::Status::from_header_map(answer.expect("an answer").headers()).expect("a status");
    assert_eq!((status.code(), status.message()), (Code::Ok, ""));
    assert_eq!(drained, Drained::Clean);
    drop(agent);
}

#[tokio::test]
async fn an_agents_key_opens_no_door_for_callers() {
    let house = House::start().await;
    let key = house.store.agent_key("acme", "a");
    let caller = house.transport(house.gateway.callers_addr()).await;
    let answer = tower::ServiceExt::oneshot(caller, request(&key)).await.expect("an answer");
    let status = tonic::Status::from_header_map(answer.headers()).expect("a status");
    assert_eq!(Reason::of(&status), Some(Reason::CredentialInvalid));
}

#[tokio::test]
async fn a_caller_at_the_agents_listener_is_told_of_the_other_one() {
    let house = House::start().await;
    let token = house.store.caller_token("acme", "s");
    let agents = house.transport(house.gateway.agents_addr()).await;
    let answer = tower::ServiceExt::oneshot(agents, request(&token)).await.expect("an answer");
    let status = tonic::Status::from_header_map(answer.headers()).expect("a status");
    assert_eq!(Reason::of(&status), Some(Reason::MethodUnknown));
    assert!(status.message().contains("callers come to its other one"), "{status:?}");
}

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

    async fn transport(&self, addr: SocketAddr) -> tunnel::Channel {
        let io = self.tls(addr, "h2").await;
        tunnel::channel(io, &tunnel::Options::default(), &self.tasks).await.expect("a channel")
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
        let transport = self.transport(self.gateway.agents_addr()).await;
        let hello =
            Hello { protocol_lowest: 1, protocol_highest: 1, instance: "one".into(), ..Hello::default() };
        let origin = http::Uri::from_static("https://localhost");
        let attached = attach::dial(transport, origin, key, hello).await.expect("welcome");
        let service = tower::service_fn(move |_: http::Request<Body>| {
            let (started, mut gate) = (started.clone(), gate.clone());
            async move {
                started.send(()).await.expect("heard");
                gate.wait_for(|open| *open).await.expect("opened");
                Ok::<_, std::convert::Infallible>(tonic::Status::ok("").into_http())
            }
        });
        let (service, tasks) = (tunnel::Service::new(service), self.tasks.clone());
        let pipe = attached.pipe;
        self.tasks.spawn(async move {
            tunnel::serve(pipe, service, &tunnel::Options::default(), &tasks).await;
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
