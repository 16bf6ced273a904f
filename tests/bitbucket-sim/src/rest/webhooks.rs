//! `R/webhooks`: kept as they come; nothing is ever called.

use http::StatusCode;
use serde_json::{Value, json};

use super::{repo, route, text};
use crate::call::{Answer, Call, no_content, ok};
use crate::journal::WriteKind;
use crate::refusal::{Refusal, invalid, json_response, missing};
use crate::route::Route;
use crate::store::{RepoId, now};

pub(super) const ROUTES: &[Route] = &[
    route!(GET, repo!("/webhooks"), Admin, Json, now list),
    route!(POST, repo!("/webhooks"), Admin, Json, later create),
    route!(GET, repo!("/webhooks/{id}"), Admin, Json, now get),
    route!(PUT, repo!("/webhooks/{id}"), Admin, Json, later put),
    route!(DELETE, repo!("/webhooks/{id}"), Admin, Json, now delete),
];

fn list(call: &Call) -> Answer {
    let (page, own) = (call.page(1000)?, call.repo()?.id);
    let store = call.app.store();
    ok(&page.stored(store.webhooks.range((own, 0)..=(own, u64::MAX)).map(|(_, hook)| hook.clone())))
}

fn get(call: &Call) -> Answer {
    let at = named(call)?;
    ok(&call.app.store().webhooks[&at])
}

async fn create(mut call: Call) -> Answer {
    let body = call.json().await?;
    let id = call.app.store().new_id();
    let json = keep(&call, id, &body, now())?;
    Ok(json_response(StatusCode::CREATED, &json))
}

/// Replaces all of it.
async fn put(mut call: Call) -> Answer {
    let body = call.json().await?;
    let at = named(&call)?;
    let created = call.app.store().webhooks[&at]["createdDate"].as_i64().unwrap_or_default();
    ok(&keep(&call, at.1, &body, created)?)
}

fn keep(call: &Call, id: u64, body: &Value, created: i64) -> Result<Value, Refusal> {
    for member in ["name", "url"] {
        if text(body, member).is_none() {
            return Err(invalid(member, format!("A {member} must be specified.")));
        }
    }
    let json = json!({
        "id": id, "name": body["name"], "url": body["url"], "createdDate": created, "updatedDate": now(),
        "events": body.get("events").cloned().unwrap_or_else(|| json!([])),
        "configuration": body.get("configuration").cloned().unwrap_or_else(|| json!({})),
        "active": body.get("active").and_then(Value::as_bool).unwrap_or(true),
        "scopeType": "repository", "sslVerificationRequired": true,
    });
    let repo = call.repo()?;
    call.app.store().webhooks.insert((repo.id, id), json.clone());
    let facts = [("id", id.to_string())];
    let facts = facts.each_ref().map(|(name, value)| (*name, value.as_str()));
    call.app.journal.wrote(WriteKind::ChangeWebhook, &repo.label(), &facts);
    Ok(json)
}

fn delete(call: &Call) -> Answer {
    let at = named(call)?;
    call.app.store().webhooks.remove(&at);
    call.app.journal.wrote(WriteKind::ChangeWebhook, &call.repo()?.label(), &[("deleted", call.param("id"))]);
    no_content()
}

/// The webhook in the path, which exists.
fn named(call: &Call) -> Result<(RepoId, u64), Refusal> {
    let (own, id) = (call.repo()?.id, call.param("id"));
    let at = id.parse().ok().map(|id| (own, id));
    at.filter(|at| call.app.store().webhooks.contains_key(at))
        .ok_or_else(|| missing("webhook.NoSuchWebhookException", format!("There is no webhook with ID {id}")))
}
