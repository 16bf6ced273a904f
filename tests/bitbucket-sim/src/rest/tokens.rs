//! `/access-tokens` of users and projects: their text is told once, when they are made (FACTS.md 1.7).

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::{route, text};
use crate::auth::{Permission, TokenSpec};
use crate::call::{Answer, Call, no_content, ok};
use crate::journal::WriteKind;
use crate::refusal::{Refusal, bad_argument, forbidden, invalid, missing};
use crate::route::Route;
use crate::sim::new_token;
use crate::store::{Store, Token, millis};

pub(super) const ROUTES: &[Route] = &[
    route!(GET, "rest/access-tokens/{v}/users/{user}", User, Json, now list),
    route!(PUT, "rest/access-tokens/{v}/users/{user}", User, Json, later create),
    route!(GET, "rest/access-tokens/{v}/users/{user}/{id}", User, Json, now get),
    route!(POST, "rest/access-tokens/{v}/users/{user}/{id}", User, Json, later update),
    route!(DELETE, "rest/access-tokens/{v}/users/{user}/{id}", User, Json, now revoke),
    route!(GET, "rest/access-tokens/{v}/projects/{key}", ProjectAdmin, Json, now list),
    route!(PUT, "rest/access-tokens/{v}/projects/{key}", ProjectAdmin, Json, later create),
    route!(GET, "rest/access-tokens/{v}/projects/{key}/{id}", ProjectAdmin, Json, now get),
    route!(POST, "rest/access-tokens/{v}/projects/{key}/{id}", ProjectAdmin, Json, later update),
    route!(DELETE, "rest/access-tokens/{v}/projects/{key}/{id}", ProjectAdmin, Json, now revoke),
];

/// Whose tokens the path is about: a user's own (nobody sees another's), or a project's.
enum Owner {
    User(String),
    Project(String),
}

impl Owner {
    fn of(call: &Call) -> Result<Self, Refusal> {
        if !call.param("key").is_empty() {
            return Ok(Self::Project(call.param("key").to_uppercase()));
        }
        let store = call.app.store();
        let slug = call.param("user");
        let owner = store.users.values().find(|user| user.slug().eq_ignore_ascii_case(slug));
        let none = || missing("user.NoSuchUserException", format!("User {slug} does not exist."));
        let owner = owner.ok_or_else(none)?.name.clone();
        if super::viewer(call) == Some(&owner) { Ok(Self::User(owner)) } else { Err(forbidden()) }
    }

    fn owns(&self, token: &Token) -> bool {
        match self {
            Self::User(name) => token.spec.user.as_deref() == Some(name),
            Self::Project(key) => {
                let only = token.spec.only.as_deref().unwrap_or_default();
                token.spec.user.is_none() && only.contains(key)
            }
        }
    }
}

fn list(call: &Call) -> Answer {
    let (page, owner) = (call.page(1000)?, Owner::of(call)?);
    let store = call.app.store();
    let mut tokens: Vec<_> = store.tokens.values().filter(|token| owner.owns(token)).collect();
    tokens.sort_by_key(|token| token.id);
    ok(&page.stored(tokens.into_iter().map(|token| shown(&store, token))))
}

/// The document has no `expiryDate`, `permissions` and `user`, and calls the date a text: clients read them, as numbers.
fn shown(store: &Store, token: &Token) -> Value {
    let spec = &token.spec;
    let words: Vec<_> =
        [spec.repo.word("REPO"), spec.project.word("PROJECT")].into_iter().flatten().collect();
    let mut json = json!({
        "id": token.id.to_string(), "name": token.name, "createdDate": token.created, "permissions": words,
    });
    if let Some(owner) = spec.user.as_ref().and_then(|name| store.users.get(name)) {
        json["user"] = store.user_json(owner);
    }
    if let Some(at) = spec.expires_at {
        json["expiryDate"] = json!(millis(at));
    }
    json
}

fn get(call: &Call) -> Answer {
    let (owner, id) = (Owner::of(call)?, call.param("id"));
    let store = call.app.store();
    let found = store.tokens.values().find(|token| owner.owns(token) && token.id.to_string() == id);
    ok(&shown(&store, found.ok_or_else(|| none(id))?))
}

/// A token makes no token.
async fn create(mut call: Call) -> Answer {
    let body = call.json().await?;
    let owner = Owner::of(&call)?;
    if call.actor.as_ref().is_none_or(|actor| actor.by_token) {
        return Err(forbidden());
    }
    let name = text(&body, "name").ok_or_else(|| invalid("name", "A name must be specified."))?.to_owned();
    let (project, repo) = permissions(&body)?;
    let days = body.get("expiryDays").and_then(Value::as_u64);
    let ends = days.map(|days| SystemTime::now() + Duration::from_secs(days.saturating_mul(86_400)));
    let spec = match &owner {
        Owner::User(user) => TokenSpec::personal(user),
        Owner::Project(key) => TokenSpec::project(key),
    };
    let mut spec = spec.project_permission(project).repo_permission(repo);
    spec.expires_at = ends;
    let secret = new_token(&call.app, Some(name), spec);
    let store = call.app.store();
    let token = store.tokens.get(&secret).ok_or_else(|| none(""))?;
    let mut json = shown(&store, token);
    json["token"] = json!(secret);
    call.app.journal.wrote(WriteKind::ChangeToken, "", &[("name", &token.name)]);
    ok(&json)
}

/// `["REPO_WRITE", "PROJECT_READ"]`; the repository's permission is at least the project's.
fn permissions(body: &Value) -> Result<(Permission, Permission), Refusal> {
    let words = body.get("permissions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let (mut project, mut repo) = (Permission::None, Permission::None);
    for word in words {
        let known = [Permission::Read, Permission::Write, Permission::Admin].into_iter();
        let word = word.as_str().unwrap_or("");
        let mut found = false;
        for permission in known {
            if permission.word("PROJECT").as_deref() == Some(word) {
                (project, found) = (project.max(permission), true);
            }
            if permission.word("REPO").as_deref() == Some(word) {
                (repo, found) = (repo.max(permission), true);
            }
        }
        if !found {
            return Err(bad_argument(format!("'{word}' is not a permission of a token")).about("permissions"));
        }
    }
    if words.is_empty() {
        return Err(invalid("permissions", "At least one permission must be specified."));
    }
    Ok((project, repo.max(project)))
}

/// Another name or permissions; the end cannot be changed.
async fn update(mut call: Call) -> Answer {
    let body = call.json().await?;
    let (owner, id) = (Owner::of(&call)?, call.param("id"));
    let permissions = body.get("permissions").map(|_| permissions(&body)).transpose()?;
    let mut store = call.app.store();
    let token = store.tokens.values_mut().find(|token| owner.owns(token) && token.id.to_string() == id);
    let token = token.ok_or_else(|| none(id))?;
    if let Some(name) = text(&body, "name") {
        name.clone_into(&mut token.name);
    }
    if let Some((project, repo)) = permissions {
        (token.spec.project, token.spec.repo) = (project, repo);
    }
    let name = token.name.clone();
    call.app.journal.wrote(WriteKind::ChangeToken, "", &[("name", &name)]);
    let token = store.tokens.values().find(|token| token.id.to_string() == id).ok_or_else(|| none(id))?;
    ok(&shown(&store, token))
}

fn revoke(call: &Call) -> Answer {
    let (owner, id) = (Owner::of(call)?, call.param("id"));
    let mut store = call.app.store();
    let before = store.tokens.len();
    store.tokens.retain(|_, token| !owner.owns(token) || token.id.to_string() != id);
    if store.tokens.len() == before {
        return Err(none(id));
    }
    call.app.journal.wrote(WriteKind::ChangeToken, "", &[("revoked", id)]);
    no_content()
}

fn none(id: &str) -> Refusal {
    missing("NoSuchEntityException", format!("There is no access token with ID {id}"))
}
