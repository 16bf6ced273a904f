//! `R/commits`: a streamed collection (FACTS.md 3).

use http::{Response, StatusCode};

use super::{clean_path_of, commit_at, commit_named, repo, route};
use crate::body::Body;
use crate::call::{Answer, Call, ok};
use crate::git::LogQuery;
use crate::refusal::{Refusal, json_response};
use crate::rest::diff;
use crate::route::Route;

pub(super) const ROUTES: &[Route] = &[
    route!(GET, repo!("/commits"), Read, Json, later list),
    route!(GET, repo!("/commits/{sha}"), Read, Json, later get),
    route!(GET, repo!("/commits/{sha}/changes"), Read, Json, later changes),
    route!(GET, repo!("/commits/{sha}/diff/{path*}"), Read, Bytes, later diff_of),
];

async fn list(call: Call) -> Answer {
    let (repo, git, page) = (call.repo()?, call.git()?, call.page(100)?);
    let until = commit_at(repo, &git, call.query.get("until")).await?;
    let since = match call.query.get("since") {
        Some(name) => Some(commit_named(repo, &git, name).await?),
        None => None,
    };
    let path = call.query.get("path").map(clean_path_of).transpose()?;
    let merges = match call.query.get("merges") {
        Some("exclude") => Some("--no-merges"),
        Some("only") => Some("--merges"),
        _ => None,
    };
    let query = LogQuery {
        until: &until.commit,
        since: since.as_deref(),
        path: path.as_deref(),
        merges,
        skip: page.start,
        limit: page.limit + 1,
    };
    let commits = git.log(&query).await?;
    let store = call.app.store();
    ok(&page.streamed(commits.iter().map(|commit| store.commit_json(commit))))
}

async fn get(call: Call) -> Answer {
    let (repo, git) = (call.repo()?, call.git()?);
    let id = commit_named(repo, &git, call.param("sha")).await?;
    let commit = git.commit(&id).await?;
    ok(&call.app.store().commit_json(&commit))
}

async fn changes(call: Call) -> Answer {
    let (git, page) = (call.git()?, call.page(1000)?);
    let (from, to) = span(&call).await?;
    let changes = git.changes(&from, &to).await?;
    let values = changes.iter().map(|change| diff::change_json(change, true)).skip(page.start);
    let mut json = page.streamed(values);
    json["fromHash"] = call.query.get("since").map_or(serde_json::Value::Null, serde_json::Value::from);
    json["toHash"] = to.into();
    ok(&json)
}

async fn diff_of(call: Call) -> Answer {
    let (from, to) = span(&call).await?;
    diff::answer(&call, &from, &to).await
}

/// From `since`, or the first parent, or nothing, to the commit in the path.
async fn span(call: &Call) -> Result<(String, String), Refusal> {
    let (repo, git) = (call.repo()?, call.git()?);
    let to = commit_named(repo, &git, call.param("sha")).await?;
    let from = match call.query.get("since") {
        Some(name) => commit_named(repo, &git, name).await?,
        None => match git.commit(&to).await?.parents.into_iter().next() {
            Some(parent) => parent,
            None => git.empty_tree().await?,
        },
    };
    Ok((from, to))
}

/// 200 with a commit, for writes that make one.
pub(super) async fn answer(call: &Call, id: &str) -> Answer {
    let commit = call.git()?.commit(id).await?;
    let response: Response<Body> = json_response(StatusCode::OK, &call.app.store().commit_json(&commit));
    Ok(response)
}
