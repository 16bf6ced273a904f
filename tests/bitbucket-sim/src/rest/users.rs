//! `/users`, and the administrator's reset of a CAPTCHA.

use super::route;
use crate::call::{Answer, Call, no_content, ok};
use crate::refusal::missing;
use crate::route::Route;

pub(super) const ROUTES: &[Route] = &[
    route!(GET, "rest/api/{v}/users", User, Json, now list),
    route!(GET, "rest/api/{v}/users/{user}", User, Json, now get),
    route!(DELETE, "rest/api/{v}/admin/users/captcha", User, Json, now reset_captcha),
];

fn list(call: &Call) -> Answer {
    let page = call.page(1000)?;
    let store = call.app.store();
    let filter = call.query.get("filter").unwrap_or("").to_lowercase();
    let found = store.users.values().filter(|user| user.name.to_lowercase().contains(&filter));
    ok(&page.stored(found.map(|user| store.user_json(user))))
}

fn get(call: &Call) -> Answer {
    let slug = call.param("user");
    let store = call.app.store();
    let user = store.users.values().find(|user| user.slug().eq_ignore_ascii_case(slug));
    let user =
        user.ok_or_else(|| missing("user.NoSuchUserException", format!("User {slug} does not exist.")))?;
    ok(&store.user_json(user))
}

fn reset_captcha(call: &Call) -> Answer {
    let name = call.query.get("name").unwrap_or("");
    if let Some(user) = call.app.store().users.get_mut(name) {
        user.failed_logins = 0;
    }
    no_content()
}
