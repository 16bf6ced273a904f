//! What is known of branches beside their names: metadata for `details=true`, and which branches have a commit.

use serde_json::{Map, Value, json};

use super::{commit_named, route};
use crate::call::{Answer, Call, ok};
use crate::entity::display;
use crate::git::{Git, RefInfo};
use crate::refusal::Refusal;
use crate::route::Route;

pub(super) const ROUTES: &[Route] = &[route!(
    GET,
    "rest/branch-utils/{v}/projects/{key}/repos/{slug}/branches/info/{sha}",
    Read,
    Json,
    later info
)];

/// The branches that have a commit, without their latest commits.
async fn info(call: Call) -> Answer {
    let (page, repo, git) = (call.page(1000)?, call.repo()?, call.git()?);
    let commit = commit_named(repo, &git, call.param("sha")).await?;
    let found = git.branches_with(&commit).await?;
    let shown = found.iter().map(|name| json!({"id": name, "displayId": display(name), "type": "BRANCH"}));
    ok(&page.stored(shown))
}

/// What the product's own plugins say of a branch, compared with `base`.
pub(super) async fn metadata(
    call: &Call,
    git: &Git,
    branch: &RefInfo,
    base: Option<&str>,
) -> Result<Value, Refusal> {
    let mut metadata = Map::new();
    let mut put = |plugin: &str, value: Value| {
        metadata.insert(format!("com.atlassian.bitbucket.server.bitbucket-{plugin}"), value);
    };
    if let Some(base) = base {
        let (ahead, behind) = git.ahead_behind(&branch.commit, base).await?;
        put("branch:ahead-behind-metadata-provider", json!({"ahead": ahead, "behind": behind}));
    }
    let commit = git.commit(&branch.commit).await?;
    let store = call.app.store();
    put("branch:latest-commit-metadata", store.commit_json(&commit));
    let builds = store.builds.get(&branch.commit).map(Vec::as_slice).unwrap_or_default();
    if !builds.is_empty() {
        let count = |state: &str| builds.iter().filter(|build| build.state == state).count();
        let counts = json!({
            "successful": count("SUCCESSFUL"), "inProgress": count("INPROGRESS"), "failed": count("FAILED"),
        });
        put("build:build-status-metadata", counts);
    }
    let outgoing = store.pulls.values().filter(|pull| pull.from.name == branch.name);
    let mut open = outgoing.filter(|pull| call.repo.as_ref().is_some_and(|repo| repo.id == pull.from.repo));
    if let Some(pull) = open.next_back() {
        put(
            "ref-metadata:outgoing-pull-request-metadata",
            json!({"pullRequest": store.pull_json(pull, None)}),
        );
    }
    Ok(Value::Object(metadata))
}
