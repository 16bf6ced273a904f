//! How pull requests follow their branches, and how those that wait to be merged are.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Outcome, Pull, Side, State, land};
use crate::app::App;
use crate::entity::short_commit;
use crate::git::{Error, Git, LogQuery};
use crate::store::{Repo, RepoId};

/// Brings the open pull requests that touch a repository up to where their branches are now. The version moves with
/// the branches, and a source that was pushed into its target is merged.
pub(crate) async fn refresh(app: &App, repo: RepoId) -> Result<(), Error> {
    let open: Vec<Pull> = {
        let store = app.store();
        let touches =
            |pull: &&Pull| pull.state == State::Open && (pull.from.repo == repo || pull.to.repo == repo);
        store.pulls.values().filter(touches).cloned().collect()
    };
    for pull in open {
        follow(app, &pull).await?;
    }
    Ok(())
}

/// Merges those that wait for it and that nothing stops any more.
pub(crate) async fn settle(app: &Arc<App>) {
    let waiting: Vec<(Repo, u64)> = {
        let store = app.store();
        let armed = store.pulls.values().filter(|pull| pull.auto_merge.is_some());
        armed.filter_map(|pull| Some((store.repos.get(&pull.to.repo)?.clone(), pull.id))).collect()
    };
    for (repo, id) in waiting {
        let _alone = app.write_lock(repo.id).await;
        if let Err(error) = refresh(app, repo.id).await {
            tracing::warn!(%error, "a pull request could not follow its branches");
            continue;
        }
        let pull = app.store().pulls.get(&(repo.id, id)).cloned();
        let Some(pull) = pull.filter(|pull| pull.state == State::Open) else { continue };
        let Some(auto) = &pull.auto_merge else { continue };
        // What still stops it will be looked at again after the next write.
        if land(app, &repo, &pull, &auto.wish).await.is_err() {
            tracing::debug!(pull = id, "an automatic merge has to wait");
        }
    }
}

async fn follow(app: &App, old: &Pull) -> Result<(), Error> {
    let (source, target) = {
        let store = app.store();
        let of = |side: &Side| store.repos.get(&side.repo).map(Repo::git);
        let (Some(source), Some(target)) = (of(&old.from), of(&old.to)) else { return Ok(()) };
        (source, target)
    };
    // A branch that is gone leaves its pull request where it was.
    let from = source.resolve(&old.from.name).await?.unwrap_or_else(|| old.from.commit.clone());
    let to = target.resolve(&old.to.name).await?.unwrap_or_else(|| old.to.commit.clone());
    let pushed = from != old.from.commit;
    let moved = pushed || to != old.to.commit;
    if !moved && old.outcome != Outcome::Unknown {
        return Ok(());
    }
    if pushed {
        target.fetch(&source, &old.from.name, &old.kept_ref()).await?;
    }
    let merged = moved && target.is_ancestor(&from, &to).await?;
    let clean = target.merged_tree(&to, &from).await?.is_some();
    let more = if pushed { rescope(app, &target, old, &from, &to).await? } else { Map::new() };
    let mut store = app.store();
    let ids = [store.new_id(), store.new_id()];
    let Some(pull) = store.pulls.get_mut(&(old.to.repo, old.id)) else { return Ok(()) };
    if pull.state != State::Open || pull.version != old.version {
        return Ok(());
    }
    pull.outcome = if clean { Outcome::Clean } else { Outcome::Conflicted };
    let author = pull.author.clone();
    if merged {
        // The target stays as it was before, so that what the merge brought can still be shown.
        let commit = [("commit".to_owned(), short_commit(&to))].into_iter().collect();
        (pull.from.commit, pull.merge_commit) = (from, Some(to));
        pull.turn(ids[0], &author, State::Merged, commit);
        return Ok(());
    }
    if moved {
        pull.version += 1;
        if pushed {
            pull.happened(ids[0], &author, "RESCOPED", more);
            pull.disarm(ids[1], &author);
        }
    }
    (pull.from.commit, pull.to.commit) = (from, to);
    Ok(())
}

/// What a push brought and took, for the activities.
async fn rescope(
    app: &App,
    git: &Git,
    old: &Pull,
    from: &str,
    to: &str,
) -> Result<Map<String, Value>, Error> {
    let between = async |until: &str, since: &str| {
        let query = LogQuery { until, since: Some(since), limit: RESCOPE_SHOWN, ..LogQuery::default() };
        git.log(&query).await
    };
    let (added, removed) = (between(from, &old.from.commit).await?, between(&old.from.commit, from).await?);
    let store = app.store();
    let list = |commits: &[crate::git::CommitInfo]| {
        let shown: Vec<Value> = commits.iter().map(|commit| store.commit_json(commit)).collect();
        json!({"commits": shown, "total": commits.len()})
    };
    let members = [
        ("fromHash", json!(from)),
        ("previousFromHash", json!(old.from.commit)),
        ("toHash", json!(to)),
        ("previousToHash", json!(old.to.commit)),
        ("added", list(&added)),
        ("removed", list(&removed)),
    ];
    Ok(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// Commits that an activity lists.
const RESCOPE_SHOWN: usize = 100;
