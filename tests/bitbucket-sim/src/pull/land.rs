//! The merge itself, whoever asked for it.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Outcome, Pull, State, refresh, vetoes};
use crate::app::App;
use crate::build;
use crate::entity::display;
use crate::git::{Git, LogQuery, Merge, MergeOutcome, Strategy};
use crate::journal::WriteKind;
use crate::refusal::{Refusal, conflict};
use crate::store::Repo;

/// How somebody wants a pull request merged.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) by: String,
    pub(crate) strategy: Strategy,
    pub(crate) message: Option<String>,
    /// Whether a subject goes before the message.
    pub(crate) auto_subject: bool,
}

/// Merges an open pull request, or says what stops it. The caller holds the repository's write lock.
pub(crate) async fn land(app: &Arc<App>, repo: &Repo, pull: &Pull, wish: &Wish) -> Result<Pull, Refusal> {
    let (stops, author, summaries) = {
        let store = app.store();
        (vetoes(&store, pull), store.identity(&wish.by), store.pull_rules(repo.id).summaries)
    };
    if pull.outcome == Outcome::Conflicted || !stops.is_empty() {
        return Err(vetoed(pull.outcome, &stops));
    }
    if app.knobs.take_merge_race() {
        return Err(raced());
    }
    let git = repo.git();
    let message = message(&git, repo, pull, wish, summaries).await?;
    let merge = Merge {
        target: &pull.to.name,
        into: &pull.to.commit,
        from: &pull.from.commit,
        strategy: wish.strategy,
        message: &message,
        author: &author,
    };
    let commit = match git.merge(&merge).await? {
        MergeOutcome::Merged(commit) => commit,
        MergeOutcome::Conflicted => return Err(vetoed(Outcome::Conflicted, &stops)),
        MergeOutcome::NotFastForward => {
            let message = "The target branch has moved on, and the strategy allows a fast-forward only.";
            return Err(conflict("scm.MergeException", message));
        }
        MergeOutcome::Moved => return Err(raced()),
    };
    let id = pull.id.to_string();
    let facts = [
        ("id", id.as_str()),
        ("commit", commit.as_str()),
        ("branch", display(&pull.to.name)),
        ("strategy", wish.strategy.id()),
        ("user", wish.by.as_str()),
    ];
    app.journal.wrote(WriteKind::MergePullRequest, &repo.label(), &facts);
    let info = git.commit(&commit).await?;
    let merged = {
        let mut store = app.store();
        let activity = store.new_id();
        let more: Map<String, Value> =
            [("commit".to_owned(), store.commit_json(&info))].into_iter().collect();
        let pull = store.pull(repo, &id)?;
        pull.merge_commit = Some(commit.clone());
        pull.turn(activity, &wish.by, State::Merged, more);
        pull.clone()
    };
    build::start(app, repo, &commit, &pull.to.name);
    refresh(app, repo.id).await?;
    Ok(merged)
}

fn vetoed(outcome: Outcome, stops: &[Value]) -> Refusal {
    let conflicted = outcome == Outcome::Conflicted;
    let message = if conflicted {
        "The pull request has conflicts and cannot be merged."
    } else {
        "A merge check has vetoed the merge of this pull request."
    };
    conflict("pull.PullRequestMergeVetoedException", message)
        .with("conflicted", json!(conflicted))
        .with("vetoes", json!(stops))
}

fn raced() -> Refusal {
    let message =
        "New changes were pushed to the target branch while the pull request was being merged. Try again.";
    conflict("scm.MergeException", message)
}

/// The message of the new commit: subject, the wish's own words or what is merged where, and the commits.
async fn message(
    git: &Git,
    repo: &Repo,
    pull: &Pull,
    wish: &Wish,
    summaries: usize,
) -> Result<String, Refusal> {
    let subject = format!("Pull request #{}: {}", pull.id, pull.title);
    match &wish.message {
        Some(message) if wish.auto_subject => return Ok(format!("{subject}\n\n{message}")),
        Some(message) => return Ok(message.clone()),
        None => {}
    }
    let (from, to) = (display(&pull.from.name), display(&pull.to.name));
    let mut text = format!("{subject}\n\nMerge in {} from {from} to {to}", repo.label());
    if summaries > 0 {
        let query = LogQuery {
            until: &pull.from.commit,
            since: Some(&pull.to.commit),
            limit: summaries,
            ..LogQuery::default()
        };
        text += &format!("\n\n* commit '{}':", pull.from.commit);
        for commit in git.log(&query).await? {
            text += &format!("\n  {}", commit.message.lines().next().unwrap_or(""));
        }
    }
    Ok(text)
}
