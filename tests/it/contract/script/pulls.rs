//! Pull requests.

use serde_json::{Value, json};

use super::{basic, word};
use crate::contract::player::Player;

/// The body that opens a pull request.
fn wish(from: &str) -> Value {
    json!({"title": format!("Merge {from}"), "description": "Please", "reviewers": [{"user": {"name": "bob"}}],
        "fromRef": {"id": format!("refs/heads/{from}")}, "toRef": {"id": "refs/heads/master"}})
}

/// Opens one, and gives its path.
pub(super) async fn open(p: &mut Player, from: &str) -> String {
    let pull = p.post("R/pull-requests", wish(from), 201).await;
    format!("R/pull-requests/{}", word(&pull, "/id"))
}

/// The version that it has now.
async fn version(p: &mut Player, pull: &str) -> Value {
    p.get(pull, 200).await["version"].clone()
}

pub(super) async fn reading(p: &mut Player) {
    let pull = open(p, "feature").await;
    p.post("R/pull-requests", wish("feature"), 409).await;
    p.post("R/pull-requests", wish("none"), 404).await;
    p.post("R/pull-requests", wish("master"), 409).await;
    p.post("R/pull-requests", json!({}), 400).await;
    let mut unknown = wish("other");
    unknown["reviewers"] = json!([{"user": {"name": "nobody"}}, {"user": {"name": "bob"}}]);
    p.post("R/pull-requests", unknown, 409).await;
    p.get("R/pull-requests?state=ALL", 200).await;
    p.get(&pull, 200).await;
    p.get("R/pull-requests/999", 404).await;
    let version = version(p, &pull).await;
    let update = json!({"version": version, "title": "Better", "description": "Please",
        "reviewers": [{"user": {"name": "bob"}}, {"user": {"name": "carol"}}]});
    p.put(&pull, update.clone(), 200).await;
    p.put(&pull, update, 409).await;
    p.put(&pull, json!({"title": "No version"}), 400).await;
    p.text(&format!("{pull}.diff"), 200).await;
    p.text(&format!("{pull}.patch"), 200).await;
    for part in [
        "commits",
        "changes",
        "diff",
        "diff/a.txt",
        "diff-stats-summary",
        "diff-stats-summary/a.txt",
        "merge-base",
        "commit-message-suggestion",
        "activities",
        "participants",
        "merge",
    ] {
        p.get(&format!("{pull}/{part}"), 200).await;
    }
    p.get("R/pull-requests/999/activities", 404).await;
    p.get("A/dashboard/pull-requests", 200).await;
    p.become_(&basic("bob"));
    p.get("A/inbox/pull-requests", 200).await;
    p.get("A/inbox/pull-requests/count", 200).await;
    p.become_(&basic("alice"));
}

pub(super) async fn review(p: &mut Player) {
    let pull = "R/pull-requests/1";
    let approved = json!({"status": "APPROVED"});
    p.put(&format!("{pull}/participants/alice"), approved.clone(), 400).await;
    p.post(&format!("{pull}/participants"), json!({"user": {"name": "carol"}, "role": "REVIEWER"}), 200)
        .await;
    p.post(&format!("{pull}/participants"), json!({"user": {"name": "nobody"}, "role": "REVIEWER"}), 404)
        .await;
    p.delete(&format!("{pull}/participants?username=carol"), 204).await;
    p.post(&format!("{pull}/watch"), json!({}), 204).await;
    p.delete(&format!("{pull}/watch"), 204).await;
    p.become_(&basic("bob"));
    p.put(&format!("{pull}/participants/bob"), json!({"status": "NEEDS_WORK"}), 200).await;
    p.put(&format!("{pull}/participants/bob"), approved, 200).await;
    p.post(&format!("{pull}/approve"), json!({}), 200).await;
    p.delete(&format!("{pull}/approve"), 200).await;
    p.post(&format!("{pull}/approve"), json!({}), 200).await;
    p.post(&format!("{pull}/comments"), json!({"text": "A draft", "state": "PENDING"}), 201).await;
    p.get(&format!("{pull}/review"), 200).await;
    p.delete(&format!("{pull}/review"), 204).await;
    p.post(&format!("{pull}/comments"), json!({"text": "A draft", "state": "PENDING"}), 201).await;
    p.put(&format!("{pull}/review"), json!({"commentText": "Done", "participantStatus": "APPROVED"}), 200)
        .await;
    p.get(pull, 200).await;
    p.become_(&basic("alice"));
    p.post(&format!("{pull}/participants"), json!({"user": {"name": "carol"}, "role": "REVIEWER"}), 200)
        .await;
    p.delete(&format!("{pull}/participants/carol"), 204).await;
    p.get(&format!("{pull}/participants"), 200).await;
}

pub(super) async fn ends(p: &mut Player) {
    let first = "R/pull-requests/1";
    let mut forked = wish("moved");
    forked["fromRef"]["repository"] = json!({"slug": "fork", "project": {"key": "~ALICE"}});
    let forked = p.post("R/pull-requests", forked, 201).await;
    p.get(&format!("R/pull-requests/{}", word(&forked, "/id")), 200).await;
    let conflicting = open(p, "other").await;
    let version_now = version(p, first).await;
    p.post(&format!("{first}/merge?version=99"), json!({}), 409).await;
    p.post(&format!("{first}/merge?version={version_now}"), json!({"message": "Merged"}), 200).await;
    p.post(&format!("{first}/merge?version={version_now}"), json!({}), 409).await;
    p.get(&format!("{first}/merge"), 409).await;
    p.get(&format!("{first}/activities"), 200).await;
    p.get(first, 200).await;
    p.get(&format!("{conflicting}/merge"), 200).await;
    p.get(&format!("{conflicting}/changes"), 200).await;
    p.get(&format!("{conflicting}/diff"), 200).await;
    p.become_(&basic("carol"));
    p.post(&format!("{conflicting}/comments"), json!({"text": "Hm"}), 201).await;
    p.become_(&basic("alice"));
    let now = version(p, &conflicting).await;
    p.post(&format!("{conflicting}/merge?version={now}"), json!({}), 409).await;
    p.post(&format!("{conflicting}/decline?version=99"), json!({}), 409).await;
    p.post(&format!("{conflicting}/decline?version={now}"), json!({"comment": "No"}), 200).await;
    let now = version(p, &conflicting).await;
    p.post(&format!("{conflicting}/reopen?version={now}"), json!({}), 200).await;
    p.get(&format!("{conflicting}/activities"), 200).await;
    let now = version(p, &conflicting).await;
    p.post(&format!("{conflicting}/decline?version={now}"), json!({}), 200).await;
    p.post(&format!("{conflicting}/decline?version={now}"), json!({}), 409).await;
    p.delete_with(first, json!({"version": 99}), 409).await;
    p.get("R/pull-requests?state=ALL", 200).await;
    let now = version(p, &conflicting).await;
    p.delete_with(&conflicting, json!({"version": now}), 204).await;
}

pub(super) async fn automatic(p: &mut Player) {
    p.get("R/settings/pull-requests", 200).await;
    let strategies = json!({"mergeConfig": {"defaultStrategy": {"id": "no-ff"}, "strategies": [{"id": "no-ff"}, {"id": "squash"}]},
        "requiredApprovers": 1});
    p.post("R/settings/pull-requests", strategies, 200).await;
    p.post("R/settings/pull-requests", json!({"mergeConfig": {"defaultStrategy": {"id": "x"}}}), 400).await;
    let pull = open(p, "side").await;
    p.get(&format!("{pull}/auto-merge"), 404).await;
    p.get("P/settings/auto-merge", 200).await;
    p.put("P/settings/auto-merge", json!({"enabled": false}), 200).await;
    p.get("R/settings/auto-merge", 200).await;
    let now = version(p, &pull).await;
    p.post(&format!("{pull}/merge?version={now}"), json!({"autoMerge": true}), 403).await;
    p.put("R/settings/auto-merge", json!({"enabled": true}), 200).await;
    p.post(&format!("{pull}/auto-merge"), json!({}), 400).await;
    p.post(&format!("{pull}/merge?version={now}"), json!({"autoMerge": true}), 200).await;
    p.get(&format!("{pull}/auto-merge"), 200).await;
    p.post(&format!("{pull}/auto-merge"), json!({}), 200).await;
    p.get(&pull, 200).await;
    p.delete(&format!("{pull}/auto-merge"), 204).await;
    p.get(&format!("{pull}/merge"), 200).await;
    p.delete("R/settings/auto-merge", 204).await;
}
