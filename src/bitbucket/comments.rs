//! Comments on pull requests, as Bitbucket writes them; each command has a file of its own.

mod change;
mod list;
mod post;

use serde::Deserialize;
use serde_json::Value;

use crate::bitbucket::reply::Reply;
use crate::bitbucket::wire::{lenient, number as read_number, small, text};
use crate::bitbucket::{Error, users};
use crate::proto::scm::v1 as pb;

fn reply(reply: &Reply) -> Result<pb::Comment, Error> {
    reply.json::<Wire>().map(Into::into)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Wire {
    #[serde(default, deserialize_with = "read_number")]
    id: i64,
    #[serde(default, deserialize_with = "small")]
    version: i32,
    #[serde(default, deserialize_with = "text")]
    text: String,
    #[serde(default, deserialize_with = "lenient")]
    author: Option<users::Wire>,
    #[serde(default, deserialize_with = "read_number")]
    created_date: i64,
    #[serde(default, deserialize_with = "text")]
    severity: String,
    #[serde(default, deserialize_with = "lenient")]
    anchor: Option<WireAnchor>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireAnchor {
    #[serde(default)]
    path: Value,
    #[serde(default)]
    src_path: Value,
    #[serde(default, deserialize_with = "small")]
    line: i32,
    #[serde(default, deserialize_with = "text")]
    line_type: String,
}

impl From<Wire> for pb::Comment {
    fn from(wire: Wire) -> Self {
        let kind = match wire.severity.as_str() {
            "BLOCKER" => pb::CommentKind::Task,
            _ => pb::CommentKind::Unspecified,
        };
        Self {
            id: wire.id,
            version: wire.version,
            text: wire.text,
            author: wire.author.map(Into::into),
            created_ms: wire.created_date,
            kind: kind.into(),
            anchor: wire.anchor.map(Into::into),
            ..Default::default()
        }
    }
}

impl From<WireAnchor> for pb::Anchor {
    fn from(wire: WireAnchor) -> Self {
        let line_type = match wire.line_type.as_str() {
            "ADDED" => pb::LineType::Added,
            "REMOVED" => pb::LineType::Removed,
            "CONTEXT" => pb::LineType::Context,
            _ => pb::LineType::Unspecified,
        };
        Self {
            path: path(&wire.path),
            src_path: path(&wire.src_path),
            line: wire.line,
            line_type: line_type.into(),
            ..Default::default()
        }
    }
}

/// A path is a text on the wire, although the official document says that it is an object (FACTS 9).
fn path(value: &Value) -> String {
    value.as_str().or_else(|| value.get("toString")?.as_str()).unwrap_or_default().to_owned()
}
