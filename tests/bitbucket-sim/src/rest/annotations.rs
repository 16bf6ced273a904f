//! Annotations of Code Insights reports (FACTS.md 5).

use serde_json::{Map, Value, json};

use super::insights::{commit, elements, may_delete, own_report, reports, wrote};
use super::route;
use crate::call::{Answer, Call, no_content, ok};
use crate::insight::{checked_annotation, no_report};
use crate::journal::WriteKind;
use crate::refusal::Refusal;
use crate::route::Route;

pub(super) const ROUTES: &[Route] = &[
    route!(
        GET,
        "rest/insights/{v}/projects/{key}/repos/{slug}/commits/{sha}/annotations",
        Read,
        Json,
        now of_commit
    ),
    route!(GET, reports!("/{report}/annotations"), Read, Json, now list),
    route!(POST, reports!("/{report}/annotations"), Read, Json, later add),
    route!(DELETE, reports!("/{report}/annotations"), Read, Json, now delete),
    route!(PUT, reports!("/{report}/annotations/{external}"), Read, Json, later put),
];

/// Not a page: every annotation of the report.
fn list(call: &Call) -> Answer {
    let (commit, key) = (commit(call)?, call.param("report"));
    let store = call.app.store();
    let report = store.reports.get(&commit).and_then(|reports| reports.get(key));
    let report = report.ok_or_else(|| no_report(key))?;
    let shown: Vec<Value> = report.annotations.iter().map(|annotation| shown(key, annotation)).collect();
    ok(&json!({"totalCount": shown.len(), "annotations": shown}))
}

/// Those of every report of a commit, narrowed by the query.
fn of_commit(call: &Call) -> Answer {
    let commit = commit(call)?;
    let store = call.app.store();
    let reports = store.reports.get(&commit).into_iter().flatten();
    let wanted = |annotation: &Map<String, Value>| {
        ["severity", "type", "path", "externalId"]
            .into_iter()
            .all(|name| asked(call, name, annotation.get(name).and_then(Value::as_str).unwrap_or("")))
    };
    let mut found = Vec::new();
    for (key, report) in reports.filter(|(key, _)| asked(call, "key", key)) {
        found.extend(report.annotations.iter().filter(|one| wanted(one)).map(|one| shown(key, one)));
    }
    ok(&json!({"totalCount": found.len(), "annotations": found}))
}

fn asked(call: &Call, name: &str, value: &str) -> bool {
    let values = call.query.all(name);
    values.is_empty() || values.contains(&value)
}

fn shown(key: &str, annotation: &Map<String, Value>) -> Value {
    let mut json = Value::Object(annotation.clone());
    json["reportKey"] = json!(key);
    json
}

/// All of the request or nothing of it.
async fn add(mut call: Call) -> Answer {
    let body = call.json().await?;
    let new = elements(&body, "annotations")?
        .iter()
        .map(checked_annotation)
        .collect::<Result<Vec<_>, Refusal>>()?;
    let count = new.len().to_string();
    let mut store = call.app.store();
    own_report(&call, &mut store.reports)?.annotate(new)?;
    wrote(&call, WriteKind::AddAnnotations, ("count", &count))?;
    no_content()
}

/// One by its external id, new or in place of the one that has it.
async fn put(mut call: Call) -> Answer {
    let mut body = call.json().await?;
    body["externalId"] = json!(call.param("external"));
    let annotation = checked_annotation(&body)?;
    let mut store = call.app.store();
    let report = own_report(&call, &mut store.reports)?;
    let before = report.annotations.len();
    report.annotations.retain(|old| old.get("externalId") != annotation.get("externalId"));
    let replaced = if report.annotations.len() < before { "true" } else { "false" };
    report.annotate(vec![annotation])?;
    wrote(&call, WriteKind::PutAnnotation, ("replaced", replaced))?;
    no_content()
}

/// Those with one of the external ids that the query names, or all.
fn delete(call: &Call) -> Answer {
    let (commit, key) = (commit(call)?, call.param("report"));
    let mut store = call.app.store();
    let report = store.reports.get_mut(&commit).and_then(|reports| reports.get_mut(key));
    let report = report.ok_or_else(|| no_report(key))?;
    may_delete(call, report)?;
    let before = report.annotations.len();
    report.annotations.retain(|one| {
        !asked(call, "externalId", one.get("externalId").and_then(Value::as_str).unwrap_or(""))
    });
    let count = (before - report.annotations.len()).to_string();
    wrote(call, WriteKind::DeleteAnnotations, ("count", &count))?;
    no_content()
}
