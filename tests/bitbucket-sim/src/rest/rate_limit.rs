//! `/admin/rate-limit`: the administration of the rate limit (FACTS.md 1.5).

use serde_json::{Value, json};

use super::route;
use crate::call::{Answer, Call, no_content, ok};
use crate::journal::WriteKind;
use crate::knobs::{Allowance, RateLimit};
use crate::refusal::{Refusal, bad_argument, missing};
use crate::route::Route;

/// A pattern below the settings.
macro_rules! settings {
    ($tail:literal) => {
        concat!("rest/api/{v}/admin/rate-limit/settings", $tail)
    };
}

pub(super) const ROUTES: &[Route] = &[
    route!(GET, settings!(""), System, Json, now get),
    route!(PUT, settings!(""), System, Json, later put),
    route!(GET, settings!("/users"), System, Json, now users),
    route!(POST, settings!("/users"), System, Json, later put_many),
    route!(GET, settings!("/users/{user}"), System, Json, now user),
    route!(PUT, settings!("/users/{user}"), System, Json, later put_user),
    route!(DELETE, settings!("/users/{user}"), System, Json, now forget_user),
];

fn get(call: &Call) -> Answer {
    ok(&shown(call))
}

fn shown(call: &Call) -> Value {
    let limit = call.app.knobs.current_limit();
    json!({"enabled": limit.is_some(), "defaultSettings": rates(&limit.unwrap_or_else(|| fresh(call)))})
}

/// The product's default, with `Retry-After` where the release says it.
fn fresh(call: &Call) -> RateLimit {
    RateLimit { capacity: 60, per_second: 5.0, retry_after: call.app.config.version.says_retry_after() }
}

fn rates(limit: &RateLimit) -> Value {
    json!({"capacity": limit.capacity, "fillRate": limit.per_second as u64})
}

async fn put(mut call: Call) -> Answer {
    let body = call.json().await?;
    let limit = match body.get("defaultSettings") {
        Some(settings) => limit_of(&call, settings)?,
        None => call.app.knobs.current_limit().unwrap_or_else(|| fresh(&call)),
    };
    let enabled = match body.get("enabled") {
        None => call.app.knobs.current_limit().is_some(),
        Some(Value::Bool(enabled)) => *enabled,
        Some(_) => return Err(bad_argument("enabled must be true or false").about("enabled")),
    };
    call.app.knobs.rate_limit(enabled.then_some(limit));
    wrote(&call, "");
    ok(&shown(&call))
}

fn limit_of(call: &Call, settings: &Value) -> Result<RateLimit, Refusal> {
    let number = |name: &'static str| {
        let number = settings.get(name).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok());
        number.ok_or_else(|| bad_argument(format!("{name} must be a non-negative integer")).about(name))
    };
    let (capacity, rate) = (number("capacity")?, number("fillRate")?);
    Ok(RateLimit { capacity, per_second: f64::from(rate), ..fresh(call) })
}

fn users(call: &Call) -> Answer {
    let page = call.page(1000)?;
    let filter = call.query.get("filter").unwrap_or("").to_lowercase();
    let found = call.app.knobs.allowances();
    let found = found.iter().filter(|(name, _)| name.to_lowercase().contains(&filter));
    ok(&page.stored(found.map(|(name, allowance)| user_json(call, name, *allowance))))
}

fn user_json(call: &Call, name: &str, allowance: Allowance) -> Value {
    let user = call.app.store().user_json_by_name(name);
    match allowance {
        Allowance::Everything => json!({"user": user, "whitelisted": true}),
        Allowance::Own(limit) => json!({"user": user, "whitelisted": false, "settings": rates(&limit)}),
    }
}

fn user(call: &Call) -> Answer {
    let name = user_of(call)?;
    let own = call.app.knobs.allowances().into_iter().find(|(other, _)| *other == name);
    let none = || missing("NoSuchEntityException", format!("There are no settings of their own for {name}"));
    let (_, allowance) = own.ok_or_else(none)?;
    ok(&user_json(call, &name, allowance))
}

async fn put_user(mut call: Call) -> Answer {
    let body = call.json().await?;
    let (name, allowance) = (user_of(&call)?, allowance(&call, &body)?);
    call.app.knobs.allow(&name, Some(allowance));
    wrote(&call, &name);
    ok(&user_json(&call, &name, allowance))
}

async fn put_many(mut call: Call) -> Answer {
    let body = call.json().await?;
    let allowance = allowance(&call, &body)?;
    let names = body.get("usernames").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut shown = Vec::new();
    for name in names.iter().filter_map(Value::as_str) {
        call.app.knobs.allow(name, Some(allowance));
        wrote(&call, name);
        shown.push(user_json(&call, name, allowance));
    }
    ok(&Value::from(shown))
}

fn allowance(call: &Call, body: &Value) -> Result<Allowance, Refusal> {
    if body.get("whitelisted") == Some(&Value::Bool(true)) {
        return Ok(Allowance::Everything);
    }
    let settings = body.get("settings").ok_or_else(|| bad_argument("settings are required"))?;
    limit_of(call, settings).map(Allowance::Own)
}

fn forget_user(call: &Call) -> Answer {
    let name = user_of(call)?;
    call.app.knobs.allow(&name, None);
    wrote(call, &name);
    no_content()
}

fn user_of(call: &Call) -> Result<String, Refusal> {
    let slug = call.param("user");
    let store = call.app.store();
    let user = store.users.values().find(|user| user.slug().eq_ignore_ascii_case(slug));
    let none = || missing("user.NoSuchUserException", format!("User {slug} does not exist."));
    user.map(|user| user.name.clone()).ok_or_else(none)
}

fn wrote(call: &Call, user: &str) {
    call.app.journal.wrote(WriteKind::ChangeRateLimit, "", &[("user", user)]);
}
