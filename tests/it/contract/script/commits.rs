//! Branches, tags, files and commits, and what is said of commits.

use serde_json::json;

use super::word;
use crate::contract::player::Player;

const UTILS: &str = "/rest/branch-utils/latest/projects/SHOP/repos/web";
const GIT: &str = "/rest/git/latest/projects/SHOP/repos/web";

pub(super) async fn refs(p: &mut Player) {
    p.get("R/branches", 200).await;
    p.get("R/branches?limit=1", 200).await;
    p.get("R/branches?details=true&base=refs/heads/master", 200).await;
    p.get("P/repos/none/branches", 404).await;
    p.post("R/branches", json!({"name": "made", "startPoint": "master"}), 200).await;
    p.post("R/branches", json!({"name": "made", "startPoint": "master"}), 400).await;
    p.post("R/branches", json!({"name": "made/more", "startPoint": "master"}), 409).await;
    let branches = format!("{UTILS}/branches");
    p.post(&branches, json!({"name": "topic", "startPoint": "master"}), 201).await;
    p.post(&branches, json!({"name": "topic", "startPoint": "master"}), 400).await;
    p.delete_with(&branches, json!({"name": "refs/heads/topic"}), 204).await;
    p.delete_with(&branches, json!({"name": "refs/heads/master"}), 400).await;
    p.get(&format!("{UTILS}/branchmodel"), 200).await;
    p.get(&format!("{UTILS}/branchmodel/configuration"), 200).await;
    p.get("R/default-branch", 200).await;
    p.get("R/branches/default", 200).await;
    p.get("P/repos/empty/branches/default", 204).await;
    p.put("R/branches/default", json!({"id": "refs/heads/master"}), 204).await;
    p.put("R/default-branch", json!({"id": "refs/heads/master"}), 204).await;
    p.get("R/tags", 200).await;
    p.get("R/tags/v1", 200).await;
    p.get("R/tags/none", 404).await;
    p.post("R/tags", json!({"name": "v2", "startPoint": "master", "message": "Two"}), 200).await;
    p.post("R/tags", json!({"name": "v2", "startPoint": "master"}), 400).await;
    let tag = json!({"name": "v3", "startPoint": "master", "type": "LIGHTWEIGHT"});
    p.post(&format!("{GIT}/tags"), tag.clone(), 201).await;
    p.post(&format!("{GIT}/tags"), tag, 400).await;
    p.get("R/tags/v3", 200).await;
    p.delete(&format!("{GIT}/tags/v3"), 204).await;
    p.delete(&format!("{GIT}/tags/v3"), 404).await;
}

pub(super) async fn content(p: &mut Player) {
    for place in ["browse", "files", "last-modified"] {
        p.get(&format!("R/{place}?at=refs/heads/master"), 200).await;
        p.get(&format!("R/{place}/src?at=refs/heads/master"), 200).await;
        p.get(&format!("R/{place}?at=none"), 404).await;
    }
    p.get("R/browse/a.txt", 200).await;
    p.get("R/browse/a.txt?limit=1", 200).await;
    p.get("R/files?limit=1", 200).await;
    p.get("R/commits?withCounts=true", 200).await;
    let moved = commit(p, "moved").await;
    p.get(&format!("R/commits/{moved}/changes"), 200).await;
    p.get("R/compare/changes?from=moved&to=master", 200).await;
    let known = commit(p, "master").await;
    p.get(&format!("R/commits/{known}"), 200).await;
    p.get("R/browse/a.txt?type=true", 200).await;
    p.get("R/browse/a.txt?blame=true", 200).await;
    p.get("R/browse/none.txt", 404).await;
    p.get("R/raw/a.txt", 200).await;
    p.get("R/raw/none.txt", 404).await;
    p.get("P/repos/empty/files", 404).await;
    p.get("R/archive?format=zip", 200).await;
    p.get("R/archive?at=none", 404).await;
    p.get("R/patch?until=feature", 200).await;
    p.get("R/patch?until=refs/heads/none", 404).await;
    let edit = [("content", "new\n"), ("branch", "made"), ("message", "Add")];
    p.edit("R/browse/added.txt", &edit, 200).await;
    p.edit("R/browse/added.txt", &edit, 409).await;
    p.edit("R/browse/added.txt", &edit[..1], 400).await;
    p.get("R/commits?until=refs/heads/feature", 200).await;
    p.get("R/commits?until=none", 404).await;
    let sha = commit(p, "feature").await;
    let one = format!("R/commits/{sha}");
    p.get(&one, 200).await;
    p.get("R/commits/0000000000000000000000000000000000000000", 404).await;
    p.get(&format!("{one}/changes"), 200).await;
    p.get(&format!("{one}/diff"), 200).await;
    p.get(&format!("{one}/diff/gone.txt"), 200).await;
    p.get(&format!("{one}/pull-requests"), 200).await;
    p.get("R/diff?since=master&until=feature", 200).await;
    p.get("R/diff/a.txt?since=master&until=feature", 200).await;
    p.text("R/diff/a.txt?since=master&until=feature", 200).await;
    p.get("R/compare/changes?from=feature&to=master", 200).await;
    p.get("R/compare/commits?from=feature&to=master", 200).await;
    p.get("R/compare/diff?from=feature&to=master", 200).await;
    p.get("R/compare/diff/a.txt?from=feature&to=master", 200).await;
    p.get("R/compare/commits?from=none&to=master", 404).await;
    p.get(&format!("{UTILS}/branches/info/{sha}"), 200).await;
}

pub(super) async fn builds(p: &mut Player) {
    let sha = commit(p, "feature").await;
    let (own, legacy) =
        (format!("R/commits/{sha}/builds"), format!("/rest/build-status/latest/commits/{sha}"));
    let build = json!({"key": "k", "state": "SUCCESSFUL", "url": "https://ci.example.com/1", "name": "Build",
        "description": "Well", "ref": "refs/heads/feature", "parent": "plan", "buildNumber": "7", "duration": 5,
        "testResults": {"successful": 3, "failed": 1, "skipped": 2}});
    p.post(&own, build, 204).await;
    p.post(&own, json!({"key": "k"}), 400).await;
    p.get(&format!("{own}?key=k"), 200).await;
    p.get(&own, 400).await;
    p.get(&format!("{own}?key=none"), 404).await;
    let build = json!({"key": "l", "state": "FAILED", "url": "https://ci.example.com/2", "name": "B", "description": "D"});
    p.post(&legacy, build, 204).await;
    p.post(&legacy, json!({}), 400).await;
    p.get(&legacy, 200).await;
    p.get(&format!("/rest/build-status/latest/commits/stats/{sha}"), 200).await;
    p.post("/rest/build-status/latest/commits/stats", json!([sha]), 200).await;
    p.delete(&format!("{own}?key=k"), 204).await;
}

pub(super) async fn insights(p: &mut Player) {
    let sha = commit(p, "feature").await;
    let commit = format!("/rest/insights/latest/projects/SHOP/repos/web/commits/{sha}");
    let (reports, report) = (format!("{commit}/reports"), format!("{commit}/reports/scan"));
    let body = json!({"title": "Scan", "details": "Found", "result": "FAIL", "reporter": "Scanner",
        "link": "https://example.com", "logoUrl": "https://example.com/logo",
        "data": [{"title": "Findings", "type": "NUMBER", "value": 3}]});
    p.put(&report, body, 200).await;
    p.put(&report, json!({}), 400).await;
    let annotation = json!({"path": "a.txt", "line": 2, "message": "Bad", "severity": "HIGH", "type": "BUG",
        "link": "https://example.com/1", "externalId": "x1"});
    p.post(&format!("{report}/annotations"), json!({"annotations": [annotation]}), 204).await;
    p.post(&format!("{report}/annotations"), json!({"annotations": [{}]}), 400).await;
    p.put(&format!("{report}/annotations/x2"), annotation, 204).await;
    p.get(&reports, 200).await;
    p.get(&report, 200).await;
    p.get(&format!("{reports}/none"), 404).await;
    p.get(&format!("{report}/annotations"), 200).await;
    p.get(&format!("{commit}/annotations"), 200).await;
    p.delete(&format!("{report}/annotations?externalId=x1"), 204).await;
    p.delete(&report, 204).await;
}

/// The commit that a branch is at.
pub(super) async fn commit(p: &mut Player, branch: &str) -> String {
    let page = p.get(&format!("R/commits?until={branch}&limit=1"), 200).await;
    word(&page, "/values/0/id")
}
