//! Checking and merging, declining and reopening a pull request (FACTS.md 4).

use serde_json::{Map, Value, json};

use super::pulls::{duplicate, fresh, version};
use super::{repo, route, viewer};
use crate::auth::Permission;
use crate::call::{Answer, Call, ok};
use crate::journal::WriteKind;
use crate::pull::{self, AutoMerge, Outcome, Pull, State, Wish, enabled, land, vetoes};
use crate::refusal::{Refusal, bad_argument, conflict, forbidden};
use crate::route::Route;
use crate::store::now;

pub(super) const ROUTES: &[Route] = &[
    route!(GET, repo!("/pull-requests/{id}/merge"), Read, Json, later check),
    route!(POST, repo!("/pull-requests/{id}/merge"), Read, Json, later merge),
    route!(POST, repo!("/pull-requests/{id}/decline"), Read, Json, later decline),
    route!(POST, repo!("/pull-requests/{id}/reopen"), Read, Json, later reopen),
];

async fn check(call: Call) -> Answer {
    let pull = fresh(&call).await?;
    if pull.state != State::Open {
        return Err(pull.state.unfit());
    }
    if call.app.knobs.take_unknown_merge() {
        return ok(&json!({"canMerge": false, "conflicted": false, "outcome": "UNKNOWN", "vetoes": []}));
    }
    let conflicted = pull.outcome == Outcome::Conflicted;
    let vetoes = vetoes(&call.app.store(), &pull);
    ok(&json!({
        "canMerge": !conflicted && vetoes.is_empty(), "conflicted": conflicted, "outcome": pull.outcome.name(),
        "vetoes": vetoes,
    }))
}

/// Refuses who may not write to the target.
pub(super) fn merges(call: &Call) -> Result<(), Refusal> {
    let project = &call.repo()?.project;
    let may = call.actor.as_ref().is_some_and(|actor| actor.repo(project) >= Permission::Write);
    if may { Ok(()) } else { Err(forbidden()) }
}

async fn merge(mut call: Call) -> Answer {
    let user = call.user()?.to_owned();
    let body = call.json().await?;
    merges(&call)?;
    let repo = call.repo()?.clone();
    let _alone = call.app.write_lock(repo.id).await;
    let pull = fresh(&call).await?;
    if pull.state != State::Open {
        return Err(pull.state.unfit());
    }
    let json = call.app.store().pull_json(&pull, viewer(&call));
    pull.expect_version(version(&call, &body), &json)?;
    let wish = wish(&call, &body, &user)?;
    // Releases without it ignore the member in silence: the merge happens now.
    let later = call.app.config.version.has_auto_merge() && body.get("autoMerge") == Some(&Value::Bool(true));
    if later && !call.app.store().auto_merges(&repo) {
        return Err(super::auto_merge::disabled());
    }
    let stopped = pull.outcome == Outcome::Conflicted || !vetoes(&call.app.store(), &pull).is_empty();
    let pull = if later && stopped {
        arm(&call, &pull, wish)?
    } else {
        land(&call.app, &repo, &pull, &wish).await?
    };
    ok(&call.app.store().pull_json(&pull, viewer(&call)))
}

/// Reads how the body wants it merged; a strategy must be enabled.
fn wish(call: &Call, body: &Value, user: &str) -> Result<Wish, Refusal> {
    let id = body.get("strategyId").and_then(Value::as_str);
    let rules = call.app.store().pull_rules(call.repo()?.id);
    let strategy = enabled(id, rules.default, &rules.enabled).ok_or_else(|| {
        let message = format!("The merge strategy {} is not enabled", id.unwrap_or("by default"));
        bad_argument(message).about("strategyId")
    })?;
    let auto_subject = match body.get("autoSubject") {
        Some(Value::Bool(wanted)) => *wanted,
        Some(Value::String(wanted)) => wanted != "false",
        _ => true,
    };
    let message = body.get("message").and_then(Value::as_str).filter(|text| !text.is_empty());
    Ok(Wish { by: user.to_owned(), strategy, message: message.map(str::to_owned), auto_subject })
}

/// Keeps the wish; the version does not move.
fn arm(call: &Call, pull: &Pull, wish: Wish) -> Result<Pull, Refusal> {
    let (repo, user) = (call.repo()?, wish.by.clone());
    let mut store = call.app.store();
    let activity = store.new_id();
    let strategy = wish.strategy.id();
    let pull_id = pull.id.to_string();
    let kept = store.pull(repo, &pull_id)?;
    let again = kept.auto_merge.is_some();
    kept.auto_merge = Some(AutoMerge { wish, created: now(), from: pull.from.commit.clone() });
    if !again {
        kept.happened(activity, &user, "AUTO_MERGE_REQUESTED", Map::new());
    }
    let facts = [("id", pull_id.as_str()), ("strategy", strategy), ("user", &user)];
    call.app.journal.wrote(WriteKind::RequestAutoMerge, &repo.label(), &facts);
    Ok(kept.clone())
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
        return Err(pull.state.unfit());
    }
    let repo = call.repo()?.clone();
    let json = call.app.store().pull_json(&pull, viewer(call));
    pull.expect_version(version(call, &body), &json)?;
    if to == State::Open {
        reopenable(call, &pull).await?;
    }
    {
        let mut store = call.app.store();
        let activity = store.new_id();
        let kept = store.pull(&repo, call.param("id"))?;
        kept.expect_version(version(call, &body), &json)?;
        kept.turn(activity, &user, to, Map::new());
        kept.outcome = if to == State::Open { Outcome::Unknown } else { kept.outcome };
    }
    call.app.journal.wrote(kind, &repo.label(), &[("id", call.param("id")), ("user", &user)]);
    pull::refresh(&call.app, repo.id).await?;
    let mut store = call.app.store();
    let pull = store.pull(&repo, call.param("id"))?.clone();
    ok(&store.pull_json(&pull, viewer(call)))
}

/// A pull request can be reopened while its source is there and no other took its place.
async fn reopenable(call: &Call, pull: &Pull) -> Result<(), Refusal> {
    let source = call.app.store().repos.get(&pull.from.repo).map(crate::store::Repo::git);
    let there = match source {
        Some(git) => git.resolve(&pull.from.name).await?.is_some(),
        None => false,
    };
    if !there {
        let message = "The source branch of this pull request does not exist any more.";
        return Err(conflict("pull.IllegalPullRequestStateException", message));
    }
    let store = call.app.store();
    match store.pulls.values().find(|other| other.id != pull.id && other.rivals(pull)) {
        Some(rival) => Err(duplicate(store.pull_json(rival, viewer(call)))),
        None => Ok(()),
    }
}
