//! What a caller cannot reach or smuggle: other tenants, reserved and hop-by-hop headers, and paths that are no command's.

mod spy;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use gitproxy::proto::Reason;
use gitproxy::proto::methods::{METHODS, SCM_PACKAGE};
use secrecy::ExposeSecret as _;
use tonic::Code;

use crate::world::World;
use crate::world::caller::Answer;
use crate::world::wire::{self, Taken};
use spy::Spy;

#[tokio::test]
async fn another_tenants_agent_looks_byte_for_byte_like_a_name_that_does_not_exist() {
    let theirs = World::with(|plan| {
        plan.local("main").agent("other/theirs").local("main").caller("other/caller", "write")
    })
    .await;
    let nobodys = World::start().await;
    for path in [READ, WRITE] {
        for connection in [None, Some("main"), Some("none")] {
            let foreign = refusal(&theirs, path, "theirs", connection).await;
            let unknown = refusal(&nobodys, path, "theirs", connection).await;
            assert_eq!(foreign, unknown, "{path} {connection:?}");
            let status = foreign.status();
            let found = (status.code(), Reason::of(&status));
            assert_eq!(found, (Code::NotFound, Some(Reason::AgentUnknown)), "{status:?}");
            assert!(foreign.headers.contains_key("grpc-status-details-bin"), "{foreign:?}");
            // In the same world too, for a name as long.
            let other = refusal(&theirs, path, "nobody", connection).await;
            assert_eq!(without_name(&foreign, "theirs"), without_name(&other, "nobody"));
        }
    }
    let owner = theirs.caller_named("other/caller").await.at("theirs");
    assert_eq!(owner.raw(READ, &[]).await.expect("an answer").status().code(), Code::Ok, "it is there");
}

#[tokio::test]
async fn every_reserved_header_but_two_is_refused_and_so_is_one_sent_twice() {
    let (world, spy) = Spy::world().await;
    let caller = world.caller().await;
    let held = STANDARD_NO_PAD.encode(b"\x0a\x04main");
    let refused: &[&[(&str, &str)]] = &[
        &[("gitproxy-tenant", "acme")],
        &[("gitproxy-tenant", "other")],
        &[("gitproxy-caller", "operator")],
        &[("gitproxy-connection-bin", &held)],
        &[("gitproxy-agent-bin", "c2l0ZQ")],
        &[("gitproxy-agents", "site")],
        &[("gitproxy-hop", "1")],
        &[("gitproxy-", "x")],
        &[("gitproxy-agent", "site"), ("gitproxy-agent", "site")],
        &[("gitproxy-agent", "site"), ("gitproxy-agent", "other")],
        &[("gitproxy-connection", "main"), ("gitproxy-connection", "main")],
        &[("gitproxy-agent", "site, other")],
        &[("gitproxy-agent", "../site")],
        &[("gitproxy-agent", "")],
        &[("gitproxy-connection", "main\tx")],
    ];
    for headers in refused {
        let status = caller.raw(READ, headers).await.expect("an answer").status();
        let found = (status.code(), Reason::of(&status));
        assert_eq!(found, (Code::InvalidArgument, Some(Reason::HeaderReserved)), "{headers:?}: {status:?}");
        assert!(status.message().contains(headers[0].0), "{headers:?}: {}", status.message());
    }
    assert_eq!(spy.take(), [], "nothing reached the agent");
    let named = caller.at("site").on("main").raw(READ, &[]).await.expect("an answer");
    assert_eq!(named.status().code(), Code::Ok);
    assert_eq!(spy.take().len(), 1, "the two that are allowed, once each, pass");
}

#[tokio::test]
async fn a_connection_that_the_cloud_holds_does_not_lead_to_the_agents_own_machine() {
    let world = World::with(|plan| plan.guarded().local("main").held("cloud")).await;
    assert!(world.sim.url().starts_with("https://localhost:"), "a name that leads to loopback");
    let (caller, before) = (world.caller().await, world.sim.request_count());
    let status = caller.clone().on("cloud").raw(READ, &[]).await.expect("an answer").status();
    let found = (status.code(), Reason::of(&status));
    assert_eq!(found, (Code::PermissionDenied, Some(Reason::OriginRefused)), "{status:?}");
    assert!(!status.message().contains("127.0.0.1") && !status.message().contains("::1"), "{status:?}");
    assert_eq!(world.sim.request_count(), before, "{:?}", world.sim.requests());
    let own = caller.on("main").raw(READ, &[]).await.expect("an answer");
    assert_eq!(
        own.status().code(),
        Code::Ok,
        "what the agent's own settings name is not the guard's business"
    );
}

#[tokio::test]
async fn what_else_a_caller_sends_is_dropped_before_the_agent() {
    let (world, spy) = Spy::world().await;
    let caller = world.caller().await;
    let dropped = [
        ("cookie", "session=1"),
        ("proxy-authorization", "Basic eDp5"),
        ("forwarded", "for=10.0.0.1"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "http"),
        ("x-real-ip", "10.0.0.1"),
        ("x-atlassian-token", "no-check"),
        ("x-ausername", "admin"),
        ("origin", "https://evil.example"),
        ("expect", "100-continue"),
        ("host", "evil.example"),
    ];
    let answer = caller.raw(READ, &dropped).await.expect("an answer");
    assert_eq!(answer.status().code(), Code::Ok, "{answer:?}");
    let seen = spy.take();
    let mut names: Vec<_> = seen[0].headers.keys().map(|name| name.as_str().to_owned()).collect();
    names.sort();
    // The deadline and the trace are the gateway's own, since the call came without, and so is the length, which hyper counts.
    let expected = [
        "content-length",
        "content-type",
        "gitproxy-caller",
        "gitproxy-tenant",
        "grpc-timeout",
        "te",
        "traceparent",
    ];
    assert_eq!(names, expected, "and no authorization");
    let signed = |name: &str| seen[0].headers[name].to_str().expect("ASCII").to_owned();
    assert_eq!((signed("gitproxy-tenant"), signed("gitproxy-caller")), ("acme".into(), "caller".into()));
    assert_eq!(seen[0].body.as_ref(), [0; 5], "the body is forwarded as it came");
}

#[tokio::test]
async fn a_header_that_belongs_to_a_hop_breaks_the_request() {
    let (world, spy) = Spy::world().await;
    assert_eq!(by_hand(&world, READ, &[]).await, Taken::Answered, "the request is good without one");
    assert_eq!(spy.take().len(), 1);
    let malformed = [
        ("connection", "close"),
        ("connection", "gitproxy-agent"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("te", "gzip"),
        ("te", "trailers, deflate"),
        ("Gitproxy-Tenant", "other"),
        ("gitproxy-agent", "site\r\ngitproxy-tenant: other"),
        (":authority", "evil.example"),
        (":path", "/gitproxy.agent.v1.Instances/GetInstance"),
    ];
    for (name, value) in malformed {
        let taken = by_hand(&world, READ, &[(name, value)]).await;
        assert!(matches!(taken, Taken::Reset(_) | Taken::Gone), "{name}: {value:?} is {taken:?}");
        assert_eq!(spy.take(), [], "{name}: {value:?}");
    }
}

#[tokio::test]
async fn no_path_outside_the_scm_services_is_forwarded() {
    let (world, spy) = Spy::world().await;
    let caller = world.caller_named("acme/operator").await;
    let others = METHODS.iter().filter(|method| method.package != SCM_PACKAGE).map(|method| method.path);
    let others: Vec<_> = others.collect();
    assert!(others.len() >= 3, "{others:?}");
    for path in others.into_iter().chain(TRICKS.iter().copied()) {
        let status = caller.raw(path, &[]).await.expect("an answer").status();
        if path == DIAGNOSE_AGENT {
            // The gateway asks on its own behalf, by another path and without the caller's token.
            let paths: Vec<_> = spy.take().into_iter().map(|seen| seen.path).collect();
            assert_eq!(paths, ["/gitproxy.agent.v1.Instances/Diagnose"]);
        } else if path != LIST_AGENTS {
            let found = (status.code(), Reason::of(&status));
            assert_eq!(found, (Code::Unimplemented, Some(Reason::MethodUnknown)), "{path}: {status:?}");
        }
        assert_eq!(spy.take(), [], "{path}");
    }
    for path in UNSENDABLE {
        let taken = by_hand(&world, path, &[]).await;
        assert_eq!(spy.take(), [], "{path:?}, which was {taken:?}");
    }
}

#[tokio::test]
async fn a_query_is_no_part_of_what_the_agent_gets() {
    let (world, spy) = Spy::world().await;
    let path = format!("{READ}?project=OTHER");
    world.caller().await.raw(&path, &[]).await.expect("an answer");
    let paths: Vec<_> = spy.take().into_iter().map(|seen| seen.path).collect();
    assert_eq!(paths, [READ]);
}

/// What names no agent of the caller's tenant; without the date.
async fn refusal(world: &World, path: &str, agent: &str, connection: Option<&str>) -> Answer {
    let caller = world.caller().await.at(agent);
    let caller = connection.map_or_else(|| caller.clone(), |name| caller.clone().on(name));
    let mut answer = caller.raw(path, &[]).await.expect("an answer");
    answer.headers.remove("date");
    answer
}

/// All of an answer in one text, its details decoded, without the name that was asked for.
fn without_name(answer: &Answer, name: &str) -> String {
    let mut headers = answer.headers.clone();
    let details = headers.remove("grpc-status-details-bin").expect("details");
    let details = STANDARD_NO_PAD.decode(details).expect("base64");
    let details = String::from_utf8_lossy(&details).into_owned();
    format!("{headers:?} {details:?} {:?} {:?}", answer.body, answer.trailers).replace(name, "NAME")
}

/// A call by hand, with these fields last.
async fn by_hand(world: &World, path: &str, more: &[(&str, &str)]) -> Taken {
    let token = world.caller_token("acme/caller").secret().expose_secret();
    let bearer = format!("Bearer {token}");
    let usual = [
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", "localhost"),
        (":path", path),
        ("content-type", "application/grpc"),
        ("authorization", &bearer),
    ];
    let fields = [&usual, more].concat();
    wire::send(world.gateway.callers_addr(), &world.roots, &fields).await
}

const READ: &str = "/gitproxy.scm.v1.Repos/ListRepos";
const WRITE: &str = "/gitproxy.scm.v1.Refs/CreateBranch";
/// The gateway answers this one itself.
const LIST_AGENTS: &str = "/gitproxy.gateway.v1.Agents/ListAgents";
const DIAGNOSE_AGENT: &str = "/gitproxy.gateway.v1.Agents/DiagnoseAgent";

/// Paths that are almost a command's.
const TRICKS: &[&str] = &[
    "/",
    "//gitproxy.scm.v1.Repos/ListRepos",
    "/gitproxy.scm.v1.Repos//ListRepos",
    "/gitproxy.scm.v1.Repos/ListRepos/",
    "/gitproxy.scm.v1.Repos/ListRepos/x",
    "/gitproxy.scm.v1.Repos%2FListRepos",
    "/gitproxy.scm.v1.Repos/%4CistRepos",
    "/gitproxy.scm.v1.Repos/ListRepos%00",
    "/gitproxy.scm.v1.Repos/ListRepos;x",
    "/gitproxy.scm.v1.Repos/./ListRepos",
    "/./gitproxy.scm.v1.Repos/ListRepos",
    "/gitproxy.scm.v1.Repos/../gitproxy.scm.v1.Repos/ListRepos",
    "/gitproxy.scm.v1.Repos/../gitproxy.agent.v1.Instances/GetInstance",
    "/gitproxy.scm.v1.Repos/ListRepos/../../gitproxy.agent.v1.Instances/GetInstance",
    "/gitproxy.scm.v1.repos/listrepos",
    "/GITPROXY.SCM.V1.REPOS/LISTREPOS",
    "/x/gitproxy.scm.v1.Repos/ListRepos",
    "/gitproxy.scm.v2.Repos/ListRepos",
    "/gitproxy.scm.v1.Repos/DropRepos",
    "/gitproxy.scm.v1/Repos/ListRepos",
    "/grpc.channelz.v1.Channelz/GetServers",
];

/// Paths that no client library would send.
const UNSENDABLE: &[&str] = &[
    "",
    "*",
    "gitproxy.scm.v1.Repos/ListRepos",
    "https://localhost/gitproxy.scm.v1.Repos/ListRepos",
    "https://evil.example/gitproxy.scm.v1.Repos/ListRepos",
    "/gitproxy.scm.v1.Repos/ListRepos\r\nx: y",
    " /gitproxy.scm.v1.Repos/ListRepos",
    "\\gitproxy.scm.v1.Repos\\ListRepos",
];
