//! A repository renamed, moved, archived or deleted, and its forks (FACTS.md 1.8 and 2).

use http::StatusCode;
use serde_json::{Value, json};

use super::{repo, route, text, viewer};
use crate::auth::Permission;
use crate::call::{Answer, Call, ok};
use crate::entity::display;
use crate::journal::WriteKind;
use crate::pull::State;
use crate::refusal::{Refusal, api, conflict, forbidden, json_response, missing};
use crate::relocate;
use crate::route::Route;
use crate::sim::Error;

pub(super) const ROUTES: &[Route] = &[
    route!(PUT, repo!(""), Admin, Json, later put),
    route!(DELETE, repo!(""), Admin, Json, later delete),
    route!(GET, repo!("/forks"), Read, Json, now forks),
    route!(GET, repo!("/settings/hooks"), Admin, Json, now hooks),
];

/// Changes what the body names; another name or project moves the address.
async fn put(mut call: Call) -> Answer {
    let body = call.json().await?;
    let repo = call.repo()?.clone();
    let archived = body.get("archived").and_then(Value::as_bool);
    let archived = archived.filter(|_| call.app.config.version.has_archived());
    if repo.archived && archived != Some(false) {
        let message = format!("Repository {} is archived and read-only.", repo.label());
        return Err(conflict("IllegalEntityStateException", message));
    }
    let open = |call: &Call| {
        let store = call.app.store();
        store.pulls.values().any(|pull| pull.to.repo == repo.id && pull.state == State::Open)
    };
    if archived == Some(true) && open(&call) {
        let message = "The repository cannot be archived because it has open pull requests.";
        return Err(api(StatusCode::FORBIDDEN, "repository.RepositoryArchiveException", message));
    }
    let name = text(&body, "name").unwrap_or(&repo.name);
    let key = project_of(&call, &body, &repo.project)?;
    if name != repo.name || key != repo.project {
        relocate::relocate(&call.app, repo.id, &key, name).await.map_err(refuse)?;
    }
    if let Some(branch) = text(&body, "defaultBranch") {
        let dir = call.app.store().repos.get(&repo.id).map(crate::store::Repo::git);
        let git = dir.ok_or(Refusal::NoRoute)?;
        git.run(["symbolic-ref", "HEAD", &format!("refs/heads/{}", display(branch))]).await?;
    }
    let mut store = call.app.store();
    let stored = store.repos.get_mut(&repo.id).ok_or(Refusal::NoRoute)?;
    if let Some(description) = body.get("description").and_then(Value::as_str) {
        stored.description = Some(description.to_owned()).filter(|text| !text.is_empty());
    }
    stored.archived = archived.unwrap_or(stored.archived);
    let stored = stored.clone();
    let facts = [("to", stored.label()), ("archived", stored.archived.to_string())];
    let facts = facts.each_ref().map(|(name, value)| (*name, value.as_str()));
    call.app.journal.wrote(WriteKind::UpdateRepo, &repo.label(), &facts);
    Ok(json_response(StatusCode::CREATED, &store.repo_json(&stored, viewer(&call))))
}

/// The project that the body names, which the caller must administer, or the one where it is.
fn project_of(call: &Call, body: &Value, now: &str) -> Result<String, Refusal> {
    let Some(key) = body.pointer("/project/key").and_then(Value::as_str) else { return Ok(now.to_owned()) };
    let key = call.app.store().project(key)?.key.clone();
    let may = call.actor.as_ref().is_some_and(|actor| actor.project(&key) >= Permission::Admin);
    if may || key == now { Ok(key) } else { Err(forbidden()) }
}

async fn delete(call: Call) -> Answer {
    let repo = call.repo()?;
    if repo.archived && !call.app.config.version.has_archived() {
        return Err(missing("repository.NoSuchRepositoryException", "The repository does not exist."));
    }
    let _alone = call.app.write_lock(repo.id).await;
    relocate::delete(&call.app, repo.id).await.map_err(refuse)?;
    call.app.journal.wrote(WriteKind::DeleteRepo, &repo.label(), &[("name", &repo.name)]);
    let body =
        json!({"context": null, "message": "Repository scheduled for deletion.", "exceptionName": null});
    Ok(json_response(StatusCode::ACCEPTED, &body))
}

fn forks(call: &Call) -> Answer {
    let (page, own) = (call.page(1000)?, call.repo()?.id);
    let store = call.app.store();
    let may =
        |project: &str| call.actor.as_ref().is_some_and(|actor| actor.repo(project) >= Permission::Read);
    let forks = store.repos.values().filter(|repo| repo.origin == Some(own) && may(&repo.project));
    ok(&page.stored(forks.map(|repo| store.repo_json(repo, viewer(call)))))
}

/// No hook of the product is modelled; what stops a push here is a restriction.
fn hooks(call: &Call) -> Answer {
    ok(&call.page(1000)?.stored([]))
}

fn refuse(error: Error) -> Refusal {
    if let Error::Exists(name) = error {
        let message = format!("This repository URL is already taken by {name}.");
        return conflict("DuplicateRepositoryException", message).about("name");
    }
    api(StatusCode::INTERNAL_SERVER_ERROR, "", error.to_string())
}
