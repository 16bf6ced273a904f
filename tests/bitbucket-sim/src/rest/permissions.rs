//! `permissions/users` and `permissions/groups` of projects and repositories: who was granted what.
//!
//! Grants are kept and shown. What a user may do is set by [`crate::Sim::limit_user`] all the same.

use serde_json::{Value, json};

use super::{repo, route};
use crate::auth::Permission;
use crate::call::{Answer, Call, no_content, ok};
use crate::journal::WriteKind;
use crate::refusal::{Refusal, bad_argument, missing};
use crate::route::Route;
use crate::store::{Grantee, Repo, Store};

/// A pattern below a project.
macro_rules! project {
    ($tail:literal) => {
        concat!("rest/api/{v}/projects/{key}/permissions/", $tail)
    };
}

pub(super) const ROUTES: &[Route] = &[
    route!(GET, repo!("/permissions/users"), Admin, Json, now users),
    route!(PUT, repo!("/permissions/users"), Admin, Json, now grant_user),
    route!(DELETE, repo!("/permissions/users"), Admin, Json, now revoke_user),
    route!(GET, repo!("/permissions/groups"), Admin, Json, now groups),
    route!(PUT, repo!("/permissions/groups"), Admin, Json, now grant_group),
    route!(DELETE, repo!("/permissions/groups"), Admin, Json, now revoke_group),
    route!(GET, repo!("/permissions/search"), Admin, Json, now search),
    route!(GET, project!("users"), ProjectAdmin, Json, now users),
    route!(PUT, project!("users"), ProjectAdmin, Json, now grant_user),
    route!(DELETE, project!("users"), ProjectAdmin, Json, now revoke_user),
    route!(GET, project!("groups"), ProjectAdmin, Json, now groups),
    route!(PUT, project!("groups"), ProjectAdmin, Json, now grant_group),
    route!(DELETE, project!("groups"), ProjectAdmin, Json, now revoke_group),
    route!(GET, project!("search"), ProjectAdmin, Json, now search),
];

fn users(call: &Call) -> Answer {
    list(call, |grantee| matches!(grantee, Grantee::User(_)))
}

fn groups(call: &Call) -> Answer {
    list(call, |grantee| matches!(grantee, Grantee::Group(_)))
}

fn search(call: &Call) -> Answer {
    list(call, |_| true)
}

fn list(call: &Call, wanted: impl Fn(&Grantee) -> bool) -> Answer {
    let (page, (place, scope)) = (call.page(1000)?, place(call));
    let filter =
        call.query.get("filter").or_else(|| call.query.get("filterText")).unwrap_or("").to_lowercase();
    let store = call.app.store();
    let found = store.grants.iter().filter(|((at, grantee), _)| {
        let (Grantee::User(name) | Grantee::Group(name)) = grantee;
        *at == place && wanted(grantee) && name.to_lowercase().contains(&filter)
    });
    ok(&page.stored(found.map(|((_, grantee), permission)| shown(&store, grantee, *permission, scope))))
}

fn shown(store: &Store, grantee: &Grantee, permission: Permission, scope: &str) -> Value {
    let permission = permission.word(scope);
    match grantee {
        Grantee::User(name) => json!({"user": store.user_json_by_name(name), "permission": permission}),
        Grantee::Group(name) => json!({"group": {"name": name}, "permission": permission}),
    }
}

fn grant_user(call: &Call) -> Answer {
    grant(call, Grantee::User)
}

fn grant_group(call: &Call) -> Answer {
    grant(call, Grantee::Group)
}

/// `?name=a&name=b&permission=REPO_WRITE`.
fn grant(call: &Call, to: fn(String) -> Grantee) -> Answer {
    let (place, scope) = place(call);
    let word = call.query.get("permission").unwrap_or("");
    let known = [Permission::Read, Permission::Write, Permission::Admin];
    let permission = known.into_iter().find(|one| one.word(scope).as_deref() == Some(word));
    let permission = permission
        .ok_or_else(|| bad_argument(format!("'{word}' is not a permission here")).about("permission"))?;
    let names = named(call, to)?;
    let mut store = call.app.store();
    for name in names {
        let facts = [("name", name.as_str()), ("permission", word)];
        call.app.journal.wrote(WriteKind::ChangePermission, &place, &facts);
        store.grants.insert((place.clone(), to(name)), permission);
    }
    no_content()
}

fn revoke_user(call: &Call) -> Answer {
    revoke(call, Grantee::User)
}

fn revoke_group(call: &Call) -> Answer {
    revoke(call, Grantee::Group)
}

fn revoke(call: &Call, of: fn(String) -> Grantee) -> Answer {
    let (place, _) = place(call);
    let names = named(call, of)?;
    let mut store = call.app.store();
    for name in names {
        store.grants.remove(&(place.clone(), of(name.clone())));
        let facts = [("name", name.as_str()), ("permission", "")];
        call.app.journal.wrote(WriteKind::ChangePermission, &place, &facts);
    }
    no_content()
}

/// The names in the query; every user must have an account.
fn named(call: &Call, kind: fn(String) -> Grantee) -> Result<Vec<String>, Refusal> {
    let names: Vec<String> = call.query.all("name").into_iter().map(str::to_owned).collect();
    if names.is_empty() {
        return Err(bad_argument("A name is required").about("name"));
    }
    let store = call.app.store();
    for name in &names {
        if matches!(kind(name.clone()), Grantee::User(_)) && !store.users.contains_key(name) {
            return Err(missing("user.NoSuchUserException", format!("User {name} does not exist.")));
        }
    }
    Ok(names)
}

fn place(call: &Call) -> (String, &'static str) {
    match call.repo().map(Repo::label) {
        Ok(label) => (label, "REPO"),
        Err(_) => (call.param("key").to_uppercase(), "PROJECT"),
    }
}
