//! `.../auto-merge`: looking at, retrying and taking back the wish for an automatic merge (FACTS.md 4), and the
//! settings that allow it. Releases before 8.15 have none of these routes.
//!
//! The names of the exceptions are guesses: no recording has them.

use http::StatusCode;
use serde_json::{Value, json};

use super::merge::merges;
use super::pulls::fresh;
use super::{administers, repo, route, viewer};
use crate::call::{Answer, Call, no_content, ok};
use crate::journal::WriteKind;
use crate::pull::{State, land};
use crate::refusal::{Refusal, api, invalid, missing};
use crate::route::Route;

pub(super) const ROUTES: &[Route] = &[
    route!(GET, repo!("/pull-requests/{id}/auto-merge"), Read, Json, later get),
    route!(POST, repo!("/pull-requests/{id}/auto-merge"), Read, Json, later retry),
    route!(DELETE, repo!("/pull-requests/{id}/auto-merge"), Read, Json, later cancel),
    route!(GET, repo!("/settings/auto-merge"), Read, Json, now settings),
    route!(PUT, repo!("/settings/auto-merge"), Read, Json, later set),
    route!(DELETE, repo!("/settings/auto-merge"), Read, Json, now unset),
    route!(GET, "rest/api/{v}/projects/{key}/settings/auto-merge", ProjectRead, Json, now project_settings),
    route!(PUT, "rest/api/{v}/projects/{key}/settings/auto-merge", ProjectAdmin, Json, later set_project),
];

/// The refusal where nobody has allowed automatic merges.
pub(super) fn disabled() -> Refusal {
    let message = "Auto-merge is not enabled for this repository.";
    api(StatusCode::FORBIDDEN, "pull.AutoMergeDisabledException", message)
}

fn known(call: &Call) -> Result<(), Refusal> {
    if call.app.config.version.has_auto_merge() { Ok(()) } else { Err(Refusal::NoRoute) }
}

async fn get(call: Call) -> Answer {
    known(&call)?;
    let pull = fresh(&call).await?;
    let message = "Auto-merge has not been requested for this pull request.";
    let auto = pull.auto_merge.as_ref().ok_or_else(|| missing("NoSuchEntityException", message))?;
    ok(&auto.json(&pull))
}

async fn retry(mut call: Call) -> Answer {
    known(&call)?;
    call.json().await?;
    merges(&call)?;
    let repo = call.repo()?.clone();
    if !call.app.store().auto_merges(&repo) {
        return Err(disabled());
    }
    let _alone = call.app.write_lock(repo.id).await;
    let pull = fresh(&call).await?;
    let Some(auto) = &pull.auto_merge else {
        let message = "Auto-merge has not been requested for this pull request.";
        return Err(api(StatusCode::BAD_REQUEST, "pull.AutoMergeNotRequestedException", message));
    };
    let (status, pull) = match land(&call.app, &repo, &pull, &auto.wish).await {
        Ok(merged) => ("MERGED", merged),
        Err(_) => ("VETOED", pull),
    };
    let json = call.app.store().pull_json(&pull, viewer(&call));
    ok(&json!({"autoMergeProcessingStatus": status, "pullRequest": json}))
}

async fn cancel(call: Call) -> Answer {
    known(&call)?;
    merges(&call)?;
    let (repo, user) = (call.repo()?.clone(), call.author());
    if fresh(&call).await?.state != State::Open {
        return Err(call.app.store().pull(&repo, call.param("id"))?.state.unfit());
    }
    let mut store = call.app.store();
    let activity = store.new_id();
    if store.pull(&repo, call.param("id"))?.disarm(activity, &user) {
        call.app.journal.wrote(WriteKind::CancelAutoMerge, &repo.label(), &[("id", call.param("id"))]);
    }
    no_content()
}

fn settings(call: &Call) -> Answer {
    known(call)?;
    let repo = call.repo()?;
    let store = call.app.store();
    let scope = if store.rules.auto_merge.contains_key(&repo.id) {
        json!({"type": "REPOSITORY", "resourceId": repo.id})
    } else {
        let id = store.projects.get(&repo.project).map_or(0, |project| project.id);
        json!({"type": "PROJECT", "resourceId": id})
    };
    ok(&json!({"enabled": store.auto_merges(repo), "restrictionState": "NONE", "scope": scope}))
}

fn wanted(body: &Value) -> Result<bool, Refusal> {
    let enabled = body.get("enabled").and_then(Value::as_bool);
    enabled.ok_or_else(|| invalid("enabled", "enabled must be true or false"))
}

async fn set(mut call: Call) -> Answer {
    known(&call)?;
    administers(&call)?;
    let enabled = wanted(&call.json().await?)?;
    let repo = call.repo()?;
    call.app.store().rules.auto_merge.insert(repo.id, enabled);
    call.app.journal.wrote(WriteKind::ChangeSettings, &repo.label(), &[("what", "auto-merge")]);
    settings(&call)
}

fn unset(call: &Call) -> Answer {
    known(call)?;
    administers(call)?;
    let repo = call.repo()?;
    call.app.store().rules.auto_merge.remove(&repo.id);
    call.app.journal.wrote(WriteKind::ChangeSettings, &repo.label(), &[("what", "auto-merge")]);
    no_content()
}

fn project_settings(call: &Call) -> Answer {
    known(call)?;
    let store = call.app.store();
    let project = store.project(call.param("key"))?;
    let enabled = *store.rules.project_auto_merge.get(&project.key).unwrap_or(&false);
    let scope = json!({"type": "PROJECT", "resourceId": project.id});
    ok(&json!({"enabled": enabled, "restrictionState": "NONE", "scope": scope}))
}

async fn set_project(mut call: Call) -> Answer {
    known(&call)?;
    let enabled = wanted(&call.json().await?)?;
    let key = call.app.store().project(call.param("key"))?.key.clone();
    call.app.store().rules.project_auto_merge.insert(key.clone(), enabled);
    call.app.journal.wrote(WriteKind::ChangeSettings, &key, &[("what", "auto-merge")]);
    project_settings(&call)
}
