//! Comments, tasks, reactions and suggestions.

use serde_json::json;

use super::commits::commit;
use super::word;
use crate::contract::player::Player;

pub(super) async fn comments(p: &mut Player) {
    let pull = "R/pull-requests/1";
    let all = format!("{pull}/comments");
    let anchor = json!({"path": "a.txt", "line": 2, "lineType": "ADDED", "fileType": "TO"});
    let text = "Better:\n```suggestion\nzwo\n```";
    let made = p.post(&all, json!({"text": text, "anchor": anchor}), 201).await;
    let id = word(&made, "/id");
    let one = format!("{all}/{id}");
    p.post(&all, json!({"text": "Yes", "parent": {"id": made["id"]}}), 201).await;
    p.post(&all, json!({"text": ""}), 400).await;
    p.post("R/pull-requests/999/comments", json!({"text": "x"}), 404).await;
    p.get(&format!("{all}?path=a.txt"), 200).await;
    p.get(&all, 400).await;
    p.get(&one, 200).await;
    p.get(&format!("{all}/999999"), 404).await;
    p.delete(&format!("{one}?version=0"), 409).await;
    let lines = json!({"text": "Both", "anchor": {"path": "a.txt", "line": 2, "lineType": "ADDED", "fileType": "TO",
        "multilineMarker": {"startLine": 1, "startLineType": "CONTEXT"}}});
    p.post(&all, lines, 201).await;
    let likes = "/rest/comment-likes/latest/projects/SHOP/repos/web/pull-requests/1/comments";
    p.put(&format!("{likes}/{id}/reactions/thumbsup"), json!({}), 200).await;
    p.get(&one, 200).await;
    p.delete(&format!("{likes}/{id}/reactions/thumbsup"), 204).await;
    let now = p.get(pull, 200).await["version"].clone();
    let apply =
        json!({"message": "Apply", "commentVersion": 0, "pullRequestVersion": now, "suggestionIndex": 0});
    p.post(&format!("{one}/apply-suggestion"), json!({"commentVersion": 0}), 400).await;
    p.post(&format!("{one}/apply-suggestion"), apply, 204).await;
    p.put(&one, json!({"text": "Best", "version": 0}), 200).await;
    p.put(&one, json!({"text": "Best", "version": 0}), 409).await;
    p.put(&one, json!({"threadResolved": true, "version": 1}), 200).await;
    let plain = p.post(&all, json!({"text": "Plain"}), 201).await;
    p.delete(&format!("{all}/{}?version=0", word(&plain, "/id")), 204).await;
    let tasks = format!("{pull}/blocker-comments");
    let task = p.post(&tasks, json!({"text": "Do"}), 201).await;
    let one = format!("{tasks}/{}", word(&task, "/id"));
    p.get(&tasks, 200).await;
    p.get(&format!("{tasks}?count=true"), 200).await;
    p.get(&one, 200).await;
    p.put(&one, json!({"state": "RESOLVED", "version": 0}), 200).await;
    p.get(&format!("{pull}/activities"), 200).await;
    p.delete(&format!("{one}?version=1"), 204).await;
}

pub(super) async fn commit_comments(p: &mut Player) {
    let sha = commit(p, "side").await;
    let all = format!("R/commits/{sha}/comments");
    let anchor = json!({"path": "side.txt", "line": 1, "lineType": "ADDED", "fileType": "TO"});
    let made = p.post(&all, json!({"text": "Hm", "anchor": anchor}), 201).await;
    let id = word(&made, "/id");
    let one = format!("{all}/{id}");
    p.post(&all, json!({"text": ""}), 400).await;
    p.get(&format!("{all}?path=side.txt"), 200).await;
    p.get(&one, 200).await;
    p.get(&format!("{all}/999999"), 404).await;
    p.put(&one, json!({"text": "Hmm", "version": 0}), 200).await;
    p.put(&one, json!({"text": "Hmm", "version": 0}), 409).await;
    let likes = format!("/rest/comment-likes/latest/projects/SHOP/repos/web/commits/{sha}/comments/{id}");
    p.put(&format!("{likes}/reactions/thumbsup"), json!({}), 200).await;
    p.delete(&format!("{likes}/reactions/thumbsup"), 204).await;
    p.delete(&format!("{one}?version=1"), 204).await;
}
