//! `/rest/branch-permissions/2.0`: restrictions of branches, of a repository or a project (FACTS.md 7).

use serde_json::{Value, json};

use super::{route, text};
use crate::call::{Answer, Call, no_content, ok};
use crate::journal::WriteKind;
use crate::matcher::Matcher;
use crate::refusal::{Refusal, bad_argument, missing};
use crate::restrict::{Kind, Place, Restriction};
use crate::route::Route;

/// The same pattern for a repository and for a project; this resource has a version of its own.
macro_rules! of {
    (repo $tail:literal) => {
        concat!("rest/branch-permissions/{edition}/projects/{key}/repos/{slug}/restrictions", $tail)
    };
    (project $tail:literal) => {
        concat!("rest/branch-permissions/{edition}/projects/{key}/restrictions", $tail)
    };
}

pub(super) const ROUTES: &[Route] = &[
    route!(GET, of!(repo ""), Admin, Json, now list),
    route!(POST, of!(repo ""), Admin, Json, later put),
    route!(GET, of!(repo "/{id}"), Admin, Json, now get),
    route!(DELETE, of!(repo "/{id}"), Admin, Json, now delete),
    route!(GET, of!(project ""), ProjectAdmin, Json, now list),
    route!(POST, of!(project ""), ProjectAdmin, Json, later put),
    route!(GET, of!(project "/{id}"), ProjectAdmin, Json, now get),
    route!(DELETE, of!(project "/{id}"), ProjectAdmin, Json, now delete),
];

/// Whose restrictions the path is about; the resource is known as 2.0, `latest` and, in the document, 1.0.
fn place(call: &Call) -> Result<Place, Refusal> {
    if !matches!(call.param("edition"), "2.0" | "latest" | "1.0") {
        return Err(Refusal::NoRoute);
    }
    Ok(match call.repo() {
        Ok(repo) => Place::Repo(repo.id),
        Err(_) => Place::Project(call.param("key").to_uppercase()),
    })
}

fn list(call: &Call) -> Answer {
    let (page, place) = (call.page(1000)?, place(call)?);
    let store = call.app.store();
    let own_project = call.repo().ok().map(|repo| Place::Project(repo.project.clone()));
    let kind = call.query.get("type");
    let matcher = call.query.get("matcherId");
    let found = store.restrictions.iter().filter(|one| {
        // A repository shows what it has from its project too.
        (one.place == place || Some(&one.place) == own_project.as_ref())
            && kind.is_none_or(|kind| one.kind.name() == kind)
            && matcher.is_none_or(|id| one.matcher.json()["id"] == json!(id))
    });
    ok(&page.stored(found.map(|one| one.json(&store))))
}

fn get(call: &Call) -> Answer {
    let place = place(call)?;
    let store = call.app.store();
    let id = call.param("id");
    let found = store.restrictions.iter().find(|one| one.id.to_string() == id && one.place == place);
    ok(&found.ok_or_else(|| none(id))?.json(&store))
}

/// One restriction, or with the bulk content type an array of them. An equal type and matcher is replaced.
async fn put(mut call: Call) -> Answer {
    let place = place(&call)?;
    let body = call.any_json().await?;
    let mut shown = Vec::new();
    let one = std::slice::from_ref(&body);
    for body in body.as_array().map_or(one, Vec::as_slice) {
        shown.push(keep(&call, &place, body)?);
    }
    ok(&if body.is_array() { Value::from(shown) } else { shown.pop().unwrap_or_default() })
}

fn keep(call: &Call, place: &Place, body: &Value) -> Result<Value, Refusal> {
    let version = call.app.config.version;
    let name = text(body, "type").unwrap_or("");
    let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name);
    let kind = kind
        .filter(|kind| *kind != Kind::NoCreates || version.has_no_creates())
        .ok_or_else(|| bad_argument(format!("'{name}' is no type of a restriction")).about("type"))?;
    let matcher = Matcher::of(body.get("matcher"), "matcher")?;
    let mut store = call.app.store();
    let same = |one: &Restriction| one.place == *place && one.kind == kind && one.matcher == matcher;
    let old = store.restrictions.iter().position(same);
    let id = old.map(|at| store.restrictions.remove(at).id);
    let id = id.unwrap_or_else(|| store.new_id());
    let restriction = Restriction {
        id,
        place: place.clone(),
        kind,
        matcher,
        users: names(body, "users"),
        groups: names(body, "groups"),
        access_keys: body.get("accessKeys").and_then(Value::as_array).cloned().unwrap_or_default(),
    };
    let json = restriction.json(&store);
    store.restrictions.push(restriction);
    let facts = [("type", kind.name()), ("replaced", if old.is_some() { "true" } else { "false" })];
    call.app.journal.wrote(WriteKind::ChangeRestriction, &where_of(call), &facts);
    Ok(json)
}

/// The document says objects; the server takes names.
fn names(body: &Value, member: &str) -> Vec<String> {
    let name = |one: &Value| one.as_str().or_else(|| text(one, "name")).map(str::to_owned);
    body.get(member).and_then(Value::as_array).into_iter().flatten().filter_map(name).collect()
}

fn delete(call: &Call) -> Answer {
    let (place, id) = (place(call)?, call.param("id"));
    let mut store = call.app.store();
    let before = store.restrictions.len();
    store.restrictions.retain(|one| one.id.to_string() != id || one.place != place);
    if store.restrictions.len() == before {
        return Err(none(id));
    }
    call.app.journal.wrote(WriteKind::ChangeRestriction, &where_of(call), &[("deleted", id)]);
    no_content()
}

fn where_of(call: &Call) -> String {
    call.repo().map_or_else(|_| call.param("key").to_uppercase(), crate::store::Repo::label)
}

fn none(id: &str) -> Refusal {
    missing("NoSuchEntityException", format!("There is no restriction with ID {id}"))
}
