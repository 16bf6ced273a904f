//! Users: `/users`, their settings and recent repositories, and what administrators see of them.

use serde_json::{Value, json};

use super::{route, viewer};
use crate::auth::Permission;
use crate::call::{Answer, Call, no_content, ok};
use crate::refusal::{Refusal, missing};
use crate::route::Route;
use crate::store::{Store, User};

pub(super) const ROUTES: &[Route] = &[
    route!(GET, "rest/api/{v}/users", User, Json, now list),
    route!(GET, "rest/api/{v}/users/{user}", User, Json, now get),
    route!(GET, "rest/api/{v}/users/{user}/settings", User, Json, now settings),
    route!(POST, "rest/api/{v}/users/{user}/settings", User, Json, now keep_settings),
    route!(GET, "rest/api/{v}/users/{user}/repos", User, Json, now own_repos),
    route!(GET, "rest/api/{v}/profile/recent/repos", User, Json, now recent_repos),
    route!(GET, "rest/api/{v}/groups", User, Json, now groups),
    route!(GET, "rest/api/{v}/admin/users", System, Json, now admin_list),
    route!(GET, "rest/api/{v}/admin/groups", System, Json, now groups),
    route!(DELETE, "rest/api/{v}/admin/users/captcha", User, Json, now reset_captcha),
];

fn list(call: &Call) -> Answer {
    let page = call.page(1000)?;
    let store = call.app.store();
    let found = store.users.values().filter(|user| wanted(call, &store, user));
    ok(&page.stored(found.map(|user| store.user_json(user))))
}

/// Whether name, display name or address contain the filter, and every `permission` asked for is there.
fn wanted(call: &Call, store: &Store, user: &User) -> bool {
    let filter = call.query.get("filter").unwrap_or("").to_lowercase();
    let texts = [user.name.clone(), user.display(), user.email()];
    let repo = call.query.get("permission.repositoryId").and_then(|id| id.parse::<u64>().ok());
    let project = repo.and_then(|id| store.repos.get(&id)).map(|repo| repo.project.clone());
    let project = project.or_else(|| call.query.get("permission.projectKey").map(str::to_uppercase));
    let enters = match (&project, &user.only) {
        (Some(project), Some(only)) => only.contains(project),
        _ => true,
    };
    let word = call.query.get("permission").or_else(|| call.query.get("permission.1")).unwrap_or("");
    let may = match word {
        "LICENSED_USER" => user.licensed,
        "REPO_READ" | "PROJECT_READ" => user.repo >= Permission::Read && enters,
        "REPO_WRITE" => user.repo >= Permission::Write && enters,
        "PROJECT_WRITE" => user.project >= Permission::Write && enters,
        "REPO_ADMIN" => user.repo >= Permission::Admin && enters,
        "PROJECT_ADMIN" => user.project >= Permission::Admin && enters,
        _ => true,
    };
    may && texts.iter().any(|text| text.to_lowercase().contains(&filter))
}

fn get(call: &Call) -> Answer {
    let store = call.app.store();
    ok(&store.user_json(named(call, &store)?))
}

fn named<'a>(call: &Call, store: &'a Store) -> Result<&'a User, Refusal> {
    let slug = call.param("user");
    let user = store.users.values().find(|user| user.slug().eq_ignore_ascii_case(slug));
    user.ok_or_else(|| missing("user.NoSuchUserException", format!("User {slug} does not exist.")))
}

fn settings(call: &Call) -> Answer {
    named(call, &call.app.store())?;
    ok(&json!({}))
}

/// Accepted and forgotten.
fn keep_settings(call: &Call) -> Answer {
    named(call, &call.app.store())?;
    no_content()
}

/// The repositories of a user's personal project.
fn own_repos(call: &Call) -> Answer {
    let slug = call.param("user").to_owned();
    repos(call, |project| project.eq_ignore_ascii_case(&format!("~{slug}")))
}

/// Every repository that the caller may read: nobody's visits are kept.
fn recent_repos(call: &Call) -> Answer {
    repos(call, |_| true)
}

fn repos(call: &Call, wanted: impl Fn(&str) -> bool) -> Answer {
    let page = call.page(1000)?;
    let store = call.app.store();
    let may = |key: &str| call.actor.as_ref().is_some_and(|actor| actor.repo(key) >= Permission::Read);
    let found = store.repos.values().filter(|repo| wanted(&repo.project) && may(&repo.project));
    ok(&page.stored(found.map(|repo| store.repo_json(repo, viewer(call)))))
}

/// There are no groups beside those that grants name.
fn groups(call: &Call) -> Answer {
    let page = call.page(1000)?;
    let store = call.app.store();
    let mut names: Vec<&String> = store
        .grants
        .keys()
        .filter_map(|(_, grantee)| match grantee {
            crate::store::Grantee::Group(name) => Some(name),
            crate::store::Grantee::User(_) => None,
        })
        .collect();
    names.sort();
    names.dedup();
    ok(&page.stored(names.into_iter().map(|name| Value::from(name.as_str()))))
}

fn admin_list(call: &Call) -> Answer {
    let page = call.page(1000)?;
    let store = call.app.store();
    let found = store.users.values().filter(|user| wanted(call, &store, user));
    ok(&page.stored(found.map(|user| {
        let mut json = store.user_json(user);
        json["directoryName"] = json!("Bitbucket Internal Directory");
        for member in ["deletable", "mutableDetails", "mutableGroups"] {
            json[member] = json!(true);
        }
        json
    })))
}

fn reset_captcha(call: &Call) -> Answer {
    let name = call.query.get("name").unwrap_or("");
    if let Some(user) = call.app.store().users.get_mut(name) {
        user.failed_logins = 0;
    }
    no_content()
}
