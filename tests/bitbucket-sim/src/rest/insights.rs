//! `/rest/insights/.../reports`: Code Insights reports (FACTS.md 5).

use http::StatusCode;
use serde_json::Value;

use super::route;
use crate::auth::Permission;
use crate::call::{Answer, Call, no_content, ok};
use crate::insight::{self, Report, Reports, no_report};
use crate::journal::WriteKind;
use crate::refusal::{Refusal, api, invalid, json_response};
use crate::route::Route;
use crate::store::{RepoId, now};

/// A pattern below the reports of a commit.
macro_rules! reports {
    ($tail:literal) => {
        concat!("rest/insights/{v}/projects/{key}/repos/{slug}/commits/{sha}/reports", $tail)
    };
}
pub(super) use reports;

pub(super) const ROUTES: &[Route] = &[
    route!(GET, reports!(""), Read, Json, now list),
    route!(GET, reports!("/{report}"), Read, Json, now get),
    route!(PUT, reports!("/{report}"), Read, Json, later put),
    route!(DELETE, reports!("/{report}"), Read, Json, now delete),
];

fn list(call: &Call) -> Answer {
    let (page, commit) = (call.page(1000)?, commit(call)?);
    let store = call.app.store();
    let mut found: Vec<_> = store.reports.get(&commit).into_iter().flatten().collect();
    found.sort_by_key(|(_, report)| report.created);
    ok(&page.stored(found.into_iter().map(|(key, report)| report.json(key))))
}

fn get(call: &Call) -> Answer {
    let commit = commit(call)?;
    let store = call.app.store();
    let key = call.param("report");
    let report = store.reports.get(&commit).and_then(|reports| reports.get(key));
    ok(&report.ok_or_else(|| no_report(key))?.json(key))
}

/// Makes a report or replaces the caller's own; a replaced one keeps its annotations.
async fn put(mut call: Call) -> Answer {
    let body = insight::checked_report(call.json().await?)?;
    let (commit, key, author) = (commit(&call)?, call.param("report").to_owned(), call.author());
    if key.chars().count() > LONGEST_KEY {
        return Err(invalid("reportKey", "The report key must not have more than 450 characters."));
    }
    let json = {
        let mut store = call.app.store();
        let reports = store.reports.entry(commit).or_default();
        let old = reports.get(&key);
        old.map_or(Ok(()), |old| old.only_by(&author))?;
        let replaced = old.is_some();
        let annotations = old.map(|old| old.annotations.clone()).unwrap_or_default();
        let report = Report { author, created: now(), body, annotations };
        let json = report.json(&key);
        reports.insert(key.clone(), report);
        wrote(&call, WriteKind::PutReport, ("replaced", if replaced { "true" } else { "false" }))?;
        json
    };
    Ok(json_response(StatusCode::OK, &json))
}

fn delete(call: &Call) -> Answer {
    let (commit, key) = (commit(call)?, call.param("report"));
    let mut store = call.app.store();
    let reports = store.reports.get_mut(&commit);
    let report = reports.as_ref().and_then(|reports| reports.get(key)).ok_or_else(|| no_report(key))?;
    may_delete(call, report)?;
    if let Some(reports) = reports {
        reports.remove(key);
    }
    wrote(call, WriteKind::DeleteReport, ("author", &call.author()))?;
    no_content()
}

/// The author may delete, and who administers the repository.
pub(super) fn may_delete(call: &Call, report: &Report) -> Result<(), Refusal> {
    let project = &call.repo()?.project;
    let administers = call.actor.as_ref().is_some_and(|actor| actor.repo(project) >= Permission::Admin);
    if administers { Ok(()) } else { report.only_by(&call.author()) }
}

/// The commit in the path, which must be named in full; it need not exist.
pub(super) fn commit(call: &Call) -> Result<(RepoId, String), Refusal> {
    let sha = call.param("sha");
    if sha.len() != 40 || !sha.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let message = format!("'{sha}' is not a full 40 character commit hash.");
        return Err(api(StatusCode::BAD_REQUEST, "", message).about("commitId"));
    }
    Ok((call.repo()?.id, sha.to_owned()))
}

/// Notes a write about the report in the path.
pub(super) fn wrote(call: &Call, kind: WriteKind, more: (&'static str, &str)) -> Result<(), Refusal> {
    let facts = [("commit", call.param("sha")), ("key", call.param("report")), more];
    call.app.journal.wrote(kind, &call.repo()?.label(), &facts);
    Ok(())
}

/// The report that a write in the path is about, for its author only.
pub(super) fn own_report<'a>(call: &Call, reports: &'a mut Reports) -> Result<&'a mut Report, Refusal> {
    let (commit, key) = (commit(call)?, call.param("report"));
    let report = reports.get_mut(&commit).and_then(|reports| reports.get_mut(key));
    let report = report.ok_or_else(|| no_report(key))?;
    report.only_by(&call.author())?;
    Ok(report)
}

/// The elements of an array member.
pub(super) fn elements<'a>(body: &'a Value, name: &'static str) -> Result<&'a [Value], Refusal> {
    let array = body.get(name).and_then(Value::as_array).map(Vec::as_slice);
    array.ok_or_else(|| invalid(name, format!("The {name} must be specified.")))
}

const LONGEST_KEY: usize = 450;
