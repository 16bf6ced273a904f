//! `R/pull-requests`: read, list and delete; opening and updating are below (FACTS.md 4).

mod filter;
mod open;
mod update;

use serde_json::Value;

use self::filter::Filter;
pub(super) use self::open::duplicate;
use super::{repo, route, viewer};
use crate::auth::Permission;
use crate::call::{Answer, Call, no_content, ok};
use crate::git::Git;
use crate::journal::WriteKind;
use crate::pull::{self, Pull, State};
use crate::refusal::{Refusal, conflict, forbidden};
use crate::route::Route;

pub(super) const ROUTES: &[Route] = &[
    route!(GET, repo!("/pull-requests"), Read, Json, later list),
    route!(POST, repo!("/pull-requests"), Read, Json, later open::open),
    route!(GET, repo!("/pull-requests/{id}.diff"), Read, Bytes, later super::pull_diff::raw_diff),
    route!(GET, repo!("/pull-requests/{id}.patch"), Read, Bytes, later super::pull_diff::patch),
    route!(GET, repo!("/pull-requests/{id}"), Read, Json, later get),
    route!(PUT, repo!("/pull-requests/{id}"), Read, Json, later update::update),
    route!(DELETE, repo!("/pull-requests/{id}"), Read, Json, later delete),
];

async fn list(call: Call) -> Answer {
    let (page, repo) = (call.page(1000)?, call.repo()?.clone());
    pull::refresh(&call.app, repo.id).await?;
    let filter = Filter::of(&call)?;
    let store = call.app.store();
    let mut found: Vec<&Pull> = store.pulls.values().filter(|pull| filter.wants(repo.id, pull)).collect();
    found.sort_by_key(|pull| std::cmp::Reverse((pull.created, pull.id)));
    if call.query.get("order") == Some("OLDEST") {
        found.reverse();
    }
    let properties = call.query.get("withProperties") != Some("false");
    let shown = found.into_iter().map(|pull| {
        let mut json = store.pull_json(pull, viewer(&call));
        if let Value::Object(members) = &mut json
            && !properties
        {
            members.remove("properties");
        }
        json
    });
    ok(&page.stored(shown))
}

async fn get(call: Call) -> Answer {
    let pull = fresh(&call).await?;
    ok(&call.app.store().pull_json(&pull, viewer(&call)))
}

/// The pull request in the path, as its branches are now.
pub(super) async fn fresh(call: &Call) -> Result<Pull, Refusal> {
    let repo = call.repo()?;
    let id = call.param("id");
    call.app.store().pull(repo, id)?;
    pull::refresh(&call.app, repo.id).await?;
    let mut store = call.app.store();
    store.pull(repo, id).map(|pull| pull.clone())
}

/// What the pull request brings: from where the branches parted to the source, and the git that has both.
pub(super) async fn span(call: &Call, pull: &Pull) -> Result<(Git, String, String), Refusal> {
    let git = call.git()?;
    let base = git.merge_base(&pull.to.commit, &pull.from.commit).await?;
    Ok((git, base.unwrap_or_else(|| pull.to.commit.clone()), pull.from.commit.clone()))
}

/// `version` from the query or the body.
pub(super) fn version(call: &Call, body: &Value) -> Option<i64> {
    let in_query = call.query.get("version").and_then(|text| text.parse().ok());
    in_query.or_else(|| body.get("version").and_then(Value::as_i64))
}

/// Refuses who is neither the author nor may do `least` in the repository.
pub(super) fn author_or(call: &Call, pull: &Pull, least: Permission) -> Result<(), Refusal> {
    let repo = call.repo()?;
    let own = viewer(call) == Some(pull.author.as_str());
    let may = call.actor.as_ref().is_some_and(|actor| actor.repo(&repo.project) >= least);
    if own || may { Ok(()) } else { Err(forbidden()) }
}

async fn delete(mut call: Call) -> Answer {
    let body = call.json().await?;
    let pull = fresh(&call).await?;
    author_or(&call, &pull, Permission::Admin)?;
    if pull.state == State::Merged {
        let message = "This pull request has already been merged and cannot be deleted.";
        return Err(conflict("pull.IllegalPullRequestStateException", message));
    }
    let repo = call.repo()?.clone();
    let mut store = call.app.store();
    let json = store.pull_json(&pull, viewer(&call));
    pull.expect_version(version(&call, &body), &json)?;
    store.pulls.remove(&(repo.id, pull.id));
    call.app.journal.wrote(WriteKind::DeletePullRequest, &repo.label(), &[("id", call.param("id"))]);
    no_content()
}
