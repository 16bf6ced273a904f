//! Comments and tasks, on a pull request or a commit: what is kept of them, their shape, and their rules
//! (FACTS.md 4.1).

use http::StatusCode;
use serde_json::{Value, json};

use crate::refusal::{Refusal, api, bad_argument, conflict, forbidden, invalid, missing};
use crate::store::{RepoId, Store, now};

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
    pub(crate) state: State,
    pub(crate) thread_resolved: bool,
    /// Who resolved it, and when.
    pub(crate) resolved: Option<(String, i64)>,
    pub(crate) anchor: Option<Value>,
    /// The part of the diff that the anchor is in, as it was.
    pub(crate) diff: Option<Value>,
    /// Emoticons and who gave them.
    pub(crate) reactions: Vec<(String, String)>,
}

/// The state of a comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Open,
    /// A draft that only its author sees.
    Pending,
    Resolved,
}

impl State {
    /// As the interface writes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Pending => "PENDING",
            Self::Resolved => "RESOLVED",
        }
    }

    /// The state with this name.
    pub(crate) fn of(name: &str) -> Result<Self, Refusal> {
        let known =
            [Self::Open, Self::Pending, Self::Resolved].into_iter().find(|state| state.name() == name);
        known.ok_or_else(|| bad_argument(format!("'{name}' is not a state of a comment")).about("state"))
    }
}

impl Comment {
    /// A new comment as a body describes it; `text` alone is required.
    pub(crate) fn new(id: u64, user: &str, body: &Value) -> Result<Self, Refusal> {
        let text = text_of(body)?.ok_or_else(bad_text)?.to_owned();
        let at = now();
        let pending = body.get("state").and_then(Value::as_str) == Some(State::Pending.name());
        Ok(Self {
            id,
            parent: body.pointer("/parent/id").and_then(Value::as_u64),
            version: 0,
            text,
            author: user.to_owned(),
            created: at,
            updated: at,
            blocker: is_blocker(body)?.unwrap_or(false),
            state: if pending { State::Pending } else { State::Open },
            thread_resolved: false,
            resolved: None,
            anchor: None,
            diff: None,
            reactions: Vec::new(),
        })
    }

    /// Whether a user may see it.
    pub(crate) fn visible(&self, viewer: &str) -> bool {
        self.state != State::Pending || self.author == viewer
    }

    /// Whether it is a task in this state.
    pub(crate) fn is_task(&self, state: State) -> bool {
        self.blocker && self.state == state
    }

    fn expect_version(&self, version: Option<i64>) -> Result<(), Refusal> {
        if version.is_some() && version == i64::try_from(self.version).ok() {
            return Ok(());
        }
        let message = "You are attempting to modify a comment based on out-of-date information.";
        Err(api(StatusCode::CONFLICT, "comment.CommentOutOfDateException", message))
    }
}

/// The comment with this number among some, for whom may see it.
pub(crate) fn find<'a>(
    comments: &'a mut [Comment],
    id: &str,
    viewer: &str,
) -> Result<&'a mut Comment, Refusal> {
    let number: Option<u64> = id.parse().ok();
    comments
        .iter_mut()
        .find(|comment| Some(comment.id) == number && comment.visible(viewer))
        .ok_or_else(|| missing("comment.NoSuchCommentException", format!("Comment {id} does not exist.")))
}

/// Changes a comment as a body says; `threads` tells whether the release knows `threadResolved`.
pub(crate) fn edit(comment: &mut Comment, body: &Value, user: &str, threads: bool) -> Result<(), Refusal> {
    let (text, blocker) = (text_of(body)?, is_blocker(body)?);
    let state = body.get("state").and_then(Value::as_str).map(State::of).transpose()?;
    comment.expect_version(body.get("version").and_then(Value::as_i64))?;
    if text.is_some_and(|text| text != comment.text) && comment.author != user {
        return Err(forbidden());
    }
    if let Some(text) = text {
        comment.text = text.to_owned();
    }
    comment.blocker = blocker.unwrap_or(comment.blocker);
    // Releases without it ignore it in silence.
    let resolved = body.get("threadResolved").and_then(Value::as_bool).filter(|_| threads);
    comment.thread_resolved = resolved.unwrap_or(comment.thread_resolved);
    // A draft is published by its review only.
    comment.state = match state {
        Some(state) if comment.state != State::Pending && state != State::Pending => state,
        _ => comment.state,
    };
    let done = comment.state == State::Resolved || comment.thread_resolved;
    comment.resolved =
        if done { comment.resolved.take().or_else(|| Some((user.to_owned(), now()))) } else { None };
    comment.version += 1;
    comment.updated = now();
    Ok(())
}

/// Takes a comment away; one with replies stays.
pub(crate) fn remove(
    comments: &mut Vec<Comment>,
    id: &str,
    version: Option<i64>,
    user: &str,
) -> Result<Comment, Refusal> {
    let comment = find(comments, id, user)?.clone();
    comment.expect_version(version)?;
    if comments.iter().any(|other| other.parent == Some(comment.id)) {
        let message = "This comment has replies which must be deleted first.";
        return Err(conflict("comment.CommentDeletionException", message));
    }
    comments.retain(|other| other.id != comment.id);
    Ok(comment)
}

/// The text of a body, where there is one; too long or empty is a refusal.
fn text_of(body: &Value) -> Result<Option<&str>, Refusal> {
    match body.get("text") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if !text.trim().is_empty() && text.chars().count() <= LONGEST_TEXT => {
            Ok(Some(text))
        }
        Some(_) => Err(bad_text()),
    }
}

fn bad_text() -> Refusal {
    invalid("text", "Please enter a non-empty value less than 32768 characters")
}

fn is_blocker(body: &Value) -> Result<Option<bool>, Refusal> {
    match body.get("severity").and_then(Value::as_str) {
        None => Ok(None),
        Some("BLOCKER") => Ok(Some(true)),
        Some("NORMAL") => Ok(Some(false)),
        Some(other) => Err(bad_argument(format!("'{other}' is not a severity")).about("severity")),
    }
}

impl Store {
    /// A comment with its replies, as deep as they go, as far as the viewer may see them.
    pub(crate) fn comment_json(
        &self,
        repo: RepoId,
        all: &[Comment],
        comment: &Comment,
        viewer: &str,
    ) -> Value {
        let replies = all.iter().filter(|other| other.parent == Some(comment.id) && other.visible(viewer));
        let replies: Vec<Value> = replies.map(|reply| self.comment_json(repo, all, reply, viewer)).collect();
        let mut json = json!({
            "properties": {"repositoryId": repo}, "id": comment.id, "version": comment.version, "text": comment.text,
            "author": self.user_json_by_name(&comment.author), "createdDate": comment.created,
            "updatedDate": comment.updated, "state": comment.state.name(),
            "severity": if comment.blocker { "BLOCKER" } else { "NORMAL" },
            "permittedOperations": {"editable": true, "transitionable": true, "deletable": replies.is_empty()},
        });
        json["comments"] = Value::Array(replies);
        if self.version.has_resolved_threads() {
            json["threadResolved"] = json!(comment.thread_resolved);
        } else {
            json["tasks"] = json!([]);
        }
        if let Some((user, at)) = &comment.resolved {
            let (who, when) = if comment.state == State::Resolved {
                ("resolver", "resolvedDate")
            } else {
                ("threadResolver", "threadResolvedDate")
            };
            json[who] = self.user_json_by_name(user);
            json[when] = json!(at);
        }
        if let Some(anchor) = &comment.anchor {
            json["anchor"] = anchor.clone();
        }
        if !comment.reactions.is_empty() {
            json["properties"]["reactions"] = self.reactions_json(comment);
        }
        json
    }

    fn reactions_json(&self, comment: &Comment) -> Value {
        let mut kinds: Vec<&str> = comment.reactions.iter().map(|(kind, _)| kind.as_str()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let users = |kind: &str| -> Vec<Value> {
            let of = comment.reactions.iter().filter(|(other, _)| other == kind);
            of.map(|(_, user)| self.user_json_by_name(user)).collect()
        };
        let one = |kind: &&str| json!({"emoticon": self.emoticon_json(kind), "users": users(kind)});
        kinds.iter().map(one).collect()
    }

    /// An emoticon by its shortcut.
    pub(crate) fn emoticon_json(&self, shortcut: &str) -> Value {
        json!({"shortcut": shortcut, "url": format!("{}/s/emoticons/{shortcut}.svg", self.base), "value": shortcut})
    }
}

/// Characters of a comment.
const LONGEST_TEXT: usize = 32_767;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_a_text_is_in_characters() {
        assert!(Comment::new(1, "alice", &json!({"text": "ü".repeat(LONGEST_TEXT)})).is_ok());
        assert!(Comment::new(1, "alice", &json!({"text": "x".repeat(LONGEST_TEXT + 1)})).is_err());
        assert!(Comment::new(1, "alice", &json!({"text": " "})).is_err());
        assert!(Comment::new(1, "alice", &json!({})).is_err());
    }

    #[test]
    fn only_the_author_rewrites_but_anybody_resolves() {
        let mut comment = Comment::new(1, "alice", &json!({"text": "a", "severity": "BLOCKER"})).unwrap();
        assert!(edit(&mut comment, &json!({"version": 0, "text": "b"}), "bob", true).is_err());
        edit(&mut comment, &json!({"version": 0, "state": "RESOLVED"}), "bob", true).unwrap();
        assert_eq!((comment.state, comment.version), (State::Resolved, 1));
        assert_eq!(comment.resolved.as_ref().map(|(user, _)| user.as_str()), Some("bob"));
    }

    #[test]
    fn an_old_release_ignores_thread_resolved_but_moves_the_version() {
        let mut comment = Comment::new(1, "alice", &json!({"text": "a"})).unwrap();
        edit(&mut comment, &json!({"version": 0, "threadResolved": true}), "alice", false).unwrap();
        assert_eq!((comment.thread_resolved, comment.version), (false, 1));
    }

    #[test]
    fn a_draft_stays_one_until_its_review() {
        let mut comment = Comment::new(1, "alice", &json!({"text": "a", "state": "PENDING"})).unwrap();
        edit(&mut comment, &json!({"version": 0, "state": "OPEN"}), "alice", true).unwrap();
        assert_eq!((comment.state, comment.visible("bob")), (State::Pending, false));
    }
}
