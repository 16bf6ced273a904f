//! `POST R/pull-requests`, and what it checks, which an update checks too.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::super::viewer;
use crate::auth::Permission;
use crate::build;
use crate::call::{Answer, Call, created};
use crate::entity::display;
use crate::journal::WriteKind;
use crate::pull::{Outcome, Participant, Pull, Side, State};
use crate::refusal::{Refusal, bad_argument, conflict, forbidden, invalid, missing};
use crate::store::{Repo, now};

pub(super) async fn open(mut call: Call) -> Answer {
    let user = call.user()?.to_owned();
    let body = call.json().await?;
    let title = title(&body)?.ok_or_else(no_title)?;
    let description = description(&body)?;
    let (from_repo, from) = side(&call, &body, "fromRef").await?;
    let (to_repo, to) = side(&call, &body, "toRef").await?;
    if to_repo.id != call.repo()?.id {
        return Err(bad_argument("The target must be in the repository of the address").about("toRef"));
    }
    distinct(&from, &to)?;
    let reviewers = reviewers(&call, &body, &user)?;
    let (source, target) = (from_repo.git(), to_repo.git());
    let kept = format!("refs/pull-requests/new/{}", from.commit);
    target.fetch(&source, &from.name, &kept).await?;
    let stored = if target.is_ancestor(&from.commit, &to.commit).await? {
        Err(empty_pull(&from, &to, &to_repo))
    } else {
        let (at, drafts) = (now(), call.app.config.version.has_drafts());
        let pull = Pull {
            id: 0,
            version: 0,
            title,
            description,
            draft: drafts && body.get("draft") == Some(&Value::Bool(true)),
            state: State::Open,
            created: at,
            updated: at,
            closed: None,
            from,
            to,
            author: user,
            reviewers,
            participants: Vec::new(),
            watchers: BTreeSet::new(),
            comments: Vec::new(),
            activities: Vec::new(),
            outcome: Outcome::Unknown,
            merge_commit: None,
            auto_merge: None,
        };
        insert(&call, pull)
    };
    if let Ok(pull) = &stored {
        target.run(["update-ref", &pull.kept_ref(), &pull.from.commit]).await?;
    }
    target.run(["update-ref", "-d", &kept]).await?;
    let pull = stored?;
    build::start(&call.app, &from_repo, &pull.from.commit, &pull.from.name);
    let store = call.app.store();
    let location = format!(
        "{}/rest/api/latest/projects/{}/repos/{}/pull-requests/{}",
        store.base, to_repo.project, to_repo.slug, pull.id
    );
    created(&location, &store.pull_json(&pull, viewer(&call)))
}

/// Numbers and keeps a pull request, unless an open one has the same two branches.
fn insert(call: &Call, mut pull: Pull) -> Result<Pull, Refusal> {
    let label = call.repo()?.label();
    let mut store = call.app.store();
    if let Some(existing) = store.pulls.values().find(|other| other.rivals(&pull)) {
        return Err(duplicate(store.pull_json(existing, viewer(call))));
    }
    pull.id = store.next_pull(pull.to.repo);
    let (activity, author) = (store.new_id(), pull.author.clone());
    pull.happened(activity, &author, "OPENED", Map::new());
    pull.updated = pull.created;
    let id = pull.id.to_string();
    let facts = [
        ("id", id.as_str()),
        ("from", pull.from.name.as_str()),
        ("to", &pull.to.name),
        ("title", &pull.title),
        ("user", &pull.author),
    ];
    call.app.journal.wrote(WriteKind::OpenPullRequest, &label, &facts);
    store.pulls.insert((pull.to.repo, pull.id), pull.clone());
    Ok(pull)
}

/// The refusal that names the pull request that is there already.
pub(in super::super) fn duplicate(existing: Value) -> Refusal {
    let message = "Only one pull request may be open for a given source and target branch";
    conflict("pull.DuplicatePullRequestException", message).with("existingPullRequest", existing)
}

fn empty_pull(from: &Side, to: &Side, repo: &Repo) -> Refusal {
    let (from, to) = (display(&from.name), display(&to.name));
    let message = format!(
        "Branch \"{to}\" is already up-to-date with branch \"{from}\" in repository \"{}\".",
        repo.slug
    );
    conflict("pull.EmptyPullRequestException", message)
}

/// Refuses a source that is the target.
pub(super) fn distinct(from: &Side, to: &Side) -> Result<(), Refusal> {
    if from.repo == to.repo && from.name == to.name {
        let message = "A pull request must be between two different branches.";
        return Err(conflict("pull.InvalidPullRequestTargetException", message));
    }
    Ok(())
}

fn no_title() -> Refusal {
    invalid("title", "Please supply a title for this pull request")
}

/// The title of a body, where there is one.
pub(super) fn title(body: &Value) -> Result<Option<String>, Refusal> {
    match body.get("title").filter(|title| !title.is_null()) {
        None => Ok(None),
        Some(Value::String(title)) if title.trim().is_empty() => Err(no_title()),
        Some(Value::String(title)) if title.chars().count() <= LONGEST_TITLE => Ok(Some(title.clone())),
        Some(_) => {
            Err(invalid("title", format!("Please enter a title of at most {LONGEST_TITLE} characters")))
        }
    }
}

/// The description of a body, where there is one.
pub(super) fn description(body: &Value) -> Result<Option<String>, Refusal> {
    let text = body.get("description").and_then(Value::as_str).filter(|text| !text.is_empty());
    if text.is_some_and(|text| text.chars().count() > LONGEST_DESCRIPTION) {
        let message = format!("Please enter a description of at most {LONGEST_DESCRIPTION} characters");
        return Err(invalid("description", message));
    }
    Ok(text.map(str::to_owned))
}

/// One side of a pull request: its repository (the one of the address, unless named) and branch.
pub(super) async fn side(call: &Call, body: &Value, name: &'static str) -> Result<(Repo, Side), Refusal> {
    let side = body.get(name).ok_or_else(|| invalid(name, format!("{name} must be given")))?;
    let id = side.get("id").and_then(Value::as_str).unwrap_or("");
    let repo = match (side.pointer("/repository/project/key"), side.pointer("/repository/slug")) {
        (Some(Value::String(key)), Some(Value::String(slug))) => call.app.store().repo(key, slug)?.clone(),
        _ => call.repo()?.clone(),
    };
    let actor = call.actor.as_ref();
    if actor.is_none_or(|actor| actor.repo(&repo.project) < Permission::Read) {
        return Err(forbidden());
    }
    if repo.hierarchy != call.repo()?.hierarchy {
        return Err(bad_argument("The repositories are not forks of each other").about(name));
    }
    let full = if id.starts_with("refs/heads/") { id.to_owned() } else { format!("refs/heads/{id}") };
    let commit = repo.git().resolve(&full).await?.ok_or_else(|| {
        let message = format!(
            "Repository \"{}\" of project with key \"{}\" has no branch \"{id}\"",
            repo.slug, repo.project
        );
        missing("repository.NoSuchBranchException", message)
    })?;
    let side = Side { repo: repo.id, name: full, commit };
    Ok((repo, side))
}

/// The reviewers of a body, each once; those who have no account are a refusal that names them.
pub(super) fn reviewers(call: &Call, body: &Value, author: &str) -> Result<Vec<Participant>, Refusal> {
    let store = call.app.store();
    let named = body.get("reviewers").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut names: Vec<&str> = Vec::new();
    for name in named.iter().filter_map(|one| one.pointer("/user/name").and_then(Value::as_str)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let wrong = |name: &&&str| store.users.get(**name).is_none_or(|user| !user.licensed) || **name == author;
    let errors: Vec<Value> = names
        .iter()
        .filter(wrong)
        .map(|name| {
            let why = if *name == author { "is the author of this pull request" } else { "is not a user" };
            json!({"context": name, "message": format!("{name} {why}."), "exceptionName": null})
        })
        .collect();
    if errors.is_empty() {
        return Ok(names.into_iter().map(Participant::new).collect());
    }
    let valid: Vec<Value> = names
        .iter()
        .filter(|name| !wrong(name))
        .map(|name| store.participant_json(&Participant::new(name), "REVIEWER"))
        .collect();
    let message = "Errors encountered while adding some reviewers to this pull request.";
    Err(conflict("pull.InvalidPullRequestReviewersException", message)
        .about("reviewers")
        .with("reviewerErrors", json!(errors))
        .with("validReviewers", json!(valid)))
}

/// Characters of a title.
const LONGEST_TITLE: usize = 255;

/// Characters of a description.
const LONGEST_DESCRIPTION: usize = 32_768;
