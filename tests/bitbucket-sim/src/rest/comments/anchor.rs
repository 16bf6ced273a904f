//! Where a comment is in a diff.

use serde_json::{Value, json};

use super::super::commit_named;
use super::super::diff::{CONTEXT, hunk_json, kind_name};
use super::super::pulls::span;
use crate::call::Call;
use crate::entity::path_json;
use crate::git::{FileDiff, LineKind};
use crate::pull::Pull;
use crate::refusal::{Refusal, bad_argument};

/// An anchor as it is kept: checked against the real diff, with what was left out filled in; and the part of the diff
/// that it is in.
pub(in super::super) async fn placed(
    call: &Call,
    pull: &Pull,
    anchor: &Value,
) -> Result<(Value, Option<Value>), Refusal> {
    let text = |name: &str| anchor.get(name).and_then(Value::as_str);
    let path = text("path").ok_or_else(|| bad_argument("The path of an anchor is a string").about("path"))?;
    let (git, mut from, mut to) = span(call, pull).await?;
    let kind = text("diffType").unwrap_or("EFFECTIVE");
    if !matches!(kind, "EFFECTIVE" | "COMMIT" | "RANGE") {
        return Err(bad_argument(format!("'{kind}' is not a diffType")).about("diffType"));
    }
    if kind != "EFFECTIVE" {
        let (Some(older), Some(newer)) = (text("fromHash"), text("toHash")) else {
            return Err(bad_argument("fromHash and toHash are required for this diffType"));
        };
        for id in [older, newer] {
            commit_named(call.repo()?, &git, id).await?;
        }
        (from, to) = (older.to_owned(), newer.to_owned());
    }
    let diffs = git.diff(&from, &to, Some(path), CONTEXT).await?;
    let multiline = call.app.config.version.has_multiline_anchors();
    within(&diffs, anchor, &Frame { path, from: &from, to: &to, kind, multiline })
}

/// What an anchor is about.
pub(in super::super) struct Frame<'a> {
    pub(in super::super) path: &'a str,
    pub(in super::super) from: &'a str,
    pub(in super::super) to: &'a str,
    pub(in super::super) kind: &'a str,
    /// Whether the release knows anchors over several lines; others ignore the member.
    pub(in super::super) multiline: bool,
}

/// Finds an anchor in the diff of its path.
pub(in super::super) fn within(
    diffs: &[FileDiff],
    anchor: &Value,
    frame: &Frame<'_>,
) -> Result<(Value, Option<Value>), Refusal> {
    let Frame { path, from, to, kind, multiline } = *frame;
    let diff = diffs.iter().find(|diff| diff.change.path == path).or_else(|| diffs.first());
    let diff = diff.ok_or_else(|| {
        bad_argument(format!("The path \"{path}\" is not part of the changes")).about("path")
    })?;
    let mut kept = json!({"fromHash": from, "toHash": to, "path": path, "diffType": kind, "orphaned": false});
    if let Some(from) = &diff.change.from_path {
        kept["srcPath"] = json!(from);
    }
    let Some(line) = anchor.get("line").and_then(Value::as_u64) else { return Ok((kept, None)) };
    let text = |name: &str| anchor.get(name).and_then(Value::as_str);
    let (line_type, default_side) = line_type(text("lineType").unwrap_or("CONTEXT"))?;
    let side = text("fileType").unwrap_or(default_side);
    let fits = matches!((line_type, side), (LineKind::Context, "FROM" | "TO")) || side == default_side;
    if !fits || !diff.shows(line, line_type, side == "TO") {
        let message =
            format!("Line {line} of \"{path}\" is not shown as {} by the diff", kind_name(line_type));
        return Err(bad_argument(message).about("line"));
    }
    kept["line"] = json!(line);
    kept["lineType"] = json!(kind_name(line_type));
    kept["fileType"] = json!(side);
    if let Some(marker) = anchor.get("multilineMarker").filter(|marker| multiline && !marker.is_null()) {
        kept["multilineMarker"] = marked(diff, marker, path)?;
    }
    Ok((kept, excerpt(diff, frame, line, side == "TO")))
}

fn line_type(name: &str) -> Result<(LineKind, &'static str), Refusal> {
    match name {
        "ADDED" => Ok((LineKind::Added, "TO")),
        "REMOVED" => Ok((LineKind::Removed, "FROM")),
        "CONTEXT" => Ok((LineKind::Context, "FROM")),
        other => Err(bad_argument(format!("'{other}' is not a lineType")).about("lineType")),
    }
}

/// Where an anchor over several lines begins.
fn marked(diff: &FileDiff, marker: &Value, path: &str) -> Result<Value, Refusal> {
    let start = marker.get("startLine").and_then(Value::as_u64);
    let (kind, _) = line_type(marker.get("startLineType").and_then(Value::as_str).unwrap_or("CONTEXT"))?;
    let shown = |line: u64| diff.shows(line, kind, true) || diff.shows(line, kind, false);
    match start {
        Some(start) if shown(start) => Ok(json!({"startLine": start, "startLineType": kind_name(kind)})),
        _ => {
            let message = format!("The multilineMarker of \"{path}\" is not in the diff");
            Err(bad_argument(message).about("multilineMarker"))
        }
    }
}

/// The hunk around a line, as the activities show it.
fn excerpt(diff: &FileDiff, frame: &Frame<'_>, line: u64, new: bool) -> Option<Value> {
    let hunk = diff.hunks.iter().find(|hunk| {
        hunk.lines.iter().any(|shown| (if new { shown.destination } else { shown.source }) == line)
    })?;
    let source = diff.change.from_path.as_ref().unwrap_or(&diff.change.path);
    Some(json!({
        "source": if diff.change.status == 'A' { Value::Null } else { path_json(source) },
        "destination": if diff.change.status == 'D' { Value::Null } else { path_json(&diff.change.path) },
        "hunks": [hunk_json(hunk, usize::MAX).0], "truncated": false,
        "properties": {"current": true, "fromHash": frame.from, "toHash": frame.to},
    }))
}
