//! `/projects/{key}/repos` and `/repos` (FACTS.md 2).

use http::StatusCode;
use serde_json::Value;

use super::{repo, route, viewer};
use crate::auth::Permission;
use crate::call::{Answer, Call, created, ok};
use crate::journal::WriteKind;
use crate::refusal::{Refusal, api, conflict, forbidden, invalid};
use crate::route::Route;
use crate::sim::{Error, create_repo};
use crate::store::{Repo, Store};

pub(super) const ROUTES: &[Route] = &[
    route!(GET, "rest/api/{v}/repos", User, Json, now list_all),
    route!(GET, "rest/api/{v}/projects/{key}/repos", ProjectRead, Json, now list),
    route!(POST, "rest/api/{v}/projects/{key}/repos", ProjectAdmin, Json, later create),
    route!(GET, repo!(""), Read, Json, now get),
    route!(POST, repo!(""), Read, Json, later fork),
];

fn list(call: &Call) -> Answer {
    let key = call.param("key").to_uppercase();
    page_of(call, |_, repo| repo.project == key)
}

fn list_all(call: &Call) -> Answer {
    let text = |name: &str| call.query.get(name).unwrap_or("").to_lowercase();
    let (name, project) = (text("name"), text("projectname"));
    // Older releases ignore it, as they do every parameter that they do not know.
    let key =
        Some(text("projectkey")).filter(|key| !key.is_empty() && call.app.config.version.filters_by_key());
    let archived = match call.query.get("archived") {
        Some("ARCHIVED") => Some(true),
        Some("ALL") => None,
        // Active ones only, which is what old releases have.
        _ => Some(false),
    };
    page_of(call, |store, repo| {
        let project_name = store.projects.get(&repo.project).map_or("", |project| project.name.as_str());
        repo.name.to_lowercase().contains(&name)
            && project_name.to_lowercase().contains(&project)
            && key.as_deref().is_none_or(|key| repo.project.eq_ignore_ascii_case(key))
            && archived.is_none_or(|archived| repo.archived == archived)
    })
}

fn page_of(call: &Call, wanted: impl Fn(&Store, &Repo) -> bool) -> Answer {
    let page = call.page(1000)?;
    let least = match call.query.get("permission") {
        Some("REPO_ADMIN") => Permission::Admin,
        Some("REPO_WRITE") => Permission::Write,
        _ => Permission::Read,
    };
    let store = call.app.store();
    let may = |repo: &Repo| call.actor.as_ref().is_some_and(|actor| actor.repo(&repo.project) >= least);
    let mut found: Vec<&Repo> =
        store.repos.values().filter(|repo| wanted(&store, repo) && may(repo)).collect();
    found.sort_by(|a, b| (&a.project, &a.slug).cmp(&(&b.project, &b.slug)));
    ok(&page.stored(found.into_iter().map(|repo| store.repo_json(repo, viewer(call)))))
}

fn get(call: &Call) -> Answer {
    ok(&call.app.store().repo_json(call.repo()?, viewer(call)))
}

async fn create(mut call: Call) -> Answer {
    let body = call.json().await?;
    let Some(name) = body.get("name").and_then(Value::as_str).filter(|name| !name.is_empty()) else {
        return Err(invalid("name", "The repository name must be specified."));
    };
    let key = call.app.store().project(call.param("key"))?.key.clone();
    let repo = create_repo(&call.app, &key, name, None).await.map_err(refuse)?;
    if let Some(stored) = call.app.store().repos.get_mut(&repo.id) {
        stored.description = body.get("description").and_then(Value::as_str).map(str::to_owned);
    }
    made(&call, WriteKind::CreateRepo, repo.id)
}

/// `POST R`: a fork, into the caller's personal project unless the body names another.
async fn fork(mut call: Call) -> Answer {
    let body = call.json().await?;
    let origin = call.repo()?.clone();
    let user = call.user()?.to_owned();
    let named = body.pointer("/project/key").and_then(Value::as_str).map(str::to_owned);
    let key = {
        let mut store = call.app.store();
        match named {
            Some(key) => store.project(&key)?.key.clone(),
            None => {
                let slug = store.ensure_user(&user).slug();
                store.ensure_project(&format!("~{slug}"), None, None).key
            }
        }
    };
    let own = key.eq_ignore_ascii_case(&format!("~{user}"));
    if !own && call.actor.as_ref().is_none_or(|actor| actor.project(&key) < Permission::Admin) {
        return Err(forbidden());
    }
    let name = body.get("name").and_then(Value::as_str).unwrap_or(&origin.name).to_owned();
    let repo = create_repo(&call.app, &key, &name, Some(&origin)).await.map_err(refuse)?;
    made(&call, WriteKind::ForkRepo, repo.id)
}

fn made(call: &Call, kind: WriteKind, id: u64) -> Answer {
    let store = call.app.store();
    let repo = store.repos.get(&id).ok_or(Refusal::NoRoute)?;
    call.app.journal.wrote(kind, &repo.label(), &[("name", &repo.name)]);
    let location = format!("{}/rest/api/latest/projects/{}/repos/{}", store.base, repo.project, repo.slug);
    created(&location, &store.repo_json(repo, viewer(call)))
}

fn refuse(error: Error) -> Refusal {
    if let Error::Exists(name) = error {
        let message = format!("This repository URL is already taken by {name}.");
        return conflict("DuplicateRepositoryException", message).about("name");
    }
    api(StatusCode::INTERNAL_SERVER_ERROR, "", error.to_string())
}
