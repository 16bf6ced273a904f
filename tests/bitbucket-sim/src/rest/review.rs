//! `.../review`: a review whose comments nobody else sees before it ends (FACTS.md 4.1).

use serde_json::{Value, json};

use super::participants::say;
use super::pulls::fresh;
use super::{repo, route};
use crate::call::{Answer, Call, no_content, ok};
use crate::comment::{Comment, State};
use crate::journal::WriteKind;
use crate::pull::Status;
use crate::refusal::bad_argument;
use crate::route::Route;

pub(super) const ROUTES: &[Route] = &[
    route!(GET, repo!("/pull-requests/{id}/review"), Read, Json, now get),
    route!(PUT, repo!("/pull-requests/{id}/review"), Read, Json, later finish),
    route!(DELETE, repo!("/pull-requests/{id}/review"), Read, Json, now discard),
];

fn draft_of<'a>(user: &'a str) -> impl Fn(&Comment) -> bool + 'a {
    move |comment| comment.state == State::Pending && comment.author == user
}

/// The threads that have a draft of the caller.
fn get(call: &Call) -> Answer {
    let (page, repo, user) = (call.page(500)?, call.repo()?.clone(), call.author());
    let mut store = call.app.store();
    let pull = store.pull(&repo, call.param("id"))?.clone();
    let drafts = pull.comments.iter().filter(|comment| draft_of(&user)(comment));
    ok(&page.stored(drafts.map(|comment| store.comment_json(repo.id, &pull.comments, comment, &user))))
}

/// Publishes the drafts, adds a last comment and sets the caller's status, where the body wants these.
async fn finish(mut call: Call) -> Answer {
    let user = call.user()?.to_owned();
    let body = call.json().await?;
    let pull = fresh(&call).await?;
    let text = |name: &str| body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let status = match text("participantStatus") {
        Some(name) => {
            let no_status = || bad_argument(format!("'{name}' is not a status")).about("participantStatus");
            Some(Status::of(name).ok_or_else(no_status)?)
        }
        None => None,
    };
    let last = match text("commentText") {
        Some(text) => Some(Comment::new(0, &user, &json!({"text": text}))?),
        None => None,
    };
    if let Some(status) = status.filter(|_| pull.author != user) {
        say(&call, &user, status, text("lastReviewedCommit")).await?;
    }
    let repo = call.repo()?.clone();
    let mut store = call.app.store();
    let mut published = Vec::new();
    for comment in pull.comments.iter().filter(|comment| draft_of(&user)(comment)) {
        published.push((store.new_id(), Comment { state: State::Open, ..comment.clone() }));
    }
    if let Some(mut comment) = last {
        comment.id = store.new_id();
        published.push((store.new_id(), comment));
    }
    let kept = store.pull(&repo, call.param("id"))?;
    for (activity, comment) in published {
        kept.comments.retain(|other| other.id != comment.id);
        kept.commented(activity, &comment);
        let id = comment.id.to_string();
        let facts = [
            ("pull_request", call.param("id")),
            ("id", id.as_str()),
            ("text", comment.text.as_str()),
            ("user", user.as_str()),
        ];
        call.app.journal.wrote(WriteKind::Comment, &repo.label(), &facts);
        kept.comments.push(comment);
    }
    kept.comments.sort_by_key(|comment| comment.id);
    ok(&json!({}))
}

fn discard(call: &Call) -> Answer {
    let (repo, user) = (call.repo()?.clone(), call.author());
    let mut store = call.app.store();
    let pull = store.pull(&repo, call.param("id"))?;
    pull.comments.retain(|comment| !draft_of(&user)(comment));
    no_content()
}
