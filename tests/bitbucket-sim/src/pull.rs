//! Pull requests: what is kept of them and the rules of their state (FACTS.md 4).

mod follow;
mod json;
mod land;
mod veto;

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

pub(crate) use self::follow::{refresh, settle};
pub(crate) use self::land::{Wish, land};
pub(crate) use self::veto::vetoes;
use crate::comment::{self, Comment};
use crate::git::Strategy;
use crate::refusal::{Refusal, conflict};
use crate::store::{RepoId, now};

/// The state of a pull request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Open,
    Merged,
    Declined,
}

impl State {
    /// As the interface writes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Merged => "MERGED",
            Self::Declined => "DECLINED",
        }
    }

    /// The refusal for a pull request that is in this state and should not be.
    pub(crate) fn unfit(self) -> Refusal {
        let was = match self {
            Self::Merged => "merged",
            Self::Declined => "declined",
            Self::Open => "opened",
        };
        let message = format!("This pull request has already been {was}.");
        conflict("pull.IllegalPullRequestStateException", message)
    }
}

/// Whether the two sides of a pull request can be merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nobody has looked yet.
    Unknown,
    Clean,
    Conflicted,
}

impl Outcome {
    /// As the interface writes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::Clean => "CLEAN",
            Self::Conflicted => "CONFLICTED",
        }
    }
}

/// A branch of a repository, and where it is.
#[derive(Clone, Debug)]
pub(crate) struct Side {
    pub(crate) repo: RepoId,
    /// The full name.
    pub(crate) name: String,
    pub(crate) commit: String,
}

/// What somebody thinks of a pull request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Unapproved,
    NeedsWork,
    Approved,
}

impl Status {
    /// As the interface writes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Unapproved => "UNAPPROVED",
            Self::NeedsWork => "NEEDS_WORK",
            Self::Approved => "APPROVED",
        }
    }

    /// The status with this name.
    pub(crate) fn of(name: &str) -> Option<Self> {
        [Self::Unapproved, Self::NeedsWork, Self::Approved].into_iter().find(|status| status.name() == name)
    }

    /// What the activities call it.
    pub(crate) fn action(self) -> &'static str {
        match self {
            Self::Unapproved => "UNAPPROVED",
            Self::NeedsWork => "REVIEWED",
            Self::Approved => "APPROVED",
        }
    }
}

/// Somebody who was asked to review, or took part.
#[derive(Clone, Debug)]
pub(crate) struct Participant {
    pub(crate) user: String,
    pub(crate) status: Status,
    pub(crate) last_reviewed: Option<String>,
}

impl Participant {
    /// Somebody who has not said anything yet.
    pub(crate) fn new(user: &str) -> Self {
        Self { user: user.to_owned(), status: Status::Unapproved, last_reviewed: None }
    }
}

/// Something that happened to a pull request.
#[derive(Clone, Debug)]
pub(crate) struct Activity {
    pub(crate) id: u64,
    pub(crate) at: i64,
    pub(crate) user: String,
    pub(crate) action: &'static str,
    pub(crate) comment: Option<u64>,
    pub(crate) more: Map<String, Value>,
}

/// The wish that the server merge as soon as nothing stops it.
#[derive(Clone, Debug)]
pub(crate) struct AutoMerge {
    pub(crate) wish: Wish,
    pub(crate) created: i64,
    /// The source's commit then: a push takes the wish back.
    pub(crate) from: String,
}

/// A pull request.
#[derive(Clone, Debug)]
pub(crate) struct Pull {
    pub(crate) id: u64,
    pub(crate) version: u64,
    pub(crate) title: String,
    pub(crate) description: Option<String>,
    pub(crate) draft: bool,
    pub(crate) state: State,
    pub(crate) created: i64,
    pub(crate) updated: i64,
    pub(crate) closed: Option<i64>,
    pub(crate) from: Side,
    pub(crate) to: Side,
    pub(crate) author: String,
    pub(crate) reviewers: Vec<Participant>,
    /// Those who took part without being asked.
    pub(crate) participants: Vec<Participant>,
    pub(crate) watchers: BTreeSet<String>,
    pub(crate) comments: Vec<Comment>,
    pub(crate) activities: Vec<Activity>,
    pub(crate) outcome: Outcome,
    pub(crate) merge_commit: Option<String>,
    pub(crate) auto_merge: Option<AutoMerge>,
}

impl Pull {
    /// The ref that keeps the source's commits in the target repository.
    pub(crate) fn kept_ref(&self) -> String {
        format!("refs/pull-requests/{}/from", self.id)
    }

    /// Whether it is open between the same two branches as another.
    pub(crate) fn rivals(&self, other: &Self) -> bool {
        self.state == State::Open
            && (self.from.repo, &self.from.name) == (other.from.repo, &other.from.name)
            && (self.to.repo, &self.to.name) == (other.to.repo, &other.to.name)
    }

    /// Refuses a version that is not the current one; none counts as -1.
    pub(crate) fn expect_version(&self, version: Option<i64>, json: &Value) -> Result<(), Refusal> {
        let expected = version.unwrap_or(-1);
        if i64::try_from(self.version) == Ok(expected) {
            return Ok(());
        }
        let message = "You are attempting to modify a pull request based on out-of-date information.";
        Err(conflict("pull.PullRequestOutOfDateException", message)
            .with("currentVersion", json!(self.version))
            .with("expectedVersion", json!(expected))
            .with("pullRequest", json.clone()))
    }

    /// Notes what happened and moves the pull request's dates.
    pub(crate) fn happened(&mut self, id: u64, user: &str, action: &'static str, more: Map<String, Value>) {
        self.updated = now();
        let user = user.to_owned();
        self.activities.push(Activity { id, at: self.updated, user, action, comment: None, more });
    }

    /// Notes that a comment became visible.
    pub(crate) fn commented(&mut self, id: u64, comment: &Comment) {
        self.updated = now();
        let action = if comment.parent.is_some() { "REPLIED" } else { "ADDED" };
        let more = [("commentAction".to_owned(), json!(action))].into_iter().collect();
        let user = comment.author.clone();
        let activity =
            Activity { id, at: self.updated, user, action: "COMMENTED", comment: Some(comment.id), more };
        self.activities.push(activity);
        let author = comment.author.clone();
        self.join(&author);
    }

    /// Makes somebody a participant who is none yet.
    pub(crate) fn join(&mut self, user: &str) {
        let known = self.author == user
            || self.reviewers.iter().chain(&self.participants).any(|participant| participant.user == user);
        if !known {
            self.participants.push(Participant::new(user));
        }
    }

    /// Makes somebody a reviewer, with what the participant said before.
    pub(crate) fn ask(&mut self, user: &str) -> &mut Participant {
        if let Some(at) = self.reviewers.iter().position(|reviewer| reviewer.user == user) {
            return &mut self.reviewers[at];
        }
        let before = self.participants.iter().position(|participant| participant.user == user);
        let reviewer = before.map_or_else(|| Participant::new(user), |at| self.participants.remove(at));
        self.reviewers.push(reviewer);
        let last = self.reviewers.len() - 1;
        &mut self.reviewers[last]
    }

    /// Tasks in a state.
    pub(crate) fn tasks(&self, state: comment::State) -> usize {
        self.comments.iter().filter(|comment| comment.is_task(state)).count()
    }

    /// Takes the wish for an automatic merge back, where there is one.
    pub(crate) fn disarm(&mut self, activity: u64, user: &str) -> bool {
        let armed = self.auto_merge.take().is_some();
        if armed {
            self.happened(activity, user, "AUTO_MERGE_CANCELLED", Map::new());
        }
        armed
    }

    /// Changes the state, the version and the dates.
    pub(crate) fn turn(&mut self, activity: u64, user: &str, state: State, more: Map<String, Value>) {
        self.state = state;
        self.version += 1;
        self.auto_merge = None;
        self.closed = (state != State::Open).then(now);
        let action = match state {
            State::Merged => "MERGED",
            State::Declined => "DECLINED",
            State::Open => "REOPENED",
        };
        self.happened(activity, user, action, more);
    }
}

impl AutoMerge {
    /// As answers show it.
    pub(crate) fn json(&self, pull: &Pull) -> Value {
        let mut json = json!({
            "autoSubject": self.wish.auto_subject, "createdDate": self.created, "fromHash": self.from,
            "strategyId": self.wish.strategy.id(), "toRefId": pull.to.name,
        });
        if let Some(message) = &self.wish.message {
            json["message"] = json!(message);
        }
        json
    }
}

/// How the settings and bodies name a strategy that may be used.
pub(crate) fn enabled(id: Option<&str>, default: Strategy, enabled: &[Strategy]) -> Option<Strategy> {
    let wanted = id.map_or(Some(default), Strategy::of)?;
    enabled.contains(&wanted).then_some(wanted)
}
