//! A commit as Bitbucket writes it.

use serde::Deserialize;

use crate::bitbucket::users;
use crate::bitbucket::wire::{lenient, number, text};
use crate::proto::scm::v1 as pb;

/// See the module. The author of an unknown e-mail has a name and the e-mail only (FACTS 3).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::bitbucket) struct Wire {
    #[serde(default, deserialize_with = "text")]
    id: String,
    #[serde(default, deserialize_with = "text")]
    message: String,
    #[serde(default, deserialize_with = "lenient")]
    author: Option<users::Wire>,
    #[serde(default, deserialize_with = "number")]
    author_timestamp: i64,
    #[serde(default, deserialize_with = "lenient")]
    committer: Option<users::Wire>,
    #[serde(default, deserialize_with = "number")]
    committer_timestamp: i64,
    #[serde(default, deserialize_with = "lenient")]
    parents: Vec<Parent>,
}

#[derive(Debug, Default, Deserialize)]
struct Parent {
    #[serde(default, deserialize_with = "text")]
    id: String,
}

impl From<Wire> for pb::Commit {
    fn from(wire: Wire) -> Self {
        Self {
            id: wire.id,
            message: wire.message,
            author: wire.author.map(users::Wire::with_email),
            authored_ms: wire.author_timestamp,
            parent_ids: wire.parents.into_iter().map(|parent| parent.id).collect(),
            committer: wire.committer.map(users::Wire::with_email),
            committed_ms: wire.committer_timestamp,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitbucket::reply::Reply;

    #[test]
    fn author_and_committer_keep_their_addresses() {
        let json = r#"{"id":"aa","message":"M","author":{"name":"Jane","emailAddress":"jane@example.com"},
            "authorTimestamp":1530720102000,"committer":{"name":"bob","displayName":"Bob","slug":"bob"},
            "committerTimestamp":1530720103000,"parents":[{"id":"bb"},{"id":"cc"}]}"#;
        let commit: pb::Commit = Reply::of(200, json).json::<Wire>().expect("a commit").into();
        assert_eq!(commit.author.expect("named").email, "jane@example.com");
        assert_eq!(commit.committer.expect("named").display_name, "Bob");
        assert_eq!((commit.committed_ms, commit.parent_ids.len()), (1_530_720_103_000, 2));
    }
}
