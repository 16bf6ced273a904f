//! What repositories and projects ask of pull requests: merge settings, default reviewers, required builds.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::git::Strategy;
use crate::matcher::Matcher;
use crate::pull::Pull;
use crate::store::{Repo, RepoId, Store};

/// All rules.
#[derive(Default)]
pub(crate) struct Rules {
    pub(crate) pulls: HashMap<RepoId, PullRules>,
    /// Whether the server may merge by itself, where a repository says so.
    pub(crate) auto_merge: HashMap<RepoId, bool>,
    /// The same for projects, by key.
    pub(crate) project_auto_merge: HashMap<String, bool>,
    pub(crate) conditions: Vec<Condition>,
    pub(crate) required_builds: Vec<RequiredBuild>,
    pub(crate) groups: Vec<Group>,
}

/// `R/settings/pull-requests`.
#[derive(Clone, Debug)]
pub(crate) struct PullRules {
    pub(crate) default: Strategy,
    pub(crate) enabled: Vec<Strategy>,
    /// Whether the repository has settings of its own.
    pub(crate) own: bool,
    pub(crate) summaries: usize,
    pub(crate) all_approvers: bool,
    pub(crate) all_tasks: bool,
    pub(crate) approvers: usize,
    pub(crate) builds: usize,
    pub(crate) no_needs_work: bool,
}

/// Who a rule is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Project(String),
    Repo(RepoId),
}

/// A condition under which a pull request has default reviewers.
#[derive(Clone, Debug)]
pub(crate) struct Condition {
    pub(crate) id: u64,
    pub(crate) scope: Scope,
    pub(crate) source: Matcher,
    pub(crate) target: Matcher,
    pub(crate) reviewers: Vec<String>,
    /// Ids of groups.
    pub(crate) groups: Vec<u64>,
    /// How many of them must approve.
    pub(crate) approvals: usize,
}

/// Builds that must be green before a merge.
#[derive(Clone, Debug)]
pub(crate) struct RequiredBuild {
    pub(crate) id: u64,
    pub(crate) repo: RepoId,
    /// What the `parent` of a build status must be.
    pub(crate) parents: Vec<String>,
    pub(crate) target: Matcher,
    /// Sources that need no build.
    pub(crate) exempt: Option<Matcher>,
}

/// A named set of reviewers.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) id: u64,
    pub(crate) scope: Scope,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) users: Vec<String>,
}

impl Default for PullRules {
    /// The simulator's own: more strategies than a fresh server enables, and open tasks stop a merge.
    fn default() -> Self {
        Self {
            default: Strategy::NoFf,
            enabled: vec![Strategy::NoFf, Strategy::Ff, Strategy::FfOnly, Strategy::Squash],
            own: false,
            summaries: 20,
            all_approvers: false,
            all_tasks: true,
            approvers: 0,
            builds: 0,
            no_needs_work: false,
        }
    }
}

impl Scope {
    /// Whether the rule is for a repository: its own, or its project's.
    pub(crate) fn covers(&self, repo: &Repo) -> bool {
        match self {
            Self::Project(key) => *key == repo.project,
            Self::Repo(id) => *id == repo.id,
        }
    }
}

impl RequiredBuild {
    /// As answers show it.
    pub(crate) fn json(&self) -> Value {
        let mut json =
            json!({"id": self.id, "buildParentKeys": self.parents, "refMatcher": self.target.json()});
        if let Some(exempt) = &self.exempt {
            json["exemptRefMatcher"] = exempt.json();
        }
        json
    }
}

impl Store {
    /// The merge settings of a repository.
    pub(crate) fn pull_rules(&self, repo: RepoId) -> PullRules {
        self.rules.pulls.get(&repo).cloned().unwrap_or_default()
    }

    /// Whether the server may merge by itself here: the repository's word, else the project's, else no.
    pub(crate) fn auto_merges(&self, repo: &Repo) -> bool {
        let own = self.rules.auto_merge.get(&repo.id);
        *own.or_else(|| self.rules.project_auto_merge.get(&repo.project)).unwrap_or(&false)
    }

    /// The conditions that a pull request from one branch into another meets.
    pub(crate) fn conditions_for<'a>(
        &'a self,
        target: &'a Repo,
        from: &'a str,
        to: &'a str,
    ) -> impl Iterator<Item = &'a Condition> {
        let meets = move |condition: &&Condition| {
            condition.scope.covers(target) && condition.source.matches(from) && condition.target.matches(to)
        };
        self.rules.conditions.iter().filter(meets)
    }

    /// Everybody whom a condition names, once.
    pub(crate) fn condition_users(&self, condition: &Condition) -> Vec<String> {
        let groups = self.rules.groups.iter().filter(|group| condition.groups.contains(&group.id));
        let mut users = condition.reviewers.clone();
        for user in groups.flat_map(|group| &group.users) {
            if !users.contains(user) {
                users.push(user.clone());
            }
        }
        users
    }

    /// The required builds that are about a pull request.
    pub(crate) fn builds_for<'a>(&'a self, pull: &'a Pull) -> impl Iterator<Item = &'a RequiredBuild> {
        self.rules.required_builds.iter().filter(|rule| {
            rule.repo == pull.to.repo
                && rule.target.matches(&pull.to.name)
                && rule.exempt.as_ref().is_none_or(|exempt| !exempt.matches(&pull.from.name))
        })
    }

    /// The scope of a rule as answers show it.
    pub(crate) fn scope_json(&self, scope: &Scope) -> Value {
        match scope {
            Scope::Project(key) => {
                let id = self.projects.get(key).map_or(0, |project| project.id);
                json!({"type": "PROJECT", "resourceId": id})
            }
            Scope::Repo(id) => json!({"type": "REPOSITORY", "resourceId": id}),
        }
    }
}
