//! What a collector is told: metrics of both ends, and one trace from the caller to Bitbucket.

use std::collections::BTreeSet;
use std::fs;

use gitproxy::proto::scm::v1 as pb;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

use crate::tools::Nats;
use crate::tree;
use crate::world::collector::{Collector, Point, points, spans, texts};
use crate::world::{Caller, World};

#[tokio::test(flavor = "multi_thread")]
async fn both_ends_push_what_they_measure() {
    let collector = Collector::start().await;
    let world = World::with(|plan| plan.local("main").push(&collector.url())).await;
    let caller = world.caller().await;
    list(&caller, "SHOP").await.expect("repositories");
    list(&caller, "SECRET").await.expect_err("outside");
    let expected = [
        "gitproxy rpc.server.call.duration{rpc.method=gitproxy.scm.v1.Repos/ListRepos,rpc.response.status_code=OK,rpc.system.name=grpc} s 1",
        "gitproxy rpc.server.call.duration{rpc.method=gitproxy.scm.v1.Repos/ListRepos,rpc.response.status_code=PERMISSION_DENIED,rpc.system.name=grpc} s 1",
        "gitproxy gitproxy.call.failures{gitproxy.class=unary,gitproxy.reason=OUTSIDE_PROJECT} {call} 1",
        "gitproxy gitproxy.calls.in_flight{gitproxy.class=unary} {call} 0",
        "gitproxy gitproxy.link.attached{} 1 1",
        "gitproxy gitproxy.link.dials{gitproxy.verdict=attached} {dial} 1",
        "gitproxy gitproxy.link.sessions{gitproxy.session.phase=open} {session} 1",
        "gitproxy gitproxy.budget.wait{gitproxy.connection=main} s 1",
        "gitproxy http.client.request.duration{gitproxy.connection=main,http.request.method=GET,http.response.status_code=200} s 1",
        "gitproxy-gateway rpc.server.call.duration{rpc.method=gitproxy.scm.v1.Repos/ListRepos,rpc.response.status_code=OK,rpc.system.name=grpc} s 1",
        "gitproxy-gateway gitproxy.call.failures{gitproxy.class=unary,gitproxy.reason=OUTSIDE_PROJECT} {call} 1",
        "gitproxy-gateway gitproxy.sessions{gitproxy.agent=site,gitproxy.tenant=acme} {session} 1",
        "gitproxy-gateway gitproxy.agents{} {agent} 1",
        "gitproxy-gateway gitproxy.attaches{gitproxy.verdict=WELCOME} {attach} 1",
        "gitproxy-gateway gitproxy.handshakes{gitproxy.listener=agents} {connection} 0",
    ];
    for line in expected {
        collector.until(line, |pushes| points(pushes).iter().any(|it| shown(it) == line).then_some(())).await;
    }
    for (service, metric) in
        [("gitproxy", "gitproxy.link.round_trip"), ("gitproxy-gateway", "gitproxy.sessions.round_trip")]
    {
        let known = |it: &Point| it.service == service && it.metric == metric && it.value > 0.0;
        collector.until(metric, |pushes| points(pushes).iter().any(known).then_some(())).await;
    }
    for service in ["gitproxy", "gitproxy-gateway"] {
        for direction in ["receive", "transmit"] {
            let label = format!("network.io.direction={direction}");
            let moved = |it: &Point| {
                it.service == service
                    && it.metric == "gitproxy.call.io"
                    && it.labels == [label.clone()]
                    && it.value > 5.0
            };
            collector.until(&label, |pushes| points(pushes).iter().any(moved).then_some(())).await;
        }
    }
    let page = fs::read_to_string(tree::root().join("docs/operations.md")).expect("the page");
    let names: BTreeSet<_> = points(&collector.pushes()).into_iter().map(|point| point.metric).collect();
    for name in names {
        assert!(page.contains(&format!("| `{name}` |")), "docs/operations.md does not have {name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whether_gateways_share_their_directory_is_measured() {
    let Some(mut nats) = Nats::start().await else { return };
    let collector = Collector::start().await;
    let world = World::with(|plan| plan.local("main").push(&collector.url()).cluster(&nats.url())).await;
    let _far = world.another(&nats.url()).await;
    let told = async |line: &str| {
        collector.until(line, |pushes| points(pushes).iter().any(|it| shown(it) == line).then_some(())).await;
    };
    told("gitproxy-gateway gitproxy.cluster.joined{} 1 1").await;
    told("gitproxy-gateway gitproxy.cluster.gateways{} {gateway} 1").await;
    nats.stop();
    let before = collector.pushes().len();
    let away = "gitproxy-gateway gitproxy.cluster.joined{} 1 0";
    let late = |pushes: &[_]| points(&pushes[before..]).iter().any(|it| shown(it) == away).then_some(());
    collector.until(away, late).await;
    let page = fs::read_to_string(tree::root().join("docs/operations.md")).expect("the page");
    for name in ["gitproxy.cluster.joined", "gitproxy.cluster.gateways", "gitproxy.forwards"] {
        assert!(page.contains(&format!("| `{name}` |")), "docs/operations.md does not have {name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_goes_from_the_caller_to_bitbucket_and_only_if_the_caller_samples_it() {
    let collector = Collector::start().await;
    let world = World::with(|plan| plan.local("main").push(&collector.url())).await;
    let caller = world.caller().await;
    let unsampled = caller.clone().having("traceparent", &format!("00-{OTHER}-{ABOVE}-00"));
    list(&unsampled, "SHOP").await.expect("repositories");
    list(&caller, "SHOP").await.expect("repositories");
    let sampled = caller.having("traceparent", &format!("00-{TRACE}-{ABOVE}-01"));
    list(&sampled, "SHOP").await.expect("repositories");
    list(&sampled, "SECRET").await.expect_err("outside");
    let told = collector.until("five spans", |pushes| Some(spans(pushes)).filter(|it| it.len() >= 5)).await;
    let of = |service: &str, kind: SpanKind, method: &str| -> Vec<Span> {
        let same = |(from, span): &&(String, Span)| {
            from == service && span.kind == i32::from(kind) && span.name == method
        };
        told.iter().filter(same).map(|(_, span)| span.clone()).collect()
    };
    assert!(told.iter().all(|(_, span)| hex(&span.trace_id) == TRACE), "{told:#?}");
    let gateway = of("gitproxy-gateway", SpanKind::Server, LIST);
    let agent = of("gitproxy", SpanKind::Server, LIST);
    let bitbucket = of("gitproxy", SpanKind::Client, "GET");
    assert_eq!((gateway.len(), agent.len(), bitbucket.len()), (2, 2, 1), "{told:#?}");
    assert!(gateway.iter().all(|span| hex(&span.parent_span_id) == ABOVE));
    for span in &agent {
        assert!(gateway.iter().any(|above| above.span_id == span.parent_span_id), "{told:#?}");
    }
    let above = agent.iter().find(|span| span.span_id == bitbucket[0].parent_span_id).expect("its call");
    assert!(texts(&above.attributes).contains(&"rpc.response.status_code=OK".to_owned()), "{above:#?}");
    let expected = ["http.request.method=GET", "http.response.status_code=200", "server.address=localhost"];
    assert_eq!(texts(&bitbucket[0].attributes), expected, "nothing of what was asked for");
    let refused = agent.iter().find(|span| span.span_id != bitbucket[0].parent_span_id).expect("the other");
    assert!(texts(&refused.attributes).contains(&"gitproxy.reason=OUTSIDE_PROJECT".to_owned()));
    let code = refused.status.as_ref().map_or(0, |status| status.code);
    assert_eq!(code, i32::from(StatusCode::Unset), "what a caller may not do is no fault of ours");
}

async fn list(caller: &Caller, project: &str) -> Result<(), tonic::Status> {
    let asked = pb::ListReposRequest { project: project.into(), ..Default::default() };
    caller.repos().list_repos(caller.ask(asked)).await.map(drop)
}

fn shown(point: &Point) -> String {
    let Point { service, metric, unit, labels, value } = point;
    format!("{service} {metric}{{{}}} {unit} {value}", labels.join(","))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const LIST: &str = "gitproxy.scm.v1.Repos/ListRepos";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const OTHER: &str = "11111111111111111111111111111111";
const ABOVE: &str = "00f067aa0ba902b7";
