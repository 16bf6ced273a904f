//! The shapes of changes and diffs, which several resources share.

use http::{HeaderValue, Response, header};
use serde_json::{Value, json};

use super::clean_path;
use crate::body::full;
use crate::call::{Answer, Call, ok};
use crate::entity::path_json;
use crate::git::{Change, FileDiff, Hunk, LineKind};

/// The diff from one commit to another, below the path in the address: JSON, or unified text for `Accept: text/plain`.
pub(super) async fn answer(call: &Call, from: &str, to: &str) -> Answer {
    let (git, path) = (call.git()?, clean_path(call)?);
    let path = Some(path.as_str()).filter(|path| !path.is_empty());
    let context = call.query.get("contextLines").and_then(|text| text.parse().ok()).unwrap_or(CONTEXT);
    let wants_text =
        call.headers.get(header::ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"text/plain"));
    if wants_text {
        let mut args = vec!["diff".to_owned(), format!("-U{context}"), "-M".to_owned()];
        args.extend([from, to, "--"].map(str::to_owned));
        args.extend(path.map(|path| format!(":(literal){path}")));
        let mut response = Response::new(full(git.run(args).await?));
        let kind = HeaderValue::from_static("text/plain;charset=UTF-8");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        return Ok(response);
    }
    let diffs: Vec<Value> = git.diff(from, to, path, context).await?.iter().map(file_json).collect();
    ok(&json!({
        "fromHash": from, "toHash": to, "contextLines": context, "whitespace": "SHOW", "diffs": diffs,
        "truncated": false,
    }))
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

fn file_json(diff: &FileDiff) -> Value {
    let change = &diff.change;
    let source = change.from_path.as_ref().unwrap_or(&change.path);
    let mut json = json!({
        "source": if change.status == 'A' { Value::Null } else { path_json(source) },
        "destination": if change.status == 'D' { Value::Null } else { path_json(&change.path) },
        "truncated": false,
    });
    if diff.binary {
        json["binary"] = json!(true);
    } else {
        json["hunks"] = diff.hunks.iter().map(hunk_json).collect();
    }
    json
}

fn hunk_json(hunk: &Hunk) -> Value {
    let segment = |lines: &[crate::git::Line]| {
        let kind = kind_name(lines.first().map_or(LineKind::Context, |line| line.kind));
        let lines: Vec<Value> = lines
            .iter()
            .map(|line| {
                json!({"source": line.source, "destination": line.destination, "line": line.text, "truncated": false})
            })
            .collect();
        json!({"type": kind, "lines": lines, "truncated": false})
    };
    let segments: Vec<Value> = hunk.lines.chunk_by(|a, b| a.kind == b.kind).map(segment).collect();
    json!({
        "sourceLine": hunk.source.0, "sourceSpan": hunk.source.1, "destinationLine": hunk.destination.0,
        "destinationSpan": hunk.destination.1, "segments": segments, "truncated": false,
    })
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
