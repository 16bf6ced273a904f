//! Comments and tasks of a pull request (FACTS.md 4.1).

use http::StatusCode;
use serde_json::{Value, json};

use super::pulls::{fresh, span};
use super::{commit_named, repo, route};
use crate::call::{Answer, Call, created, no_content, ok};
use crate::git::LineKind;
use crate::journal::WriteKind;
use crate::pull::{Activity, Comment, Pull};
use crate::refusal::{Refusal, api, bad_argument, conflict, forbidden, invalid};
use crate::rest::diff::CONTEXT;
use crate::route::Route;
use crate::store::{RepoId, Store, now};

pub(super) const ROUTES: &[Route] = &[
    route!(GET, repo!("/pull-requests/{id}/comments"), Read, Json, now list),
    route!(POST, repo!("/pull-requests/{id}/comments"), Read, Json, later post),
    route!(GET, repo!("/pull-requests/{id}/comments/{comment}"), Read, Json, now get),
    route!(PUT, repo!("/pull-requests/{id}/comments/{comment}"), Read, Json, later put),
    route!(DELETE, repo!("/pull-requests/{id}/comments/{comment}"), Read, Json, now delete),
    route!(GET, repo!("/pull-requests/{id}/blocker-comments"), Read, Json, now tasks),
    route!(POST, repo!("/pull-requests/{id}/blocker-comments"), Read, Json, later post_task),
];

impl Store {
    /// A comment with its replies, as deep as they go.
    pub(super) fn comment_json(&self, repo: RepoId, pull: &Pull, comment: &Comment) -> Value {
        let replies = pull.comments.iter().filter(|other| other.parent == Some(comment.id));
        let replies: Vec<Value> = replies.map(|reply| self.comment_json(repo, pull, reply)).collect();
        let mut json = json!({
            "properties": {"repositoryId": repo}, "id": comment.id, "version": comment.version, "text": comment.text,
            "author": self.user_json_by_name(&comment.author), "createdDate": comment.created,
            "updatedDate": comment.updated, "comments": replies, "state": comment.state,
            "severity": if comment.blocker { "BLOCKER" } else { "NORMAL" },
            "permittedOperations": {"editable": true, "transitionable": true, "deletable": replies_none(pull, comment)},
        });
        if self.version.has_resolved_threads() {
            json["threadResolved"] = json!(comment.thread_resolved);
        } else {
            json["tasks"] = json!([]);
        }
        if let Some(anchor) = &comment.anchor {
            json["anchor"] = anchor.clone();
        }
        json
    }
}

fn replies_none(pull: &Pull, comment: &Comment) -> bool {
    !pull.comments.iter().any(|other| other.parent == Some(comment.id))
}

/// A view of one file, not a list of all comments.
fn list(call: &Call) -> Answer {
    let Some(path) = call.query.get("path") else {
        return Err(bad_argument("A path is required to find comments").about("path"));
    };
    let at = |comment: &Comment| comment.anchor.as_ref().is_some_and(|anchor| anchor["path"] == path);
    page_of(call, at)
}

fn tasks(call: &Call) -> Answer {
    let state = call.query.get("state").unwrap_or("").to_uppercase();
    if call.query.get("count") == Some("true") {
        let repo = call.repo()?.clone();
        let mut store = call.app.store();
        let pull = store.pull(&repo, call.param("id"))?;
        let count =
            |state: &str| pull.comments.iter().filter(|task| task.blocker && task.state == state).count();
        return ok(&json!({"open": count("OPEN"), "resolved": count("RESOLVED")}));
    }
    page_of(call, |comment| comment.blocker && (state.is_empty() || comment.state == state))
}

fn page_of(call: &Call, wanted: impl Fn(&Comment) -> bool) -> Answer {
    let (page, repo) = (call.page(500)?, call.repo()?.clone());
    let mut store = call.app.store();
    let pull = store.pull(&repo, call.param("id"))?.clone();
    let found = pull.comments.iter().filter(|comment| wanted(comment));
    ok(&page.stored(found.map(|comment| store.comment_json(repo.id, &pull, comment))))
}

fn get(call: &Call) -> Answer {
    let repo = call.repo()?.clone();
    let mut store = call.app.store();
    let mut pull = store.pull(&repo, call.param("id"))?.clone();
    let comment = pull.comment(&repo, call.param("comment"))?.clone();
    ok(&store.comment_json(repo.id, &pull, &comment))
}

async fn post(mut call: Call) -> Answer {
    let body = call.json().await?;
    write(&call, &body).await
}

async fn post_task(mut call: Call) -> Answer {
    let mut body = call.json().await?;
    body["severity"] = json!("BLOCKER");
    write(&call, &body).await
}

async fn write(call: &Call, body: &Value) -> Answer {
    let user = call.author();
    let text = text_of(body)?.ok_or_else(bad_text)?;
    let pull = fresh(call).await?;
    let parent = body.pointer("/parent/id").and_then(Value::as_u64);
    let anchor = match body.get("anchor").filter(|anchor| !anchor.is_null()) {
        Some(anchor) if parent.is_none() => Some(placed(call, &pull, anchor).await?),
        _ => None,
    };
    let repo = call.repo()?.clone();
    let mut store = call.app.store();
    let (id, activity) = (store.new_id(), store.new_id());
    let pull = store.pull(&repo, call.param("id"))?;
    if let Some(parent) = parent {
        pull.comment(&repo, &parent.to_string())?;
    }
    let at = now();
    let comment = Comment {
        id,
        parent,
        version: 0,
        text: text.to_owned(),
        author: user.clone(),
        created: at,
        updated: at,
        blocker: body["severity"] == "BLOCKER",
        state: if body["state"] == "PENDING" { "PENDING" } else { "OPEN" }.to_owned(),
        thread_resolved: false,
        anchor,
    };
    pull.comments.push(comment.clone());
    pull.updated = at;
    let mut more = serde_json::Map::new();
    more.insert("commentAction".to_owned(), json!(if parent.is_some() { "REPLIED" } else { "ADDED" }));
    pull.activities.push(Activity { id: activity, at, user, action: "COMMENTED", comment: Some(id), more });
    let pull = pull.clone();
    let number = id.to_string();
    let path = comment.anchor.as_ref().and_then(|anchor| anchor["path"].as_str()).unwrap_or("").to_owned();
    let facts = [
        ("pull_request", call.param("id")),
        ("id", number.as_str()),
        ("path", path.as_str()),
        ("text", text),
    ];
    call.app.journal.wrote(WriteKind::Comment, &repo.label(), &facts);
    let base = format!("{}/rest/api/latest/projects/{}/repos/{}", store.base, repo.project, repo.slug);
    let location = format!("{base}/pull-requests/{}/comments/{id}", pull.id);
    created(&location, &store.comment_json(repo.id, &pull, &comment))
}

/// The text of a body, where there is one; too long or empty is a refusal.
fn text_of(body: &Value) -> Result<Option<&str>, Refusal> {
    match body.get("text") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if !text.is_empty() && text.chars().count() <= LONGEST_TEXT => {
            Ok(Some(text))
        }
        Some(_) => Err(bad_text()),
    }
}

fn bad_text() -> Refusal {
    invalid("text", "Please enter a non-empty value less than 32768 characters")
}

/// An anchor as it is kept: checked against the real diff, and with what was left out filled in.
async fn placed(call: &Call, pull: &Pull, anchor: &Value) -> Result<Value, Refusal> {
    let text = |name: &str| anchor.get(name).and_then(Value::as_str);
    let path = text("path").ok_or_else(|| bad_argument("The path of an anchor is a string").about("path"))?;
    let (git, mut from, mut to) = span(call, pull).await?;
    let kind = text("diffType").unwrap_or("EFFECTIVE");
    if kind != "EFFECTIVE" {
        let (Some(older), Some(newer)) = (text("fromHash"), text("toHash")) else {
            return Err(bad_argument("fromHash and toHash are required for this diffType"));
        };
        for id in [older, newer] {
            commit_named(call.repo()?, &git, id).await?;
        }
        (from, to) = (older.to_owned(), newer.to_owned());
    }
    let diffs = git.diff(&from, &to, Some(path), CONTEXT).await?;
    let diff = diffs.first().ok_or_else(|| {
        bad_argument(format!("The path \"{path}\" is not part of the changes of this pull request"))
            .about("path")
    })?;
    let mut kept = json!({"fromHash": from, "toHash": to, "path": path, "diffType": kind, "orphaned": false});
    if let Some(from) = &diff.change.from_path {
        kept["srcPath"] = json!(from);
    }
    let Some(line) = anchor.get("line").and_then(Value::as_u64) else {
        return Ok(kept);
    };
    let (line_type, default_side) = match text("lineType").unwrap_or("CONTEXT") {
        "ADDED" => (LineKind::Added, "TO"),
        "REMOVED" => (LineKind::Removed, "FROM"),
        "CONTEXT" => (LineKind::Context, "FROM"),
        other => return Err(bad_argument(format!("'{other}' is not a lineType")).about("lineType")),
    };
    let side = text("fileType").unwrap_or(default_side);
    let fits = matches!((line_type, side), (LineKind::Context, "FROM" | "TO")) || side == default_side;
    if !fits || !diff.shows(line, line_type, side == "TO") {
        let message = format!(
            "Line {line} of \"{path}\" is not shown as {} by the diff",
            super::diff::kind_name(line_type)
        );
        return Err(bad_argument(message).about("line"));
    }
    kept["line"] = json!(line);
    kept["lineType"] = json!(super::diff::kind_name(line_type));
    kept["fileType"] = json!(side);
    Ok(kept)
}

async fn put(mut call: Call) -> Answer {
    let user = call.author();
    let body = call.json().await?;
    let text = text_of(&body)?.map(str::to_owned);
    let repo = call.repo()?.clone();
    let threads = call.app.config.version.has_resolved_threads();
    let mut store = call.app.store();
    let pull = store.pull(&repo, call.param("id"))?;
    let comment = pull.comment(&repo, call.param("comment"))?;
    current(comment, body.get("version").and_then(Value::as_u64))?;
    if text.is_some() && comment.author != user {
        return Err(forbidden());
    }
    comment.text = text.unwrap_or_else(|| comment.text.clone());
    if let Some(severity) = body.get("severity").and_then(Value::as_str) {
        comment.blocker = severity == "BLOCKER";
    }
    if let Some(state) = body.get("state").and_then(Value::as_str) {
        comment.state = state.to_owned();
    }
    // Releases without it ignore it in silence.
    if let Some(resolved) = body.get("threadResolved").and_then(Value::as_bool).filter(|_| threads) {
        comment.thread_resolved = resolved;
    }
    comment.version += 1;
    comment.updated = now();
    let comment = comment.clone();
    let pull = pull.clone();
    let facts = [("pull_request", call.param("id")), ("id", call.param("comment"))];
    call.app.journal.wrote(WriteKind::UpdateComment, &repo.label(), &facts);
    ok(&store.comment_json(repo.id, &pull, &comment))
}

fn delete(call: &Call) -> Answer {
    let repo = call.repo()?.clone();
    let version = call.query.get("version").and_then(|text| text.parse().ok());
    let mut store = call.app.store();
    let pull = store.pull(&repo, call.param("id"))?;
    let comment = pull.comment(&repo, call.param("comment"))?.clone();
    current(&comment, version)?;
    if !replies_none(pull, &comment) {
        let message = "This comment has replies which must be deleted first.";
        return Err(conflict("comment.CommentDeletionException", message));
    }
    pull.comments.retain(|other| other.id != comment.id);
    pull.activities.retain(|activity| activity.comment != Some(comment.id));
    let facts = [("pull_request", call.param("id")), ("id", call.param("comment"))];
    call.app.journal.wrote(WriteKind::DeleteComment, &repo.label(), &facts);
    no_content()
}

fn current(comment: &Comment, version: Option<u64>) -> Result<(), Refusal> {
    if version == Some(comment.version) {
        return Ok(());
    }
    let message = "You are attempting to modify a comment based on out-of-date information.";
    Err(api(StatusCode::CONFLICT, "comment.CommentOutOfDateException", message))
}

/// Characters of a comment.
const LONGEST_TEXT: usize = 32_767;
