//! `.../comments/{id}/apply-suggestion`: a suggestion of a comment becomes a commit on the source (FACTS.md 4.1).

use http::StatusCode;
use serde_json::Value;

use super::pulls::fresh;
use super::{identity, repo, route, viewer};
use crate::auth::Permission;
use crate::call::{Answer, Call, no_content};
use crate::comment::{self, Comment};
use crate::git::{Edit, EditOutcome};
use crate::journal::WriteKind;
use crate::pull::{Pull, State};
use crate::refusal::{Refusal, api, bad_argument, conflict, forbidden};
use crate::route::Route;
use crate::store::Repo;
use crate::{build, pull};

pub(super) const ROUTES: &[Route] = &[route!(
    POST,
    repo!("/pull-requests/{id}/comments/{comment}/apply-suggestion"),
    Read,
    Json,
    later apply
)];

async fn apply(mut call: Call) -> Answer {
    let user = call.user()?.to_owned();
    let body = call.json().await?;
    let message = body.get("message").and_then(Value::as_str).filter(|text| !text.is_empty());
    let message =
        message.ok_or_else(|| api(StatusCode::BAD_REQUEST, "", "'message' cannot be null or empty"))?;
    let mut pull = fresh(&call).await?;
    if pull.state != State::Open {
        return Err(pull.state.unfit());
    }
    let json = call.app.store().pull_json(&pull, viewer(&call));
    pull.expect_version(body.get("pullRequestVersion").and_then(Value::as_i64), &json)?;
    let comment = comment::find(&mut pull.comments, call.param("comment"), &user)?.clone();
    if body.get("commentVersion").and_then(Value::as_u64) != Some(comment.version) {
        let message = "You are attempting to modify a comment based on out-of-date information.";
        return Err(conflict("comment.CommentOutOfDateException", message));
    }
    let index = body.get("suggestionIndex").and_then(Value::as_u64).unwrap_or(0);
    let index = usize::try_from(index).unwrap_or(usize::MAX);
    let suggestion = suggestions(&comment.text).into_iter().nth(index);
    let suggestion = suggestion.ok_or_else(|| bad_argument("The comment has no such suggestion"))?;
    let source = source(&call, &pull)?;
    let _alone = call.app.write_lock(source.id).await;
    let (path, content) = rewritten(&source, &pull, &comment, &suggestion).await?;
    let git = source.git();
    let author = identity(&call, &user);
    let edit = Edit {
        branch: &pull.from.name,
        parent: Some(&pull.from.commit),
        tip: Some(&pull.from.commit),
        path: &path,
        content: content.as_bytes(),
        message,
        author: &author,
    };
    let EditOutcome::Committed(commit) = git.edit(&edit).await? else { return Err(unfit()) };
    let facts = [
        ("pull_request", call.param("id")),
        ("comment", call.param("comment")),
        ("path", path.as_str()),
        ("commit", commit.as_str()),
    ];
    call.app.journal.wrote(WriteKind::ApplySuggestion, &source.label(), &facts);
    build::start(&call.app, &source, &commit, &pull.from.name);
    pull::refresh(&call.app, source.id).await?;
    no_content()
}

/// The source's repository, which the caller must be able to write to.
fn source(call: &Call, pull: &Pull) -> Result<Repo, Refusal> {
    let source = call.app.store().repos.get(&pull.from.repo).cloned();
    let source = source.ok_or_else(unfit)?;
    let may = call.actor.as_ref().is_some_and(|actor| actor.repo(&source.project) >= Permission::Write);
    if may { Ok(source) } else { Err(forbidden()) }
}

/// The anchor's file with its lines replaced.
async fn rewritten(
    source: &Repo,
    pull: &Pull,
    comment: &Comment,
    suggestion: &[&str],
) -> Result<(String, String), Refusal> {
    let anchor = comment.anchor.as_ref().ok_or_else(unfit)?;
    let path = anchor["path"].as_str().ok_or_else(unfit)?.to_owned();
    let last = anchor["line"].as_u64().filter(|_| anchor["fileType"] == "TO").ok_or_else(unfit)?;
    let first = anchor.pointer("/multilineMarker/startLine").and_then(Value::as_u64).unwrap_or(last);
    let git = source.git();
    let blob = git.object(&pull.from.commit, &path).await?.ok_or_else(unfit)?;
    let then = git.object(anchor["toHash"].as_str().unwrap_or(""), &path).await?;
    // Once the file has changed, its lines may be others.
    if then.as_ref() != Some(&blob) {
        return Err(unfit());
    }
    let text = String::from_utf8(git.blob(&blob.id).await?).map_err(|_| unfit())?;
    let mut content = String::new();
    for (number, line) in (1u64..).zip(text.split_inclusive('\n')) {
        if number == first {
            content.extend(suggestion.iter().flat_map(|line| [line, "\n"]));
        }
        if number < first || number > last {
            content.push_str(line);
        }
    }
    Ok((path, content))
}

fn unfit() -> Refusal {
    let message = "The suggestion could not be applied. It must be applied manually.";
    conflict("pull.PullRequestSuggestionApplyException", message)
}

/// The lines of each block with the info string `suggestion`.
fn suggestions(text: &str) -> Vec<Vec<&str>> {
    let (mut found, mut open): (Vec<Vec<&str>>, bool) = (Vec::new(), false);
    for line in text.lines() {
        match (open, line.trim()) {
            (false, "```suggestion") => {
                open = true;
                found.push(Vec::new());
            }
            (true, "```") => open = false,
            (true, _) => found.last_mut().into_iter().for_each(|block| block.push(line)),
            (false, _) => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fenced_suggestion_is_found() {
        let text = "Better:\n```suggestion\na\n  b\n```\nor\n```suggestion\n```\n```rust\nno\n```";
        assert_eq!(suggestions(text), [vec!["a", "  b"], vec![]]);
    }
}
