//! `R/commits`: a streamed collection (FACTS.md 3).

use http::{Response, StatusCode};
use serde_json::Value;

use super::{clean_path_of, commit_at, commit_named, repo, route};
use crate::body::Body;
use crate::call::{Answer, Call, ok};
use crate::git::LogQuery;
use crate::refusal::{Refusal, bad_argument, json_response};
use crate::rest::diff;
use crate::route::Route;

pub(super) const ROUTES: &[Route] = &[
    route!(GET, repo!("/commits"), Read, Json, later list),
    route!(GET, repo!("/commits/{sha}"), Read, Json, later get),
    route!(GET, repo!("/commits/{sha}/changes"), Read, Json, later changes),
    route!(GET, repo!("/commits/{sha}/diff/{path*}"), Read, Bytes, later diff_of),
    route!(GET, repo!("/diff/{path*}"), Read, Bytes, later diff_between),
];

async fn list(call: Call) -> Answer {
    let (repo, git, page) = (call.repo()?, call.git()?, call.page(100)?);
    let until = commit_at(repo, &git, call.query.get("until")).await?;
    let since = match call.query.get("since") {
        Some(name) => commit_named(repo, &git, name).await.map(Some).or_else(|refusal| {
            if call.query.get("ignoreMissing") == Some("true") { Ok(None) } else { Err(refusal) }
        })?,
        None => None,
    };
    let path = call.query.get("path").map(clean_path_of).transpose()?;
    let merges = match call.query.get("merges") {
        None | Some("include") => None,
        Some("exclude") => Some("--no-merges"),
        Some("only") => Some("--merges"),
        Some(other) => return Err(bad_argument(format!("merges cannot be '{other}'"))),
    };
    let query = LogQuery {
        until: &until.commit,
        since: since.as_deref(),
        path: path.as_deref(),
        merges,
        follow: path.is_some() && call.query.get("followRenames") == Some("true"),
        skip: page.start,
        limit: page.limit + 1,
    };
    let commits = git.log(&query).await?;
    let mut json = {
        let store = call.app.store();
        page.streamed(commits.iter().map(|commit| store.commit_json(commit)))
    };
    if call.query.get("withCounts") == Some("true") {
        let counts = git.counts(&until.commit, since.as_deref(), path.as_deref()).await?;
        json["totalCount"] = counts.commits.into();
        json["authorCount"] = counts.authors.into();
    }
    ok(&json)
}

/// A commit by its id, a short one, or a ref; with `path`, the last one up to there that changed it.
async fn get(call: Call) -> Answer {
    let (repo, git) = (call.repo()?, call.git()?);
    let id = commit_named(repo, &git, call.param("sha")).await?;
    let commit = match call.query.get("path").map(clean_path_of).transpose()? {
        None => git.commit(&id).await?,
        Some(path) => {
            let query = LogQuery { until: &id, path: Some(&path), limit: 1, ..LogQuery::default() };
            git.log(&query).await?.pop().ok_or_else(|| super::no_path(&path, &id))?
        }
    };
    let mut parents = Vec::new();
    for parent in &commit.parents {
        parents.push(git.commit(parent).await?);
    }
    let store = call.app.store();
    let mut json = store.commit_json(&commit);
    // Here, unlike in lists, parents are shown whole.
    json["parents"] = parents.iter().map(|parent| store.commit_json(parent)).collect();
    ok(&json)
}

async fn changes(call: Call) -> Answer {
    let (git, page) = (call.git()?, call.page(1000)?);
    let (from, to) = span(&call).await?;
    let changes = git.changes(&from, &to).await?;
    let values = changes.iter().map(|change| diff::change_json(change, true)).skip(page.start);
    let mut json = page.streamed(values);
    json["fromHash"] = call.query.get("since").map_or(Value::Null, Value::from);
    json["toHash"] = to.into();
    ok(&json)
}

async fn diff_of(call: Call) -> Answer {
    let (from, to) = span(&call).await?;
    diff::answer(&call, &from, &to).await
}

/// `R/diff`: from `since`, or the first parent, to `until`, or the default branch.
async fn diff_between(call: Call) -> Answer {
    let until = commit_at(call.repo()?, &call.git()?, call.query.get("until")).await?.commit;
    let from = start(&call, &until).await?;
    diff::answer(&call, &from, &until).await
}

/// From `since`, or the first parent, or nothing, to the commit in the path.
async fn span(call: &Call) -> Result<(String, String), Refusal> {
    let to = commit_named(call.repo()?, &call.git()?, call.param("sha")).await?;
    Ok((start(call, &to).await?, to))
}

async fn start(call: &Call, to: &str) -> Result<String, Refusal> {
    let (repo, git) = (call.repo()?, call.git()?);
    if let Some(name) = call.query.get("since") {
        return commit_named(repo, &git, name).await;
    }
    Ok(match git.commit(to).await?.parents.into_iter().next() {
        Some(parent) => parent,
        None => git.empty_tree().await?,
    })
}

/// 200 with a commit, for writes that make one.
pub(super) async fn answer(call: &Call, id: &str) -> Answer {
    let commit = call.git()?.commit(id).await?;
    let response: Response<Body> = json_response(StatusCode::OK, &call.app.store().commit_json(&commit));
    Ok(response)
}
