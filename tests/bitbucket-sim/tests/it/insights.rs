//! Build statuses and Code Insights.

use bitbucket_sim::{TokenSpec, Version, WriteKind};
use http::Method;
use serde_json::{Value, json};

use crate::client::Client;
use crate::{Shop, shop, shop_of, web};

const SHA: &str = "0123456789012345678901234567890123456789";

fn report(tail: &str) -> String {
    format!("/rest/insights/latest/projects/SHOP/repos/web/commits/{SHA}/reports{tail}")
}

fn annotations(count: usize) -> Value {
    let one = json!({"path": "a.txt", "line": 1, "message": "m", "severity": "HIGH", "externalId": "e"});
    json!({"annotations": vec![one; count]})
}

#[tokio::test]
async fn a_status_of_either_resource_is_seen_by_the_other() {
    for version in Version::ALL {
        let Shop { sim, client, .. } = shop_of(version).await;
        let sha = sim.commit_of("SHOP", "web", "master").await.unwrap();
        let (old, new) =
            (format!("/rest/build-status/1.0/commits/{sha}"), web(&format!("/commits/{sha}/builds")));
        let status = |key: &str, state: &str| json!({"key": key, "state": state, "url": "https://ci"});
        assert_eq!(client.post(&old, &status("old", "FAILED")).await.status, 204);
        assert_eq!(client.post(&new, &status("new", "SUCCESSFUL")).await.status, 204);
        let listed = client.get(&old).await.json();
        assert_eq!((&listed["limit"], &listed["values"][0]["key"]), (&json!(100), &json!("new")));
        assert_eq!(client.get(&format!("{new}?key=old")).await.json()["state"], "FAILED");
        let rich = client.get(&format!("{new}?key=new")).await.json();
        assert_eq!(rich.get("projectKey").is_some(), version >= Version::V9_4, "{version:?}");
        let cancelled = client.post(&new, &status("c", "CANCELLED")).await.status.as_u16();
        assert_eq!(cancelled, if version == Version::V7_21 { 400 } else { 204 });
        assert_eq!(client.post(&old, &status("c2", "CANCELLED")).await.status, 400);
        let gone = client.json(Method::DELETE, &format!("{new}?key=new"), &json!({})).await;
        assert_eq!(gone.status, 204);
        assert_eq!(client.get(&format!("{new}?key=new")).await.status, 404);
        assert_eq!(client.get(&new).await.exception(), "ArgumentValidationException");
        let counts = client.post("/rest/build-status/latest/commits/stats", &json!([sha])).await.json();
        assert_eq!(counts[&sha]["failed"], 1);
    }
}

#[tokio::test]
async fn a_build_key_or_ref_that_does_not_fit_is_refused() {
    let Shop { sim, client, .. } = shop().await;
    let path = web(&format!("/commits/{SHA}/builds"));
    let fine = json!({"key": "k", "state": "FAILED", "url": "https://ci", "ref": "refs/heads/master"});
    for (name, value) in [
        ("key", "x".repeat(256)),
        ("key", " ".to_owned()),
        ("url", "x".repeat(451)),
        ("ref", "master".to_owned()),
    ] {
        let mut wrong = fine.clone();
        wrong[name] = json!(value);
        assert_eq!(client.post(&path, &wrong).await.status, 400, "{name}");
    }
    assert_eq!(sim.writes(), []);
    assert_eq!(client.post(&path, &fine).await.status, 204);
}

#[tokio::test]
async fn only_who_made_a_report_may_replace_it() {
    let Shop { sim, client, .. } = shop().await;
    let body =
        json!({"title": "Scan", "result": "FAIL", "data": [{"title": "n", "type": "NUMBER", "value": 3}]});
    assert_eq!(client.get(&report("/scan")).await.json()["errors"][0]["context"], "reportKey");
    let made = client.json(Method::PUT, &report("/scan"), &body).await;
    assert_eq!((made.status.as_u16(), &made.json()["key"]), (200, &json!("scan")));
    let bob = Client::new(&sim, &sim.add_token(TokenSpec::personal("bob")));
    assert_eq!(bob.json(Method::PUT, &report("/scan"), &body).await.status, 401);
    assert_eq!(client.json(Method::PUT, &report("/scan"), &body).await.status, 200);
    assert_eq!(client.get(&report("")).await.json()["size"], 1);
    let writes = sim.writes();
    let replaced: Vec<_> = writes.iter().map(|write| (write.kind, write.fact("replaced"))).collect();
    assert_eq!(replaced, [(WriteKind::PutReport, "false"), (WriteKind::PutReport, "true")]);
}

#[tokio::test]
async fn a_thousand_annotations_fit_and_one_more_refuses_the_whole_request() {
    let Shop { sim, client, .. } = shop().await;
    client.json(Method::PUT, &report("/scan"), &json!({"title": "Scan"})).await;
    let path = report("/scan/annotations");
    assert_eq!(client.post(&path, &annotations(999)).await.status, 204);
    assert_eq!(client.post(&path, &annotations(2)).await.status, 400);
    assert_eq!(client.get(&path).await.json()["totalCount"], 999);
    let long = json!({"annotations": [{"message": "x".repeat(2001), "severity": "LOW"}]});
    assert_eq!(client.post(&path, &long).await.status, 400);
    let one = json!({"message": "m", "severity": "LOW"});
    assert_eq!(client.json(Method::PUT, &report("/scan/annotations/e"), &one).await.status, 204);
    assert_eq!(client.get(&path).await.json()["totalCount"], 1);
    let none = client.json(Method::DELETE, &format!("{path}?externalId=other"), &json!({})).await;
    assert_eq!(
        (none.status.as_u16(), sim.writes().last().unwrap().fact("count").to_owned()),
        (204, "0".to_owned())
    );
    assert_eq!(client.json(Method::DELETE, &path, &json!({})).await.status, 204);
    assert_eq!(client.get(&path).await.json()["totalCount"], 0);
}
