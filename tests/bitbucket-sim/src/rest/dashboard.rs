//! Pull requests by who has to do with them: the dashboard, the inbox, and those that have a commit.

use std::collections::HashSet;

use serde_json::json;

use super::pulls::span;
use super::{commit_named, repo, route, viewer};
use crate::call::{Answer, Call, ok};
use crate::pull::{self, Pull, State};
use crate::refusal::{Refusal, bad_argument};
use crate::route::Route;
use crate::store::now;

pub(super) const ROUTES: &[Route] = &[
    route!(GET, "rest/api/{v}/dashboard/pull-requests", User, Json, later dashboard),
    route!(GET, "rest/api/{v}/inbox/pull-requests", User, Json, later inbox),
    route!(GET, "rest/api/{v}/inbox/pull-requests/count", User, Json, later count),
    route!(GET, repo!("/commits/{sha}/pull-requests"), Read, Json, later with_commit),
];

/// How somebody has to do with a pull request.
fn roles(pull: &Pull, user: &str) -> Vec<(&'static str, Option<&'static str>)> {
    let mut roles = Vec::new();
    if pull.author == user {
        roles.push(("AUTHOR", None));
    }
    for (role, people) in [("REVIEWER", &pull.reviewers), ("PARTICIPANT", &pull.participants)] {
        let own = people.iter().filter(|one| one.user == user);
        roles.extend(own.map(|one| (role, Some(one.status.name()))));
    }
    roles
}

/// All pull requests that the caller may see, as their branches are now.
async fn all(call: &Call) -> Result<Vec<Pull>, Refusal> {
    let repos: HashSet<u64> = call.app.store().pulls.keys().map(|(repo, _)| *repo).collect();
    for repo in repos {
        pull::refresh(&call.app, repo).await?;
    }
    let store = call.app.store();
    let may = |pull: &&Pull| {
        let repo = store.repos.get(&pull.to.repo);
        let actor = call.actor.as_ref();
        repo.zip(actor)
            .is_some_and(|(repo, actor)| actor.repo(&repo.project) >= crate::auth::Permission::Read)
    };
    let mut found: Vec<Pull> = store.pulls.values().filter(may).cloned().collect();
    found.sort_by_key(|pull| std::cmp::Reverse((pull.updated, pull.id)));
    Ok(found)
}

fn page_of(call: &Call, pulls: &[Pull]) -> Answer {
    let page = call.page(1000)?;
    let store = call.app.store();
    ok(&page.stored(pulls.iter().map(|pull| store.pull_json(pull, viewer(call)))))
}

async fn dashboard(call: Call) -> Answer {
    let query = |name: &str| call.query.get(name).map(str::to_uppercase);
    let (state, role, status) = (query("state"), query("role"), query("participantStatus"));
    let user = call.query.get("user").map_or_else(|| call.author(), str::to_owned);
    let since: Option<i64> = call.query.get("closedSince").and_then(|seconds| seconds.parse().ok());
    let wanted = |pull: &Pull| {
        let mut own = roles(pull, &user).into_iter();
        let involved = own.any(|(own_role, own_status)| {
            role.as_deref().is_none_or(|role| role == own_role)
                && status.as_deref().is_none_or(|all| all.split(',').any(|one| Some(one) == own_status))
        });
        let recent = |closed: i64| since.is_none_or(|since| closed >= now() - since * 1000);
        involved
            && state.as_deref().is_none_or(|state| state == "ALL" || state == pull.state.name())
            && pull.closed.is_none_or(recent)
    };
    let mut pulls = all(&call).await?;
    pulls.retain(wanted);
    if query("order").as_deref() == Some("OLDEST") {
        pulls.reverse();
    }
    page_of(&call, &pulls)
}

/// Open ones that wait for the caller: as a reviewer, unless `role` says otherwise.
async fn inboxed(call: &Call) -> Result<Vec<Pull>, Refusal> {
    let role = call.query.get("role").unwrap_or("REVIEWER").to_uppercase();
    if !matches!(role.as_str(), "REVIEWER" | "AUTHOR" | "PARTICIPANT") {
        return Err(bad_argument(format!("'{role}' is not a role")).about("role"));
    }
    let user = call.author();
    let waits = |pull: &Pull| {
        let unsaid =
            |own: &(&str, Option<&str>)| own.0 == role && (role != "REVIEWER" || own.1 == Some("UNAPPROVED"));
        pull.state == State::Open && roles(pull, &user).iter().any(unsaid)
    };
    let mut pulls = all(call).await?;
    pulls.retain(waits);
    Ok(pulls)
}

async fn inbox(call: Call) -> Answer {
    let pulls = inboxed(&call).await?;
    page_of(&call, &pulls)
}

async fn count(call: Call) -> Answer {
    ok(&json!({"count": inboxed(&call).await?.len()}))
}

/// The repository's pull requests, in any state, that bring a commit.
async fn with_commit(call: Call) -> Answer {
    let (repo, git) = (call.repo()?.clone(), call.git()?);
    let commit = commit_named(&repo, &git, call.param("sha")).await?;
    pull::refresh(&call.app, repo.id).await?;
    let pulls: Vec<Pull> =
        call.app.store().pulls.values().filter(|pull| pull.to.repo == repo.id).cloned().collect();
    let mut found = Vec::new();
    for pull in pulls {
        let (git, base, from) = span(&call, &pull).await?;
        if git.is_ancestor(&commit, &from).await? && !git.is_ancestor(&commit, &base).await? {
            found.push(pull);
        }
    }
    found.sort_by_key(|pull| std::cmp::Reverse(pull.id));
    page_of(&call, &found)
}
