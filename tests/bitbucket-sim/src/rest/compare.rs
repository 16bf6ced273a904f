//! `R/compare`: `from` is the newer side, and may be in a fork (FACTS.md 3).

use serde_json::Value;

use super::{commit_at, diff, repo, route};
use crate::auth::Permission;
use crate::call::{Answer, Call, ok};
use crate::git::LogQuery;
use crate::refusal::{Refusal, forbidden, missing};
use crate::route::Route;
use crate::store::Repo;

pub(super) const ROUTES: &[Route] = &[
    route!(GET, repo!("/compare/changes"), Read, Json, later changes),
    route!(GET, repo!("/compare/commits"), Read, Json, later commits),
    route!(GET, repo!("/compare/diff/{path*}"), Read, Bytes, later diff_of),
];

/// The two commits, older side first; either is the default branch when left out.
async fn sides(call: &Call) -> Result<(String, String), Refusal> {
    let (repo, git) = (call.repo()?, call.git()?);
    let older = commit_at(repo, &git, call.query.get("to")).await?.commit;
    let Some(fork) = fork(call)? else {
        let newer = commit_at(repo, &git, call.query.get("from")).await?.commit;
        return Ok((older, newer));
    };
    let newer = commit_at(&fork, &fork.git(), call.query.get("from")).await?.commit;
    git.borrow_commits(&fork.git()).await?;
    Ok((older, newer))
}

/// The repository of the newer side, by number or as `PROJECT/slug`.
fn fork(call: &Call) -> Result<Option<Repo>, Refusal> {
    let Some(named) = call.query.get("fromRepo") else { return Ok(None) };
    let store = call.app.store();
    let found = match named.split_once('/') {
        Some((key, slug)) => store.find_repo(key, slug),
        None => named.parse().ok().and_then(|id: u64| store.repos.get(&id)),
    };
    let message = format!("Repository {named} does not exist.");
    let fork = found.ok_or_else(|| missing("repository.NoSuchRepositoryException", message))?;
    let reads = call.actor.as_ref().is_some_and(|actor| actor.repo(&fork.project) >= Permission::Read);
    if reads { Ok(Some(fork.clone())) } else { Err(forbidden()) }
}

/// As the sides, but the older one is where they parted: what `newer` brings.
async fn parted(call: &Call) -> Result<(String, String), Refusal> {
    let (older, newer) = sides(call).await?;
    let base = call.git()?.merge_base(&older, &newer).await?;
    Ok((base.unwrap_or(older), newer))
}

async fn changes(call: Call) -> Answer {
    let page = call.page(1000)?;
    let (older, newer) = parted(&call).await?;
    let changes = call.git()?.changes(&older, &newer).await?;
    ok(&page.streamed(changes.iter().map(|change| diff::change_json(change, true)).skip(page.start)))
}

async fn commits(call: Call) -> Answer {
    let page = call.page(100)?;
    let (older, newer) = sides(&call).await?;
    let query = LogQuery {
        until: &newer,
        since: Some(&older),
        skip: page.start,
        limit: page.limit + 1,
        ..LogQuery::default()
    };
    let commits = call.git()?.log(&query).await?;
    let store = call.app.store();
    let values: Vec<Value> = commits.iter().map(|commit| store.commit_json(commit)).collect();
    ok(&page.streamed(values))
}

async fn diff_of(call: Call) -> Answer {
    let (older, newer) = parted(&call).await?;
    diff::answer(&call, &older, &newer).await
}
