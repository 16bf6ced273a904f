//! `R/settings/pull-requests`: how pull requests may be merged, and what must be so before (FACTS.md 4).

use serde_json::{Value, json};

use super::{administers, repo, route};
use crate::call::{Answer, Call, ok};
use crate::git::Strategy;
use crate::journal::WriteKind;
use crate::refusal::{Refusal, bad_argument};
use crate::route::Route;
use crate::rules::PullRules;
use crate::version::Version;

pub(super) const ROUTES: &[Route] = &[
    route!(GET, repo!("/settings/pull-requests"), Read, Json, now get),
    route!(POST, repo!("/settings/pull-requests"), Read, Json, later set),
];

fn get(call: &Call) -> Answer {
    let rules = call.app.store().pull_rules(call.repo()?.id);
    ok(&rules_json(&rules, call.app.config.version))
}

fn rules_json(rules: &PullRules, version: Version) -> Value {
    let strategy = |strategy: Strategy| {
        let (flag, name, description) = words(strategy);
        json!({
            "id": strategy.id(), "name": name, "flag": flag, "description": description,
            "enabled": rules.enabled.contains(&strategy),
        })
    };
    let mut json = json!({
        "mergeConfig": {
            "defaultStrategy": strategy(rules.default),
            "strategies": Strategy::ALL.map(strategy),
            "type": if rules.own { "REPOSITORY" } else { "DEFAULT" },
            "commitSummaries": rules.summaries,
        },
        "requiredAllApprovers": rules.all_approvers, "requiredAllTasksComplete": rules.all_tasks,
        "needsWork": rules.no_needs_work, "unapproveOnUpdate": false,
    });
    for (name, count) in [("requiredApprovers", rules.approvers), ("requiredSuccessfulBuilds", rules.builds)]
    {
        if version.has_requirement_objects() {
            json[name] = json!({"enabled": count > 0, "count": count.to_string()});
            json[format!("{name}Deprecated")] = json!(count);
        } else {
            json[name] = json!(count);
        }
    }
    json
}

/// What a body leaves out stays; numbers come plain, as text, or in an object that may be off.
async fn set(mut call: Call) -> Answer {
    administers(&call)?;
    let body = call.json().await?;
    let repo = call.repo()?.clone();
    let mut rules = call.app.store().pull_rules(repo.id);
    merge_config(&mut rules, body.get("mergeConfig").unwrap_or(&Value::Null))?;
    let flag = |name: &str, old: bool| body.get(name).and_then(Value::as_bool).unwrap_or(old);
    rules.all_approvers = flag("requiredAllApprovers", rules.all_approvers);
    rules.all_tasks = flag("requiredAllTasksComplete", rules.all_tasks);
    rules.no_needs_work = flag("needsWork", rules.no_needs_work);
    rules.approvers = count(body.get("requiredApprovers")).unwrap_or(rules.approvers);
    rules.builds = count(body.get("requiredSuccessfulBuilds")).unwrap_or(rules.builds);
    let json = rules_json(&rules, call.app.config.version);
    call.app.store().rules.pulls.insert(repo.id, rules);
    call.app.journal.wrote(WriteKind::ChangeSettings, &repo.label(), &[("what", "pull-requests")]);
    ok(&json)
}

fn merge_config(rules: &mut PullRules, config: &Value) -> Result<(), Refusal> {
    let known = |value: &Value| {
        let id = value.get("id").and_then(Value::as_str).unwrap_or("");
        Strategy::of(id).ok_or_else(|| bad_argument(format!("'{id}' is not a merge strategy")))
    };
    if let Some(strategies) = config.get("strategies").and_then(Value::as_array) {
        // Those in the list are enabled, unless they say that they are not.
        let on = strategies.iter().filter(|one| one.get("enabled") != Some(&Value::Bool(false)));
        rules.enabled = on.map(known).collect::<Result<_, _>>()?;
        rules.own = true;
    }
    if let Some(default) = config.get("defaultStrategy") {
        rules.default = known(default)?;
        rules.own = true;
    }
    if let Some(summaries) = config.get("commitSummaries").and_then(Value::as_u64) {
        rules.summaries = usize::try_from(summaries).unwrap_or(usize::MAX);
    }
    if !rules.enabled.contains(&rules.default) {
        return Err(bad_argument("The default strategy must be enabled").about("mergeConfig"));
    }
    Ok(())
}

fn count(value: Option<&Value>) -> Option<usize> {
    let value = value?;
    let off = value.get("enabled").or_else(|| value.get("enable")) == Some(&Value::Bool(false));
    let number = value.get("count").unwrap_or(value);
    let number = number.as_u64().or_else(|| number.as_str()?.parse().ok())?;
    if off { Some(0) } else { usize::try_from(number).ok() }
}

/// Flag, name and description.
fn words(strategy: Strategy) -> (&'static str, &'static str, &'static str) {
    match strategy {
        Strategy::NoFf => ("--no-ff", "Merge commit", "Always makes a merge commit."),
        Strategy::Ff => ("--ff", "Fast-forward", "Makes a merge commit only when the target has moved on."),
        Strategy::FfOnly => ("--ff-only", "Fast-forward only", "Refuses when the target has moved on."),
        Strategy::RebaseNoFf => {
            ("rebase + merge --no-ff", "Rebase and merge", "Rebases, then makes a merge commit.")
        }
        Strategy::RebaseFfOnly => {
            ("rebase + merge --ff-only", "Rebase and fast-forward", "Rebases, without a merge commit.")
        }
        Strategy::Squash => ("--squash", "Squash", "Makes one commit of all."),
        Strategy::SquashFfOnly => (
            "--squash --ff-only",
            "Squash, fast-forward only",
            "Makes one commit of all, and refuses when the target has moved on.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_comes_in_every_form_that_releases_sent() {
        for (value, wanted) in [
            (json!(2), Some(2)),
            (json!("2"), Some(2)),
            (json!({"enabled": true, "count": "2"}), Some(2)),
            (json!({"enable": false, "count": 2}), Some(0)),
            (json!(null), None),
        ] {
            assert_eq!(count(Some(&value)), wanted, "{value}");
        }
    }
}
