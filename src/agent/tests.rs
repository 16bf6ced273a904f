use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tonic::{Code, Request};
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use super::config::{AccessKey, DebugListen};
use super::*;
use crate::bitbucket::Rate;
use crate::egress::fixture::{Ca, Files};
use crate::egress::push::Push;
use crate::egress::{self, Guard, Origin, Roots};
use crate::proto::agent::v1::GetInstanceRequest;
use crate::proto::agent::v1::instances_client::InstancesClient;
use crate::scm::DenyAll;
use crate::scm::backend::Allowance;
use crate::tunnel::admit::Limits;
use crate::tunnel::{self, Channel, Options};

/// An agent without a gateway, whose debug listener is on TCP.
pub(super) fn config(folder: &Path) -> Config {
    Config {
        gateway: "http://127.0.0.1:9".parse().expect("a gateway"),
        access_key: AccessKey::fixed(Key::generate().expect("entropy")),
        gateway_client: None,
        roots: Roots::Platform,
        extra_ca: Vec::new(),
        proxies: egress::Proxies::default(),
        gateway_proxies: None,
        bitbucket_proxies: None,
        connections: Vec::new(),
        new_origins: Allowance::default(),
        guard: Guard::default(),
        link: Options::default(),
        limits: Limits::default(),
        debug: Some(DebugListen::Tcp(([127, 0, 0, 1], 0).into())),
        debug_token_file: Some(folder.join("token")),
        status_socket: Some(folder.join("status.sock")),
        push: Push::default(),
        patience: Patience::default(),
        labels: BTreeMap::new(),
        rate: Rate::default(),
        congestion_control: None,
        drain_grace: Duration::from_secs(5),
    }
}

async fn channel(agent: &Agent, tasks: &Tasks) -> (Channel, http::Uri) {
    let origin: Origin =
        format!("http://{}", agent.debug_addr().expect("on TCP")).parse().expect("an origin");
    let egress = Egress::new(&egress::Settings::default(), tasks).expect("an egress");
    let uri = origin.to_string().parse().expect("a URI");
    let io = egress.connector(origin, Alpn::Http2Only).connect().await.expect("connected");
    (tunnel::channel(io, &Options::default(), tasks).await.expect("a channel"), uri)
}

fn with_token<T>(agent: &Agent, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let token = agent.debug_token().expect("on TCP").secret().expose_secret();
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().expect("ascii"));
    request
}

#[tokio::test]
async fn the_debug_listener_serves_who_has_the_token_and_nobody_else() {
    let (folder, tasks, mine) = (tempfile::tempdir().expect("a folder"), Tasks::new(), Tasks::new());
    let agent = Agent::start(config(folder.path()), &tasks).await.expect("started");
    let (channel, uri) = channel(&agent, &mine).await;
    let mut client = InstancesClient::with_origin(channel.clone(), uri.clone());
    let refused = client.get_instance(GetInstanceRequest {}).await.expect_err("no token");
    assert_eq!(refused.code(), Code::Unauthenticated);
    let told = client.get_instance(with_token(&agent, GetInstanceRequest {})).await.expect("an answer");
    assert_eq!(told.into_inner().instance, agent.instance());
    let ask = ServerReflectionRequest {
        message_request: Some(MessageRequest::ListServices(String::new())),
        ..ServerReflectionRequest::default()
    };
    let mut reflection = ServerReflectionClient::with_origin(channel, uri);
    let ask = with_token(&agent, tokio_stream::once(ask));
    let mut answers = reflection.server_reflection_info(ask).await.expect("reflection").into_inner();
    let answer = answers.message().await.expect("an answer").and_then(|answer| answer.message_response);
    let Some(MessageResponse::ListServicesResponse(list)) = answer else { panic!("{answer:?}") };
    for service in ["gitproxy.scm.v1.Repos", "gitproxy.agent.v1.Instances", "grpc.health.v1.Health"] {
        assert!(list.service.iter().any(|listed| listed.name == service), "{service} is not in {list:?}");
    }
    tasks.cut();
    mine.cut();
}

#[tokio::test]
async fn the_policy_is_asked_about_the_instance_too() {
    let (folder, tasks, mine) = (tempfile::tempdir().expect("a folder"), Tasks::new(), Tasks::new());
    let deny = |core: Core| core.with_policy(DenyAll);
    let agent = Agent::start_with(config(folder.path()), &tasks, deny).await.expect("started");
    let (channel, uri) = channel(&agent, &mine).await;
    let mut client = InstancesClient::with_origin(channel, uri);
    let refused = client.get_instance(with_token(&agent, GetInstanceRequest {})).await.expect_err("denied");
    assert_eq!(refused.code(), Code::PermissionDenied);
    tasks.cut();
    mine.cut();
}

#[tokio::test]
async fn a_ca_that_is_not_pem_stops_the_start_with_its_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ca.crt");
    std::fs::write(&path, "not a certificate").expect("written");
    let mut config = config(folder.path());
    config.extra_ca = vec![egress::CaSource::File(path)];
    let error = Agent::start(config, &Tasks::new()).await.expect_err("unusable");
    assert!(matches!(error, Error::Trust(_)) && error.to_string().contains("ca.crt"), "{error}");
}

#[tokio::test]
async fn a_drain_without_a_gateway_ends_at_once() {
    let (folder, tasks) = (tempfile::tempdir().expect("a folder"), Tasks::new());
    let _agent = Agent::start(config(folder.path()), &tasks).await.expect("started");
    assert_eq!(tasks.finish(Duration::from_secs(5)).await, crate::ops::tasks::Drained::Clean);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_of_the_settings_is_told_when_our_own_certificate_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let (folder, tasks) = (tempfile::tempdir().expect("a folder"), Tasks::new());
    let mine = Files::write(&Ca::new("customer").issue("agent"));
    let client = egress::ClientFiles { certificate: mine.certificate.clone(), key: mine.key.clone() };
    let collector = url.parse().expect("a collector");
    let push = Push { metrics: Some((collector, Duration::from_millis(100))), traces: None };
    let config = Config { gateway_client: Some(client), push, ..config(folder.path()) };
    let agent = Agent::start(config, &tasks).await.expect("started");
    let told = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            let push = pushed(&listener).await;
            if push.contains("the client certificate of the gateway") {
                return push;
            }
        }
    });
    let push = told.await.expect("the certificate is looked at and told");
    assert!(push.contains("gitproxy.certificate.expiry") && push.contains(agent.instance()), "{push}");
    tasks.cut();
}

#[tokio::test]
async fn a_dial_of_the_link_takes_no_longer_than_set() {
    // It listens and never answers.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("https://{}", listener.local_addr().expect("bound"));
    let (folder, tasks) = (tempfile::tempdir().expect("a folder"), Tasks::new());
    let patience = Patience { hop: Duration::from_millis(100), ..Patience::default() };
    let config = Config { gateway: url.parse().expect("a gateway"), patience, ..config(folder.path()) };
    let agent = Agent::start(config, &tasks).await.expect("started");
    let mut state = agent.state();
    let given_up = state.wait_for(|state| *state == State::Waiting);
    // Without the setting it would be 10 s.
    tokio::time::timeout(Duration::from_secs(5), given_up).await.expect("in time").expect("it tells");
    tasks.cut();
}

/// Takes one push.
async fn pushed(listener: &TcpListener) -> String {
    let (mut tcp, _) = listener.accept().await.expect("accepted");
    let mut stream = BufReader::new(&mut tcp);
    let (mut head, mut length) = (String::new(), 0);
    while !head.ends_with("\r\n\r\n") {
        let begins = head.len();
        assert_ne!(stream.read_line(&mut head).await.expect("a line"), 0, "the pusher hung up: {head}");
        let line = head[begins..].to_ascii_lowercase();
        if let Some(told) = line.strip_prefix("content-length:") {
            length = told.trim().parse().expect("a length");
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.expect("a body");
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    tcp.write_all(answer).await.expect("written");
    String::from_utf8_lossy(&body).into_owned()
}
