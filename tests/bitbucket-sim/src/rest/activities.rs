//! `R/pull-requests/{id}/activities`: what happened, newest first, and the only list of all comments.

use serde_json::{Value, json};

use super::{repo, route};
use crate::call::{Answer, Call, ok};
use crate::pull::{Activity, Pull};
use crate::route::Route;
use crate::store::{Repo, Store};

pub(super) const ROUTES: &[Route] =
    &[route!(GET, repo!("/pull-requests/{id}/activities"), Read, Json, later list)];

async fn list(call: Call) -> Answer {
    let (page, repo) = (call.page(500)?, call.repo()?.clone());
    let pull = super::pulls::fresh(&call).await?;
    let store = call.app.store();
    // A reply shows inside its thread's entry, not as one of its own.
    let shown = pull
        .activities
        .iter()
        .rev()
        .filter(|activity| thread(&pull, activity).is_none_or(|id| Some(id) == activity.comment));
    ok(&page.stored(shown.map(|activity| activity_json(&store, &repo, &pull, activity))))
}

/// The comment that begins the thread of an activity's comment.
fn thread(pull: &Pull, activity: &Activity) -> Option<u64> {
    let mut id = activity.comment?;
    while let Some(parent) =
        pull.comments.iter().find(|comment| comment.id == id).and_then(|comment| comment.parent)
    {
        id = parent;
    }
    Some(id)
}

fn activity_json(store: &Store, repo: &Repo, pull: &Pull, activity: &Activity) -> Value {
    let mut json = Value::Object(activity.more.clone());
    json["id"] = json!(activity.id);
    json["createdDate"] = json!(activity.at);
    json["user"] = store.user_json_by_name(&activity.user);
    json["action"] = json!(activity.action);
    let comment = activity.comment.and_then(|id| pull.comments.iter().find(|comment| comment.id == id));
    if let Some(comment) = comment {
        json["comment"] = store.comment_json(repo.id, pull, comment);
        if let Some(anchor) = &comment.anchor {
            json["commentAnchor"] = anchor.clone();
        }
    }
    json
}
