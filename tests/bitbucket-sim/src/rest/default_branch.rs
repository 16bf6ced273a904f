//! The default branch: `R/default-branch`, and `R/branches/default` from before 7.5 (FACTS.md 3).

use serde_json::json;

use super::{repo, route, text};
use crate::call::{Answer, Call, no_content, ok};
use crate::entity::{branch_json, display};
use crate::journal::WriteKind;
use crate::refusal::{bad_argument, missing};
use crate::route::Route;

pub(super) const ROUTES: &[Route] = &[
    route!(GET, repo!("/branches/default"), Read, Json, later get_deprecated),
    route!(PUT, repo!("/branches/default"), Admin, Json, later put),
    route!(GET, repo!("/default-branch"), Read, Json, later get),
    route!(PUT, repo!("/default-branch"), Admin, Json, later put),
];

/// `R/branches/default`: 204 for an empty repository, 404 when other branches exist but the configured one does not.
async fn get_deprecated(call: Call) -> Answer {
    let git = call.git()?;
    let (name, branches) = (git.default_branch().await?, git.refs("refs/heads").await?);
    if branches.is_empty() {
        return no_content();
    }
    match branches.iter().find(|branch| branch.name == name) {
        Some(branch) => ok(&branch_json(branch, Some(&name))),
        None => {
            let message = format!("{name} is set as the default branch, but this branch does not exist");
            Err(missing("repository.NoDefaultBranchException", message))
        }
    }
}

/// `R/default-branch`: the configured name, born or not.
async fn get(call: Call) -> Answer {
    let git = call.git()?;
    let name = git.default_branch().await?;
    let branches = git.refs("refs/heads").await?;
    match branches.iter().find(|branch| branch.name == name) {
        Some(branch) => ok(&branch_json(branch, Some(&name))),
        None => ok(&json!({"id": name, "displayId": display(&name), "type": "BRANCH", "isDefault": true})),
    }
}

/// Another branch, which must exist unless the repository is empty.
async fn put(mut call: Call) -> Answer {
    let body = call.json().await?;
    let name = text(&body, "id").ok_or_else(|| bad_argument("A branch id is required").about("id"))?;
    let full = format!("refs/heads/{}", display(name));
    let (repo, git) = (call.repo()?, call.git()?);
    let branches = git.refs("refs/heads").await?;
    if !branches.is_empty() && !branches.iter().any(|branch| branch.name == full) {
        let message = format!("Branch \"{}\" does not exist in repository \"{}\".", display(name), repo.slug);
        return Err(missing("repository.NoSuchBranchException", message));
    }
    git.run(["symbolic-ref", "HEAD", &full]).await?;
    call.app.journal.wrote(WriteKind::SetDefaultBranch, &repo.label(), &[("branch", display(name))]);
    no_content()
}
