//! Which command an endpoint's answers are replayed by, and where their members must arrive.

use super::members::{Members, NONE};
use super::recording::Recording;

/// A command, asked while the server answers one of its requests from a recording.
pub(super) struct Replayed {
    /// `Service/Command`.
    pub(super) name: &'static str,
    /// Its request, in the JSON form of its message.
    pub(super) request: &'static str,
    /// The method of the request that is answered from the recording.
    pub(super) method: &'static str,
    /// Whether a path is that request's; for the recordings' endpoints and for our own requests.
    pub(super) is_it: fn(&str) -> bool,
    /// Where the entity stands in the recorded answer, and in the message.
    pub(super) from: &'static str,
    pub(super) to: &'static str,
    /// What of it must arrive.
    pub(super) members: Members,
}

impl Replayed {
    pub(super) fn is_of(&self, recording: &Recording) -> bool {
        self.method == recording.method && (self.is_it)(&recording.endpoint)
    }
}

/// The command for a refusal at an endpoint that no command uses: one that reads, or one that writes.
pub(super) fn any(recording: &Recording) -> &'static Replayed {
    if recording.method == "GET" {
        &ANY_READ
    } else if recording.method == "PUT" {
        &ANY_PUT
    } else if recording.method == "DELETE" {
        &ANY_DELETE
    } else {
        &ANY_POST
    }
}

/// A command of which only the failure counts.
const fn only(name: &'static str, request: &'static str, method: &'static str) -> Replayed {
    Replayed { name, request, method, is_it: |_| true, from: "", to: "", members: NONE }
}

const ANY_READ: Replayed = only("Repos/GetRepo", r#"{"repo": {"project": "SHOP", "slug": "web"}}"#, "GET");
const ANY_POST: Replayed = only(
    "Refs/CreateBranch",
    r#"{"repo": {"project": "SHOP", "slug": "web"}, "name": "x", "start_point": "y"}"#,
    "POST",
);
const ANY_PUT: Replayed = only(
    "Files/EditFile",
    r#"{"repo": {"project": "SHOP", "slug": "web"}, "branch": "x", "path": "y", "message": "M"}"#,
    "PUT",
);
const ANY_DELETE: Replayed =
    only("Refs/DeleteBranch", r#"{"repo": {"project": "SHOP", "slug": "web"}, "name": "x"}"#, "DELETE");

/// Whether a method and a path are the request's.
type IsIt = fn(&str, &str) -> bool;

/// What the server says to a request that no recording answers.
pub(super) const AUXILIARY: &[(IsIt, &str)] = &[
    (
        |_, path| path.ends_with("/application-properties"),
        r#"{"version":"9.4.22","displayName":"Bitbucket"}"#,
    ),
    (|_, path| path.ends_with("/merge"), r#"{"canMerge":true,"outcome":"CLEAN"}"#),
    (
        |_, path| below(path, "/pull-requests/").is_some_and(|id| !id.contains('/')),
        r#"{"id":1,"version":3,"state":"OPEN","title":"T","fromRef":{"id":"refs/heads/x","latestCommit":"0123456789012345678901234567890123456789","repository":{"slug":"web","id":1,"project":{"key":"SHOP"}}},"toRef":{"id":"refs/heads/y","repository":{"slug":"web","id":1,"project":{"key":"SHOP"}}}}"#,
    ),
    (|_, path| below(path, "/comments/").is_some(), r#"{"id":7,"version":1,"text":"T"}"#),
    (
        |_, path| below(path, "/commits/").is_some_and(|id| !id.contains('/')) && path.contains("/repos/"),
        r#"{"id":"0123456789012345678901234567890123456789"}"#,
    ),
    (|_, path| path.ends_with("/users"), r#"{"isLastPage":true,"values":[{"name":"alice","slug":"alice"}]}"#),
    (|_, path| path.ends_with("/repos/web"), r#"{"id":1,"slug":"web","project":{"key":"SHOP"}}"#),
];

/// What follows a part of the path.
pub(super) fn below<'a>(path: &'a str, part: &str) -> Option<&'a str> {
    path.split_once(part).map(|(_, rest)| rest).filter(|rest| !rest.is_empty())
}

/// Whether a path is one of a repository that ends so.
pub(super) fn of_repo(path: &str, tail: &str) -> bool {
    let rest = below(path, "/repos/").and_then(|rest| rest.split_once('/'));
    rest.is_some_and(|(_, rest)| format!("/{rest}") == tail)
}

/// Whether a path is one of a pull request that ends so.
pub(super) fn of_pr(path: &str, tail: &str) -> bool {
    let rest = below(path, "/pull-requests/").map(|rest| rest.split_once('/').map_or("", |(_, rest)| rest));
    rest.is_some_and(|rest| rest == tail.trim_start_matches('/'))
}

pub(super) fn of_commit(path: &str, tail: &str) -> bool {
    let rest = below(path, "/commits/").filter(|_| path.contains("/repos/"));
    rest.map(|rest| rest.split_once('/').map_or("", |(_, rest)| rest)).is_some_and(|rest| rest == tail)
}

/// Whether a path is a repository's own.
pub(super) fn of_repo_itself(path: &str) -> bool {
    below(path, "/repos/").is_some_and(|rest| !rest.contains('/'))
}
