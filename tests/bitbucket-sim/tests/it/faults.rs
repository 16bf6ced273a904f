//! The knobs: what goes wrong on demand, and what has happened all the same.

use std::time::Duration;

use bitbucket_sim::{Fault, RateLimit, Rule, WriteKind};
use http::Method;
use serde_json::json;

use crate::{Shop, shop, web};

#[tokio::test]
async fn a_lost_answer_has_been_performed() {
    let Shop { sim, client, .. } = shop().await;
    sim.knobs().add(Rule::new(Fault::DropAnswer).method("POST").times(1));
    let body = json!({"name": "x", "startPoint": "master"}).to_string();
    let json = [("content-type", "application/json")];
    assert!(client.send(Method::POST, &web("/branches"), &json, body.clone()).await.is_err());
    sim.written(1).await;
    assert_eq!((sim.writes()[0].kind, sim.writes()[0].fact("branch")), (WriteKind::CreateBranch, "x"));
    let again = client.send(Method::POST, &web("/branches"), &json, body).await.unwrap();
    assert_eq!(again.exception(), "DuplicateRefException");
}

#[tokio::test]
async fn a_body_can_break_off_although_its_length_was_promised() {
    let Shop { sim, client, .. } = shop().await;
    sim.knobs().add(Rule::new(Fault::CutAfter(3)).path("/raw/").times(1));
    assert!(client.send(Method::GET, &web("/raw/a.txt"), &[], "").await.is_err());
    assert_eq!(client.get(&web("/raw/a.txt")).await.bytes.len(), 14);
}

#[tokio::test]
async fn login_pages_errors_and_missing_routes_come_on_demand() {
    let Shop { sim, client, .. } = shop().await;
    for (fault, status, kind) in [
        (Fault::LoginPage, 200, "text/html;charset=UTF-8"),
        (Fault::Status(503), 503, "application/json;charset=UTF-8"),
        (Fault::NoRoute, 404, "application/json;charset=UTF-8"),
    ] {
        sim.knobs().add(Rule::new(fault).times(1));
        let reply = client.get(&web("")).await;
        assert_eq!((reply.status.as_u16(), reply.headers["content-type"].to_str().unwrap()), (status, kind));
    }
    sim.knobs().add(Rule::new(Fault::LoginRedirect));
    let moved = client.get(&web("")).await;
    assert_eq!(
        (moved.status.as_u16(), moved.headers["location"].to_str().unwrap().ends_with("/login")),
        (302, true)
    );
    sim.knobs().clear();
    assert_eq!(client.get(&web("")).await.status, 200);
}

#[tokio::test]
async fn a_stalled_request_is_seen_and_has_no_answer() {
    let Shop { sim, client, .. } = shop().await;
    sim.knobs().add(Rule::new(Fault::Stall));
    let path = web("/branches");
    let stalled = client.get(&path);
    assert!(tokio::time::timeout(Duration::from_millis(300), stalled).await.is_err());
    assert_eq!((sim.request_count(), sim.requests()[0].status), (1, None));
}

#[tokio::test]
async fn the_rate_limit_answers_429_and_says_when_to_come_back() {
    let Shop { sim, client, .. } = shop().await;
    sim.knobs().rate_limit(Some(RateLimit { capacity: 2, per_second: 0.001, retry_after: true }));
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(client.get(&web("")).await.status.as_u16());
    }
    assert_eq!(statuses, [200, 200, 429]);
    let refused = client.get(&web("")).await;
    assert!(refused.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
    let users: Vec<_> = sim.requests().iter().map(|request| request.user.clone()).collect();
    assert_eq!(users[3].as_deref(), Some("alice"));
}

#[tokio::test]
async fn a_large_file_is_streamed() {
    let Shop { sim, client, .. } = shop().await;
    let large = bitbucket_sim::Commit::new("Large").zeros("large.bin", 64 << 20);
    sim.add_commits("SHOP", "web", &[large]).await.unwrap();
    let reply = client.get(&web("/raw/large.bin")).await;
    assert_eq!(reply.headers["content-length"], (64 << 20).to_string());
    assert_eq!(reply.bytes.len(), 64 << 20);
}

#[tokio::test]
async fn the_demo_has_an_outdated_dependency() {
    let Shop { sim, client, .. } = shop().await;
    bitbucket_sim::seed::demo(&sim).await.unwrap();
    let manifest = client.get("/rest/api/latest/projects/SHOP/repos/web-shop/raw/package.json").await.json();
    assert_eq!(manifest["dependencies"]["lodash"], "4.17.15");
    assert_eq!(client.get("/rest/api/latest/projects/SHOP/repos").await.json()["size"], 4);
}
