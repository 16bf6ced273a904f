//! `R/pull-requests`: open, read, list, update (FACTS.md 4).

use serde_json::{Map, Value, json};

use super::{diff, repo, route, viewer};
use crate::auth::Permission;
use crate::call::{Answer, Call, created, ok};
use crate::git::{Git, LogQuery};
use crate::journal::WriteKind;
use crate::page::Page;
use crate::pull::{Outcome, Pull, Reviewer, Side, State};
use crate::refusal::{Refusal, bad_argument, conflict, forbidden, invalid, missing};
use crate::route::Route;
use crate::store::{Repo, now};
use crate::{build, pull};

pub(super) const ROUTES: &[Route] = &[
    route!(GET, repo!("/pull-requests"), Read, Json, later list),
    route!(POST, repo!("/pull-requests"), Read, Json, later open),
    route!(GET, repo!("/pull-requests/{id}"), Read, Json, later get),
    route!(PUT, repo!("/pull-requests/{id}"), Read, Json, later update),
    route!(GET, repo!("/pull-requests/{id}/commits"), Read, Json, later commits),
    route!(GET, repo!("/pull-requests/{id}/changes"), Read, Json, later changes),
    route!(GET, repo!("/pull-requests/{id}/diff/{path*}"), Read, Bytes, later diff_of),
];

async fn list(call: Call) -> Answer {
    let (page, repo) = (call.page(1000)?, call.repo()?.clone());
    pull::refresh(&call.app, repo.id).await?;
    let outgoing = call.query.get("direction") == Some("OUTGOING");
    let state = call.query.get("state").unwrap_or("OPEN").to_uppercase();
    let text = call.query.get("filterText").unwrap_or("").to_lowercase();
    let wanted = |pull: &&Pull| {
        let side = if outgoing { &pull.from } else { &pull.to };
        side.repo == repo.id
            // A short name matches nothing.
            && call.query.get("at").is_none_or(|at| side.name == at)
            && (state == "ALL" || pull.state.name() == state)
            && pull.title.to_lowercase().contains(&text)
            && call.query.get("draft").is_none_or(|draft| (draft == "true") == pull.draft)
    };
    let store = call.app.store();
    let mut found: Vec<&Pull> = store.pulls.values().filter(wanted).collect();
    found.sort_by_key(|pull| std::cmp::Reverse((pull.created, pull.id)));
    if call.query.get("order") == Some("OLDEST") {
        found.reverse();
    }
    ok(&page.stored(found.into_iter().map(|pull| store.pull_json(pull, viewer(&call)))))
}

async fn get(call: Call) -> Answer {
    let pull = fresh(&call).await?;
    ok(&call.app.store().pull_json(&pull, viewer(&call)))
}

/// The pull request in the path, as its branches are now.
pub(super) async fn fresh(call: &Call) -> Result<Pull, Refusal> {
    let repo = call.repo()?;
    let id = call.param("id");
    call.app.store().pull(repo, id)?;
    pull::refresh(&call.app, repo.id).await?;
    let mut store = call.app.store();
    store.pull(repo, id).map(|pull| pull.clone())
}

/// What the pull request brings: from where the branches parted to the source, and the git that has both.
pub(super) async fn span(call: &Call, pull: &Pull) -> Result<(Git, String, String), Refusal> {
    let git = call.git()?;
    let base = git.merge_base(&pull.to.commit, &pull.from.commit).await?;
    // Merged: the target has the source, so its own end no longer tells where they parted.
    let base = match (&pull.merge_commit, base) {
        (Some(_), Some(base)) if base == pull.from.commit => {
            git.commit(&pull.to.commit).await?.parents.first().cloned()
        }
        (_, base) => base,
    };
    Ok((git, base.unwrap_or_else(|| pull.to.commit.clone()), pull.from.commit.clone()))
}

async fn open(mut call: Call) -> Answer {
    let user = call.user()?.to_owned();
    let body = call.json().await?;
    let title = body.get("title").and_then(Value::as_str).filter(|title| !title.trim().is_empty());
    let title = title.ok_or_else(|| invalid("title", "Please supply a title for this pull request"))?;
    let (from_repo, from) = side(&call, &body, "fromRef").await?;
    let (to_repo, to) = side(&call, &body, "toRef").await?;
    if to_repo.id != call.repo()?.id {
        return Err(bad_argument("The target must be in the repository of the address").about("toRef"));
    }
    if from.repo == to.repo && from.name == to.name {
        let message = "A pull request must be between two different branches.";
        return Err(conflict("pull.InvalidPullRequestTargetException", message));
    }
    let reviewers = reviewers(&call, &body, &user)?;
    let (source, target) = (from_repo.git(), to_repo.git());
    let kept = format!("refs/pull-requests/new/{}", from.commit);
    target.fetch(&source, &from.name, &kept).await?;
    let empty = target.is_ancestor(&from.commit, &to.commit).await?;
    let drafts = call.app.config.version.has_drafts();
    let stored = if empty {
        Err(empty_pull(&from, &to, &to_repo))
    } else {
        let at = now();
        let pull = Pull {
            id: 0,
            version: 0,
            title: title.chars().take(TITLE).collect(),
            description: body.get("description").and_then(Value::as_str).map(str::to_owned),
            draft: drafts && body.get("draft") == Some(&Value::Bool(true)),
            state: State::Open,
            created: at,
            updated: at,
            closed: None,
            from,
            to,
            author: user,
            reviewers,
            comments: Vec::new(),
            activities: Vec::new(),
            outcome: Outcome::Unknown,
            merge_commit: None,
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
    let json = store.pull_json(&pull, viewer(&call));
    let location = format!(
        "{}/rest/api/latest/projects/{}/repos/{}/pull-requests/{}",
        store.base, to_repo.project, to_repo.slug, pull.id
    );
    created(&location, &json)
}

/// Numbers and keeps a pull request, unless an open one has the same two branches.
fn insert(call: &Call, mut pull: Pull) -> Result<Pull, Refusal> {
    let label = call.repo()?.label();
    let mut store = call.app.store();
    let same = |other: &&Pull| {
        other.state == State::Open
            && (other.from.repo, &other.from.name) == (pull.from.repo, &pull.from.name)
            && (other.to.repo, &other.to.name) == (pull.to.repo, &pull.to.name)
    };
    if let Some(existing) = store.pulls.values().find(same) {
        let message = "Only one pull request may be open for a given source and target branch";
        return Err(conflict("pull.DuplicatePullRequestException", message)
            .with("existingPullRequest", store.pull_json(existing, viewer(call))));
    }
    let numbers = store.pulls.range((pull.to.repo, 0)..=(pull.to.repo, u64::MAX));
    pull.id = numbers.last().map_or(0, |((_, id), _)| *id) + 1;
    let (activity, author) = (store.new_id(), pull.author.clone());
    pull.happened(activity, &author, "OPENED", Map::new());
    pull.updated = pull.created;
    let id = pull.id.to_string();
    let facts = [
        ("id", id.as_str()),
        ("from", pull.from.name.as_str()),
        ("to", &pull.to.name),
        ("title", &pull.title),
    ];
    call.app.journal.wrote(WriteKind::OpenPullRequest, &label, &facts);
    store.pulls.insert((pull.to.repo, pull.id), pull.clone());
    Ok(pull)
}

fn empty_pull(from: &Side, to: &Side, repo: &Repo) -> Refusal {
    use crate::entity::display;
    let (from, to) = (display(&from.name), display(&to.name));
    let message = format!(
        "Branch \"{to}\" is already up-to-date with branch \"{from}\" in repository \"{}\".",
        repo.slug
    );
    conflict("pull.EmptyPullRequestException", message)
}

/// One side of a new pull request: its repository (the one of the address, unless named) and branch.
async fn side(call: &Call, body: &Value, name: &'static str) -> Result<(Repo, Side), Refusal> {
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

/// The reviewers of a body; those who have no account are a refusal that names them.
fn reviewers(call: &Call, body: &Value, author: &str) -> Result<Vec<Reviewer>, Refusal> {
    let store = call.app.store();
    let named = body.get("reviewers").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let names: Vec<&str> =
        named.iter().filter_map(|one| one.pointer("/user/name").and_then(Value::as_str)).collect();
    let wrong = |name: &&&str| !store.users.contains_key(**name) || **name == author;
    let errors: Vec<Value> = names
        .iter()
        .filter(wrong)
        .map(|name| {
            let why = if *name == author { "is the author of this pull request" } else { "is not a user" };
            json!({"context": name, "message": format!("{name} {why}."), "exceptionName": null})
        })
        .collect();
    let reviewer =
        |name: &str| Reviewer { user: name.to_owned(), status: "UNAPPROVED".to_owned(), last_reviewed: None };
    if errors.is_empty() {
        return Ok(names.into_iter().map(reviewer).collect());
    }
    let valid: Vec<Value> =
        names.iter().filter(|name| !wrong(name)).map(|name| store.reviewer_json(&reviewer(name))).collect();
    let message = "Errors encountered while adding some reviewers to this pull request.";
    Err(conflict("pull.InvalidPullRequestReviewersException", message)
        .about("reviewers")
        .with("reviewerErrors", json!(errors))
        .with("validReviewers", json!(valid)))
}

/// Replaces the editable set: what the body leaves out of description and reviewers is dropped.
async fn update(mut call: Call) -> Answer {
    let user = call.user()?.to_owned();
    let body = call.json().await?;
    let pull = fresh(&call).await?;
    let Some(version) = body.get("version").and_then(Value::as_i64) else {
        return Err(invalid("version", "The version of the pull request must be given."));
    };
    let mut reviewers = reviewers(&call, &body, &pull.author)?;
    let to = match body.get("toRef") {
        Some(_) => Some(side(&call, &body, "toRef").await?.1),
        None => None,
    };
    let (repo, drafts) = (call.repo()?.clone(), call.app.config.version.has_drafts());
    let mut store = call.app.store();
    let (json, activity) = (store.pull_json(&pull, viewer(&call)), store.new_id());
    let pull = store.pull(&repo, call.param("id"))?;
    pull.expect_version(Some(version), &json)?;
    if pull.state != State::Open {
        return Err(not_open(pull.state));
    }
    for reviewer in &mut reviewers {
        if let Some(old) = pull.reviewers.iter().find(|old| old.user == reviewer.user) {
            reviewer.clone_from(old);
        }
    }
    pull.reviewers = reviewers;
    pull.description = body.get("description").and_then(Value::as_str).map(str::to_owned);
    if let Some(title) = body.get("title").and_then(Value::as_str) {
        pull.title = title.chars().take(TITLE).collect();
    }
    if let Some(draft) = body.get("draft").and_then(Value::as_bool).filter(|_| drafts) {
        pull.draft = draft;
    }
    if let Some(to) = to {
        (pull.to, pull.outcome) = (to, Outcome::Unknown);
    }
    pull.version += 1;
    pull.happened(activity, &user, "UPDATED", Map::new());
    let pull = pull.clone();
    call.app.journal.wrote(WriteKind::UpdatePullRequest, &repo.label(), &[("id", call.param("id"))]);
    ok(&store.pull_json(&pull, viewer(&call)))
}

/// A pull request that is closed already.
pub(super) fn not_open(state: State) -> Refusal {
    let was = match state {
        State::Merged => "merged",
        State::Declined => "declined",
        State::Open => "opened",
    };
    conflict("pull.IllegalPullRequestStateException", format!("This pull request has already been {was}."))
}

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

/// One page only: `start` is ignored, and what is beyond the limit is cut.
async fn changes(call: Call) -> Answer {
    let limit = Page::of(&call.query, 25, 1000)?.limit;
    let pull = fresh(&call).await?;
    let (git, base, from) = span(&call, &pull).await?;
    let changes = git.changes(&base, &from).await?;
    let values = changes.iter().map(|change| diff::change_json(change, false));
    let mut json = Page { start: 0, limit }.streamed(values);
    json["fromHash"] = json!(from);
    json["toHash"] = json!(base);
    json["properties"] = json!({"changeScope": "ALL"});
    ok(&json)
}

async fn diff_of(call: Call) -> Answer {
    let pull = fresh(&call).await?;
    let (_, base, from) = span(&call, &pull).await?;
    diff::answer(&call, &base, &from).await
}

/// Characters of a title.
const TITLE: usize = 255;
