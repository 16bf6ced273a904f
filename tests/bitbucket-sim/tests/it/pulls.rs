//! Pull requests: opening, listing, updating, deleting, and how they follow their branches.

use bitbucket_sim::{Commit, Permission, TokenSpec, Version, WriteKind};
use http::Method;
use serde_json::{Value, json};

use crate::client::Client;
use crate::{Shop, shop, shop_of, web};

/// Adds `path` on a branch of its own and opens a pull request into `master`; gives its address.
pub(crate) async fn opened(shop: &Shop, branch: &str, path: &str, text: &str) -> String {
    let commit = Commit::new(&format!("Change {path}")).on(branch).file(path, text);
    shop.sim.add_commits("SHOP", "web", &[commit]).await.unwrap();
    let reply = shop.client.post(&web("/pull-requests"), &body(branch)).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    web(&format!("/pull-requests/{}", reply.json()["id"]))
}

pub(crate) fn body(branch: &str) -> Value {
    let side = |name: &str| json!({"id": format!("refs/heads/{name}")});
    json!({"title": format!("Pull {branch}"), "fromRef": side(branch), "toRef": side("master")})
}

/// A client with the token of another user.
pub(crate) fn as_user(shop: &Shop, name: &str) -> Client {
    Client::new(&shop.sim, &shop.sim.add_token(TokenSpec::personal(name)))
}

async fn put(client: &Client, path: &str, body: &Value) -> crate::client::Reply {
    client.json(Method::PUT, path, body).await
}

#[tokio::test]
async fn an_update_replaces_and_needs_the_version() {
    let shop = shop().await;
    shop.sim.add_user("bob", "x");
    let pull = opened(&shop, "fix", "f.txt", "f\n").await;
    let full =
        json!({"version": 0, "title": "New", "description": "Why", "reviewers": [{"user": {"name": "bob"}}]});
    assert_eq!(put(&shop.client, &pull, &json!({"title": "New"})).await.status, 400);
    let first = put(&shop.client, &pull, &full).await.json();
    assert_eq!((&first["version"], &first["description"]), (&json!(1), &json!("Why")));
    let stale = put(&shop.client, &pull, &full).await;
    let error = &stale.json()["errors"][0];
    assert_eq!((stale.status.as_u16(), stale.exception().as_str()), (409, "PullRequestOutOfDateException"));
    assert_eq!(
        (&error["currentVersion"], &error["expectedVersion"], &error["pullRequest"]["id"]),
        (&json!(1), &json!(0), &json!(1))
    );
    let dropped = put(&shop.client, &pull, &json!({"version": 1, "title": "New"})).await.json();
    assert_eq!((dropped.get("description"), &dropped["reviewers"]), (None, &json!([])));
    assert_eq!(dropped["participants"][0]["user"]["name"], "bob");
    let unknown = json!({"version": 2, "title": "New", "reviewers": [{"user": {"name": "no"}}, {"user": {"name": "bob"}}]});
    let refused = put(&shop.client, &pull, &unknown).await.json();
    assert_eq!(refused["errors"][0]["reviewerErrors"][0]["context"], "no");
    assert_eq!(refused["errors"][0]["validReviewers"][0]["user"]["name"], "bob");
    let activities = shop.client.get(&format!("{pull}/activities")).await.json();
    assert_eq!(activities["values"][0]["removedReviewers"][0]["name"], "bob");
}

#[tokio::test]
async fn a_draft_is_one_only_where_the_release_knows_drafts() {
    for (version, draft) in [(Version::V8_9, Value::Null), (Version::V8_19, json!(true))] {
        let shop = shop_of(version).await;
        shop.sim.add_commits("SHOP", "web", &[Commit::new("x").on("fix").file("x", "x")]).await.unwrap();
        let mut body = body("fix");
        body["draft"] = json!(true);
        let pull = shop.client.post(&web("/pull-requests"), &body).await.json();
        assert_eq!(pull["draft"], draft, "{version:?}");
        let check = shop.client.get(&web("/pull-requests/1/merge")).await.json();
        assert_eq!(check["canMerge"], json!(draft.is_null()), "{version:?}");
    }
}

#[tokio::test]
async fn a_list_is_filtered_by_state_side_text_and_people() {
    let shop = shop().await;
    shop.sim.add_user("bob", "x");
    opened(&shop, "one", "1.txt", "1\n").await;
    let two = opened(&shop, "two", "2.txt", "2\n").await;
    let review = json!({"user": {"name": "bob"}, "role": "REVIEWER"});
    assert_eq!(shop.client.post(&format!("{two}/participants"), &review).await.status, 200);
    let declined = shop.client.post(&web("/pull-requests/1/decline?version=0"), &json!({})).await;
    assert_eq!(declined.status, 200);
    for (query, ids) in [
        ("", vec![2]),
        ("?state=ALL", vec![2, 1]),
        ("?state=ALL&order=OLDEST", vec![1, 2]),
        ("?state=DECLINED", vec![1]),
        ("?state=ALL&filterText=pull%20ONE", vec![1]),
        ("?at=refs/heads/master", vec![2]),
        ("?at=refs/heads/two", vec![]),
        ("?at=refs/heads/two&direction=OUTGOING", vec![2]),
        ("?username.1=bob&role.1=REVIEWER", vec![2]),
        ("?username.1=bob&role.1=AUTHOR", vec![]),
        ("?username.1=bob&approved.1=true", vec![]),
        ("?state=ALL&username.1=alice&role.1=AUTHOR&limit=1", vec![2]),
    ] {
        let page = shop.client.get(&web(&format!("/pull-requests{query}"))).await.json();
        let found: Vec<i64> =
            page["values"].as_array().unwrap().iter().map(|pull| pull["id"].as_i64().unwrap()).collect();
        assert_eq!(found, ids, "{query}");
    }
    let bare = shop.client.get(&web("/pull-requests?withProperties=false")).await.json();
    assert_eq!(bare["values"][0].get("properties"), None);
    assert_eq!(shop.client.get(&web("/pull-requests?state=GONE")).await.status, 400);
}

#[tokio::test]
async fn a_deletion_needs_the_version_and_the_number_is_not_given_again() {
    let shop = shop().await;
    let pull = opened(&shop, "fix", "f.txt", "f\n").await;
    let delete = async |body: Value| shop.client.json(Method::DELETE, &pull, &body).await;
    assert_eq!(delete(json!({"version": 9})).await.exception(), "PullRequestOutOfDateException");
    assert_eq!(delete(json!({})).await.exception(), "PullRequestOutOfDateException");
    assert_eq!(delete(json!({"version": 0})).await.status, 204);
    assert_eq!(delete(json!({"version": 0})).await.exception(), "NoSuchPullRequestException");
    let again = shop.client.post(&web("/pull-requests"), &body("fix")).await.json();
    assert_eq!(again["id"], 2);
    let merged = shop.client.post(&web("/pull-requests/2/merge?version=0"), &json!({})).await;
    assert_eq!(merged.status, 200);
    let late = shop.client.json(Method::DELETE, &web("/pull-requests/2"), &json!({"version": 1})).await;
    assert_eq!(late.exception(), "IllegalPullRequestStateException");
    let kinds: Vec<_> = shop.sim.writes().iter().map(|write| write.kind).collect();
    assert_eq!(kinds[1], WriteKind::DeletePullRequest);
}

#[tokio::test]
async fn a_merge_next_door_and_a_push_move_the_version_but_a_comment_does_not() {
    let shop = shop().await;
    let one = opened(&shop, "one", "1.txt", "1\n").await;
    let two = opened(&shop, "two", "2.txt", "2\n").await;
    let version = async || shop.client.get(&two).await.json()["version"].clone();
    assert_eq!(shop.client.post(&format!("{two}/comments"), &json!({"text": "hm"})).await.status, 201);
    assert_eq!(version().await, 0);
    assert_eq!(shop.client.post(&format!("{one}/merge?version=0"), &json!({})).await.status, 200);
    assert_eq!(version().await, 1);
    let push = Commit::new("More").on("two").file("2.txt", "two\n");
    shop.sim.add_commits("SHOP", "web", &[push]).await.unwrap();
    assert_eq!(version().await, 2);
    let activities = shop.client.get(&format!("{two}/activities")).await.json();
    let rescoped = &activities["values"][0];
    assert_eq!((&rescoped["action"], &rescoped["added"]["total"]), (&json!("RESCOPED"), &json!(1)));
}

#[tokio::test]
async fn a_reopened_pull_request_must_not_take_anothers_place() {
    let shop = shop().await;
    opened(&shop, "fix", "f.txt", "f\n").await;
    let decline = shop.client.post(&web("/pull-requests/1/decline?version=0"), &json!({})).await;
    assert_eq!(decline.json()["state"], "DECLINED");
    assert_eq!(shop.client.post(&web("/pull-requests"), &body("fix")).await.json()["id"], 2);
    let reopened = shop.client.post(&web("/pull-requests/1/reopen?version=1"), &json!({})).await;
    assert_eq!(reopened.exception(), "DuplicatePullRequestException");
    assert_eq!(reopened.json()["errors"][0]["existingPullRequest"]["id"], 2);
}

#[tokio::test]
async fn what_it_changes_is_read_in_every_form() {
    let shop = shop().await;
    let pull = opened(&shop, "fix", "a.txt", "1\ntwo\nthree\n").await;
    let more = Commit::new("More").on("fix").file("dir/b.txt", "b\n");
    shop.sim.add_commits("SHOP", "web", &[more]).await.unwrap();
    let text = async |tail: &str, accept: &str| {
        let reply = shop.client.send(Method::GET, &format!("{pull}{tail}"), &[("accept", accept)], "").await;
        String::from_utf8(reply.unwrap().bytes.to_vec()).unwrap()
    };
    assert!(text(".diff", "text/plain").await.starts_with("diff --git a/a.txt b/a.txt"));
    assert!(text(".patch", "*/*").await.contains("Subject: [PATCH 2/2] More"));
    assert!(text("/diff/dir", "text/plain").await.contains("+b\n"));
    let below = shop.client.get(&format!("{pull}/diff/dir")).await.json();
    assert_eq!(below["diffs"][0]["destination"]["toString"], "dir/b.txt");
    assert_eq!(below["diffs"].as_array().unwrap().len(), 1);
    let commits = shop.client.get(&format!("{pull}/commits")).await.json();
    assert_eq!((&commits["size"], commits.get("nextPageStart")), (&json!(2), Some(&Value::Null)));
    let changes = shop.client.get(&format!("{pull}/changes?start=1&limit=1")).await.json();
    assert_eq!((&changes["start"], &changes["size"]), (&json!(0), &json!(1)), "start is ignored");
    assert_eq!(changes["properties"]["changeScope"], "ALL");
    let base = shop.client.get(&format!("{pull}/merge-base")).await.json();
    assert_eq!(base["id"], shop.sim.commit_of("SHOP", "web", "master").await.unwrap());
    let stats = shop.client.get(&format!("{pull}/diff-stats-summary")).await.json();
    assert_eq!((&stats["modifiedFiles"], &stats["addedLines"]), (&json!(2), &json!(2)));
    let tip = shop.sim.commit_of("SHOP", "web", "fix").await.unwrap();
    let of_commit = shop.client.get(&web(&format!("/commits/{tip}/pull-requests"))).await.json();
    assert_eq!(of_commit["values"][0]["id"], 1);
}

#[tokio::test]
async fn a_long_diff_says_that_it_was_cut() {
    let shop = shop().await;
    let pull = opened(&shop, "fix", "a.txt", "1\n2\n3\n4\n5\n").await;
    shop.sim.knobs().diff_lines(Some(4));
    let diff = shop.client.get(&format!("{pull}/diff")).await.json();
    let file = &diff["diffs"][0];
    assert_eq!((&diff["truncated"], &file["truncated"]), (&json!(true), &json!(true)));
    let segments = file["hunks"][0]["segments"].as_array().unwrap();
    let lines: usize = segments.iter().map(|segment| segment["lines"].as_array().unwrap().len()).sum();
    assert_eq!((lines, &segments.last().unwrap()["truncated"]), (4, &json!(true)));
    shop.sim.knobs().diff_lines(None);
    assert_eq!(shop.client.get(&format!("{pull}/diff")).await.json()["truncated"], false);
}

#[tokio::test]
async fn the_dashboard_and_the_inbox_are_the_callers() {
    let shop = shop().await;
    let pull = opened(&shop, "fix", "f.txt", "f\n").await;
    let bob = as_user(&shop, "bob");
    let (dashboard, count) =
        ("/rest/api/latest/dashboard/pull-requests", "/rest/api/latest/inbox/pull-requests/count");
    assert_eq!(bob.get(dashboard).await.json()["size"], 0);
    assert_eq!(shop.client.get(&format!("{dashboard}?role=AUTHOR")).await.json()["size"], 1);
    let review = json!({"user": {"name": "bob"}, "role": "REVIEWER"});
    assert_eq!(shop.client.post(&format!("{pull}/participants"), &review).await.status, 200);
    assert_eq!(bob.get(count).await.json()["count"], 1);
    assert_eq!(bob.post(&format!("{pull}/approve"), &json!({})).await.status, 200);
    assert_eq!(bob.get(count).await.json()["count"], 0);
    let approved = format!("{dashboard}?state=OPEN&participantStatus=APPROVED");
    assert_eq!(bob.get(&approved).await.json()["size"], 1);
}

#[tokio::test]
async fn strangers_neither_update_nor_merge_and_archived_repositories_refuse() {
    let shop = shop().await;
    let pull = opened(&shop, "fix", "f.txt", "f\n").await;
    let reader = as_user(&shop, "eve");
    shop.sim.limit_user("eve", Permission::Read, Permission::Read, None);
    assert_eq!(put(&reader, &pull, &json!({"version": 0, "title": "x"})).await.status, 401);
    assert_eq!(reader.post(&format!("{pull}/merge?version=0"), &json!({})).await.status, 401);
    assert_eq!(reader.json(Method::DELETE, &pull, &json!({"version": 0})).await.status, 401);
    shop.sim.archive_repo("SHOP", "web").unwrap();
    let refused = shop.client.post(&format!("{pull}/comments"), &json!({"text": "x"})).await;
    assert_eq!((refused.status.as_u16(), refused.exception().as_str()), (409, "IllegalEntityStateException"));
}

#[tokio::test]
async fn the_whole_life_of_a_pull_request_is_the_same_in_every_release() {
    for version in Version::ALL {
        let shop = shop_of(version).await;
        let pull = opened(&shop, "fix", "f.txt", "f\n").await;
        let bob = as_user(&shop, "bob");
        assert_eq!(bob.post(&format!("{pull}/approve"), &json!({})).await.status, 200, "{version:?}");
        let task = bob.post(&format!("{pull}/blocker-comments"), &json!({"text": "do"})).await.json();
        let vetoed = shop.client.post(&format!("{pull}/merge?version=0"), &json!({})).await;
        assert_eq!(vetoed.exception(), "PullRequestMergeVetoedException", "{version:?}");
        let error = &vetoed.json()["errors"][0];
        assert_eq!(
            (&error["conflicted"], error["vetoes"].as_array().map(Vec::len)),
            (&json!(false), Some(1))
        );
        let done = json!({"version": 0, "state": "RESOLVED"});
        assert_eq!(put(&shop.client, &format!("{pull}/comments/{}", task["id"]), &done).await.status, 200);
        let merged = shop.client.post(&format!("{pull}/merge?version=0"), &json!({})).await.json();
        assert_eq!((&merged["state"], &merged["version"]), (&json!("MERGED"), &json!(1)), "{version:?}");
        let activities = shop.client.get(&format!("{pull}/activities")).await.json();
        let actions: Vec<_> =
            activities["values"].as_array().unwrap().iter().map(|one| &one["action"]).collect();
        assert_eq!(actions, ["MERGED", "COMMENTED", "APPROVED", "OPENED"], "{version:?}");
    }
}
