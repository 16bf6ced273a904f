//! Tags: `R/tags`, and the older resource below `/rest/git` (FACTS.md 3).

use http::StatusCode;
use serde_json::Value;

use super::{identity, repo, route, text};
use crate::call::{Answer, Call, no_content, ok};
use crate::entity::{display, tag_json};
use crate::git::{NewTag, RefInfo, ZERO};
use crate::journal::WriteKind;
use crate::refusal::{Refusal, api, bad_argument, json_response, missing};
use crate::route::Route;

pub(super) const ROUTES: &[Route] = &[
    route!(GET, repo!("/tags"), Read, Json, later list),
    route!(POST, repo!("/tags"), Write, Json, later create),
    route!(GET, repo!("/tags/{name*}"), Read, Json, later get),
    route!(POST, "rest/git/{v}/projects/{key}/repos/{slug}/tags", Write, Json, later create_by_git),
    route!(DELETE, "rest/git/{v}/projects/{key}/repos/{slug}/tags/{name*}", Write, Json, later delete),
];

async fn list(call: Call) -> Answer {
    let page = call.page(1000)?;
    let mut tags = call.git()?.refs("refs/tags").await?;
    let filter = call.query.get("filterText").unwrap_or("").to_lowercase();
    tags.retain(|tag| display(&tag.name).to_lowercase().contains(&filter));
    if call.query.get("orderBy") != Some("ALPHABETICAL") {
        tags.sort_by(|a, b| b.changed.cmp(&a.changed).then_with(|| a.name.cmp(&b.name)));
    }
    ok(&page.stored(tags.iter().map(tag_json)))
}

async fn get(call: Call) -> Answer {
    // A missing tag has no body at all.
    let tag = find(&call, call.param("name")).await?.ok_or(Refusal::Bare(StatusCode::NOT_FOUND))?;
    ok(&tag_json(&tag))
}

/// The tag of this name, short or in full.
async fn find(call: &Call, name: &str) -> Result<Option<RefInfo>, Refusal> {
    let full = format!("refs/tags/{}", name.strip_prefix("refs/tags/").unwrap_or(name));
    let tags = call.git()?.refs(&full).await?;
    Ok(tags.into_iter().find(|tag| tag.name == full))
}

/// `R/tags`: annotated when there is a message.
async fn create(mut call: Call) -> Answer {
    let body = call.json().await?;
    let message = text(&body, "message");
    make(&call, &body, message, false).await.map(|tag| json_response(StatusCode::OK, &tag_json(&tag)))
}

/// `/rest/git`: annotated when the type says so.
async fn create_by_git(mut call: Call) -> Answer {
    let body = call.json().await?;
    let message = match text(&body, "type") {
        Some("LIGHTWEIGHT") => None,
        None => text(&body, "message"),
        Some("ANNOTATED") => Some(text(&body, "message").ok_or_else(|| {
            bad_argument("A message is required to create an annotated tag").about("message")
        })?),
        Some(other) => return Err(bad_argument(format!("{other} is no type of a tag")).about("type")),
    };
    let force = body.get("force") == Some(&Value::Bool(true));
    make(&call, &body, message, force).await.map(|tag| json_response(StatusCode::CREATED, &tag_json(&tag)))
}

async fn make(call: &Call, body: &Value, message: Option<&str>, force: bool) -> Result<RefInfo, Refusal> {
    let name = text(body, "name").ok_or_else(|| bad_argument("A tag name is required").about("name"))?;
    let start = text(body, "startPoint")
        .ok_or_else(|| bad_argument("A start point is required").about("startPoint"))?;
    let (repo, git) = (call.repo()?, call.git()?);
    let short = name.strip_prefix("refs/tags/").unwrap_or(name);
    if !git.is_tag_name(short).await? {
        let message = format!("'{short}' is not a valid tag name");
        return Err(api(StatusCode::BAD_REQUEST, "repository.InvalidRefNameException", message));
    }
    let _alone = call.app.write_lock(repo.id).await;
    let commit = super::commit_named(repo, &git, start).await?;
    let duplicate = |status| {
        let message = format!("Tag '{short}' already exists in repository '{}'", repo.slug);
        api(status, "repository.DuplicateRefException", message)
    };
    if !force && find(call, short).await?.is_some() {
        return Err(duplicate(StatusCode::BAD_REQUEST));
    }
    let tagger = identity(call, &call.author());
    let tag = NewTag { name: short, commit: &commit, message, tagger: &tagger, force };
    if !git.make_tag(&tag).await? {
        // The one way left to fail: `a` and `a/b` cannot both be.
        return Err(duplicate(StatusCode::CONFLICT));
    }
    let kind = if message.is_some() { "ANNOTATED" } else { "LIGHTWEIGHT" };
    let facts = [("tag", short), ("commit", commit.as_str()), ("type", kind)];
    call.app.journal.wrote(WriteKind::CreateTag, &repo.label(), &facts);
    find(call, short).await?.ok_or(Refusal::Bare(StatusCode::NOT_FOUND))
}

async fn delete(call: Call) -> Answer {
    let (repo, git) = (call.repo()?, call.git()?);
    let _alone = call.app.write_lock(repo.id).await;
    let name = call.param("name");
    let Some(tag) = find(&call, name).await? else {
        let message = format!("Tag '{name}' does not exist in repository '{}'", repo.slug);
        return Err(missing("repository.NoSuchTagException", message));
    };
    git.update_ref(&tag.name, ZERO, tag.tag_object.as_deref().unwrap_or(&tag.commit)).await?;
    let facts = [("tag", display(&tag.name)), ("commit", &tag.commit)];
    call.app.journal.wrote(WriteKind::DeleteTag, &repo.label(), &facts);
    no_content()
}
