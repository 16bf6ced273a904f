//! `R/last-modified/{path}`: the last commit that changed each name in a folder.

use std::collections::BTreeMap;

use serde_json::{Map, json};

use super::{clean_path, commit_at, no_path, object_at, repo, route};
use crate::call::{Answer, Call, ok};
use crate::git::{CommitInfo, LogQuery};
use crate::refusal::bad_argument;
use crate::route::Route;

pub(super) const ROUTES: &[Route] = &[route!(GET, repo!("/last-modified/{path*}"), Read, Json, later get)];

async fn get(call: Call) -> Answer {
    let (repo, git, path) = (call.repo()?, call.git()?, clean_path(&call)?);
    if call.query.get("at").is_none() {
        return Err(bad_argument("An explicit starting commit must be supplied").about("at"));
    }
    let at = commit_at(repo, &git, call.query.get("at")).await?;
    let object = object_at(&git, &at, &path).await?;
    if object.kind != "tree" {
        return Err(no_path(&path, &at.name));
    }
    let names: Vec<String> = git.entries(&object.id).await?.into_iter().map(|entry| entry.name).collect();
    let found = git.last_modified(&at.commit, &path, &names).await?;
    let query = LogQuery {
        until: &at.commit,
        path: Some(path.as_str()).filter(|path| !path.is_empty()),
        limit: 1,
        ..LogQuery::default()
    };
    let latest = git.log(&query).await?.pop();
    let mut commits: BTreeMap<&String, CommitInfo> = BTreeMap::new();
    for id in found.values() {
        if !commits.contains_key(id) {
            commits.insert(id, git.commit(id).await?);
        }
    }
    let store = call.app.store();
    let shown = |id: &String| commits.get(id).map(|commit| store.commit_json(commit)).unwrap_or_default();
    let files: Map<_, _> = found.iter().map(|(name, id)| (name.clone(), shown(id))).collect();
    ok(&json!({"files": files, "latestCommit": latest.map(|commit| store.commit_json(&commit))}))
}
