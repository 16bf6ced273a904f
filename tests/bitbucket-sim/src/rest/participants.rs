//! Who takes part in a pull request, what they say of it, and who watches it (FACTS.md 4).

use http::StatusCode;
use serde_json::{Map, Value};

use super::pulls::{author_or, fresh};
use super::{repo, route};
use crate::auth::Permission;
use crate::call::{Answer, Call, no_content, ok};
use crate::journal::WriteKind;
use crate::pull::{Participant, Pull, State, Status};
use crate::refusal::{Refusal, api, bad_argument, conflict, forbidden, missing};
use crate::route::Route;
use crate::store::User;

pub(super) const ROUTES: &[Route] = &[
    route!(GET, repo!("/pull-requests/{id}/participants"), Read, Json, now list),
    route!(POST, repo!("/pull-requests/{id}/participants"), Read, Json, later add),
    route!(DELETE, repo!("/pull-requests/{id}/participants"), Read, Json, later remove_named),
    route!(PUT, repo!("/pull-requests/{id}/participants/{user}"), Read, Json, later review),
    route!(DELETE, repo!("/pull-requests/{id}/participants/{user}"), Read, Json, later remove),
    route!(POST, repo!("/pull-requests/{id}/approve"), Read, Json, later approve),
    route!(DELETE, repo!("/pull-requests/{id}/approve"), Read, Json, later unapprove),
    route!(POST, repo!("/pull-requests/{id}/watch"), Read, Json, now watch),
    route!(DELETE, repo!("/pull-requests/{id}/watch"), Read, Json, now unwatch),
];

/// The author, the reviewers and the others.
fn list(call: &Call) -> Answer {
    let (page, repo) = (call.page(1000)?, call.repo()?.clone());
    let mut store = call.app.store();
    let pull = store.pull(&repo, call.param("id"))?.clone();
    let author = store.participant_json(&Participant::new(&pull.author), "AUTHOR");
    let of = |people: &[Participant], role| -> Vec<Value> {
        people.iter().map(|one| store.participant_json(one, role)).collect()
    };
    let others = [of(&pull.reviewers, "REVIEWER"), of(&pull.participants, "PARTICIPANT")].concat();
    ok(&page.stored(std::iter::once(author).chain(others)))
}

/// Makes somebody a reviewer; no other role can be given.
async fn add(mut call: Call) -> Answer {
    let body = call.json().await?;
    let pull = open(&call).await?;
    author_or(&call, &pull, Permission::Write)?;
    let name = body.pointer("/user/name").and_then(Value::as_str).unwrap_or("").to_owned();
    if name.is_empty() || body.get("role").and_then(Value::as_str) != Some("REVIEWER") {
        return Err(bad_argument("A user's name and the role REVIEWER are required"));
    }
    let repo = call.repo()?.clone();
    let mut store = call.app.store();
    if !store.users.contains_key(&name) {
        return Err(missing("user.NoSuchUserException", format!("{name} is not a user.")));
    }
    if name == pull.author {
        let message = format!("{name} is the author of this pull request.");
        return Err(api(StatusCode::BAD_REQUEST, ROLE, message));
    }
    let activity = store.new_id();
    let users = Value::Array(vec![store.user_json_by_name(&name)]);
    let kept = store.pull(&repo, call.param("id"))?;
    let new = !kept.reviewers.iter().any(|reviewer| reviewer.user == name);
    let reviewer = kept.ask(&name).clone();
    if new {
        kept.version += 1;
        let more: Map<String, Value> = [("addedReviewers".to_owned(), users)].into_iter().collect();
        kept.happened(activity, &call.author(), "UPDATED", more);
        let facts = [("id", call.param("id")), ("user", name.as_str()), ("role", "REVIEWER")];
        call.app.journal.wrote(WriteKind::ChangeParticipant, &repo.label(), &facts);
    }
    ok(&store.participant_json(&reviewer, "REVIEWER"))
}

async fn remove(call: Call) -> Answer {
    let user = call.app.store().user_by_slug(call.param("user")).map(|user| user.name.clone());
    drop_reviewer(&call, user).await
}

async fn remove_named(call: Call) -> Answer {
    let user = call.query.get("username").map(str::to_owned);
    if user.is_none() {
        return Err(bad_argument("A username is required").about("username"));
    }
    drop_reviewer(&call, user).await
}

/// A reviewer becomes a participant; for anybody else nothing happens.
async fn drop_reviewer(call: &Call, user: Option<String>) -> Answer {
    let pull = open(call).await?;
    let user = user.ok_or_else(|| missing("user.NoSuchUserException", "There is no such user."))?;
    if call.author() != user {
        author_or(call, &pull, Permission::Write)?;
    }
    let repo = call.repo()?.clone();
    let mut store = call.app.store();
    let activity = store.new_id();
    let users = Value::Array(vec![store.user_json_by_name(&user)]);
    let pull = store.pull(&repo, call.param("id"))?;
    if let Some(at) = pull.reviewers.iter().position(|reviewer| reviewer.user == user) {
        let reviewer = pull.reviewers.remove(at);
        pull.participants.push(reviewer);
        pull.version += 1;
        let more = [("removedReviewers".to_owned(), users)].into_iter().collect();
        pull.happened(activity, &call.author(), "UPDATED", more);
        let facts = [("id", call.param("id")), ("user", user.as_str()), ("role", "PARTICIPANT")];
        call.app.journal.wrote(WriteKind::ChangeParticipant, &repo.label(), &facts);
    }
    no_content()
}

async fn review(mut call: Call) -> Answer {
    let user = call.user()?.to_owned();
    let body = call.json().await?;
    let slug = call.app.store().users.get(&user).map(User::slug);
    if slug.as_deref() != Some(call.param("user")) {
        return Err(forbidden());
    }
    let name = body.get("status").and_then(Value::as_str).unwrap_or("");
    let status = Status::of(name);
    let status = status.ok_or_else(|| bad_argument(format!("'{name}' is not a status")).about("status"))?;
    let seen = body.get("lastReviewedCommit").and_then(Value::as_str);
    say(&call, &user, status, seen).await
}

async fn approve(call: Call) -> Answer {
    let user = call.user()?.to_owned();
    say(&call, &user, Status::Approved, None).await
}

async fn unapprove(call: Call) -> Answer {
    let user = call.user()?.to_owned();
    say(&call, &user, Status::Unapproved, None).await
}

/// Sets a user's own status; whoever does becomes a reviewer.
pub(super) async fn say(call: &Call, user: &str, status: Status, seen: Option<&str>) -> Answer {
    let pull = open(call).await?;
    if pull.author == user {
        return Err(api(StatusCode::BAD_REQUEST, ROLE, "Authors may not update their status."));
    }
    if seen.is_some_and(|seen| seen != pull.from.commit) {
        let message = "The pull request has been updated since the commit that was reviewed last.";
        return Err(conflict("pull.PullRequestOutOfDateException", message));
    }
    let repo = call.repo()?.clone();
    let mut store = call.app.store();
    let activity = store.new_id();
    let kept = store.pull(&repo, call.param("id"))?;
    let reviewer = kept.ask(user);
    let changed = reviewer.status != status;
    reviewer.status = status;
    reviewer.last_reviewed = Some(pull.from.commit);
    let reviewer = reviewer.clone();
    if changed {
        kept.happened(activity, user, status.action(), Map::new());
    }
    let facts = [("id", call.param("id")), ("status", status.name()), ("user", user)];
    call.app.journal.wrote(WriteKind::ReviewPullRequest, &repo.label(), &facts);
    ok(&store.participant_json(&reviewer, "REVIEWER"))
}

/// The pull request in the path, which must be open.
async fn open(call: &Call) -> Result<Pull, Refusal> {
    let pull = fresh(call).await?;
    if pull.state == State::Open { Ok(pull) } else { Err(pull.state.unfit()) }
}

fn watch(call: &Call) -> Answer {
    let (repo, user) = (call.repo()?.clone(), call.user()?.to_owned());
    call.app.store().pull(&repo, call.param("id"))?.watchers.insert(user);
    no_content()
}

fn unwatch(call: &Call) -> Answer {
    let (repo, user) = (call.repo()?.clone(), call.user()?.to_owned());
    call.app.store().pull(&repo, call.param("id"))?.watchers.remove(&user);
    no_content()
}

/// The exception of who may not have a role.
const ROLE: &str = "pull.InvalidPullRequestRoleException";
