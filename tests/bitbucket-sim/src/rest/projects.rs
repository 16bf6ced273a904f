//! `/projects` (FACTS.md 2).

use http::StatusCode;
use serde_json::Value;

use super::route;
use crate::auth::Permission;
use crate::call::{Answer, Call, created, no_content, ok};
use crate::journal::WriteKind;
use crate::refusal::{api, conflict, forbidden, invalid};
use crate::relocate;
use crate::route::Route;

pub(super) const ROUTES: &[Route] = &[
    route!(GET, "rest/api/{v}/projects", User, Json, now list),
    route!(POST, "rest/api/{v}/projects", User, Json, later create),
    route!(GET, "rest/api/{v}/projects/{key}", ProjectRead, Json, now get),
    route!(PUT, "rest/api/{v}/projects/{key}", ProjectAdmin, Json, later update),
    route!(DELETE, "rest/api/{v}/projects/{key}", ProjectAdmin, Json, now delete),
];

fn list(call: &Call) -> Answer {
    let page = call.page(1000)?;
    let store = call.app.store();
    let name = call.query.get("name").unwrap_or("").to_lowercase();
    let least = match call.query.get("permission") {
        Some("PROJECT_ADMIN") => Permission::Admin,
        Some("PROJECT_WRITE") => Permission::Write,
        _ => Permission::Read,
    };
    let actor = call.actor.as_ref();
    // Who can see a repository of a project can see the project.
    let seen = |key: &str| {
        actor.map_or(Permission::None, |actor| actor.project(key).max(actor.repo(key).min(Permission::Read)))
    };
    let found = store.projects.values().filter(|project| {
        project.owner.is_none() && seen(&project.key) >= least && project.name.to_lowercase().contains(&name)
    });
    ok(&page.stored(found.map(|project| store.project_json(project))))
}

fn get(call: &Call) -> Answer {
    let store = call.app.store();
    ok(&store.project_json(store.project(call.param("key"))?))
}

async fn create(mut call: Call) -> Answer {
    let body = call.json().await?;
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let Some(key) = text("key") else {
        let message = "The project key must be specified when creating a project.";
        return Err(api(StatusCode::BAD_REQUEST, "", message));
    };
    if call.actor.as_ref().is_none_or(|actor| actor.project(key) < Permission::Admin) {
        return Err(forbidden());
    }
    let letters = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    let starts = key.starts_with(|c: char| c.is_ascii_alphabetic());
    if key.starts_with('~') || !starts || key.len() > 128 || !key.chars().all(letters) {
        return Err(invalid(
            "key",
            "Project keys must start with a letter and may only consist of ASCII letters, numbers and underscores.",
        ));
    }
    let mut store = call.app.store();
    if store.project(key).is_ok() {
        let message = format!("The project key {key} is already in use.");
        return Err(conflict("project.ProjectKeyAlreadyExistsException", message).about("key"));
    }
    let description = text("description").map(str::to_owned);
    let project = store.ensure_project(key, text("name"), description);
    call.app.journal.wrote(WriteKind::CreateProject, &project.key, &[("name", &project.name)]);
    let location = format!("{}/rest/api/latest/projects/{}", store.base, project.key);
    created(&location, &store.project_json(&project))
}

/// Another name, description or key; with another key its repositories move, and their old addresses answer 307.
async fn update(mut call: Call) -> Answer {
    let body = call.json().await?;
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let mut project = call.app.store().project(call.param("key"))?.clone();
    let old = project.key.clone();
    if let Some(key) = text("key").map(str::to_uppercase).filter(|key| *key != old) {
        if call.app.store().project(&key).is_ok() {
            let message = format!("The project key {key} is already in use.");
            return Err(conflict("project.ProjectKeyAlreadyExistsException", message).about("key"));
        }
        project.key = key;
    }
    if let Some(name) = text("name") {
        name.clone_into(&mut project.name);
    }
    project.description = text("description").map(str::to_owned).or(project.description);
    call.app.store().projects.insert(project.key.clone(), project.clone());
    if project.key != old {
        let moving: Vec<_> = {
            let store = call.app.store();
            let own = store.repos.values().filter(|repo| repo.project == old);
            own.map(|repo| (repo.id, repo.name.clone())).collect()
        };
        for (id, name) in moving {
            let moved = relocate::relocate(&call.app, id, &project.key, &name).await;
            moved.map_err(|error| api(StatusCode::INTERNAL_SERVER_ERROR, "", error.to_string()))?;
        }
        call.app.store().projects.remove(&old);
    }
    call.app.journal.wrote(WriteKind::UpdateProject, &old, &[("key", &project.key), ("name", &project.name)]);
    ok(&call.app.store().project_json(&project))
}

fn delete(call: &Call) -> Answer {
    let mut store = call.app.store();
    let key = store.project(call.param("key"))?.key.clone();
    if store.repos.values().any(|repo| repo.project == key) {
        let message = format!("The project \"{key}\" cannot be deleted because it has repositories.");
        return Err(conflict("IntegrityException", message));
    }
    store.projects.remove(&key);
    call.app.journal.wrote(WriteKind::DeleteProject, &key, &[]);
    no_content()
}
