//! What a pull request changes: commits, changes, diffs, and where its branches parted (FACTS.md 4).

use serde_json::json;

use super::pulls::{fresh, span};
use super::{clean_path, commit_named, diff, repo, route};
use crate::call::{Answer, Call, no_content, ok};
use crate::git::{Git, LogQuery};
use crate::page::Page;
use crate::pull::Pull;
use crate::refusal::Refusal;
use crate::route::Route;

pub(super) const ROUTES: &[Route] = &[
    route!(GET, repo!("/pull-requests/{id}/commits"), Read, Json, later commits),
    route!(GET, repo!("/pull-requests/{id}/changes"), Read, Json, later changes),
    route!(GET, repo!("/pull-requests/{id}/diff/{path*}"), Read, Bytes, later diff_of),
    route!(GET, repo!("/pull-requests/{id}/diff-stats-summary/{path*}"), Read, Json, later stats),
    route!(GET, repo!("/pull-requests/{id}/merge-base"), Read, Json, later merge_base),
    route!(
        GET,
        repo!("/pull-requests/{id}/commit-message-suggestion"),
        Read,
        Json,
        later suggestion
    ),
];

async fn commits(call: Call) -> Answer {
    let (page, pull) = (call.page(100)?, fresh(&call).await?);
    let (git, base, from) = span(&call, &pull).await?;
    let query = LogQuery {
        until: &from,
        since: Some(&base),
        skip: page.start,
        limit: page.limit + 1,
        ..LogQuery::default()
    };
    let commits = git.log(&query).await?;
    let store = call.app.store();
    ok(&page.streamed(commits.iter().map(|commit| store.commit_json(commit))))
}

/// The whole span, or with `sinceId` and `untilId` the part that they name.
async fn asked(call: &Call, pull: &Pull) -> Result<(Git, String, String), Refusal> {
    let (git, mut base, mut from) = span(call, pull).await?;
    if let Some(since) = call.query.get("sinceId") {
        base = commit_named(call.repo()?, &git, since).await?;
    }
    if let Some(until) = call.query.get("untilId") {
        from = commit_named(call.repo()?, &git, until).await?;
    }
    Ok((git, base, from))
}

/// One page only: `start` is ignored, and what is beyond the limit is cut.
async fn changes(call: Call) -> Answer {
    let limit = Page::of(&call.query, 25, 1000)?.limit;
    let pull = fresh(&call).await?;
    let (git, base, from) = asked(&call, &pull).await?;
    let changes = git.changes(&base, &from).await?;
    let values = changes.iter().map(|change| diff::change_json(change, false));
    let mut json = Page { start: 0, limit }.streamed(values);
    json["fromHash"] = json!(from);
    json["toHash"] = json!(base);
    json["properties"] =
        json!({"changeScope": call.query.get("changeScope").unwrap_or("ALL").to_uppercase()});
    ok(&json)
}

async fn diff_of(call: Call) -> Answer {
    let pull = fresh(&call).await?;
    let (_, base, from) = asked(&call, &pull).await?;
    diff::answer(&call, &base, &from).await
}

/// `{id}.diff`: all of it, as text.
pub(super) async fn raw_diff(call: Call) -> Answer {
    let pull = fresh(&call).await?;
    let (git, base, from) = span(&call, &pull).await?;
    let context: u32 = call.query.get("contextLines").and_then(|text| text.parse().ok()).unwrap_or(3);
    let context = format!("-U{context}");
    Ok(diff::text(git.run(["diff", "-M", &context, &base, &from]).await?))
}

/// `{id}.patch`: the commits as mails.
pub(super) async fn patch(call: Call) -> Answer {
    let pull = fresh(&call).await?;
    let (git, base, from) = span(&call, &pull).await?;
    Ok(diff::text(git.run(["format-patch", "--stdout", &format!("{base}..{from}")]).await?))
}

/// No recording has the members of this answer, and the document gives none; these follow its description.
async fn stats(call: Call) -> Answer {
    if !call.app.config.version.has_diff_stats() {
        return Err(Refusal::NoRoute);
    }
    let pull = fresh(&call).await?;
    let (git, base, from) = asked(&call, &pull).await?;
    let path = clean_path(&call)?;
    let path = Some(path.as_str()).filter(|path| !path.is_empty());
    let (files, added, removed) = git.diff_stats(&base, &from, path).await?;
    ok(&json!({"modifiedFiles": files, "addedLines": added, "deletedLines": removed}))
}

/// 204 when the branches have nothing in common.
async fn merge_base(call: Call) -> Answer {
    let pull = fresh(&call).await?;
    let git = call.git()?;
    match git.merge_base(&pull.to.commit, &pull.from.commit).await? {
        Some(base) => {
            let commit = git.commit(&base).await?;
            ok(&call.app.store().commit_json(&commit))
        }
        None => no_content(),
    }
}

async fn suggestion(call: Call) -> Answer {
    let pull = fresh(&call).await?;
    ok(&json!({"title": pull.title, "body": pull.description.unwrap_or_default()}))
}
