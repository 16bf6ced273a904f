//! Comments and tasks of a pull request (FACTS.md 4.1).

pub(super) mod anchor;

use serde_json::{Value, json};

use self::anchor::placed;
use super::pulls::{fresh, version};
use super::{repo, route};
use crate::call::{Answer, Call, created, no_content, ok};
use crate::comment::{self, Comment, State};
use crate::journal::WriteKind;
use crate::refusal::{Refusal, bad_argument};
use crate::route::Route;

pub(super) const ROUTES: &[Route] = &[
    route!(GET, repo!("/pull-requests/{id}/comments"), Read, Json, now list),
    route!(POST, repo!("/pull-requests/{id}/comments"), Read, Json, later post),
    route!(GET, repo!("/pull-requests/{id}/comments/{comment}"), Read, Json, now get),
    route!(PUT, repo!("/pull-requests/{id}/comments/{comment}"), Read, Json, later put),
    route!(DELETE, repo!("/pull-requests/{id}/comments/{comment}"), Read, Json, now delete),
    route!(GET, repo!("/pull-requests/{id}/blocker-comments"), Read, Json, now tasks),
    route!(POST, repo!("/pull-requests/{id}/blocker-comments"), Read, Json, later post_task),
    route!(GET, repo!("/pull-requests/{id}/blocker-comments/{comment}"), Read, Json, now get),
    route!(PUT, repo!("/pull-requests/{id}/blocker-comments/{comment}"), Read, Json, later put),
    route!(DELETE, repo!("/pull-requests/{id}/blocker-comments/{comment}"), Read, Json, now delete),
];

/// A view of one file, not a list of all comments.
fn list(call: &Call) -> Answer {
    let Some(path) = call.query.get("path") else {
        return Err(bad_argument("A path is required to find comments").about("path"));
    };
    page_of(call, |comment| comment.anchor.as_ref().is_some_and(|anchor| anchor["path"] == path))
}

fn tasks(call: &Call) -> Answer {
    if call.query.get("count") == Some("true") {
        let repo = call.repo()?.clone();
        let mut store = call.app.store();
        let pull = store.pull(&repo, call.param("id"))?;
        return ok(&json!({"open": pull.tasks(State::Open), "resolved": pull.tasks(State::Resolved)}));
    }
    let state = call.query.get("state").or_else(|| call.query.get("states")).map(str::to_uppercase);
    let state = state.as_deref().map(State::of).transpose()?;
    page_of(call, |comment| comment.blocker && state.is_none_or(|state| comment.state == state))
}

fn page_of(call: &Call, wanted: impl Fn(&Comment) -> bool) -> Answer {
    let (page, repo, viewer) = (call.page(500)?, call.repo()?.clone(), call.author());
    let mut store = call.app.store();
    let pull = store.pull(&repo, call.param("id"))?.clone();
    let found = pull.comments.iter().filter(|comment| wanted(comment) && comment.visible(&viewer));
    ok(&page.stored(found.map(|comment| store.comment_json(repo.id, &pull.comments, comment, &viewer))))
}

fn get(call: &Call) -> Answer {
    let (repo, viewer) = (call.repo()?.clone(), call.author());
    let mut store = call.app.store();
    let mut pull = store.pull(&repo, call.param("id"))?.clone();
    let comment = comment::find(&mut pull.comments, call.param("comment"), &viewer)?.clone();
    ok(&store.comment_json(repo.id, &pull.comments, &comment, &viewer))
}

async fn post(mut call: Call) -> Answer {
    let body = call.json().await?;
    write(&call, &body).await
}

async fn post_task(mut call: Call) -> Answer {
    let mut body = call.json().await?;
    if let Value::Object(members) = &mut body {
        members.insert("severity".to_owned(), json!("BLOCKER"));
    }
    write(&call, &body).await
}

async fn write(call: &Call, body: &Value) -> Answer {
    let user = call.author();
    let pull = fresh(call).await?;
    let mut comment = Comment::new(0, &user, body)?;
    if let Some(anchor) = body.get("anchor").filter(|anchor| !anchor.is_null() && comment.parent.is_none()) {
        let (kept, diff) = placed(call, &pull, anchor).await?;
        (comment.anchor, comment.diff) = (Some(kept), diff);
    }
    let repo = call.repo()?.clone();
    let mut store = call.app.store();
    let activity = store.new_id();
    comment.id = store.new_id();
    let pull = store.pull(&repo, call.param("id"))?;
    if let Some(parent) = comment.parent {
        comment::find(&mut pull.comments, &parent.to_string(), &user)?;
    }
    pull.comments.push(comment.clone());
    // A draft shows up when its review ends.
    if comment.state != State::Pending {
        pull.commented(activity, &comment);
    }
    let pull = pull.clone();
    note(call, &comment)?;
    let base = format!("{}/rest/api/latest/projects/{}/repos/{}", store.base, repo.project, repo.slug);
    let location = format!("{base}/pull-requests/{}/comments/{}", pull.id, comment.id);
    created(&location, &store.comment_json(repo.id, &pull.comments, &comment, &user))
}

/// Writes a new comment down with all that tells it from another.
fn note(call: &Call, comment: &Comment) -> Result<(), Refusal> {
    let id = comment.id.to_string();
    let parent = comment.parent.map(|parent| parent.to_string()).unwrap_or_default();
    let anchor = comment.anchor.as_ref().map(Value::to_string).unwrap_or_default();
    let path = comment.anchor.as_ref().and_then(|anchor| anchor["path"].as_str()).unwrap_or("");
    let facts = [
        ("pull_request", call.param("id")),
        ("id", id.as_str()),
        ("path", path),
        ("text", comment.text.as_str()),
        ("user", comment.author.as_str()),
        ("parent", parent.as_str()),
        ("anchor", anchor.as_str()),
    ];
    call.app.journal.wrote(WriteKind::Comment, &call.repo()?.label(), &facts);
    Ok(())
}

async fn put(mut call: Call) -> Answer {
    let user = call.author();
    let body = call.json().await?;
    let repo = call.repo()?.clone();
    let threads = call.app.config.version.has_resolved_threads();
    let mut store = call.app.store();
    let pull = store.pull(&repo, call.param("id"))?;
    let found = comment::find(&mut pull.comments, call.param("comment"), &user)?;
    comment::edit(found, &body, &user, threads)?;
    let comment = found.clone();
    let pull = pull.clone();
    let facts = [
        ("pull_request", call.param("id")),
        ("id", call.param("comment")),
        ("text", comment.text.as_str()),
        ("state", comment.state.name()),
    ];
    call.app.journal.wrote(WriteKind::UpdateComment, &repo.label(), &facts);
    ok(&store.comment_json(repo.id, &pull.comments, &comment, &user))
}

fn delete(call: &Call) -> Answer {
    let (repo, user) = (call.repo()?.clone(), call.author());
    let version = version(call, &Value::Null);
    let mut store = call.app.store();
    let pull = store.pull(&repo, call.param("id"))?;
    let comment = comment::remove(&mut pull.comments, call.param("comment"), version, &user)?;
    pull.activities.retain(|activity| activity.comment != Some(comment.id));
    let facts = [("pull_request", call.param("id")), ("id", call.param("comment"))];
    call.app.journal.wrote(WriteKind::DeleteComment, &repo.label(), &facts);
    no_content()
}
