//! Branch restrictions, and whom they stop (FACTS.md 6 and 7).

use serde_json::{Value, json};

use crate::git::ZERO;
use crate::matcher::Matcher;
use crate::store::{Repo, RepoId, Store};

/// What a restriction forbids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Any change.
    ReadOnly,
    /// Deleting the branch.
    NoDeletes,
    /// Rewriting its history.
    FastForwardOnly,
    /// Any change but a merge.
    PullRequestOnly,
    /// Making the branch.
    NoCreates,
}

/// Whose branches it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Project(String),
    Repo(RepoId),
}

/// One restriction.
#[derive(Clone, Debug)]
pub(crate) struct Restriction {
    pub(crate) id: u64,
    pub(crate) place: Place,
    pub(crate) kind: Kind,
    pub(crate) matcher: Matcher,
    /// Users whom it does not stop.
    pub(crate) users: Vec<String>,
    pub(crate) groups: Vec<String>,
    pub(crate) access_keys: Vec<Value>,
}

/// A change of a branch that somebody wants; the ids are zeros for what is made or deleted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    /// The branch's full name.
    pub(crate) branch: &'a str,
    pub(crate) old: &'a str,
    pub(crate) new: &'a str,
    /// Whether it rewrites history.
    pub(crate) rewrites: bool,
}

impl Kind {
    /// All of them.
    pub(crate) const ALL: [Self; 5] =
        [Self::ReadOnly, Self::NoDeletes, Self::FastForwardOnly, Self::PullRequestOnly, Self::NoCreates];

    /// As the interface writes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ReadOnly => "read-only",
            Self::NoDeletes => "no-deletes",
            Self::FastForwardOnly => "fast-forward-only",
            Self::PullRequestOnly => "pull-request-only",
            Self::NoCreates => "no-creates",
        }
    }

    /// Why a change is refused, when it is.
    fn objection(self, wanted: &Wanted<'_>) -> Option<String> {
        let branch = wanted.branch;
        let (stops, why) = match self {
            Self::ReadOnly => (true, format!("Branch {branch} is read-only.")),
            Self::NoDeletes => (wanted.new == ZERO, format!("Branch {branch} cannot be deleted.")),
            Self::NoCreates => (wanted.old == ZERO, format!("Branch {branch} cannot be created.")),
            Self::FastForwardOnly => {
                let rewrites = wanted.rewrites || wanted.new == ZERO;
                (rewrites, format!("You are not permitted to rewrite the history of {branch}."))
            }
            Self::PullRequestOnly => {
                (true, format!("Branch {branch} can only be modified through pull requests."))
            }
        };
        stops.then_some(why)
    }
}

impl Restriction {
    /// As answers show it: users and keys by their entities.
    pub(crate) fn json(&self, store: &Store) -> Value {
        let users: Vec<Value> = self.users.iter().map(|name| store.user_json_by_name(name)).collect();
        let (scope, id) = match &self.place {
            Place::Project(key) => ("PROJECT", store.projects.get(key).map_or(0, |project| project.id)),
            Place::Repo(id) => ("REPOSITORY", *id),
        };
        json!({
            "id": self.id, "type": self.kind.name(), "matcher": self.matcher.json(), "users": users,
            "groups": self.groups, "accessKeys": self.access_keys,
            "scope": {"type": scope, "resourceId": id},
        })
    }

    fn is_about(&self, repo: &Repo) -> bool {
        match &self.place {
            Place::Project(key) => *key == repo.project,
            Place::Repo(id) => *id == repo.id,
        }
    }
}

impl Store {
    /// Why somebody may not change a branch so, when a restriction says no.
    pub(crate) fn objection(&self, repo: &Repo, user: Option<&str>, wanted: &Wanted<'_>) -> Option<String> {
        let stops = |restriction: &&Restriction| {
            restriction.is_about(repo)
                && restriction.matcher.matches(wanted.branch)
                && !user.is_some_and(|user| restriction.users.iter().any(|name| name == user))
        };
        self.restrictions.iter().filter(stops).find_map(|restriction| restriction.kind.objection(wanted))
    }
}

/// What pushes show under every refusal.
pub(crate) const ADVICE: &str = "Check your branch permissions configuration with the project administrator.";
