//! Who wrote the lines that `R/browse/{path}?blame` shows.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::call::Call;
use crate::entity::short;
use crate::git::Git;
use crate::refusal::Refusal;

/// The groups of lines of a file, each with the commit that brought it.
pub(super) async fn of(call: &Call, git: &Git, commit: &str, path: &str) -> Result<Value, Refusal> {
    let groups = git.blame(commit, path).await?;
    let mut commits = BTreeMap::new();
    for group in &groups {
        if !commits.contains_key(&group.commit) {
            commits.insert(group.commit.clone(), git.commit(&group.commit).await?);
        }
    }
    let store = call.app.store();
    let shown = groups.iter().map(|group| {
        let commit = commits.get(&group.commit).map(|commit| store.commit_json(commit)).unwrap_or_default();
        json!({
            "author": commit["author"], "authorTimestamp": commit["authorTimestamp"],
            "committer": commit["committer"], "committerTimestamp": commit["committerTimestamp"],
            "commitHash": group.commit, "displayCommitHash": short(&group.commit), "commitId": group.commit,
            "commitDisplayId": short(&group.commit), "fileName": group.path, "lineNumber": group.line,
            "spannedLines": group.lines,
        })
    });
    Ok(shown.collect())
}
