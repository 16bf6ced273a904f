//! `/access-tokens`: a user's own tokens, never their text (FACTS.md 1.7).

use serde_json::{Value, json};

use super::route;
use crate::call::{Answer, Call, ok};
use crate::refusal::{forbidden, missing};
use crate::route::Route;
use crate::store::{Store, Token, millis};

pub(super) const ROUTES: &[Route] =
    &[route!(GET, "rest/access-tokens/{v}/users/{user}", User, Json, now list)];

/// Nobody sees another's.
fn list(call: &Call) -> Answer {
    let page = call.page(1000)?;
    let store = call.app.store();
    let slug = call.param("user");
    let owner = store.users.values().find(|user| user.slug().eq_ignore_ascii_case(slug));
    let owner =
        owner.ok_or_else(|| missing("user.NoSuchUserException", format!("User {slug} does not exist.")))?;
    if call.actor.as_ref().and_then(|actor| actor.user.as_deref()) != Some(&owner.name) {
        return Err(forbidden());
    }
    let mut tokens: Vec<_> =
        store.tokens.values().filter(|token| token.spec.user.as_deref() == Some(&owner.name)).collect();
    tokens.sort_by_key(|token| token.id);
    ok(&page.stored(tokens.into_iter().map(|token| shown(&store, token))))
}

/// The document has no `expiryDate`, `permissions` and `user`, and calls the date a text: clients read them, as numbers.
fn shown(store: &Store, token: &Token) -> Value {
    let spec = &token.spec;
    let words: Vec<_> =
        [spec.repo.word("REPO"), spec.project.word("PROJECT")].into_iter().flatten().collect();
    let mut json = json!({
        "id": token.id.to_string(), "name": format!("Token {}", token.id), "createdDate": token.created,
        "permissions": words,
    });
    if let Some(owner) = spec.user.as_ref().and_then(|name| store.users.get(name)) {
        json["user"] = store.user_json(owner);
    }
    if let Some(at) = spec.expires_at {
        json["expiryDate"] = json!(millis(at));
    }
    json
}
