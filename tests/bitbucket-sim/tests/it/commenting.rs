//! Comments, tasks, reviews and suggestions.

use bitbucket_sim::{Commit, Version, WriteKind};
use http::Method;
use serde_json::{Value, json};

use crate::client::Reply;
use crate::pulls::{as_user, opened};
use crate::{Shop, shop, shop_of, web};

async fn post(shop: &Shop, pull: &str, body: &Value) -> Reply {
    shop.client.post(&format!("{pull}/comments"), body).await
}

async fn put(shop: &Shop, path: &str, body: &Value) -> Reply {
    shop.client.json(Method::PUT, path, body).await
}

#[tokio::test]
async fn a_comment_has_every_member_and_its_version_guards_it() {
    let shop = shop().await;
    let pull = opened(&shop, "fix", "f.txt", "f\n").await;
    let made = post(&shop, &pull, &json!({"text": "one"})).await;
    assert!(made.headers.contains_key("location"));
    let comment = made.json();
    for member in [
        "properties",
        "id",
        "version",
        "text",
        "author",
        "createdDate",
        "updatedDate",
        "comments",
        "severity",
        "state",
        "threadResolved",
        "permittedOperations",
    ] {
        assert!(comment.get(member).is_some(), "{member}: {comment}");
    }
    let address = format!("{pull}/comments/{}", comment["id"]);
    let edited = put(&shop, &address, &json!({"text": "two", "version": 0})).await.json();
    assert_eq!((&edited["text"], &edited["version"]), (&json!("two"), &json!(1)));
    let stale = put(&shop, &address, &json!({"text": "three", "version": 0})).await;
    assert_eq!((stale.status.as_u16(), stale.exception().as_str()), (409, "CommentOutOfDateException"));
    let reply = post(&shop, &pull, &json!({"text": "re", "parent": {"id": comment["id"]}})).await.json();
    let delete = async |path: String| shop.client.send(Method::DELETE, &path, &[], "").await.unwrap();
    assert_eq!(delete(address.clone()).await.exception(), "CommentOutOfDateException");
    assert_eq!(delete(format!("{address}?version=1")).await.exception(), "CommentDeletionException");
    assert_eq!(delete(format!("{pull}/comments/{}?version=0", reply["id"])).await.status, 204);
    assert_eq!(delete(format!("{address}?version=1")).await.status, 204);
    assert_eq!(shop.client.get(&address).await.exception(), "NoSuchCommentException");
    assert_eq!(shop.client.get(&format!("{pull}/comments")).await.status, 400, "a path is required");
    assert_eq!(shop.client.get(&format!("{pull}/tasks")).await.json()["status-code"], 404);
    let comments = shop.sim.writes().into_iter().filter(|write| write.kind == WriteKind::Comment);
    let facts: Vec<_> =
        comments.map(|write| (write.fact("text").to_owned(), write.fact("user").to_owned())).collect();
    assert_eq!(facts, [("one".to_owned(), "alice".to_owned()), ("re".to_owned(), "alice".to_owned())]);
}

#[tokio::test]
async fn a_thread_is_resolved_only_where_the_release_knows_threads() {
    for (version, resolved) in [(Version::V7_21, Value::Null), (Version::V8_9, json!(true))] {
        let shop = shop_of(version).await;
        let pull = opened(&shop, "fix", "f.txt", "f\n").await;
        let comment = post(&shop, &pull, &json!({"text": "one"})).await.json();
        let address = format!("{pull}/comments/{}", comment["id"]);
        let edited = put(&shop, &address, &json!({"threadResolved": true, "version": 0})).await.json();
        assert_eq!(edited["threadResolved"], resolved, "{version:?}");
    }
}

#[tokio::test]
async fn an_anchor_is_of_a_file_a_line_several_lines_or_a_range() {
    let shop = shop().await;
    let pull = opened(&shop, "fix", "a.txt", "1\n2\nthree\n").await;
    let file = post(&shop, &pull, &json!({"text": "x", "anchor": {"path": "a.txt"}})).await.json();
    assert_eq!((file["anchor"].get("line"), &file["anchor"]["diffType"]), (None, &json!("EFFECTIVE")));
    let anchor = json!({"path": "a.txt", "line": 2, "lineType": "ADDED", "fileType": "TO",
                        "multilineMarker": {"startLine": 1, "startLineType": "ADDED"}});
    let lines = post(&shop, &pull, &json!({"text": "x", "anchor": anchor})).await.json();
    assert_eq!(lines["anchor"]["multilineMarker"]["startLine"], 1);
    let mut range = anchor.clone();
    range["diffType"] = json!("RANGE");
    assert_eq!(post(&shop, &pull, &json!({"text": "x", "anchor": range})).await.status, 400, "no hashes");
    range["fromHash"] = json!(shop.sim.commit_of("SHOP", "web", "master").await.unwrap());
    range["toHash"] = json!(shop.sim.commit_of("SHOP", "web", "fix").await.unwrap());
    assert_eq!(post(&shop, &pull, &json!({"text": "x", "anchor": range})).await.status, 201);
    let object = json!({"text": "x", "anchor": {"path": {"name": "a.txt"}}});
    assert_eq!(post(&shop, &pull, &object).await.status, 400, "a path is a string");
    let of_file = shop.client.get(&format!("{pull}/comments?path=a.txt")).await.json();
    assert_eq!(of_file["size"], 3);

    let activities = shop.client.get(&format!("{pull}/activities?limit=2")).await.json();
    let lined = &activities["values"][1];
    assert_eq!((&lined["commentAction"], &lined["commentAnchor"]["line"]), (&json!("ADDED"), &json!(2)));
    assert!(lined["diff"]["hunks"][0]["segments"].is_array());
    let from = format!("{pull}/activities?fromType=COMMENT&fromId={}", file["id"]);
    assert_eq!(shop.client.get(&from).await.json()["values"][0]["comment"]["id"], file["id"]);
    assert_eq!(shop.client.get(&format!("{pull}/activities?fromId=1")).await.status, 400);
}

#[tokio::test]
async fn tasks_are_counted_listed_and_resolved() {
    let shop = shop().await;
    let pull = opened(&shop, "fix", "f.txt", "f\n").await;
    let tasks = format!("{pull}/blocker-comments");
    let task = shop.client.post(&tasks, &json!({"text": "do"})).await.json();
    post(&shop, &pull, &json!({"text": "no task"})).await;
    let count = async || shop.client.get(&format!("{tasks}?count=true")).await.json();
    assert_eq!(count().await, json!({"open": 1, "resolved": 0}));
    let address = format!("{tasks}/{}", task["id"]);
    let done = put(&shop, &address, &json!({"version": 0, "state": "RESOLVED"})).await.json();
    assert_eq!((&done["state"], &done["resolver"]["name"]), (&json!("RESOLVED"), &json!("alice")));
    assert_eq!(count().await, json!({"open": 0, "resolved": 1}));
    assert_eq!(shop.client.get(&format!("{tasks}?state=OPEN")).await.json()["size"], 0);
    assert_eq!(shop.client.get(&format!("{tasks}?state=RESOLVED")).await.json()["size"], 1);
    let properties = &shop.client.get(&pull).await.json()["properties"];
    assert_eq!((&properties["resolvedTaskCount"], &properties["commentCount"]), (&json!(1), &json!(2)));
    assert_eq!(put(&shop, &address, &json!({"version": 1, "state": "DONE"})).await.status, 400);
}

#[tokio::test]
async fn a_draft_is_its_authors_until_the_review_ends() {
    let shop = shop().await;
    let pull = opened(&shop, "fix", "f.txt", "f\n").await;
    let bob = as_user(&shop, "bob");
    let draft = bob.post(&format!("{pull}/comments"), &json!({"text": "d", "state": "PENDING"})).await.json();
    assert_eq!(draft["state"], "PENDING");
    let address = format!("{pull}/comments/{}", draft["id"]);
    assert_eq!(shop.client.get(&address).await.status, 404);
    assert_eq!(shop.client.get(&format!("{pull}/activities")).await.json()["size"], 1);
    let review = format!("{pull}/review");
    assert_eq!(bob.get(&review).await.json()["size"], 1);
    let finish = json!({"commentText": "done", "participantStatus": "NEEDS_WORK"});
    assert_eq!(bob.json(Method::PUT, &review, &finish).await.status, 200);
    assert_eq!(shop.client.get(&address).await.json()["state"], "OPEN");
    let seen = shop.client.get(&pull).await.json();
    assert_eq!(
        (&seen["reviewers"][0]["status"], &seen["properties"]["commentCount"]),
        (&json!("NEEDS_WORK"), &json!(2))
    );
    bob.post(&format!("{pull}/comments"), &json!({"text": "never", "state": "PENDING"})).await;
    assert_eq!(bob.json(Method::DELETE, &review, &json!({})).await.status, 204);
    assert_eq!(bob.get(&review).await.json()["size"], 0);
    // `pending` is the document's name, and means nothing.
    let published = bob.post(&format!("{pull}/comments"), &json!({"text": "p", "pending": true})).await;
    assert_eq!(published.json()["state"], "OPEN");
}

#[tokio::test]
async fn a_suggestion_becomes_a_commit_and_moves_the_version() {
    let shop = shop().await;
    let pull = opened(&shop, "fix", "a.txt", "1\ntwo\nthree\n").await;
    let anchor = json!({"path": "a.txt", "line": 1, "lineType": "ADDED", "fileType": "TO"});
    let text = "Better:\n```suggestion\nuno\n```";
    let comment = post(&shop, &pull, &json!({"text": text, "anchor": anchor})).await.json();
    let apply = format!("{pull}/comments/{}/apply-suggestion", comment["id"]);
    let mut body =
        json!({"commitMessage": "x", "commentVersion": 0, "pullRequestVersion": 0, "suggestionIndex": 0});
    let refused = shop.client.post(&apply, &body).await;
    assert_eq!(refused.json()["errors"][0]["message"], "'message' cannot be null or empty");
    body["message"] = json!("Apply");
    assert_eq!(shop.client.post(&apply, &body).await.status, 204);
    let raw = shop.client.get(&web("/raw/a.txt?at=refs/heads/fix")).await;
    assert_eq!(raw.bytes, "uno\ntwo\nthree\n");
    assert_eq!(shop.client.post(&apply, &body).await.exception(), "PullRequestOutOfDateException");
    body["pullRequestVersion"] = json!(1);
    assert_eq!(shop.client.post(&apply, &body).await.status, 409, "the file has changed since");
}

#[tokio::test]
async fn commits_have_comments_and_comments_have_reactions() {
    let shop = shop().await;
    shop.sim.add_commits("SHOP", "web", &[Commit::new("x").file("x.txt", "x\n")]).await.unwrap();
    let sha = shop.sim.commit_of("SHOP", "web", "master").await.unwrap();
    let comments = web(&format!("/commits/{sha}/comments"));
    let anchor = json!({"path": "x.txt", "line": 1, "lineType": "ADDED", "fileType": "TO"});
    let made = shop.client.post(&comments, &json!({"text": "c", "anchor": anchor})).await.json();
    assert_eq!(made["anchor"]["toHash"], json!(sha));
    assert_eq!(shop.client.get(&format!("{comments}?path=x.txt")).await.json()["size"], 1);
    let address = format!("{comments}/{}", made["id"]);
    let react = format!(
        "/rest/comment-likes/latest/projects/SHOP/repos/web/commits/{sha}/comments/{}/reactions/thumbsup",
        made["id"]
    );
    let reaction = put(&shop, &react, &json!({})).await.json();
    assert_eq!(
        (&reaction["emoticon"]["shortcut"], &reaction["user"]["name"]),
        (&json!("thumbsup"), &json!("alice"))
    );
    let shown = shop.client.get(&address).await.json();
    assert_eq!(shown["properties"]["reactions"][0]["users"][0]["name"], "alice");
    assert_eq!(
        put(&shop, &address, &json!({"text": "d", "version": 4})).await.exception(),
        "CommentOutOfDateException"
    );
    let gone = shop.client.send(Method::DELETE, &format!("{address}?version=0"), &[], "").await;
    assert_eq!(gone.unwrap().status, 204);
}
