//! `R/commits/{sha}/comments`: comments on a commit, general or on a line of what it changed.

use serde_json::Value;

use super::comments::anchor::{Frame, within};
use super::diff::CONTEXT;
use super::pulls::version;
use super::{commit_named, repo, route};
use crate::call::{Answer, Call, created, no_content, ok};
use crate::comment::{self, Comment};
use crate::journal::WriteKind;
use crate::refusal::{Refusal, bad_argument};
use crate::route::Route;
use crate::store::RepoId;

pub(super) const ROUTES: &[Route] = &[
    route!(GET, repo!("/commits/{sha}/comments"), Read, Json, later list),
    route!(POST, repo!("/commits/{sha}/comments"), Read, Json, later post),
    route!(GET, repo!("/commits/{sha}/comments/{comment}"), Read, Json, later get),
    route!(PUT, repo!("/commits/{sha}/comments/{comment}"), Read, Json, later put),
    route!(DELETE, repo!("/commits/{sha}/comments/{comment}"), Read, Json, later delete),
];

/// The commit in the path, as the comments are kept by.
async fn key(call: &Call) -> Result<(RepoId, String), Refusal> {
    let repo = call.repo()?;
    Ok((repo.id, commit_named(repo, &call.git()?, call.param("sha")).await?))
}

async fn list(call: Call) -> Answer {
    let (page, key, viewer) = (call.page(500)?, key(&call).await?, call.author());
    let path = call.query.get("path");
    let store = call.app.store();
    let all = store.commit_comments.get(&key).map(Vec::as_slice).unwrap_or_default();
    let here = |comment: &&Comment| {
        let anchored = comment.anchor.as_ref().and_then(|anchor| anchor["path"].as_str());
        comment.parent.is_none() && path.is_none_or(|path| anchored == Some(path))
    };
    ok(&page.stored(all.iter().filter(here).map(|one| store.comment_json(key.0, all, one, &viewer))))
}

async fn post(mut call: Call) -> Answer {
    let body = call.json().await?;
    let (key, user) = (key(&call).await?, call.author());
    let mut comment = Comment::new(0, &user, &body)?;
    if let Some(anchor) = body.get("anchor").filter(|anchor| !anchor.is_null() && comment.parent.is_none()) {
        (comment.anchor, comment.diff) = placed(&call, &key.1, anchor).await?;
    }
    let repo = call.repo()?.clone();
    let mut store = call.app.store();
    comment.id = store.new_id();
    let all = store.commit_comments.entry(key.clone()).or_default();
    if let Some(parent) = comment.parent {
        comment::find(all, &parent.to_string(), &user)?;
    }
    all.push(comment.clone());
    let all = all.clone();
    let id = comment.id.to_string();
    let facts =
        [("commit", key.1.as_str()), ("id", id.as_str()), ("text", &comment.text), ("user", &comment.author)];
    call.app.journal.wrote(WriteKind::Comment, &repo.label(), &facts);
    let base = format!("{}/rest/api/latest/projects/{}/repos/{}", store.base, repo.project, repo.slug);
    let location = format!("{base}/commits/{}/comments/{id}", key.1);
    created(&location, &store.comment_json(repo.id, &all, &comment, &user))
}

/// An anchor in what the commit changed against its first parent.
async fn placed(call: &Call, sha: &str, anchor: &Value) -> Result<(Option<Value>, Option<Value>), Refusal> {
    let git = call.git()?;
    let path = anchor.get("path").and_then(Value::as_str);
    let path = path.ok_or_else(|| bad_argument("The path of an anchor is a string").about("path"))?;
    let from = match git.commit(sha).await?.parents.into_iter().next() {
        Some(parent) => parent,
        None => git.empty_tree().await?,
    };
    let diffs = git.diff(&from, sha, Some(path), CONTEXT).await?;
    let multiline = call.app.config.version.has_multiline_anchors();
    let frame = Frame { path, from: &from, to: sha, kind: "COMMIT", multiline };
    within(&diffs, anchor, &frame).map(|(anchor, diff)| (Some(anchor), diff))
}

async fn get(call: Call) -> Answer {
    let (key, user) = (key(&call).await?, call.author());
    let store = call.app.store();
    let mut all = store.commit_comments.get(&key).cloned().unwrap_or_default();
    let comment = comment::find(&mut all, call.param("comment"), &user)?.clone();
    ok(&store.comment_json(key.0, &all, &comment, &user))
}

async fn put(mut call: Call) -> Answer {
    let body = call.json().await?;
    let (key, user) = (key(&call).await?, call.author());
    let label = call.repo()?.label();
    let mut store = call.app.store();
    let threads = store.version.has_resolved_threads();
    let all = store.commit_comments.entry(key.clone()).or_default();
    let found = comment::find(all, call.param("comment"), &user)?;
    comment::edit(found, &body, &user, threads)?;
    let comment = found.clone();
    let all = all.clone();
    let facts = [("commit", key.1.as_str()), ("id", call.param("comment")), ("text", &comment.text)];
    call.app.journal.wrote(WriteKind::UpdateComment, &label, &facts);
    ok(&store.comment_json(key.0, &all, &comment, &user))
}

async fn delete(call: Call) -> Answer {
    let (key, user, version) = (key(&call).await?, call.author(), version(&call, &Value::Null));
    let label = call.repo()?.label();
    let mut store = call.app.store();
    let all = store.commit_comments.entry(key.clone()).or_default();
    comment::remove(all, call.param("comment"), version, &user)?;
    let facts = [("commit", key.1.as_str()), ("id", call.param("comment"))];
    call.app.journal.wrote(WriteKind::DeleteComment, &label, &facts);
    no_content()
}
