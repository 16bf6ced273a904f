use http::{HeaderValue, header};
use http_body_util::{BodyExt as _, Full};
use secrecy::ExposeSecret as _;
use tonic::{Code, Status};
use tonic_health::server::HealthReporter;
use tonic_types::StatusExt as _;
use tower::ServiceExt as _;

use super::*;
use crate::gateway::directory::Memory;
use crate::gateway::fake::{self, Echo};
use crate::gateway::phase::{Phase, phase};
use crate::gateway::role::Role;
use crate::ops::Key;
use crate::proto::Reason;
use crate::proto::gateway::v1::agents_client::AgentsClient;
use crate::proto::gateway::v1::{DiagnoseAgentRequest, DiagnoseAgentResponse};
use crate::proto::methods::{METHODS, SCM_PACKAGE};

mod bounded;
mod chosen;
mod resent;

const READ: &str = "/gitproxy.scm.v1.Repos/ListRepos";
const WRITE: &str = "/gitproxy.scm.v1.Refs/CreateBranch";
const LIST_AGENTS: &str = "/gitproxy.gateway.v1.Agents/ListAgents";

#[tokio::test]
async fn a_call_reaches_the_tenants_only_agent_with_its_body_and_its_caller() {
    let house = House::new();
    let agent = house.attach("acme", "a");
    let status = house.call(READ, &house.token, &[("grpc-timeout", "5S"), ("cookie", "x=y")]).await;
    assert_eq!(status.code(), Code::Ok);
    let seen = agent.seen.lock().expect("lock");
    assert_eq!((seen[0].path.as_str(), seen[0].body.as_slice()), (READ, &b"body"[..]));
    assert_eq!(
        (&seen[0].headers["gitproxy-tenant"], &seen[0].headers["gitproxy-caller"]),
        (&HeaderValue::from_static("acme"), &HeaderValue::from_static("s"))
    );
    assert!(!seen[0].headers.contains_key("authorization") && !seen[0].headers.contains_key("cookie"));
}

#[tokio::test]
async fn every_scm_method_is_forwarded_and_no_other_path_is() {
    let house = House::new();
    let agent = house.attach("acme", "a");
    let token = house.store.caller_with("acme", "operator", Role::Operator);
    for method in METHODS.iter().filter(|method| method.package == SCM_PACKAGE) {
        assert_eq!(house.call(method.path, &token, &[]).await.code(), Code::Ok, "{}", method.path);
    }
    let forwarded = agent.seen.lock().expect("lock").len();
    let others =
        METHODS.iter().filter(|m| m.package != SCM_PACKAGE && !local::serves(m.path)).map(|m| m.path);
    let made_up = [
        "/",
        "//gitproxy.scm.v1.Repos/ListRepos",
        "/gitproxy.scm.v1.Repos/ListRepos/",
        "/gitproxy.scm.v1.Repos/listRepos",
        "/gitproxy.scm.v1.Repos/../Repos/ListRepos",
        "/gitproxy.scm.v1.Repos%2fListRepos",
        "/x/gitproxy.scm.v1.Repos/ListRepos",
        "/grpc.health.v1.Health/List",
        "/rest/api/latest/projects",
    ];
    for path in others.chain(made_up) {
        let status = house.call(path, &token, &[]).await;
        assert_eq!((status.code(), reason(&status)), (Code::Unimplemented, Reason::MethodUnknown), "{path}");
    }
    assert_eq!(agent.seen.lock().expect("lock").len(), forwarded);
}

#[tokio::test]
async fn a_gateway_that_drains_sends_to_a_session_while_it_is_there_and_then_elsewhere() {
    let house = House::new();
    let agent = house.attach("acme", "a");
    let session = house.directory.sessions(&fake::agent_id("acme", "a")).remove(0);
    // The agent has moved: this session shall get nothing new.
    session.drain();
    let status = house.call(READ, &house.token, &[]).await;
    assert_eq!((status.code(), reason(&status)), (Code::Unavailable, Reason::AgentAway));
    house.phase.send_replace(Phase::Draining);
    assert_eq!(house.call(READ, &house.token, &[]).await.code(), Code::Ok);
    assert_eq!(agent.seen.lock().expect("lock").len(), 1);
    house.directory.leave(&session);
    for waits in [&[][..], &[("gitproxy-wait", "true")]] {
        let status = house.call(READ, &house.token, waits).await;
        assert_eq!((status.code(), reason(&status)), (Code::Unavailable, Reason::Draining), "{status:?}");
        assert!(status.get_error_details().retry_info().is_some());
    }
}

#[tokio::test]
async fn a_role_that_is_too_small_is_refused_before_the_agent() {
    let house = House::new();
    let agent = house.attach("acme", "a");
    let reader = house.store.caller_with("acme", "reader", Role::Read);
    let status = house.call(WRITE, &reader, &[]).await;
    assert_eq!((status.code(), reason(&status)), (Code::PermissionDenied, Reason::RoleMissing));
    assert!(agent.seen.lock().expect("lock").is_empty());
    assert_eq!(house.call(READ, &reader, &[]).await.code(), Code::Ok);
}

#[tokio::test]
async fn who_is_unknown_learns_nothing() {
    let house = House::new();
    let stranger = Key::generate().expect("entropy");
    for path in [READ, LIST_AGENTS, "/grpc.health.v1.Health/Check", "/no.such/Method"] {
        let status = house.call(path, &stranger, &[("gitproxy-x", "y")]).await;
        assert_eq!(
            (status.code(), reason(&status)),
            (Code::Unauthenticated, Reason::CredentialInvalid),
            "{path}"
        );
    }
}

#[tokio::test]
async fn an_agent_at_the_callers_listener_is_told_of_the_other_one_whatever_its_key() {
    let house = House::new();
    let stranger = Key::generate().expect("entropy");
    for path in ["/gitproxy.tunnel.v1.Tunnel/Attach", "/gitproxy.tunnel.v1.Tunnel/Probe"] {
        let status = house.call(path, &stranger, &[]).await;
        assert_eq!((status.code(), reason(&status)), (Code::Unimplemented, Reason::MethodUnknown), "{path}");
        assert!(status.message().contains("agents attach at its other one"), "{status:?}");
    }
}

#[tokio::test]
async fn a_reserved_header_is_refused_before_the_agent() {
    let house = House::new();
    let agent = house.attach("acme", "a");
    for header in ["gitproxy-tenant", "gitproxy-caller", "gitproxy-connection-bin", "gitproxy-anything"] {
        let status = house.call(READ, &house.token, &[(header, "x")]).await;
        assert_eq!(
            (status.code(), reason(&status)),
            (Code::InvalidArgument, Reason::HeaderReserved),
            "{header}"
        );
    }
    assert!(agent.seen.lock().expect("lock").is_empty());
}

#[tokio::test]
async fn another_tenants_agent_looks_byte_for_byte_like_one_that_does_not_exist() {
    let house = House::new();
    let unknown = house.raw(READ, &house.token, &[("gitproxy-agent", "theirs")]).await;
    let theirs = house.attach("other", "theirs");
    let foreign = house.raw(READ, &house.token, &[("gitproxy-agent", "theirs")]).await;
    assert_eq!(unknown, foreign);
    assert!(
        unknown.contains("\"grpc-status\": \"5\"") && unknown.contains("grpc-status-details-bin"),
        "{unknown}"
    );
    assert!(theirs.seen.lock().expect("lock").is_empty());
}

#[tokio::test]
async fn a_known_agent_that_is_away_is_unavailable_with_a_retry_delay() {
    let house = House::new();
    house.store.agent_key("acme", "a");
    let status = house.call(READ, &house.token, &[("gitproxy-agent", "a")]).await;
    assert_eq!((status.code(), reason(&status)), (Code::Unavailable, Reason::AgentAway));
    assert!(status.get_details_retry_info().is_some());
}

#[tokio::test]
async fn with_several_agents_one_must_be_named() {
    let house = House::new();
    let (a, b) = (house.attach("acme", "a"), house.attach("acme", "b"));
    let status = house.call(READ, &house.token, &[]).await;
    assert_eq!((status.code(), reason(&status)), (Code::InvalidArgument, Reason::AgentAmbiguous));
    assert_eq!(house.call(READ, &house.token, &[("gitproxy-agent", "b")]).await.code(), Code::Ok);
    let seen = |agent: &Echo| agent.seen.lock().expect("lock").len();
    assert_eq!((seen(&a), seen(&b)), (0, 1));
}

#[tokio::test]
async fn a_held_connection_travels_with_the_call_and_a_local_name_without_a_secret() {
    let house = House::new();
    let agent = house.attach("acme", "a");
    house.store.hold("acme", "a", "main");
    for named in [&[][..], &[("gitproxy-connection", "main")], &[("gitproxy-connection", "local")]] {
        assert_eq!(house.call(READ, &house.token, named).await.code(), Code::Ok);
    }
    house.store.hold("acme", "a", "second");
    assert_eq!(house.call(READ, &house.token, &[]).await.code(), Code::Ok);
    let seen = agent.seen.lock().expect("lock");
    let sent = |at: usize, name: &str| seen[at].headers.get(name).cloned();
    // The agent must see that nobody named it.
    assert_eq!(sent(0, "gitproxy-connection"), None);
    assert_eq!(sent(1, "gitproxy-connection"), Some(HeaderValue::from_static("main")));
    for at in [0, 1] {
        assert!(sent(at, "gitproxy-connection-bin").expect("held").is_sensitive());
    }
    assert_eq!(sent(2, "gitproxy-connection"), Some(HeaderValue::from_static("local")));
    assert_eq!(sent(2, "gitproxy-connection-bin"), None);
    assert_eq!((sent(3, "gitproxy-connection"), sent(3, "gitproxy-connection-bin")), (None, None));
}

#[tokio::test]
async fn the_gateway_lists_the_tenants_agents_and_no_others() {
    let house = House::new();
    house.attach("acme", "a");
    house.attach("other", "theirs");
    let mut client = AgentsClient::new(house.stack.clone());
    let mut request = tonic::Request::new(crate::proto::gateway::v1::ListAgentsRequest {});
    request.metadata_mut().insert("authorization", bearer(&house.token).to_str().unwrap().parse().unwrap());
    let agents = client.list_agents(request).await.expect("listed").into_inner().agents;
    assert_eq!(agents.len(), 1);
    assert_eq!((agents[0].name.as_str(), agents[0].instances[0].id.as_str()), ("a", "instance"));
}

#[tokio::test]
async fn an_operator_has_an_instance_diagnosed_and_nobody_else_may() {
    let house = House::new();
    let findings = fake::diagnosis();
    house.store.agent_key("acme", "a");
    for instance in ["one", "two"] {
        let session = fake::attached(&fake::agent_id("acme", "a"), instance, findings.clone());
        house.directory.enter(session, 16).expect("room");
    }
    let operator = house.store.caller_with("acme", "operator", Role::Operator);
    let found = house.diagnose(&operator, "a", "two").await.expect("an answer");
    assert_eq!(
        (found.agent.as_str(), found.instance.as_str(), found.legs[0].name.as_str()),
        ("a", "two", "gateway")
    );
    assert!(house.diagnose(&operator, "", "").await.is_ok(), "the tenant has one agent");
    {
        let seen = findings.seen.lock().expect("lock");
        assert_eq!(seen[0].path, "/gitproxy.agent.v1.Instances/Diagnose");
        assert_eq!(seen[0].headers["gitproxy-caller"], "operator");
        assert!(!seen[0].headers.contains_key("authorization"), "{:?}", seen[0].headers);
    }
    let refused = [
        (&house.token, "a", "", Code::PermissionDenied, Reason::RoleMissing),
        (&operator, "b", "", Code::NotFound, Reason::AgentUnknown),
        (&operator, "a b", "", Code::InvalidArgument, Reason::InvalidField),
        (&operator, "a", "three", Code::Unavailable, Reason::AgentAway),
    ];
    for (token, agent, instance, code, expected) in refused {
        let status = house.diagnose(token, agent, instance).await.expect_err("refused");
        assert_eq!((status.code(), reason(&status)), (code, expected), "{agent} {instance}");
    }
    assert_eq!(findings.seen.lock().expect("lock").len(), 2);
}

#[tokio::test]
async fn reflection_shows_the_scm_services_and_the_gateways_own_and_needs_a_token() {
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
    use tonic_reflection::pb::v1::{ListServiceResponse, ServerReflectionRequest};

    let house = House::new();
    let ask = ServerReflectionRequest {
        message_request: Some(MessageRequest::ListServices(String::new())),
        ..ServerReflectionRequest::default()
    };
    let mut client = ServerReflectionClient::new(house.stack.clone());
    let refused = client.server_reflection_info(tokio_stream::iter([ask.clone()])).await;
    assert_eq!(refused.expect_err("no token").code(), Code::Unauthenticated);

    let mut request = tonic::Request::new(tokio_stream::iter([ask]));
    request.metadata_mut().insert("authorization", bearer(&house.token).to_str().unwrap().parse().unwrap());
    let mut answers = client.server_reflection_info(request).await.expect("allowed").into_inner();
    let answer = answers.message().await.expect("an answer").and_then(|answer| answer.message_response);
    let Some(MessageResponse::ListServicesResponse(ListServiceResponse { service })) = answer else {
        panic!("no list: {answer:?}");
    };
    let names: Vec<_> = service.into_iter().map(|service| service.name).collect();
    assert!(names.contains(&"gitproxy.scm.v1.Repos".to_owned()), "{names:?}");
    assert!(names.contains(&"gitproxy.gateway.v1.Agents".to_owned()), "{names:?}");
    assert!(
        names.iter().all(|name| name.starts_with("gitproxy.scm.v1.")
            || name.ends_with(".Agents")
            || name.starts_with("grpc.")),
        "{names:?}"
    );
}

struct House {
    store: fake::Store,
    directory: Arc<dyn Directory>,
    token: Key,
    stack: tunnel::Service,
    phase: tokio::sync::watch::Sender<Phase>,
}

impl House {
    fn new() -> Self {
        Self::with(Limits::default())
    }

    fn with(limits: Limits) -> Self {
        let store = fake::Store::new();
        let token = store.caller_token("acme", "s");
        let shared: Arc<dyn Store> = Arc::new(store.clone());
        let directory: Arc<dyn Directory> = Arc::new(Memory::default());
        let local = Local::new(&shared, &directory, HealthReporter::new()).expect("descriptors");
        let ((sender, phase), observer) = (phase(), Observer::default());
        let stack = stack(&shared, &directory, local, limits, &observer, (phase, &Tasks::new()));
        Self { store, directory, token, stack, phase: sender }
    }

    fn attach(&self, tenant: &str, agent: &str) -> Echo {
        self.store.agent_key(tenant, agent);
        let echo = Echo::default();
        let session = fake::attached(&fake::agent_id(tenant, agent), "instance", echo.clone());
        self.directory.enter(session, 16).expect("room");
        echo
    }

    async fn answer(
        &self,
        path: &str,
        token: &Key,
        headers: &[(&'static str, &str)],
    ) -> http::Response<Body> {
        let body = Body::new(Full::from("body").map_err(|never| match never {}));
        let mut request = http::Request::post(path).body(body).expect("a request");
        request.headers_mut().insert(header::AUTHORIZATION, bearer(token));
        for (name, value) in headers {
            request.headers_mut().append(*name, HeaderValue::from_str(value).expect("value"));
        }
        self.stack.clone().oneshot(request).await.expect("an answer")
    }

    /// How the call ends.
    async fn call(&self, path: &str, token: &Key, headers: &[(&'static str, &str)]) -> Status {
        let answer = self.answer(path, token, headers).await;
        if let Some(status) = Status::from_header_map(answer.headers()) {
            return status;
        }
        let collected = answer.into_body().collect().await.expect("whole");
        collected.trailers().and_then(Status::from_header_map).unwrap_or_else(|| Status::ok(""))
    }

    async fn diagnose(
        &self,
        token: &Key,
        agent: &str,
        instance: &str,
    ) -> Result<DiagnoseAgentResponse, Status> {
        let ask = DiagnoseAgentRequest { agent: agent.to_owned(), instance: instance.to_owned() };
        let mut request = tonic::Request::new(ask);
        let bearer = bearer(token).to_str().expect("ASCII").parse().expect("ASCII");
        request.metadata_mut().insert("authorization", bearer);
        let answer = AgentsClient::new(self.stack.clone()).diagnose_agent(request).await;
        answer.map(tonic::Response::into_inner)
    }

    /// The answer as it travels.
    async fn raw(&self, path: &str, token: &Key, headers: &[(&'static str, &str)]) -> String {
        let (parts, body) = self.answer(path, token, headers).await.into_parts();
        let body = body.collect().await.expect("whole");
        format!("{parts:?} {:?} {:?}", body.trailers().cloned(), body.to_bytes())
    }
}

fn bearer(key: &Key) -> HeaderValue {
    HeaderValue::from_str(&format!("Bearer {}", key.secret().expose_secret())).expect("ASCII")
}

fn reason(status: &Status) -> Reason {
    Reason::of(status).unwrap_or_default()
}
