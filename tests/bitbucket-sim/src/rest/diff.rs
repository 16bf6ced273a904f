//! The shapes of changes and diffs, which several resources share.

use http::{HeaderValue, Response, header};
use serde_json::{Value, json};

use super::clean_path;
use crate::body::{Body, full};
use crate::call::{Answer, Call, ok};
use crate::entity::path_json;
use crate::git::{Change, FileDiff, Hunk, Line, LineKind};

/// The diff from one commit to another, below the path in the address: JSON, or unified text for `Accept: text/plain`.
pub(super) async fn answer(call: &Call, from: &str, to: &str) -> Answer {
    let (git, path) = (call.git()?, clean_path(call)?);
    let path = Some(path.as_str()).filter(|path| !path.is_empty());
    let context = call.query.get("contextLines").and_then(|text| text.parse().ok()).unwrap_or(CONTEXT);
    let mut options = vec![format!("-U{context}")];
    let whitespace = call.query.get("whitespace").unwrap_or("SHOW");
    if whitespace.eq_ignore_ascii_case("ignore-all") || whitespace.eq_ignore_ascii_case("IGNORE_ALL") {
        options.push("--ignore-all-space".to_owned());
    }
    let wants_text =
        call.headers.get(header::ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"text/plain"));
    if wants_text {
        let mut args = vec!["diff".to_owned(), "-M".to_owned()];
        args.extend(options);
        args.extend([from, to, "--"].map(str::to_owned));
        args.extend(path.map(|path| format!(":(literal){path}")));
        return Ok(text(git.run(args).await?));
    }
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let diffs = git.diff_as(from, to, path, &options).await?;
    let mut room = Room { lines: call.app.knobs.most_diff_lines(), cut: false };
    let shown: Vec<Value> = diffs.iter().map(|diff| room.file_json(diff)).collect();
    ok(&json!({
        "fromHash": from, "toHash": to, "contextLines": context, "whitespace": whitespace.to_uppercase(),
        "diffs": shown, "truncated": room.cut,
    }))
}

/// An answer of text.
pub(super) fn text(bytes: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(full(bytes));
    let kind = HeaderValue::from_static("text/plain;charset=UTF-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// One changed path of a list of changes.
pub(super) fn change_json(change: &Change, link: bool) -> Value {
    let (kind, git_kind) = match change.status {
        'A' => ("ADD", "ADD"),
        'D' => ("DELETE", "DELETE"),
        'R' => ("MOVE", "RENAME"),
        'C' => ("COPY", "COPY"),
        _ => ("MODIFY", "MODIFY"),
    };
    let node = if change.to_mode == "160000" || change.from_mode == "160000" { "SUBMODULE" } else { "FILE" };
    let mut json = json!({
        "contentId": change.to_id, "fromContentId": change.from_id, "path": path_json(&change.path),
        "percentUnchanged": change.alike.map_or(-1, i64::from), "type": kind, "nodeType": node,
        "properties": {"gitChangeType": git_kind},
        "links": {"self": if link { json!([{"href": format!("#{}", change.path)}]) } else { json!([null]) }},
    });
    if change.status != 'D' {
        json["executable"] = json!(change.to_mode == "100755");
    }
    if change.status != 'A' {
        json["srcExecutable"] = json!(change.from_mode == "100755");
    }
    if let Some(from) = &change.from_path {
        json["srcPath"] = path_json(from);
    }
    json
}

/// The lines that still fit into an answer; what does not is left out and its holders are `truncated`.
struct Room {
    lines: usize,
    cut: bool,
}

impl Room {
    fn file_json(&mut self, diff: &FileDiff) -> Value {
        let change = &diff.change;
        let source = change.from_path.as_ref().unwrap_or(&change.path);
        let mut json = json!({
            "source": if change.status == 'A' { Value::Null } else { path_json(source) },
            "destination": if change.status == 'D' { Value::Null } else { path_json(&change.path) },
        });
        let mut cut = false;
        if diff.binary {
            json["binary"] = json!(true);
        } else {
            let mut hunks = Vec::new();
            for hunk in &diff.hunks {
                if self.lines == 0 {
                    cut = true;
                    break;
                }
                let (shown, whole) = hunk_json(hunk, self.lines);
                self.lines = self.lines.saturating_sub(hunk.lines.len());
                cut |= !whole;
                hunks.push(shown);
            }
            json["hunks"] = Value::Array(hunks);
        }
        json["truncated"] = json!(cut);
        self.cut |= cut;
        json
    }
}

/// A hunk's first lines, and whether that is all of it.
pub(super) fn hunk_json(hunk: &Hunk, most: usize) -> (Value, bool) {
    let shown = hunk.lines.get(..most).unwrap_or(&hunk.lines);
    let whole = shown.len() == hunk.lines.len();
    let parts: Vec<&[Line]> = shown.chunk_by(|a, b| a.kind == b.kind).collect();
    let segment = |(at, lines): (usize, &&[Line])| {
        let kind = kind_name(lines.first().map_or(LineKind::Context, |line| line.kind));
        let last = at + 1 == parts.len();
        let lines: Vec<Value> = lines.iter().map(line_json).collect();
        json!({"type": kind, "lines": lines, "truncated": last && !whole})
    };
    let segments: Vec<Value> = parts.iter().enumerate().map(segment).collect();
    let json = json!({
        "sourceLine": hunk.source.0, "sourceSpan": hunk.source.1, "destinationLine": hunk.destination.0,
        "destinationSpan": hunk.destination.1, "segments": segments, "truncated": !whole,
    });
    (json, whole)
}

fn line_json(line: &Line) -> Value {
    let shown: String = line.text.chars().take(LONGEST_LINE).collect();
    let cut = shown.len() < line.text.len();
    json!({"source": line.source, "destination": line.destination, "line": shown, "truncated": cut})
}

/// As the interface writes it.
pub(super) fn kind_name(kind: LineKind) -> &'static str {
    match kind {
        LineKind::Context => "CONTEXT",
        LineKind::Added => "ADDED",
        LineKind::Removed => "REMOVED",
    }
}

/// Lines shown around a change, unless asked otherwise.
pub(super) const CONTEXT: u32 = 10;

/// Characters of a line that are shown.
const LONGEST_LINE: usize = 5_000;
