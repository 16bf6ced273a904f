//! Build statuses: the resource of old, by commit only, and the repository's (FACTS.md 5).

use serde_json::{Map, Value, json};

use super::{repo, route};
use crate::build::Build;
use crate::call::{Answer, Call, no_content, ok};
use crate::journal::WriteKind;
use crate::page::Page;
use crate::refusal::{Refusal, bad_argument, invalid, missing};
use crate::route::Route;
use crate::store::now;

pub(super) const ROUTES: &[Route] = &[
    route!(GET, "rest/build-status/{v}/commits/stats/{sha}", User, Json, now stats),
    route!(POST, "rest/build-status/{v}/commits/stats", User, Json, later stats_of_many),
    route!(GET, "rest/build-status/{v}/commits/{sha}", User, Json, now list),
    route!(POST, "rest/build-status/{v}/commits/{sha}", User, Json, later put_legacy),
    route!(GET, repo!("/commits/{sha}/builds"), Read, Json, later get),
    route!(DELETE, repo!("/commits/{sha}/builds"), Admin, Json, now delete),
    route!(POST, repo!("/commits/{sha}/builds"), Read, Json, later put),
];

/// Newest first; 100 by default, which is also the most.
fn list(call: &Call) -> Answer {
    let page = Page::of(&call.query, 100, 100)?;
    let store = call.app.store();
    let builds = store.builds.get(call.param("sha")).map(Vec::as_slice).unwrap_or_default();
    ok(&page.stored(builds.iter().rev().map(Build::legacy_json)))
}

fn stats(call: &Call) -> Answer {
    ok(&stats_of(call, call.param("sha")))
}

async fn stats_of_many(mut call: Call) -> Answer {
    let body = call.json().await?;
    let commits = body.as_array().map(Vec::as_slice).unwrap_or_default();
    let entries = commits.iter().filter_map(Value::as_str).map(|sha| (sha.to_owned(), stats_of(&call, sha)));
    ok(&Value::Object(entries.collect()))
}

fn stats_of(call: &Call, sha: &str) -> Value {
    let store = call.app.store();
    let builds = store.builds.get(sha).map(Vec::as_slice).unwrap_or_default();
    let count = |state: &str| builds.iter().filter(|build| build.state == state).count();
    json!({
        "successful": count("SUCCESSFUL"), "failed": count("FAILED"), "inProgress": count("INPROGRESS"),
        "cancelled": count("CANCELLED"), "unknown": count("UNKNOWN"),
    })
}

/// One status by its key, whichever resource it came by; there is no list here.
async fn get(call: Call) -> Answer {
    let (key, own, version) = (key(&call)?, call.repo()?, call.app.config.version);
    let mut json = {
        let store = call.app.store();
        let builds = store.builds.get(call.param("sha")).map(Vec::as_slice).unwrap_or_default();
        let found = builds.iter().rev().find(|build| build.key == key && build.is_of(own));
        found.ok_or_else(|| no_build(key))?.rich_json(version)
    };
    let git = call.git()?;
    if version.names_build_repository()
        && let Some(id) = git.resolve(call.param("sha")).await?
    {
        let commit = git.commit(&id).await?;
        json["commit"] = call.app.store().commit_json(&commit);
    }
    ok(&json)
}

fn delete(call: &Call) -> Answer {
    let (key, own, sha) = (key(call)?, call.repo()?, call.param("sha"));
    let mut store = call.app.store();
    let builds = store.builds.entry(sha.to_owned()).or_default();
    let before = builds.len();
    builds.retain(|build| build.key != key || !build.is_of(own));
    let existed = if builds.len() < before { "true" } else { "false" };
    let facts = [("commit", sha), ("key", key), ("existed", existed)];
    call.app.journal.wrote(WriteKind::DeleteBuildStatus, &own.label(), &facts);
    no_content()
}

fn key(call: &Call) -> Result<&str, Refusal> {
    let fits = |key: &&str| !key.trim().is_empty() && key.chars().count() <= LONGEST;
    let refused = || bad_argument("Please specify a non-blank key smaller than 255 characters");
    call.query.get("key").filter(fits).ok_or_else(refused)
}

fn no_build(key: &str) -> Refusal {
    missing("", format!("No build status with key '{key}' was found."))
}

async fn put_legacy(mut call: Call) -> Answer {
    let body = call.json().await?;
    let build = build_of(&call, body, Kind::Legacy)?;
    keep(&call, build, "")
}

async fn put(mut call: Call) -> Answer {
    let body = call.json().await?;
    let mut build = build_of(&call, body, Kind::Rich)?;
    let repo = call.repo()?.clone();
    build.repo = Some((repo.project.clone(), repo.slug.clone()));
    if let Some(name) = build.more.get("ref").and_then(Value::as_str)
        && !name.starts_with("refs/")
    {
        return Err(invalid("ref", "The ref must start with refs/"));
    }
    keep(&call, build, &repo.label())
}

fn keep(call: &Call, build: Build, repo: &str) -> Answer {
    let sha = call.param("sha");
    if sha.len() != 40 || !sha.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(bad_argument(format!("{sha} is not a full commit id")));
    }
    let facts = [("commit", sha), ("key", build.key.as_str()), ("state", build.state.as_str())];
    call.app.journal.wrote(WriteKind::BuildStatus, repo, &facts);
    call.app.store().put_build(sha, build);
    no_content()
}

/// Which resource a status came by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Legacy,
    Rich,
}

fn build_of(call: &Call, body: Value, kind: Kind) -> Result<Build, Refusal> {
    let Value::Object(mut body) = body else { return Err(bad_argument("A build status is an object")) };
    let mut take = |name: &'static str, limit: usize| match body.remove(name) {
        Some(Value::String(text)) if !text.trim().is_empty() && text.chars().count() <= limit => Ok(text),
        _ => Err(invalid(name, format!("Please specify a non-blank {name} smaller than {limit} characters"))),
    };
    let (key, state, url) = (take("key", LONGEST)?, take("state", LONGEST)?, take("url", 450)?);
    let late = kind == Kind::Rich && call.app.config.version.has_cancelled_builds();
    let known = matches!(state.as_str(), "SUCCESSFUL" | "FAILED" | "INPROGRESS")
        || (late && matches!(state.as_str(), "CANCELLED" | "UNKNOWN"));
    if !known {
        return Err(invalid("state", format!("'{state}' is not a build state")));
    }
    let members: &[&str] = match kind {
        Kind::Legacy => &["name", "description"],
        Kind::Rich => &["name", "description", "ref", "parent", "buildNumber", "duration", "testResults"],
    };
    let kept = |(name, value): &(String, Value)| members.contains(&name.as_str()) && !value.is_null();
    let more: Map<String, Value> = body.into_iter().filter(kept).collect();
    for name in ["name", "description", "parent", "buildNumber"] {
        let long = more.get(name).and_then(Value::as_str).is_some_and(|text| text.chars().count() > LONGEST);
        if long {
            return Err(
                bad_argument(format!("The {name} must not have more than {LONGEST} characters")).about(name)
            );
        }
    }
    Ok(Build { key, state, url, created: now(), updated: now(), repo: None, more })
}

/// Characters of every text but the address.
const LONGEST: usize = 255;
