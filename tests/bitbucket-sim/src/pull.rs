//! Pull requests: what is kept of them, their shape, and how they follow their branches (FACTS.md 4).

use serde_json::{Map, Value, json};

use crate::app::App;
use crate::entity::{display, short_commit};
use crate::git;
use crate::refusal::{Refusal, conflict, missing};
use crate::store::{Repo, RepoId, Store, now};

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

/// Somebody who was asked to review, or did.
#[derive(Clone, Debug)]
pub(crate) struct Reviewer {
    pub(crate) user: String,
    pub(crate) status: String,
    pub(crate) last_reviewed: Option<String>,
}

/// A comment, or with `blocker` a task.
#[derive(Clone, Debug)]
pub(crate) struct Comment {
    pub(crate) id: u64,
    pub(crate) parent: Option<u64>,
    pub(crate) version: u64,
    pub(crate) text: String,
    pub(crate) author: String,
    pub(crate) created: i64,
    pub(crate) updated: i64,
    pub(crate) blocker: bool,
    pub(crate) state: String,
    pub(crate) thread_resolved: bool,
    pub(crate) anchor: Option<Value>,
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
    pub(crate) reviewers: Vec<Reviewer>,
    pub(crate) comments: Vec<Comment>,
    pub(crate) activities: Vec<Activity>,
    pub(crate) outcome: Outcome,
    pub(crate) merge_commit: Option<String>,
}

impl Pull {
    /// The ref that keeps the source's commits in the target repository.
    pub(crate) fn kept_ref(&self) -> String {
        format!("refs/pull-requests/{}/from", self.id)
    }

    /// A comment by id.
    pub(crate) fn comment(&mut self, repo: &Repo, id: &str) -> Result<&mut Comment, Refusal> {
        let message = format!("Comment {id} does not exist in pull request {} of {}.", self.id, repo.label());
        let number: Option<u64> = id.parse().ok();
        let found = self.comments.iter_mut().find(|comment| Some(comment.id) == number);
        found.ok_or_else(|| missing("comment.NoSuchCommentException", message))
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
        self.activities.push(Activity {
            id,
            at: self.updated,
            user: user.to_owned(),
            action,
            comment: None,
            more,
        });
    }

    fn tasks(&self, state: &str) -> usize {
        self.comments.iter().filter(|comment| comment.blocker && comment.state == state).count()
    }
}

impl Store {
    /// A pull request with everything that the real server sends, which is more than its document says.
    pub(crate) fn pull_json(&self, pull: &Pull, viewer: Option<&str>) -> Value {
        let Some(repo) = self.repos.get(&pull.to.repo) else { return Value::Null };
        let reviewers: Vec<Value> =
            pull.reviewers.iter().map(|reviewer| self.reviewer_json(reviewer)).collect();
        let mut json = json!({
            "id": pull.id, "version": pull.version, "title": pull.title, "state": pull.state.name(),
            "open": pull.state == State::Open, "closed": pull.state != State::Open, "locked": false,
            "createdDate": pull.created, "updatedDate": pull.updated,
            "fromRef": self.side_json(&pull.from, viewer), "toRef": self.side_json(&pull.to, viewer),
            "author": {"user": self.user_json_by_name(&pull.author), "role": "AUTHOR", "approved": false,
                       "status": "UNAPPROVED"},
            "reviewers": reviewers, "participants": [], "properties": properties(pull),
            "links": {"self": [{"href": format!("{}/pull-requests/{}", self.repo_link(repo), pull.id)}]},
        });
        if let Some(description) = &pull.description {
            json["description"] = json!(description);
        }
        if let Some(closed) = pull.closed {
            json["closedDate"] = json!(closed);
        }
        if self.version.has_drafts() {
            json["draft"] = json!(pull.draft);
        }
        json
    }

    fn side_json(&self, side: &Side, viewer: Option<&str>) -> Value {
        let repo = self.repos.get(&side.repo).map_or(Value::Null, |repo| self.repo_json(repo, viewer));
        json!({
            "id": side.name, "displayId": display(&side.name), "latestCommit": side.commit, "type": "BRANCH",
            "repository": repo,
        })
    }

    /// A reviewer with the status given.
    pub(crate) fn reviewer_json(&self, reviewer: &Reviewer) -> Value {
        let mut json = json!({
            "user": self.user_json_by_name(&reviewer.user), "role": "REVIEWER", "status": reviewer.status,
            "approved": reviewer.status == "APPROVED",
        });
        if let Some(commit) = &reviewer.last_reviewed {
            json["lastReviewedCommit"] = json!(commit);
        }
        json
    }
}

fn properties(pull: &Pull) -> Value {
    let mut json = json!({
        "mergeResult": {"outcome": pull.outcome.name(), "current": pull.outcome != Outcome::Unknown},
        "openTaskCount": pull.tasks("OPEN"), "resolvedTaskCount": pull.tasks("RESOLVED"),
    });
    if !pull.comments.is_empty() {
        json["commentCount"] = json!(pull.comments.len());
    }
    if let Some(commit) = &pull.merge_commit {
        json["mergeCommit"] = short_commit(commit);
    }
    json
}

/// Brings the open pull requests that touch a repository up to where their branches are now. The version moves with
/// the branches, and a source that was pushed into its target is merged.
pub(crate) async fn refresh(app: &App, repo: RepoId) -> Result<(), git::Error> {
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

async fn follow(app: &App, old: &Pull) -> Result<(), git::Error> {
    let (source, target) = {
        let store = app.store();
        let of = |side: &Side| store.repos.get(&side.repo).map(Repo::git);
        let (Some(source), Some(target)) = (of(&old.from), of(&old.to)) else { return Ok(()) };
        (source, target)
    };
    // A branch that is gone leaves its pull request where it was.
    let from = source.resolve(&old.from.name).await?.unwrap_or_else(|| old.from.commit.clone());
    let to = target.resolve(&old.to.name).await?.unwrap_or_else(|| old.to.commit.clone());
    let moved = from != old.from.commit || to != old.to.commit;
    if !moved && old.outcome != Outcome::Unknown {
        return Ok(());
    }
    if from != old.from.commit {
        target.fetch(&source, &old.from.name, &old.kept_ref()).await?;
    }
    let merged = moved && target.is_ancestor(&from, &to).await?;
    let clean = target.merged_tree(&to, &from).await?.is_some();
    let mut store = app.store();
    let id = store.new_id();
    let Some(pull) = store.pulls.get_mut(&(old.to.repo, old.id)) else { return Ok(()) };
    if pull.state != State::Open || pull.version != old.version {
        return Ok(());
    }
    pull.outcome = if clean { Outcome::Clean } else { Outcome::Conflicted };
    if moved {
        pull.version += 1;
    }
    let author = pull.author.clone();
    if merged {
        (pull.state, pull.closed, pull.merge_commit) = (State::Merged, Some(now()), Some(to.clone()));
        pull.happened(id, &author, "MERGED", Map::new());
    } else if from != old.from.commit {
        let mut more = Map::new();
        more.insert("fromHash".to_owned(), json!(from));
        more.insert("previousFromHash".to_owned(), json!(old.from.commit));
        more.insert("toHash".to_owned(), json!(to));
        more.insert("previousToHash".to_owned(), json!(old.to.commit));
        pull.happened(id, &author, "RESCOPED", more);
    }
    (pull.from.commit, pull.to.commit) = (from, to);
    Ok(())
}
