//! `/rest/default-reviewers`: who is asked to review by default, and under which conditions (FACTS.md 4).

use http::StatusCode;
use serde_json::{Value, json};

use super::{administers, route};
use crate::call::{Answer, Call, no_content, ok};
use crate::journal::WriteKind;
use crate::matcher::Matcher;
use crate::refusal::{Refusal, api, bad_argument, missing};
use crate::route::Route;
use crate::rules::{Condition, Scope};
use crate::store::{Repo, Store};

macro_rules! area {
    ($tail:literal) => {
        concat!("rest/default-reviewers/{v}/projects/{key}", $tail)
    };
}

pub(super) const ROUTES: &[Route] = &[
    route!(GET, area!("/conditions"), ProjectRead, Json, now list),
    route!(POST, area!("/condition"), ProjectAdmin, Json, later create),
    route!(PUT, area!("/condition/{id}"), ProjectAdmin, Json, later update),
    route!(DELETE, area!("/condition/{id}"), ProjectAdmin, Json, now delete),
    route!(GET, area!("/repos/{slug}/conditions"), Read, Json, now list),
    route!(POST, area!("/repos/{slug}/condition"), Read, Json, later create),
    route!(PUT, area!("/repos/{slug}/condition/{id}"), Read, Json, later update),
    route!(DELETE, area!("/repos/{slug}/condition/{id}"), Read, Json, now delete),
    route!(GET, area!("/repos/{slug}/reviewers"), Read, Json, now reviewers),
];

/// The scope in the path; a repository's conditions need its administrator, a project's are guarded by the route.
fn scope(call: &Call) -> Result<Scope, Refusal> {
    match &call.repo {
        Some(repo) => {
            administers(call)?;
            Ok(Scope::Repo(repo.id))
        }
        None => Ok(Scope::Project(call.app.store().project(call.param("key"))?.key.clone())),
    }
}

fn label(call: &Call) -> String {
    call.repo.as_ref().map_or_else(|| call.param("key").to_uppercase(), Repo::label)
}

/// A bare array: those of the repository, and of its project too.
fn list(call: &Call) -> Answer {
    let store = call.app.store();
    let key = call.param("key").to_uppercase();
    let here = |condition: &&Condition| match &call.repo {
        Some(repo) => condition.scope.covers(repo),
        None => condition.scope == Scope::Project(key.clone()),
    };
    let found = store.rules.conditions.iter().filter(here);
    ok(&found.map(|condition| condition_json(&store, condition)).collect())
}

fn condition_json(store: &Store, condition: &Condition) -> Value {
    let users: Vec<Value> = condition.reviewers.iter().map(|name| store.user_json_by_name(name)).collect();
    let mut json = json!({
        "id": condition.id, "scope": store.scope_json(&condition.scope),
        "sourceRefMatcher": condition.source.json(), "targetRefMatcher": condition.target.json(),
        "reviewers": users, "requiredApprovals": condition.approvals,
    });
    if store.version.has_condition_groups() {
        json["reviewerGroups"] = condition.groups.iter().map(|id| json!({"id": id})).collect();
    }
    json
}

/// Reads a condition; users are named by name or id.
fn read(call: &Call, scope: Scope, id: u64, body: &Value) -> Result<Condition, Refusal> {
    let store = call.app.store();
    let list = |name: &str| body.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let known = |one: &Value| {
        let by_id = |user: &&crate::store::User| one.get("id").and_then(Value::as_u64) == Some(user.id);
        let named = one.get("name").and_then(Value::as_str).and_then(|name| store.users.get(name));
        named.or_else(|| store.users.values().find(by_id)).map(|user| user.name.clone())
    };
    let wanted = list("reviewers");
    let reviewers: Vec<String> = wanted.iter().filter_map(known).collect();
    if reviewers.len() < wanted.len() {
        return Err(bad_argument("A reviewer of the condition is not a user").about("reviewers"));
    }
    let mut groups: Vec<u64> =
        list("reviewerGroups").iter().filter_map(|group| group.get("id").and_then(Value::as_u64)).collect();
    // Releases without them drop them in silence.
    if !store.version.has_condition_groups() {
        groups.clear();
    }
    if reviewers.is_empty() && groups.is_empty() {
        return Err(bad_argument("At least one reviewer is required").about("reviewers"));
    }
    let approvals = body.get("requiredApprovals").and_then(Value::as_u64).unwrap_or(0);
    Ok(Condition {
        id,
        scope,
        source: Matcher::of(body.get("sourceMatcher"), "sourceMatcher")?,
        target: Matcher::of(body.get("targetMatcher"), "targetMatcher")?,
        reviewers,
        groups,
        approvals: usize::try_from(approvals).unwrap_or(usize::MAX),
    })
}

async fn create(mut call: Call) -> Answer {
    let body = call.json().await?;
    let scope = scope(&call)?;
    let id = call.app.store().new_id();
    let condition = read(&call, scope, id, &body)?;
    note(&call);
    let mut store = call.app.store();
    let json = condition_json(&store, &condition);
    store.rules.conditions.push(condition);
    ok(&json)
}

async fn update(mut call: Call) -> Answer {
    let body = call.json().await?;
    let scope = scope(&call)?;
    let at = position(&call, &scope)?;
    let id = call.app.store().rules.conditions[at].id;
    let condition = read(&call, scope, id, &body)?;
    note(&call);
    let mut store = call.app.store();
    let json = condition_json(&store, &condition);
    store.rules.conditions.retain(|other| other.id != id);
    store.rules.conditions.push(condition);
    ok(&json)
}

fn delete(call: &Call) -> Answer {
    let scope = scope(call)?;
    let at = position(call, &scope)?;
    call.app.store().rules.conditions.remove(at);
    note(call);
    no_content()
}

fn position(call: &Call, scope: &Scope) -> Result<usize, Refusal> {
    let id: Option<u64> = call.param("id").parse().ok();
    let store = call.app.store();
    let at = store.rules.conditions.iter().position(|one| Some(one.id) == id && one.scope == *scope);
    at.ok_or_else(|| missing("NoSuchEntityException", "There is no such condition."))
}

fn note(call: &Call) {
    let facts = [("what", "default-reviewers")];
    call.app.journal.wrote(WriteKind::ChangeSettings, &label(call), &facts);
}

/// A bare array of the users whom the conditions name, each once.
fn reviewers(call: &Call) -> Answer {
    let store = call.app.store();
    for name in ["sourceRepoId", "targetRepoId"] {
        let id: u64 = call.query.get(name).and_then(|text| text.parse().ok()).unwrap_or(0);
        if !store.repos.contains_key(&id) {
            let side = name.trim_end_matches("RepoId");
            let message = format!("The {side} repository with id '{id}' does not exist");
            return Err(api(StatusCode::BAD_REQUEST, "", message));
        }
    }
    let reference = |name: &str| call.query.get(name).unwrap_or("");
    let (from, to) = (reference("sourceRefId"), reference("targetRefId"));
    let mut names: Vec<String> = Vec::new();
    for condition in store.conditions_for(call.repo()?, from, to) {
        for user in store.condition_users(condition) {
            if !names.contains(&user) {
                names.push(user);
            }
        }
    }
    ok(&names.iter().map(|name| store.user_json_by_name(name)).collect())
}
