//! The instance, its projects and its repositories.

use serde_json::json;

use crate::contract::player::Player;

pub(super) async fn instance(p: &mut Player) {
    p.get("A/application-properties", 200).await;
    p.get("/rest/capabilities", 200).await;
    p.get("A/build/capabilities", 200).await;
    p.get("A/users?filter=alice", 200).await;
    p.get("A/users/alice", 200).await;
    p.get("A/users/nobody", 404).await;
    p.get("A/users/alice/settings", 200).await;
    p.post("A/users/alice/settings", json!({"language": "en"}), 204).await;
    p.get("A/profile/recent/repos", 200).await;
    p.put("P/permissions/groups?name=staff&permission=PROJECT_READ", json!({}), 204).await;
    p.get("A/groups", 200).await;
    p.get("A/admin/groups", 200).await;
    p.get("A/admin/users", 200).await;
    p.delete("A/admin/users/captcha?name=bob", 204).await;
    let limits = json!({"enabled": true, "defaultSettings": {"capacity": 6000, "fillRate": 5000}});
    p.put("A/admin/rate-limit/settings", limits, 200).await;
    p.get("A/admin/rate-limit/settings", 200).await;
    let own = json!({"settings": {"capacity": 6000, "fillRate": 5000}});
    p.put("A/admin/rate-limit/settings/users/bob", own.clone(), 200).await;
    p.get("A/admin/rate-limit/settings/users/bob", 200).await;
    p.get("A/admin/rate-limit/settings/users/carol", 404).await;
    let many = json!({"usernames": ["carol"], "settings": {"capacity": 6000, "fillRate": 5000}});
    p.post("A/admin/rate-limit/settings/users", many, 200).await;
    p.get("A/admin/rate-limit/settings/users", 200).await;
    p.delete("A/admin/rate-limit/settings/users/bob", 204).await;
}

pub(super) async fn projects(p: &mut Player) {
    p.post("A/projects", json!({"key": "NEW", "name": "New", "description": "A new one"}), 201).await;
    p.post("A/projects", json!({"name": "No key"}), 400).await;
    p.post("A/projects", json!({"key": "NEW", "name": "New"}), 409).await;
    p.get("A/projects", 200).await;
    p.get("A/projects?limit=1", 200).await;
    p.put("P", json!({"name": "Shop", "description": "What we sell"}), 200).await;
    p.get("A/projects?start=x", 400).await;
    p.get("A/projects/NEW", 200).await;
    p.get("A/projects/NONE", 404).await;
    p.put("A/projects/NEW", json!({"name": "Newer", "description": "Still"}), 200).await;
    p.delete("A/projects/SHOP", 409).await;
    p.delete("A/projects/NEW", 204).await;
    for area in ["P", "R"] {
        let word = if area == "P" { "PROJECT_READ" } else { "REPO_READ" };
        for who in ["users", "groups"] {
            let name = if who == "users" { "bob" } else { "staff" };
            p.put(&format!("{area}/permissions/{who}?name={name}&permission={word}"), json!({}), 204).await;
            p.get(&format!("{area}/permissions/{who}"), 200).await;
        }
        p.get(&format!("{area}/permissions/search"), 200).await;
        p.put(&format!("{area}/permissions/users?name=nobody&permission={word}"), json!({}), 404).await;
        p.put(&format!("{area}/permissions/users?name=bob&permission=WRONG"), json!({}), 400).await;
        p.delete(&format!("{area}/permissions/users?name=bob"), 204).await;
        p.delete(&format!("{area}/permissions/groups?name=staff"), 204).await;
    }
    p.get("A/projects/NONE/permissions/users", 404).await;
}

pub(super) async fn repos(p: &mut Player) {
    p.get("A/repos", 200).await;
    p.get("A/repos?permission=REPO_WRITE&name=web", 200).await;
    p.post("P/repos", json!({"name": "made", "description": "Made"}), 201).await;
    p.post("P/repos", json!({"name": "made"}), 409).await;
    p.post("P/repos", json!({}), 400).await;
    p.get("P/repos", 200).await;
    p.get("P/repos?limit=1", 200).await;
    p.get("P/repos/made", 200).await;
    p.get("P/repos/none", 404).await;
    p.put("P/repos/made", json!({"description": "Made well"}), 201).await;
    p.post("R", json!({"name": "fork", "project": {"key": "~ALICE"}}), 201).await;
    p.get("R", 200).await;
    p.get("A/projects/~alice/repos/fork", 200).await;
    p.get("R/forks", 200).await;
    p.get("R/settings/hooks", 200).await;
    p.delete("P/repos/made", 202).await;
    let hook = json!({"name": "hook", "url": "https://example.com/hook", "active": true,
        "events": ["repo:refs_changed"], "configuration": {"secret": "x"}});
    let made = p.post("R/webhooks", hook.clone(), 201).await;
    let one = format!("R/webhooks/{}", super::word(&made, "/id"));
    p.post("R/webhooks", json!({}), 400).await;
    p.get("R/webhooks", 200).await;
    p.get(&one, 200).await;
    p.put(&one, hook, 200).await;
    p.delete(&one, 204).await;
    p.get(&one, 404).await;
}
