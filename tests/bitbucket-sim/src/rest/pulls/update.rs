//! `PUT R/pull-requests/{id}`: replaces the editable set.

use serde_json::{Map, Value, json};

use super::super::viewer;
use super::open::{description, distinct, duplicate, reviewers, side, title};
use super::{author_or, fresh};
use crate::auth::Permission;
use crate::call::{Answer, Call, ok};
use crate::journal::WriteKind;
use crate::pull::{self, Outcome, Participant, Pull, State};
use crate::refusal::{Refusal, bad_argument, invalid};
use crate::store::Store;

/// What the body leaves out of description and reviewers is dropped; title, target and draft stay.
pub(super) async fn update(mut call: Call) -> Answer {
    let user = call.user()?.to_owned();
    let body = call.json().await?;
    let old = fresh(&call).await?;
    author_or(&call, &old, Permission::Write)?;
    let Some(version) = body.get("version").and_then(Value::as_i64) else {
        return Err(invalid("version", "The version of the pull request must be given."));
    };
    let (title, description) = (title(&body)?, description(&body)?);
    let reviewers = reviewers(&call, &body, &old.author)?;
    same_author(&body, &old)?;
    let to = match body.get("toRef").filter(|side| !side.is_null()) {
        Some(_) => Some(side(&call, &body, "toRef").await?.1),
        None => None,
    };
    let repo = call.repo()?.clone();
    let pull = {
        let mut store = call.app.store();
        let json = store.pull_json(&old, viewer(&call));
        old.expect_version(Some(version), &json)?;
        if old.state != State::Open {
            return Err(old.state.unfit());
        }
        let mut new = Pull { description, ..old.clone() };
        new.title = title.unwrap_or(new.title);
        let drafts = store.version.has_drafts();
        new.draft = body.get("draft").and_then(Value::as_bool).filter(|_| drafts).unwrap_or(new.draft);
        let more = replace_reviewers(&store, &mut new, reviewers);
        if let Some(to) = to.filter(|to| to.name != old.to.name) {
            if to.repo != repo.id {
                return Err(bad_argument("The target's repository cannot change").about("toRef"));
            }
            distinct(&new.from, &to)?;
            (new.to, new.outcome) = (to, Outcome::Unknown);
            let rival = store.pulls.values().find(|other| other.id != new.id && other.rivals(&new));
            if let Some(rival) = rival {
                return Err(duplicate(store.pull_json(rival, viewer(&call))));
            }
            let activity = store.new_id();
            new.disarm(activity, &user);
        }
        new.version += 1;
        let activity = store.new_id();
        new.happened(activity, &user, "UPDATED", more);
        let kept = store.pull(&repo, call.param("id"))?;
        // Something else may have changed it while this one looked at git.
        kept.expect_version(Some(version), &json)?;
        new.comments.clone_from(&kept.comments);
        kept.clone_from(&new);
        new
    };
    let names: Vec<&str> = pull.reviewers.iter().map(|reviewer| reviewer.user.as_str()).collect();
    let (names, id) = (names.join(","), call.param("id"));
    let facts = [("id", id), ("title", pull.title.as_str()), ("reviewers", &names), ("to", &pull.to.name)];
    call.app.journal.wrote(WriteKind::UpdatePullRequest, &repo.label(), &facts);
    pull::refresh(&call.app, repo.id).await?;
    let mut store = call.app.store();
    let pull = store.pull(&repo, call.param("id"))?.clone();
    ok(&store.pull_json(&pull, viewer(&call)))
}

/// The author may be named, but cannot change.
fn same_author(body: &Value, pull: &Pull) -> Result<(), Refusal> {
    match body.pointer("/author/user/name").and_then(Value::as_str) {
        Some(name) if name != pull.author => {
            Err(bad_argument("The author of a pull request cannot be changed").about("author"))
        }
        _ => Ok(()),
    }
}

/// Sets the reviewers; who stays keeps the status, who goes is a participant. Gives what the activity says of it.
fn replace_reviewers(store: &Store, pull: &mut Pull, wanted: Vec<Participant>) -> Map<String, Value> {
    let old = std::mem::take(&mut pull.reviewers);
    let has = |people: &[Participant], user: &str| people.iter().any(|one| one.user == user);
    let users = |people: Vec<&Participant>| -> Value {
        people.into_iter().map(|one| store.user_json_by_name(&one.user)).collect()
    };
    let added = users(wanted.iter().filter(|one| !has(&old, &one.user)).collect());
    let gone: Vec<&Participant> = old.iter().filter(|one| !has(&wanted, &one.user)).collect();
    let removed = users(gone.clone());
    pull.participants.extend(gone.into_iter().cloned());
    for one in wanted {
        match old.iter().find(|before| before.user == one.user) {
            Some(before) => pull.reviewers.push(before.clone()),
            None => {
                pull.ask(&one.user);
            }
        }
    }
    let mut more = Map::new();
    if added != json!([]) || removed != json!([]) {
        more.insert("addedReviewers".to_owned(), added);
        more.insert("removedReviewers".to_owned(), removed);
    }
    more
}
