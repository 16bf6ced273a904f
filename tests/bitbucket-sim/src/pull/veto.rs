//! What stops a merge beside conflicts (FACTS.md 4 and 5). The words are the simulator's own.

use serde_json::{Value, json};

use super::{Pull, Status};
use crate::comment;
use crate::store::Store;

/// The vetoes of all merge checks.
pub(crate) fn vetoes(store: &Store, pull: &Pull) -> Vec<Value> {
    [drafts(pull), tasks(store, pull), reviews(store, pull), defaults(store, pull), builds(store, pull)]
        .concat()
        .into_iter()
        .map(|(summary, detail)| json!({"summaryMessage": summary, "detailedMessage": detail}))
        .collect()
}

type Vetoes = Vec<(&'static str, String)>;

fn drafts(pull: &Pull) -> Vetoes {
    let detail = || ("Draft", "This pull request is still a draft.".to_owned());
    pull.draft.then(detail).into_iter().collect()
}

fn tasks(store: &Store, pull: &Pull) -> Vetoes {
    let open = pull.tasks(comment::State::Open);
    let stops = store.pull_rules(pull.to.repo).all_tasks && open > 0;
    let detail = || ("Unresolved tasks", "Resolve all tasks before merging.".to_owned());
    stops.then(detail).into_iter().collect()
}

fn reviews(store: &Store, pull: &Pull) -> Vetoes {
    let rules = store.pull_rules(pull.to.repo);
    let count = |status| pull.reviewers.iter().filter(|reviewer| reviewer.status == status).count();
    let (approved, needs_work) = (count(Status::Approved), count(Status::NeedsWork));
    let mut vetoes = Vetoes::new();
    if approved < rules.approvers {
        let detail = format!("{} of {} required approvals were given.", approved, rules.approvers);
        vetoes.push(("Not enough approvals", detail));
    }
    if rules.all_approvers && approved < pull.reviewers.len() {
        vetoes.push(("Not all reviewers have approved", "Every reviewer has to approve.".to_owned()));
    }
    if rules.no_needs_work && needs_work > 0 {
        vetoes
            .push(("Changes requested", "A reviewer has marked this pull request as needs work.".to_owned()));
    }
    vetoes
}

/// Conditions of default reviewers may require approvals.
fn defaults(store: &Store, pull: &Pull) -> Vetoes {
    let Some(repo) = store.repos.get(&pull.to.repo) else { return Vetoes::new() };
    let approved =
        |user: &String| pull.reviewers.iter().any(|one| one.user == *user && one.status == Status::Approved);
    let mut vetoes = Vetoes::new();
    for condition in store.conditions_for(repo, &pull.from.name, &pull.to.name) {
        let users = store.condition_users(condition);
        let possible = users.iter().filter(|user| **user != pull.author).count();
        let wanted = condition.approvals.min(possible);
        let given = users.iter().filter(|user| approved(user)).count();
        if given < wanted {
            let detail = format!("{given} of {wanted} required approvals of default reviewers were given.");
            vetoes.push(("Not all required reviewers have approved yet", detail));
        }
    }
    vetoes
}

fn builds(store: &Store, pull: &Pull) -> Vetoes {
    let builds = store.builds.get(&pull.from.commit).map(Vec::as_slice).unwrap_or_default();
    let mut vetoes = Vetoes::new();
    for rule in store.builds_for(pull) {
        let green = |parent: &&String| {
            let mut of = builds
                .iter()
                .filter(|build| build.more.get("parent").and_then(Value::as_str) == Some(parent.as_str()))
                .peekable();
            of.peek().is_some() && of.all(|build| build.state == "SUCCESSFUL")
        };
        let lacking: Vec<&str> =
            rule.parents.iter().filter(|parent| !green(parent)).map(String::as_str).collect();
        if !lacking.is_empty() {
            let detail = format!("These required builds are not successful: {}.", lacking.join(", "));
            vetoes.push(("Not all required builds are successful yet", detail));
        }
    }
    let wanted = store.pull_rules(pull.to.repo).builds;
    let green = builds.iter().filter(|build| build.state == "SUCCESSFUL").count();
    if wanted > 0 && (green < wanted || green < builds.len()) {
        let detail = format!("{wanted} successful builds are required, and none that is not.");
        vetoes.push(("Not enough successful builds", detail));
    }
    vetoes
}
