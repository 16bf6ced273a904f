//! Who must review, what must be built, which branches are closed, tokens, and refusals.

use serde_json::{Value, json};

use super::{basic, word};
use crate::contract::player::Player;

fn any() -> Value {
    json!({"id": "ANY_REF_MATCHER_ID", "type": {"id": "ANY_REF"}})
}

pub(super) async fn reviewers(p: &mut Player) {
    let project = "/rest/default-reviewers/latest/projects/SHOP";
    let bob = p.get("A/users/bob", 200).await["id"].clone();
    for area in [project.to_owned(), format!("{project}/repos/web")] {
        let body = json!({"sourceMatcher": any(), "targetMatcher": any(), "reviewers": [{"name": "bob", "id": bob}],
            "requiredApprovals": 1});
        let made = p.post(&format!("{area}/condition"), body.clone(), 200).await;
        let one = format!("{area}/condition/{}", word(&made, "/id"));
        p.post(&format!("{area}/condition"), json!({}), 400).await;
        p.get(&format!("{area}/conditions"), 200).await;
        let made = p.put(&one, body, 200).await;
        if area == project {
            continue;
        }
        let repo = p.get("R", 200).await["id"].clone();
        let query = format!(
            "sourceRepoId={repo}&targetRepoId={repo}&sourceRefId=refs/heads/late&targetRefId=refs/heads/master"
        );
        p.get(&format!("{area}/reviewers?{query}"), 200).await;
        p.get(&format!("{area}/reviewers?sourceRepoId=0&targetRepoId=0"), 400).await;
        p.delete(&format!("{area}/condition/{}", word(&made, "/id")), 204).await;
    }
    let made = p.get(&format!("{project}/conditions"), 200).await;
    p.delete(&format!("{project}/condition/{}", word(&made, "/0/id")), 204).await;
    for area in ["P/settings/reviewer-groups", "R/settings/reviewer-groups"] {
        let group = json!({"name": "core", "description": "The core", "users": [{"name": "carol", "id": 3}]});
        let made = p.post(area, group.clone(), 201).await;
        let one = format!("{area}/{}", word(&made, "/id"));
        p.post(area, group, 409).await;
        p.get(area, 200).await;
        p.get(&one, 200).await;
        if area.starts_with('R') {
            p.get(&format!("{one}/users"), 200).await;
        }
        p.delete(&one, 204).await;
        p.get(&one, 404).await;
    }
}

pub(super) async fn restrictions(p: &mut Player) {
    let builds = "/rest/required-builds/latest/projects/SHOP/repos/web";
    let rule = json!({"buildParentKeys": ["plan"], "refMatcher": any(), "exemptRefMatcher": {"id": "late", "type": {"id": "BRANCH"}}});
    let made = p.post(&format!("{builds}/condition"), rule.clone(), 200).await;
    p.post(&format!("{builds}/condition"), json!({}), 400).await;
    p.get(&format!("{builds}/conditions"), 200).await;
    let made = p.put(&format!("{builds}/condition/{}", word(&made, "/id")), rule, 200).await;
    p.delete(&format!("{builds}/condition/{}", word(&made, "/id")), 204).await;
    let project = "/rest/branch-permissions/latest/projects/SHOP";
    for area in [format!("{project}/restrictions"), format!("{project}/repos/web/restrictions")] {
        let rule = json!({"type": "no-deletes", "matcher": {"id": "refs/heads/late", "displayId": "late",
            "type": {"id": "BRANCH", "name": "Branch"}, "active": true}, "users": ["bob"], "groups": ["staff"]});
        let made = p.post(&area, rule, 200).await;
        let one = format!("{area}/{}", word(&made, "/id"));
        p.post(&area, json!({}), 400).await;
        p.get(&area, 200).await;
        p.get(&one, 200).await;
        p.delete(&one, 204).await;
        p.get(&one, 404).await;
    }
}

pub(super) async fn tokens(p: &mut Player) {
    let base = "/rest/access-tokens/latest";
    for area in [format!("{base}/users/alice"), format!("{base}/projects/SHOP")] {
        let wish = json!({"name": "CI", "permissions": ["REPO_READ"], "expiryDays": 3});
        let made = p.put(&area, wish, 200).await;
        let one = format!("{area}/{}", word(&made, "/id"));
        p.put(&area, json!({"name": "CI"}), 400).await;
        p.get(&area, 200).await;
        p.get(&one, 200).await;
        p.post(&one, json!({"name": "CD", "permissions": ["REPO_WRITE"]}), 200).await;
        p.delete(&one, 204).await;
        p.get(&one, 404).await;
    }
}

pub(super) async fn refused(p: &mut Player) {
    let before = p.become_("Bearer wrong");
    for path in ["A/projects", "A/repos", "P", "R", "R/branches", "R/pull-requests/1"] {
        p.get(path, 401).await;
    }
    p.become_("");
    p.get("A/profile/recent/repos", 401).await;
    p.sim.limit_user("eve", bitbucket_sim::Permission::Read, bitbucket_sim::Permission::Read, None);
    p.sim.add_user("eve", "secret");
    p.become_(&basic("eve"));
    p.get("R/permissions/users", 401).await;
    p.post("R/branches", json!({"name": "x", "startPoint": "master"}), 401).await;
    p.become_(&before);
    p.sim.archive_repo("SHOP", "web").expect("a repository");
    p.post(
        "R/pull-requests",
        json!({"title": "x", "fromRef": {"id": "late"}, "toRef": {"id": "master"}}),
        409,
    )
    .await;
}
