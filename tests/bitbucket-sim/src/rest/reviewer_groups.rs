//! `settings/reviewer-groups`: named sets of reviewers of a project or repository.

use http::StatusCode;
use serde_json::{Value, json};

use super::{administers, repo, route};
use crate::call::{Answer, Call, no_content, ok};
use crate::journal::WriteKind;
use crate::refusal::{Refusal, conflict, invalid, json_response, missing};
use crate::route::Route;
use crate::rules::{Group, Scope};
use crate::store::{Repo, Store};

macro_rules! project {
    ($tail:literal) => {
        concat!("rest/api/{v}/projects/{key}/settings/reviewer-groups", $tail)
    };
}

pub(super) const ROUTES: &[Route] = &[
    route!(GET, project!(""), ProjectRead, Json, now list),
    route!(POST, project!(""), ProjectAdmin, Json, later create),
    route!(GET, project!("/{id}"), ProjectRead, Json, now get),
    route!(DELETE, project!("/{id}"), ProjectAdmin, Json, now delete),
    route!(GET, repo!("/settings/reviewer-groups"), Read, Json, now list),
    route!(POST, repo!("/settings/reviewer-groups"), Read, Json, later create),
    route!(GET, repo!("/settings/reviewer-groups/{id}"), Read, Json, now get),
    route!(GET, repo!("/settings/reviewer-groups/{id}/users"), Read, Json, now users),
    route!(DELETE, repo!("/settings/reviewer-groups/{id}"), Read, Json, now delete),
];

fn group_json(store: &Store, group: &Group) -> Value {
    let users: Vec<Value> = group.users.iter().map(|name| store.user_json_by_name(name)).collect();
    let mut json = json!({
        "id": group.id, "name": group.name, "scope": store.scope_json(&group.scope), "users": users,
    });
    if let Some(description) = &group.description {
        json["description"] = json!(description);
    }
    json
}

/// Whether a group is of the repository or project in the path.
fn here(call: &Call, group: &Group) -> bool {
    match &call.repo {
        Some(repo) => group.scope.covers(repo),
        None => group.scope == Scope::Project(call.param("key").to_uppercase()),
    }
}

fn list(call: &Call) -> Answer {
    let page = call.page(1000)?;
    let store = call.app.store();
    let groups = store.rules.groups.iter().filter(|group| here(call, group));
    ok(&page.stored(groups.map(|group| group_json(&store, group))))
}

fn find<'a>(store: &'a Store, call: &Call) -> Result<&'a Group, Refusal> {
    let id: Option<u64> = call.param("id").parse().ok();
    let found = store.rules.groups.iter().find(|group| Some(group.id) == id && here(call, group));
    found.ok_or_else(|| missing("NoSuchEntityException", "There is no such reviewer group."))
}

fn get(call: &Call) -> Answer {
    let store = call.app.store();
    ok(&group_json(&store, find(&store, call)?))
}

/// A bare array.
fn users(call: &Call) -> Answer {
    let store = call.app.store();
    ok(&find(&store, call)?.users.iter().map(|name| store.user_json_by_name(name)).collect())
}

async fn create(mut call: Call) -> Answer {
    let body = call.json().await?;
    if call.repo.is_some() {
        administers(&call)?;
    }
    let name = body.get("name").and_then(Value::as_str).filter(|name| !name.trim().is_empty());
    let name = name.ok_or_else(|| invalid("name", "A name is required."))?.to_owned();
    let users = body.get("users").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let users = users.iter().filter_map(|user| user.get("name").and_then(Value::as_str)).map(str::to_owned);
    let mut store = call.app.store();
    if store.rules.groups.iter().any(|group| here(&call, group) && group.name == name) {
        let message = format!("A reviewer group named {name} exists already.");
        return Err(conflict("IntegrityException", message).about("name"));
    }
    let scope = match &call.repo {
        Some(repo) => Scope::Repo(repo.id),
        None => Scope::Project(store.project(call.param("key"))?.key.clone()),
    };
    let description = body.get("description").and_then(Value::as_str).map(str::to_owned);
    let group = Group { id: store.new_id(), scope, name, description, users: users.collect() };
    let json = group_json(&store, &group);
    store.rules.groups.push(group);
    note(&call);
    Ok(json_response(StatusCode::CREATED, &json))
}

fn delete(call: &Call) -> Answer {
    if call.repo.is_some() {
        administers(call)?;
    }
    let mut store = call.app.store();
    let id = find(&store, call)?.id;
    store.rules.groups.retain(|group| group.id != id);
    note(call);
    no_content()
}

fn note(call: &Call) {
    let label = call.repo.as_ref().map_or_else(|| call.param("key").to_uppercase(), Repo::label);
    call.app.journal.wrote(WriteKind::ChangeSettings, &label, &[("what", "reviewer-groups")]);
}
