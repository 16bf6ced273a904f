//! Merging, declining, reopening and reviewing a pull request (FACTS.md 4).

use serde_json::{Map, Value, json};

use super::pulls::{fresh, not_open};
use super::{identity, repo, route, viewer};
use crate::auth::Permission;
use crate::call::{Answer, Call, ok};
use crate::entity::display;
use crate::git::{MergeOutcome, Strategy};
use crate::journal::WriteKind;
use crate::pull::{Outcome, Pull, Reviewer, State};
use crate::refusal::{Refusal, api, bad_argument, conflict, forbidden};
use crate::route::Route;
use crate::store::now;
use crate::{build, pull};

pub(super) const ROUTES: &[Route] = &[
    route!(GET, repo!("/pull-requests/{id}/merge"), Read, Json, later check),
    route!(POST, repo!("/pull-requests/{id}/merge"), Read, Json, later merge),
    route!(POST, repo!("/pull-requests/{id}/decline"), Read, Json, later decline),
    route!(POST, repo!("/pull-requests/{id}/reopen"), Read, Json, later reopen),
    route!(PUT, repo!("/pull-requests/{id}/participants/{user}"), Read, Json, later review),
];

async fn check(call: Call) -> Answer {
    let pull = fresh(&call).await?;
    if pull.state != State::Open {
        return Err(not_open(pull.state));
    }
    let conflicted = pull.outcome == Outcome::Conflicted;
    let vetoes = vetoes(&pull);
    ok(&json!({
        "canMerge": !conflicted && vetoes.is_empty(), "conflicted": conflicted, "outcome": pull.outcome.name(),
        "vetoes": vetoes,
    }))
}

/// Open tasks and drafts stop a merge.
fn vetoes(pull: &Pull) -> Vec<Value> {
    let mut vetoes = Vec::new();
    if pull.comments.iter().any(|comment| comment.blocker && comment.state == "OPEN") {
        vetoes.push(json!({
            "summaryMessage": "Unresolved tasks", "detailedMessage": "Resolve all tasks before merging."
        }));
    }
    if pull.draft {
        vetoes.push(
            json!({"summaryMessage": "Draft", "detailedMessage": "This pull request is still a draft."}),
        );
    }
    vetoes
}

/// `version` from the query or the body.
fn version(call: &Call, body: &Value) -> Option<i64> {
    let in_query = call.query.get("version").and_then(|text| text.parse().ok());
    in_query.or_else(|| body.get("version").and_then(Value::as_i64))
}

async fn merge(mut call: Call) -> Answer {
    let user = call.user()?.to_owned();
    let body = call.json().await?;
    let pull = fresh(&call).await?;
    let repo = call.repo()?.clone();
    if call.actor.as_ref().is_none_or(|actor| actor.repo(&repo.project) < Permission::Write) {
        return Err(forbidden());
    }
    if pull.state != State::Open {
        return Err(not_open(pull.state));
    }
    let json = call.app.store().pull_json(&pull, viewer(&call));
    pull.expect_version(version(&call, &body), &json)?;
    let strategy = match body.get("strategyId").and_then(Value::as_str).unwrap_or("no-ff") {
        "no-ff" => Strategy::NoFf,
        "ff" => Strategy::Ff,
        "ff-only" => Strategy::FfOnly,
        "squash" => Strategy::Squash,
        other => {
            return Err(
                bad_argument(format!("The merge strategy {other} is not enabled")).about("strategyId")
            );
        }
    };
    if pull.outcome == Outcome::Conflicted || !vetoes(&pull).is_empty() {
        return Err(vetoed(&pull));
    }
    let message = body.get("message").and_then(Value::as_str).map_or_else(
        || {
            let (from, to) = (display(&pull.from.name), display(&pull.to.name));
            format!(
                "Pull request #{}: {}\n\nMerge in {} from {from} to {to}",
                pull.id,
                pull.title,
                repo.label()
            )
        },
        str::to_owned,
    );
    let _alone = call.app.write_lock(repo.id).await;
    let author = identity(&call, &user);
    let git = repo.git();
    let merged =
        git.merge(&pull.to.name, &pull.to.commit, &pull.from.commit, strategy, &message, &author).await?;
    let commit = match merged {
        MergeOutcome::Merged(commit) => commit,
        MergeOutcome::Conflicted => return Err(vetoed(&Pull { outcome: Outcome::Conflicted, ..pull })),
        MergeOutcome::NotFastForward => {
            return Err(conflict("scm.MergeException", "The merge cannot be a fast-forward."));
        }
        MergeOutcome::Moved => {
            return Err(conflict(
                "scm.MergeException",
                "New changes were pushed to the target while merging.",
            ));
        }
    };
    let facts = [("id", call.param("id")), ("commit", commit.as_str()), ("branch", display(&pull.to.name))];
    call.app.journal.wrote(WriteKind::MergePullRequest, &repo.label(), &facts);
    let closed = close(&call, &user, State::Merged, Some(commit.clone()))?;
    build::start(&call.app, &repo, &commit, &pull.to.name);
    pull::refresh(&call.app, repo.id).await?;
    ok(&call.app.store().pull_json(&closed, viewer(&call)))
}

fn vetoed(pull: &Pull) -> Refusal {
    let conflicted = pull.outcome == Outcome::Conflicted;
    let message = if conflicted {
        "The pull request has conflicts and cannot be merged."
    } else {
        "A merge check has vetoed the merge of this pull request."
    };
    conflict("pull.PullRequestMergeVetoedException", message)
        .with("conflicted", json!(conflicted))
        .with("vetoes", json!(vetoes(pull)))
}

async fn decline(mut call: Call) -> Answer {
    turn(&mut call, State::Open, State::Declined, WriteKind::DeclinePullRequest).await
}

async fn reopen(mut call: Call) -> Answer {
    turn(&mut call, State::Declined, State::Open, WriteKind::ReopenPullRequest).await
}

async fn turn(call: &mut Call, from: State, to: State, kind: WriteKind) -> Answer {
    let user = call.author();
    let body = call.json().await?;
    let pull = fresh(call).await?;
    if pull.state != from {
        return Err(not_open(pull.state));
    }
    let json = call.app.store().pull_json(&pull, viewer(call));
    pull.expect_version(version(call, &body), &json)?;
    let label = call.repo()?.label();
    let pull = close(call, &user, to, None)?;
    call.app.journal.wrote(kind, &label, &[("id", call.param("id"))]);
    ok(&call.app.store().pull_json(&pull, viewer(call)))
}

/// Changes the state, the version and the dates.
fn close(call: &Call, user: &str, state: State, commit: Option<String>) -> Result<Pull, Refusal> {
    let repo = call.repo()?;
    let mut store = call.app.store();
    let activity = store.new_id();
    let pull = store.pull(repo, call.param("id"))?;
    pull.state = state;
    pull.version += 1;
    pull.closed = (state != State::Open).then(now);
    pull.merge_commit = commit;
    let action = match state {
        State::Merged => "MERGED",
        State::Declined => "DECLINED",
        State::Open => "REOPENED",
    };
    pull.happened(activity, user, action, Map::new());
    Ok(pull.clone())
}

async fn review(mut call: Call) -> Answer {
    let user = call.user()?.to_owned();
    let body = call.json().await?;
    let status = body.get("status").and_then(Value::as_str).unwrap_or("").to_owned();
    let action = match status.as_str() {
        "APPROVED" => "APPROVED",
        "NEEDS_WORK" => "REVIEWED",
        "UNAPPROVED" => "UNAPPROVED",
        other => return Err(bad_argument(format!("'{other}' is not a status")).about("status")),
    };
    let last_reviewed = body.get("lastReviewedCommit").and_then(Value::as_str).map(str::to_owned);
    let repo = call.repo()?.clone();
    let mut store = call.app.store();
    let activity = store.new_id();
    let slug_of_user = store.users.get(&user).map(crate::store::User::slug);
    if slug_of_user.as_deref() != Some(call.param("user")) {
        return Err(forbidden());
    }
    let pull = store.pull(&repo, call.param("id"))?;
    if pull.author == user {
        let message = "Authors may not update their status.";
        return Err(api(http::StatusCode::BAD_REQUEST, "pull.InvalidPullRequestRoleException", message));
    }
    let reviewer = Reviewer { user: user.clone(), status, last_reviewed };
    pull.reviewers.retain(|other| other.user != user);
    pull.reviewers.push(reviewer.clone());
    pull.happened(activity, &user, action, Map::new());
    let facts = [("id", call.param("id")), ("status", reviewer.status.as_str())];
    call.app.journal.wrote(WriteKind::ReviewPullRequest, &repo.label(), &facts);
    ok(&store.reviewer_json(&reviewer))
}
