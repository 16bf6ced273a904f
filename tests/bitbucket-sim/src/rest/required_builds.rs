//! `/rest/required-builds`: builds that must be green before a merge (FACTS.md 5).

use serde_json::Value;

use super::{administers, route};
use crate::call::{Answer, Call, no_content, ok};
use crate::journal::WriteKind;
use crate::matcher::Matcher;
use crate::refusal::{Refusal, bad_argument, missing};
use crate::route::Route;
use crate::rules::RequiredBuild;

macro_rules! area {
    ($tail:literal) => {
        concat!("rest/required-builds/{v}/projects/{key}/repos/{slug}", $tail)
    };
}

pub(super) const ROUTES: &[Route] = &[
    route!(GET, area!("/conditions"), Read, Json, now list),
    route!(POST, area!("/condition"), Read, Json, later create),
    route!(PUT, area!("/condition/{id}"), Read, Json, later update),
    route!(DELETE, area!("/condition/{id}"), Read, Json, now delete),
];

fn list(call: &Call) -> Answer {
    let (page, repo) = (call.page(1000)?, call.repo()?.id);
    let store = call.app.store();
    let own = store.rules.required_builds.iter().filter(|rule| rule.repo == repo);
    ok(&page.stored(own.map(RequiredBuild::json)))
}

fn read(call: &Call, id: u64, body: &Value) -> Result<RequiredBuild, Refusal> {
    let keys = body.get("buildParentKeys").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let parents: Vec<String> = keys.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    if parents.is_empty() {
        return Err(bad_argument("At least one build is required").about("buildParentKeys"));
    }
    let exempt = body.get("exemptRefMatcher").filter(|matcher| !matcher.is_null());
    Ok(RequiredBuild {
        id,
        repo: call.repo()?.id,
        parents,
        target: Matcher::of(body.get("refMatcher"), "refMatcher")?,
        exempt: exempt.map(|matcher| Matcher::of(Some(matcher), "exemptRefMatcher")).transpose()?,
    })
}

async fn create(mut call: Call) -> Answer {
    administers(&call)?;
    let body = call.json().await?;
    let id = call.app.store().new_id();
    let rule = read(&call, id, &body)?;
    keep(&call, rule)
}

async fn update(mut call: Call) -> Answer {
    administers(&call)?;
    let body = call.json().await?;
    let id = own(&call)?;
    let rule = read(&call, id, &body)?;
    call.app.store().rules.required_builds.retain(|other| other.id != id);
    keep(&call, rule)
}

fn keep(call: &Call, rule: RequiredBuild) -> Answer {
    let json = rule.json();
    call.app.store().rules.required_builds.push(rule);
    note(call)?;
    ok(&json)
}

fn delete(call: &Call) -> Answer {
    administers(call)?;
    let id = own(call)?;
    call.app.store().rules.required_builds.retain(|other| other.id != id);
    note(call)?;
    no_content()
}

/// The rule in the path, which must be the repository's.
fn own(call: &Call) -> Result<u64, Refusal> {
    let (id, repo) = (call.param("id").parse::<u64>().ok(), call.repo()?.id);
    let store = call.app.store();
    let found = store.rules.required_builds.iter().find(|rule| Some(rule.id) == id && rule.repo == repo);
    let none = || missing("NoSuchEntityException", "There is no such required build.");
    found.map(|rule| rule.id).ok_or_else(none)
}

fn note(call: &Call) -> Result<(), Refusal> {
    let label = call.repo()?.label();
    call.app.journal.wrote(WriteKind::ChangeSettings, &label, &[("what", "required-builds")]);
    Ok(())
}
