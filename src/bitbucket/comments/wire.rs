//! A comment as Bitbucket writes it (FACTS 4.1).

use serde::Deserialize;
use serde_json::Value;

use crate::bitbucket::users;
use crate::bitbucket::wire::{lenient, number, small, text, truth};
use crate::proto::scm::v1 as pb;

/// A comment with its replies.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::bitbucket) struct Wire {
    #[serde(default, deserialize_with = "number")]
    id: i64,
    #[serde(default, deserialize_with = "small")]
    version: i32,
    #[serde(default, deserialize_with = "text")]
    text: String,
    #[serde(default, deserialize_with = "lenient")]
    author: Option<users::Wire>,
    #[serde(default, deserialize_with = "number")]
    created_date: i64,
    #[serde(default, deserialize_with = "number")]
    updated_date: i64,
    #[serde(default, deserialize_with = "text")]
    severity: String,
    #[serde(default, deserialize_with = "text")]
    state: String,
    #[serde(default, deserialize_with = "truth")]
    thread_resolved: bool,
    #[serde(default, deserialize_with = "lenient")]
    parent: Option<WireParent>,
    #[serde(default, deserialize_with = "lenient")]
    anchor: Option<WireAnchor>,
    // Not lenient, since one odd reply must not hide the others: every member of it is lenient already.
    #[serde(default)]
    comments: Option<Vec<Wire>>,
}

#[derive(Debug, Default, Deserialize)]
struct WireParent {
    #[serde(default, deserialize_with = "number")]
    id: i64,
}

/// Where a comment stands; in an activity it is beside the comment.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::bitbucket) struct WireAnchor {
    #[serde(default)]
    path: Value,
    #[serde(default)]
    src_path: Value,
    #[serde(default, deserialize_with = "small")]
    line: i32,
    #[serde(default, deserialize_with = "text")]
    line_type: String,
    #[serde(default, deserialize_with = "text")]
    file_type: String,
    #[serde(default, deserialize_with = "text")]
    diff_type: String,
    #[serde(default, deserialize_with = "text")]
    from_hash: String,
    #[serde(default, deserialize_with = "text")]
    to_hash: String,
    #[serde(default, deserialize_with = "lenient")]
    multiline_marker: Option<Marker>,
    #[serde(default, deserialize_with = "truth")]
    orphaned: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Marker {
    #[serde(default, deserialize_with = "small")]
    start_line: i32,
    #[serde(default, deserialize_with = "text")]
    start_line_type: String,
}

impl Wire {
    /// With the anchor that stands beside the comment, where the comment itself names none.
    pub(in crate::bitbucket) fn at(self, anchor: Option<WireAnchor>) -> Self {
        Self { anchor: self.anchor.or(anchor), ..self }
    }
}

impl From<Wire> for pb::Comment {
    fn from(wire: Wire) -> Self {
        let kind = match wire.severity.as_str() {
            "BLOCKER" => pb::CommentKind::Task,
            _ => pb::CommentKind::Unspecified,
        };
        let mut replies: Vec<Self> = wire.comments.unwrap_or_default().into_iter().map(Into::into).collect();
        for reply in &mut replies {
            // Not every version says it with the reply: where it is written tells.
            below(wire.id, reply);
        }
        replies.sort_by_key(|reply| (reply.created_ms, reply.id));
        let mut comment = Self {
            id: wire.id,
            version: wire.version,
            text: wire.text,
            author: wire.author.map(Into::into),
            created_ms: wire.created_date,
            kind: kind.into(),
            updated_ms: wire.updated_date,
            parent_id: 0,
            replies,
            // A task is open until it is resolved itself, whatever its thread is.
            resolved: wire.state == "RESOLVED" || (wire.thread_resolved && kind != pb::CommentKind::Task),
            orphaned: wire.anchor.as_ref().is_some_and(|anchor| anchor.orphaned),
            anchor: wire.anchor.map(Into::into),
        };
        if let Some(parent) = wire.parent.filter(|parent| parent.id != 0) {
            below(parent.id, &mut comment);
        }
        comment
    }
}

/// Makes a comment a reply to `parent`. It stands where its thread does and nowhere by itself, whatever Bitbucket writes
/// down for it.
pub(super) fn below(parent: i64, reply: &mut pb::Comment) {
    reply.parent_id = parent;
    reply.anchor = None;
    reply.orphaned = false;
}

impl From<WireAnchor> for pb::Anchor {
    fn from(wire: WireAnchor) -> Self {
        let side = match wire.file_type.as_str() {
            "FROM" => pb::DiffSide::From,
            "TO" => pb::DiffSide::To,
            _ => pb::DiffSide::Unspecified,
        };
        let diff = match wire.diff_type.as_str() {
            "COMMIT" => pb::AnchorDiff::Commit,
            "RANGE" => pb::AnchorDiff::Range,
            _ => pb::AnchorDiff::Unspecified,
        };
        // An effective diff has hashes on the wire too, which move with the branches.
        let (from_commit_id, to_commit_id) = match diff {
            pb::AnchorDiff::Unspecified => Default::default(),
            pb::AnchorDiff::Commit | pb::AnchorDiff::Range => (wire.from_hash, wire.to_hash),
        };
        let Marker { start_line, start_line_type } = wire.multiline_marker.unwrap_or_default();
        Self {
            path: path(&wire.path),
            src_path: path(&wire.src_path),
            line: wire.line,
            line_type: line_type(&wire.line_type).into(),
            side: side.into(),
            diff: diff.into(),
            from_commit_id,
            to_commit_id,
            start_line,
            start_line_type: line_type(&start_line_type).into(),
        }
    }
}

fn line_type(word: &str) -> pb::LineType {
    match word {
        "ADDED" => pb::LineType::Added,
        "REMOVED" => pb::LineType::Removed,
        "CONTEXT" => pb::LineType::Context,
        _ => pb::LineType::Unspecified,
    }
}

/// A path is a text on the wire, although the official document says that it is an object (FACTS 9).
fn path(value: &Value) -> String {
    value.as_str().or_else(|| value.get("toString")?.as_str()).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> pb::Comment {
        serde_json::from_str::<Wire>(json).expect("tolerated").into()
    }

    #[test]
    fn a_thread_is_read_with_its_replies_the_oldest_first() {
        let thread = read(
            r#"{"id":1,"text":"a","createdDate":5,"updatedDate":9,"threadResolved":true,"comments":[
                {"id":3,"text":"c","createdDate":8,"severity":"BLOCKER","state":"RESOLVED","comments":null},
                {"id":2,"text":"b","createdDate":7,"comments":[{"id":4,"text":"d","author":null}]}]}"#,
        );
        assert!((thread.resolved, thread.updated_ms, thread.parent_id) == (true, 9, 0));
        let replies: Vec<_> = thread.replies.iter().map(|reply| (reply.id, reply.parent_id)).collect();
        assert_eq!(replies, [(2, 1), (3, 1)]);
        assert_eq!(thread.replies[0].replies[0].parent_id, 2);
        assert!(thread.replies[1].resolved && !thread.replies[0].resolved);
    }

    #[test]
    fn hashes_belong_to_a_commit_or_a_range_only() {
        let anchor = |kind: &str| {
            let json = format!(
                r#"{{"id":1,"anchor":{{"path":"a","line":4,"lineType":"CONTEXT","fileType":"FROM","orphaned":true,
                "diffType":"{kind}","fromHash":"f","toHash":"t",
                "multilineMarker":{{"startLine":2,"startLineType":"REMOVED"}}}}}}"#
            );
            let comment = read(&json);
            assert!(comment.orphaned);
            comment.anchor.expect("an anchor")
        };
        let effective = anchor("EFFECTIVE");
        assert_eq!((effective.from_commit_id.as_str(), effective.side()), ("", pb::DiffSide::From));
        assert_eq!((effective.start_line, effective.start_line_type()), (2, pb::LineType::Removed));
        let range = anchor("RANGE");
        assert_eq!((range.from_commit_id.as_str(), range.diff()), ("f", pb::AnchorDiff::Range));
    }

    #[test]
    fn a_reply_stands_nowhere_by_itself_whatever_is_written_down_for_it() {
        let anchor = r#""anchor":{"path":"a","line":4,"orphaned":true}"#;
        let thread = read(&format!(r#"{{"id":1,{anchor},"comments":[{{"id":2,{anchor}}}]}}"#));
        let reply = &thread.replies[0];
        assert!(thread.anchor.is_some() && thread.orphaned);
        assert_eq!((reply.parent_id, reply.anchor.as_ref(), reply.orphaned), (1, None, false));
        let alone = read(&format!(r#"{{"id":2,{anchor},"parent":{{"id":1}}}}"#));
        assert_eq!((alone.parent_id, alone.anchor, alone.orphaned), (1, None, false));
    }
}
