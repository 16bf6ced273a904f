//! Lost answers: every kind of write is performed, and its connection is cut, also one that was kept alive.

use bitbucket_sim::{Fault, Rule, WriteKind};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::pulls::{body, opened};
use crate::{shop, web};

#[tokio::test]
async fn each_write_is_performed_although_its_answer_is_lost() {
    let shop = shop().await;
    opened(&shop, "one", "1.txt", "1\n").await;
    let two = opened(&shop, "two", "2.txt", "2\n").await;
    let commit = bitbucket_sim::Commit::new("x").on("three").file("3.txt", "3\n");
    shop.sim.add_commits("SHOP", "web", &[commit]).await.unwrap();
    shop.sim.knobs().add(Rule::new(Fault::DropAnswer));
    let tip = shop.sim.commit_of("SHOP", "web", "two").await.unwrap();
    let build = json!({"key": "k", "state": "FAILED", "url": "https://ci.example.com"});
    let writes: Vec<(Method, String, Value, WriteKind)> = vec![
        (Method::POST, web("/pull-requests"), body("three"), WriteKind::OpenPullRequest),
        (Method::POST, format!("{two}/comments"), json!({"text": "x"}), WriteKind::Comment),
        (Method::PUT, two.clone(), json!({"version": 0, "title": "T"}), WriteKind::UpdatePullRequest),
        (
            Method::POST,
            web("/branches"),
            json!({"name": "b", "startPoint": "master"}),
            WriteKind::CreateBranch,
        ),
        (Method::POST, web(&format!("/commits/{tip}/builds")), build, WriteKind::BuildStatus),
        (Method::POST, web("/pull-requests/1/decline?version=0"), json!({}), WriteKind::DeclinePullRequest),
        (Method::POST, format!("{two}/merge?version=1"), json!({}), WriteKind::MergePullRequest),
    ];
    let before = shop.sim.writes().len();
    for (count, (method, path, body, kind)) in writes.into_iter().enumerate() {
        let json = [("content-type", "application/json")];
        let reply = shop.client.send(method, &path, &json, body.to_string()).await;
        assert!(reply.is_err(), "{path}: {reply:?}");
        shop.sim.written(before + count + 1).await;
        assert_eq!(shop.sim.writes()[before + count].kind, kind, "{path}");
    }
}

#[tokio::test]
async fn a_kept_connection_is_cut_at_each_second_write_and_not_before() {
    let shop = shop().await;
    let pull = opened(&shop, "fix", "f.txt", "f\n").await;
    let before = shop.sim.writes().len();
    shop.sim.knobs().add(Rule::new(Fault::DropAnswer).method("POST").path("/comments").every(2));
    let path = format!("{pull}/comments");
    let bodies = ["one", "two", "three"].map(|text| json!({"text": text}).to_string());
    let replies = shop.client.kept_alive(Method::POST, &path, &bodies).await;
    let statuses: Vec<Option<StatusCode>> = replies.into_iter().map(Result::ok).collect();
    assert_eq!(
        statuses,
        [Some(StatusCode::CREATED), None, None],
        "the second is cut, the third finds no connection"
    );
    shop.sim.written(before + 2).await;
    let texts: Vec<_> =
        shop.sim.writes()[before..].iter().map(|write| write.fact("text").to_owned()).collect();
    assert_eq!(texts, ["one", "two"]);
}
