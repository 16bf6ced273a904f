//! Branches: three resources that grew over the years (FACTS.md 3).

use http::{Response, StatusCode};
use serde_json::Value;

use super::{branch_info, commit_named, repo, restricted, route, text};
use crate::body::Body;
use crate::call::{Answer, Call, no_content, ok};
use crate::entity::{branch_json, display};
use crate::git::{RefInfo, ZERO};
use crate::journal::WriteKind;
use crate::refusal::{Refusal, api, bad_argument, json_response};
use crate::route::Route;
use crate::{build, pull};

pub(super) const ROUTES: &[Route] = &[
    route!(GET, repo!("/branches"), Read, Json, later list),
    route!(POST, repo!("/branches"), Write, Json, later create),
    route!(POST, "rest/branch-utils/{v}/projects/{key}/repos/{slug}/branches", Write, Json, later create_by_utils),
    route!(DELETE, "rest/branch-utils/{v}/projects/{key}/repos/{slug}/branches", Write, Json, later delete),
];

async fn list(call: Call) -> Answer {
    let (page, git) = (call.page(1000)?, call.git()?);
    let default = git.default_branch().await?;
    let mut branches = git.refs("refs/heads").await?;
    let filter = call.query.get("filterText").unwrap_or("").to_lowercase();
    branches.retain(|branch| display(&branch.name).to_lowercase().contains(&filter));
    // The product's default order is the last change.
    if call.query.get("orderBy") != Some("ALPHABETICAL") {
        branches.sort_by(|a, b| b.changed.cmp(&a.changed).then_with(|| a.name.cmp(&b.name)));
    }
    if call.query.get("boostMatches") == Some("true") && !filter.is_empty() {
        let rank = |branch: &RefInfo| match display(&branch.name).to_lowercase() {
            name if name == filter => 0,
            name if name.starts_with(&filter) => 1,
            _ => 2,
        };
        branches.sort_by_key(rank);
    }
    let mut json = page.stored(branches.iter().map(|branch| branch_json(branch, Some(&default))));
    if call.query.get("details") == Some("true") {
        let base = git.resolve(call.query.get("base").unwrap_or(&default)).await?;
        for shown in json["values"].as_array_mut().into_iter().flatten() {
            let named = |branch: &&RefInfo| shown["id"] == branch.name.as_str();
            if let Some(branch) = branches.iter().find(named) {
                shown["metadata"] = branch_info::metadata(&call, &git, branch, base.as_deref()).await?;
            }
        }
    }
    ok(&json)
}

async fn create(call: Call) -> Answer {
    create_as(call, StatusCode::OK).await
}

async fn create_by_utils(call: Call) -> Answer {
    create_as(call, StatusCode::CREATED).await
}

async fn create_as(mut call: Call, status: StatusCode) -> Answer {
    let body = call.json().await?;
    let name = text(&body, "name").ok_or_else(|| bad_argument("A branch name is required").about("name"))?;
    let start = text(&body, "startPoint")
        .ok_or_else(|| bad_argument("A start point is required").about("startPoint"))?;
    let (repo, git) = (call.repo()?.clone(), call.git()?);
    let short = name.strip_prefix("refs/heads/").unwrap_or(name);
    if !git.is_branch_name(short).await? {
        let message = format!("'{short}' is not a valid branch name");
        return Err(api(StatusCode::BAD_REQUEST, "repository.InvalidRefNameException", message));
    }
    let _alone = call.app.write_lock(repo.id).await;
    let commit = commit_named(&repo, &git, start).await?;
    let full = format!("refs/heads/{short}");
    if git.resolve(&full).await?.is_some() {
        return Err(duplicate(StatusCode::BAD_REQUEST, short, &repo.slug));
    }
    restricted(&call, &full, ZERO, &commit)?;
    if !git.update_ref(&full, &commit, ZERO).await? {
        // The one way left to fail: `a` and `a/b` cannot both be.
        return Err(duplicate(StatusCode::CONFLICT, short, &repo.slug));
    }
    call.app.journal.wrote(WriteKind::CreateBranch, &repo.label(), &[("branch", short), ("commit", &commit)]);
    build::start(&call.app, &repo, &commit, &full);
    pull::refresh(&call.app, repo.id).await?;
    let branch = RefInfo { name: full, commit, tag_object: None, changed: 0 };
    let response: Response<Body> = json_response(status, &branch_json(&branch, None));
    Ok(response)
}

fn duplicate(status: StatusCode, name: &str, slug: &str) -> Refusal {
    let message = format!("Branch '{name}' already exists in repository '{slug}'");
    api(status, "repository.DuplicateRefException", message)
}

/// 204, also for a branch that does not exist; `endPoint` makes it a compare-and-delete.
async fn delete(mut call: Call) -> Answer {
    let body = call.json().await?;
    let name = text(&body, "name").ok_or_else(|| bad_argument("A branch name is required").about("name"))?;
    let short = name.strip_prefix("refs/heads/").unwrap_or(name);
    let full = format!("refs/heads/{short}");
    let (repo, git) = (call.repo()?.clone(), call.git()?);
    let _alone = call.app.write_lock(repo.id).await;
    if git.default_branch().await? == full {
        return Err(bad_argument(format!("{short} is the default branch and cannot be deleted")));
    }
    let tip = git.resolve(&full).await?;
    if let (Some(tip), Some(end)) = (&tip, text(&body, "endPoint"))
        && git.resolve(end).await?.as_ref() != Some(tip)
    {
        return Err(bad_argument(format!("{short} is at {tip}, not at {end}")).about("endPoint"));
    }
    if let Some(tip) = &tip {
        restricted(&call, &full, tip, ZERO)?;
    }
    if body.get("dryRun") == Some(&Value::Bool(true)) {
        return no_content();
    }
    if let Some(tip) = &tip {
        git.update_ref(&full, ZERO, tip).await?;
    }
    let existed = if tip.is_some() { "true" } else { "false" };
    call.app.journal.wrote(
        WriteKind::DeleteBranch,
        &repo.label(),
        &[("branch", short), ("existed", existed)],
    );
    no_content()
}
