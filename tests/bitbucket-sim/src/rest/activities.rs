//! `R/pull-requests/{id}/activities`: what happened, newest first, and the only list of all comments.

use serde_json::{Value, json};

use super::{repo, route};
use crate::call::{Answer, Call, ok};
use crate::pull::{Activity, Pull};
use crate::refusal::{Refusal, bad_argument};
use crate::route::Route;
use crate::store::{Repo, Store};

pub(super) const ROUTES: &[Route] =
    &[route!(GET, repo!("/pull-requests/{id}/activities"), Read, Json, later list)];

async fn list(call: Call) -> Answer {
    let (page, repo, viewer) = (call.page(500)?, call.repo()?.clone(), call.author());
    let pull = super::pulls::fresh(&call).await?;
    let store = call.app.store();
    // A reply shows inside its thread's entry, not as one of its own.
    let shown: Vec<&Activity> = pull
        .activities
        .iter()
        .rev()
        .filter(|activity| thread(&pull, activity.comment).is_none_or(|id| Some(id) == activity.comment))
        .collect();
    let first = first(&call, &pull, &shown)?;
    let from = shown.into_iter().skip(first);
    ok(&page.stored(from.map(|activity| activity_json(&store, &repo, &pull, activity, &viewer))))
}

/// Where `fromId`, an activity or a comment by `fromType`, is in the list; the start without one.
fn first(call: &Call, pull: &Pull, shown: &[&Activity]) -> Result<usize, Refusal> {
    let Some(id) = call.query.get("fromId").and_then(|id| id.parse::<u64>().ok()) else { return Ok(0) };
    let at = match call.query.get("fromType").map(str::to_uppercase).as_deref() {
        Some("COMMENT") => {
            let root = thread(pull, Some(id));
            shown.iter().position(|activity| activity.comment.is_some() && activity.comment == root)
        }
        Some("ACTIVITY") => shown.iter().position(|activity| activity.id == id),
        _ => return Err(bad_argument("fromType must be COMMENT or ACTIVITY").about("fromType")),
    };
    Ok(at.unwrap_or(shown.len()))
}

/// The comment that begins the thread of a comment.
fn thread(pull: &Pull, comment: Option<u64>) -> Option<u64> {
    let mut id = comment?;
    while let Some(parent) =
        pull.comments.iter().find(|comment| comment.id == id).and_then(|comment| comment.parent)
    {
        id = parent;
    }
    Some(id)
}

fn activity_json(store: &Store, repo: &Repo, pull: &Pull, activity: &Activity, viewer: &str) -> Value {
    let mut json = Value::Object(activity.more.clone());
    json["id"] = json!(activity.id);
    json["createdDate"] = json!(activity.at);
    json["user"] = store.user_json_by_name(&activity.user);
    json["action"] = json!(activity.action);
    let comment = activity.comment.and_then(|id| pull.comments.iter().find(|comment| comment.id == id));
    if let Some(comment) = comment {
        json["comment"] = store.comment_json(repo.id, &pull.comments, comment, viewer);
        if let Some(anchor) = &comment.anchor {
            json["commentAnchor"] = anchor.clone();
        }
        if let Some(diff) = &comment.diff {
            json["diff"] = diff.clone();
        }
    }
    json
}
