//! Which files changed, as Bitbucket lists them.

use serde::Deserialize;

use crate::bitbucket::Error;
use crate::bitbucket::reply::Reply;
use crate::bitbucket::wire::{lenient, text, truth_or};
use crate::proto::scm::v1 as pb;

/// The files that changed between two commits.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// The older side's commit; empty where Bitbucket does not say.
    pub(super) from: String,
    /// The newer side's commit; empty where Bitbucket does not say.
    pub(super) to: String,
    /// The files.
    pub(super) changes: Vec<pb::Change>,
    /// Whether Bitbucket has more than it lists.
    pub(super) truncated: bool,
}

/// Reads the one page that there is: `start` is ignored, and what is beyond the limit is not told (FACTS 4).
pub(super) fn reply(reply: &Reply) -> Result<Changes, Error> {
    let page: Page = reply.json()?;
    Ok(Changes {
        from: page.from_hash,
        to: page.to_hash,
        changes: page.values.into_iter().map(Into::into).collect(),
        truncated: !page.is_last_page,
    })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    #[serde(default, deserialize_with = "text")]
    from_hash: String,
    #[serde(default, deserialize_with = "text")]
    to_hash: String,
    #[serde(default)]
    values: Vec<Wire>,
    #[serde(default = "last", deserialize_with = "truth_or::<_, true>")]
    is_last_page: bool,
}

fn last() -> bool {
    true
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    #[serde(default, deserialize_with = "lenient")]
    path: Path,
    #[serde(default, deserialize_with = "lenient")]
    src_path: Path,
    #[serde(default, rename = "type", deserialize_with = "text")]
    kind: String,
    #[serde(default, deserialize_with = "text")]
    node_type: String,
}

/// A path, of which Bitbucket sends every part and the whole.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Path {
    #[serde(default, rename = "toString", deserialize_with = "text")]
    pub(super) whole: String,
}

impl From<Wire> for pb::Change {
    fn from(wire: Wire) -> Self {
        let kind = match wire.kind.as_str() {
            "ADD" => pb::ChangeType::Added,
            "MODIFY" => pb::ChangeType::Modified,
            "DELETE" => pb::ChangeType::Deleted,
            "MOVE" => pb::ChangeType::Moved,
            "COPY" => pb::ChangeType::Copied,
            _ => pb::ChangeType::Unspecified,
        };
        let (path, src_path) = (wire.path.whole, wire.src_path.whole);
        let node_type = node_type(&wire.node_type).into();
        Self { path, r#type: kind.into(), src_path, node_type }
    }
}

/// What a path leads to.
pub(super) fn node_type(word: &str) -> pb::NodeType {
    match word {
        "FILE" => pb::NodeType::File,
        "DIRECTORY" => pb::NodeType::Directory,
        "SUBMODULE" => pb::NodeType::Submodule,
        _ => pb::NodeType::Unspecified,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_move_names_both_paths_and_a_page_that_is_not_the_last_is_truncated() {
        let json = r#"{"fromHash":"aa","toHash":"bb","isLastPage":false,"values":[
            {"path":{"components":["b"],"toString":"b"},"srcPath":{"toString":"a"},"type":"MOVE","nodeType":"FILE"},
            {"path":{"toString":"c"},"type":"RESHAPE"}]}"#;
        let found = reply(&Reply::of(200, json)).expect("changes");
        assert_eq!((found.from.as_str(), found.to.as_str(), found.truncated), ("aa", "bb", true));
        let [moved, odd] = found.changes.as_slice() else { panic!("{found:?}") };
        assert_eq!((moved.path.as_str(), moved.src_path.as_str()), ("b", "a"));
        assert_eq!((moved.r#type(), moved.node_type()), (pb::ChangeType::Moved, pb::NodeType::File));
        assert_eq!((odd.r#type(), odd.node_type()), (pb::ChangeType::Unspecified, pb::NodeType::Unspecified));
    }

    #[test]
    fn a_first_commit_has_no_older_side() {
        let found =
            reply(&Reply::of(200, r#"{"fromHash":null,"toHash":"bb","values":[],"isLastPage":true}"#));
        let found = found.expect("changes");
        assert_eq!((found.from.as_str(), found.truncated), ("", false));
    }
}
