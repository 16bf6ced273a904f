//! Merging: strategies, merge checks, races, and merges that wait.

use bitbucket_sim::{Commit, Version, WriteKind};
use http::Method;
use serde_json::{Value, json};

use crate::pulls::{as_user, opened};
use crate::{Shop, shop, shop_of, web};

async fn settings(shop: &Shop, body: &Value) -> Value {
    let reply = shop.client.post(&web("/settings/pull-requests"), body).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()
}

fn all_strategies() -> Value {
    let ids = ["no-ff", "ff", "ff-only", "rebase-no-ff", "rebase-ff-only", "squash", "squash-ff-only"];
    let strategies: Vec<Value> = ids.iter().map(|id| json!({"id": id})).collect();
    json!({"mergeConfig": {"defaultStrategy": {"id": "no-ff"}, "strategies": strategies}})
}

async fn vetoes(shop: &Shop, pull: &str) -> usize {
    let check = shop.client.get(&format!("{pull}/merge")).await.json();
    let count = check["vetoes"].as_array().unwrap().len();
    assert_eq!(check["canMerge"], json!(count == 0));
    count
}

/// Commits on `master` and their parents after a merge by a strategy: the target had moved on.
async fn history(strategy: &str, moved: bool) -> (u16, usize, usize) {
    let shop = shop().await;
    settings(&shop, &all_strategies()).await;
    let before = shop.sim.commit_of("SHOP", "web", "master").await.unwrap();
    let pull = opened(&shop, "fix", "f.txt", "f\n").await;
    // The same file again: taken over one by one, the commits do not conflict.
    let again = Commit::new("Second").on("fix").file("f.txt", "f2\n");
    shop.sim.add_commits("SHOP", "web", &[again]).await.unwrap();
    if moved {
        shop.sim.add_commits("SHOP", "web", &[Commit::new("Other").file("o.txt", "o\n")]).await.unwrap();
    }
    let version = shop.client.get(&pull).await.json()["version"].clone();
    let merge = format!("{pull}/merge?version={version}");
    let merged = shop.client.post(&merge, &json!({"strategyId": strategy})).await;
    if merged.status != 200 {
        return (merged.status.as_u16(), 0, 0);
    }
    let log = shop.client.get(&web(&format!("/commits?since={before}"))).await.json();
    let tip = &log["values"][0];
    assert_eq!(merged.json()["properties"]["mergeCommit"]["id"], tip["id"]);
    (200, log["size"].as_u64().unwrap() as usize, tip["parents"].as_array().unwrap().len())
}

#[tokio::test]
async fn every_strategy_makes_the_history_that_it_names() {
    // Commits since the beginning (two of the source, one of the target that had moved), and the parents of the last.
    for (strategy, still, moved) in [
        ("no-ff", (200, 3, 2), (200, 4, 2)),
        ("ff", (200, 2, 1), (200, 4, 2)),
        ("ff-only", (200, 2, 1), (409, 0, 0)),
        ("rebase-no-ff", (200, 3, 2), (200, 4, 2)),
        ("rebase-ff-only", (200, 2, 1), (200, 3, 1)),
        ("squash", (200, 1, 1), (200, 2, 1)),
        ("squash-ff-only", (200, 1, 1), (409, 0, 0)),
    ] {
        assert_eq!(history(strategy, false).await, still, "{strategy}");
        assert_eq!(history(strategy, true).await, moved, "{strategy} after the target moved");
    }
}

#[tokio::test]
async fn a_strategy_must_exist_and_be_enabled() {
    let shop = shop().await;
    let pull = opened(&shop, "fix", "f.txt", "f\n").await;
    let only =
        json!({"mergeConfig": {"defaultStrategy": {"id": "squash"}, "strategies": [{"id": "squash"}]}});
    let told = settings(&shop, &only).await;
    assert_eq!(
        (&told["mergeConfig"]["type"], &told["mergeConfig"]["defaultStrategy"]["id"]),
        (&json!("REPOSITORY"), &json!("squash"))
    );
    let merge = format!("{pull}/merge?version=0");
    for strategy in ["no-ff", "octopus"] {
        let refused = shop.client.post(&merge, &json!({"strategyId": strategy})).await;
        assert_eq!(
            (refused.status.as_u16(), refused.exception().as_str()),
            (400, "ArgumentValidationException")
        );
    }
    let message = json!({"message": "Mine", "autoSubject": false});
    assert_eq!(shop.client.post(&merge, &message).await.status, 200);
    let tip = shop.client.get(&web("/commits?limit=1")).await.json();
    assert_eq!(
        (&tip["values"][0]["message"], &tip["values"][0]["author"]["name"]),
        (&json!("Mine"), &json!("alice"))
    );
    assert_eq!(shop.client.post(&merge, &message).await.exception(), "IllegalPullRequestStateException");
    let refused = shop.client.get(&format!("{pull}/merge")).await;
    assert_eq!(
        (refused.status.as_u16(), refused.exception().as_str()),
        (409, "IllegalPullRequestStateException")
    );
}

#[tokio::test]
async fn no_version_is_minus_one() {
    let shop = shop().await;
    let pull = opened(&shop, "fix", "f.txt", "f\n").await;
    let refused = shop.client.post(&format!("{pull}/merge"), &json!({})).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["errors"][0]["expectedVersion"]), (409, &json!(-1)));
    assert_eq!(shop.client.post(&format!("{pull}/merge"), &json!({"version": 0})).await.status, 200);
}

#[tokio::test]
async fn approvals_needs_work_and_builds_veto_where_the_settings_ask_for_them() {
    let shop = shop().await;
    let pull = opened(&shop, "fix", "f.txt", "f\n").await;
    let bob = as_user(&shop, "bob");
    assert_eq!(vetoes(&shop, &pull).await, 0);
    settings(&shop, &json!({"requiredApprovers": {"enabled": true, "count": 1}, "needsWork": true})).await;
    assert_eq!(vetoes(&shop, &pull).await, 1);
    let status = format!("{pull}/participants/bob");
    let say = async |status_name: &str| {
        bob.json(Method::PUT, &status, &json!({"status": status_name})).await.json()
    };
    assert_eq!(say("NEEDS_WORK").await["role"], "REVIEWER");
    assert_eq!(vetoes(&shop, &pull).await, 2);
    let tip = shop.sim.commit_of("SHOP", "web", "fix").await.unwrap();
    assert_eq!(say("APPROVED").await["lastReviewedCommit"], json!(tip));
    assert_eq!(vetoes(&shop, &pull).await, 0);

    let any = json!({"id": "ANY_REF_MATCHER_ID", "type": {"id": "ANY_REF"}});
    let required = json!({"buildParentKeys": ["plan"], "refMatcher": any});
    let conditions = "/rest/required-builds/latest/projects/SHOP/repos/web/condition";
    let made = shop.client.post(conditions, &required).await.json();
    assert_eq!(vetoes(&shop, &pull).await, 1);
    let build = async |key: &str, state: &str| {
        let body = json!({"key": key, "parent": "plan", "state": state, "url": "https://ci.example.com"});
        shop.client.post(&web(&format!("/commits/{tip}/builds")), &body).await
    };
    build("plan-1", "SUCCESSFUL").await;
    assert_eq!(vetoes(&shop, &pull).await, 0);
    build("plan-2", "FAILED").await;
    assert_eq!(vetoes(&shop, &pull).await, 1);
    let gone = shop.client.send(Method::DELETE, &format!("{conditions}/{}", made["id"]), &[], "").await;
    assert_eq!((gone.unwrap().status.as_u16(), vetoes(&shop, &pull).await), (204, 0));
}

#[tokio::test]
async fn a_race_and_an_unknown_outcome_come_on_demand() {
    let shop = shop().await;
    let pull = opened(&shop, "fix", "f.txt", "f\n").await;
    shop.sim.knobs().unknown_merges(1);
    assert_eq!(shop.client.get(&format!("{pull}/merge")).await.json()["outcome"], "UNKNOWN");
    assert_eq!(shop.client.get(&format!("{pull}/merge")).await.json()["outcome"], "CLEAN");
    shop.sim.knobs().merge_races(1);
    let merge = format!("{pull}/merge?version=0");
    let lost = shop.client.post(&merge, &json!({})).await;
    assert_eq!((lost.status.as_u16(), lost.exception().as_str()), (409, "MergeException"));
    assert_eq!(shop.client.post(&merge, &json!({})).await.json()["state"], "MERGED");
}

/// Allows automatic merges and puts a task in the way of a pull request; gives the task's address.
async fn blocked(shop: &Shop, pull: &str) -> String {
    let enabled =
        shop.client.json(Method::PUT, &web("/settings/auto-merge"), &json!({"enabled": true})).await;
    assert_eq!(enabled.status, 200);
    let task = shop.client.post(&format!("{pull}/blocker-comments"), &json!({"text": "first this"})).await;
    format!("{pull}/blocker-comments/{}", task.json()["id"])
}

async fn merged(shop: &Shop, pull: &str) -> bool {
    // The merge follows the write by itself; each look is a chance for it.
    for _ in 0..200 {
        if shop.client.get(pull).await.json()["state"] == "MERGED" {
            return true;
        }
    }
    false
}

#[tokio::test]
async fn an_automatic_merge_waits_for_its_task_without_moving_the_version() {
    let shop = shop().await;
    let pull = opened(&shop, "fix", "f.txt", "f\n").await;
    let refused = shop.client.post(&format!("{pull}/merge?version=0"), &json!({"autoMerge": true})).await;
    assert_eq!(refused.status, 403, "nobody has allowed it");
    let task = blocked(&shop, &pull).await;
    let auto = format!("{pull}/auto-merge");
    let early = shop.client.post(&auto, &json!({})).await;
    assert_eq!((early.status.as_u16(), early.exception().as_str()), (400, "AutoMergeNotRequestedException"));
    assert_eq!(shop.client.get(&auto).await.status, 404);
    let armed = shop
        .client
        .post(&format!("{pull}/merge?version=0"), &json!({"autoMerge": true, "strategyId": "squash"}))
        .await;
    assert_eq!((&armed.json()["state"], &armed.json()["version"]), (&json!("OPEN"), &json!(0)));
    assert_eq!(shop.client.get(&auto).await.json()["strategyId"], "squash");
    assert_eq!(shop.client.post(&auto, &json!({})).await.json()["autoMergeProcessingStatus"], "VETOED");
    let resolve = json!({"version": 0, "state": "RESOLVED"});
    assert_eq!(shop.client.json(Method::PUT, &task, &resolve).await.status, 200);
    assert!(merged(&shop, &pull).await);
    let activities = shop.client.get(&format!("{pull}/activities")).await.json();
    let actions: Vec<_> = activities["values"].as_array().unwrap().iter().map(|one| &one["action"]).collect();
    assert_eq!(actions, ["MERGED", "AUTO_MERGE_REQUESTED", "COMMENTED", "OPENED"]);
    let kinds: Vec<_> = shop.sim.writes().iter().map(|write| write.kind).collect();
    assert!(kinds.contains(&WriteKind::RequestAutoMerge) && kinds.contains(&WriteKind::MergePullRequest));
}

#[tokio::test]
async fn a_green_build_sets_an_automatic_merge_free() {
    let shop = shop().await;
    let pull = opened(&shop, "fix", "f.txt", "f\n").await;
    shop.client.json(Method::PUT, &web("/settings/auto-merge"), &json!({"enabled": true})).await;
    settings(&shop, &json!({"requiredSuccessfulBuilds": {"enabled": true, "count": 1}})).await;
    let armed = shop.client.post(&format!("{pull}/merge?version=0"), &json!({"autoMerge": true})).await;
    assert_eq!(armed.json()["state"], "OPEN");
    let tip = shop.sim.commit_of("SHOP", "web", "fix").await.unwrap();
    let green = json!({"key": "ci", "state": "SUCCESSFUL", "url": "https://ci.example.com"});
    shop.client.post(&format!("/rest/build-status/1.0/commits/{tip}"), &green).await;
    assert!(merged(&shop, &pull).await);
}

#[tokio::test]
async fn a_push_and_a_delete_take_the_wish_back() {
    let shop = shop().await;
    let pull = opened(&shop, "fix", "f.txt", "f\n").await;
    blocked(&shop, &pull).await;
    let arm = async |version: u64| {
        let merge = format!("{pull}/merge?version={version}");
        assert_eq!(shop.client.post(&merge, &json!({"autoMerge": true})).await.status, 200);
    };
    let auto = format!("{pull}/auto-merge");
    arm(0).await;
    assert_eq!(shop.client.json(Method::DELETE, &auto, &json!({})).await.status, 204);
    assert_eq!(shop.client.get(&auto).await.status, 404);
    arm(0).await;
    let push = Commit::new("More").on("fix").file("f.txt", "more\n");
    shop.sim.add_commits("SHOP", "web", &[push]).await.unwrap();
    assert_eq!(shop.client.get(&auto).await.status, 404);
    let activities = shop.client.get(&format!("{pull}/activities?limit=2")).await.json();
    assert_eq!(activities["values"][0]["action"], "AUTO_MERGE_CANCELLED");
}

#[tokio::test]
async fn an_old_release_merges_now_whatever_is_wished() {
    let shop = shop_of(Version::V8_9).await;
    let pull = opened(&shop, "fix", "f.txt", "f\n").await;
    assert_eq!(shop.client.get(&format!("{pull}/auto-merge")).await.json()["status-code"], 404);
    let now = shop.client.post(&format!("{pull}/merge?version=0"), &json!({"autoMerge": true})).await;
    assert_eq!(now.json()["state"], "MERGED");
}

#[tokio::test]
async fn settings_speak_the_form_of_their_release() {
    for (version, wanted) in
        [(Version::V7_21, json!(2)), (Version::V9_4, json!({"enabled": true, "count": "2"}))]
    {
        let shop = shop_of(version).await;
        let told = settings(&shop, &json!({"requiredApprovers": 2})).await;
        assert_eq!(told["requiredApprovers"], wanted, "{version:?}");
    }
}
