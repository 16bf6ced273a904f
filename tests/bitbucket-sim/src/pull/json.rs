//! The shape of a pull request, which is more than the server's own document says.

use serde_json::{Value, json};

use super::{Outcome, Participant, Pull, Side, State, Status};
use crate::comment;
use crate::entity::{display, short_commit};
use crate::store::Store;

impl Store {
    /// A pull request with everything that the real server sends.
    pub(crate) fn pull_json(&self, pull: &Pull, viewer: Option<&str>) -> Value {
        let Some(repo) = self.repos.get(&pull.to.repo) else { return Value::Null };
        let of = |people: &[Participant], role| -> Vec<Value> {
            people.iter().map(|one| self.participant_json(one, role)).collect()
        };
        let mut json = json!({
            "id": pull.id, "version": pull.version, "title": pull.title, "state": pull.state.name(),
            "open": pull.state == State::Open, "closed": pull.state != State::Open, "locked": false,
            "createdDate": pull.created, "updatedDate": pull.updated,
            "fromRef": self.side_json(&pull.from, viewer), "toRef": self.side_json(&pull.to, viewer),
            "author": self.participant_json(&Participant::new(&pull.author), "AUTHOR"),
            "reviewers": of(&pull.reviewers, "REVIEWER"),
            "participants": of(&pull.participants, "PARTICIPANT"),
            "properties": properties(pull),
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

    /// Somebody in a role, with the status given.
    pub(crate) fn participant_json(&self, participant: &Participant, role: &str) -> Value {
        let mut json = json!({
            "user": self.user_json_by_name(&participant.user), "role": role,
            "status": participant.status.name(), "approved": participant.status == Status::Approved,
        });
        if let Some(commit) = &participant.last_reviewed {
            json["lastReviewedCommit"] = json!(commit);
        }
        json
    }
}

fn properties(pull: &Pull) -> Value {
    let seen = pull.comments.iter().filter(|comment| comment.state != comment::State::Pending).count();
    let mut json = json!({
        "mergeResult": {"outcome": pull.outcome.name(), "current": pull.outcome != Outcome::Unknown},
        "openTaskCount": pull.tasks(comment::State::Open),
        "resolvedTaskCount": pull.tasks(comment::State::Resolved),
        "commentCount": seen,
    });
    if let Some(commit) = &pull.merge_commit {
        json["mergeCommit"] = short_commit(commit);
    }
    json
}
