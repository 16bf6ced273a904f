//! A diff as Bitbucket writes it.

use serde::Deserialize;

use crate::bitbucket::changes::Path;
use crate::bitbucket::wire::{lenient, small, text, truth};
use crate::proto::scm::v1 as pb;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Diff {
    #[serde(default, deserialize_with = "text")]
    from_hash: String,
    #[serde(default, deserialize_with = "text")]
    to_hash: String,
    #[serde(default, deserialize_with = "lenient")]
    diffs: Vec<File>,
    #[serde(default, deserialize_with = "truth")]
    truncated: bool,
}

#[derive(Debug, Default, Deserialize)]
struct File {
    #[serde(default, deserialize_with = "lenient")]
    source: Path,
    #[serde(default, deserialize_with = "lenient")]
    destination: Path,
    #[serde(default, deserialize_with = "lenient")]
    hunks: Vec<Hunk>,
    #[serde(default, deserialize_with = "truth")]
    truncated: bool,
    #[serde(default, deserialize_with = "truth")]
    binary: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Hunk {
    #[serde(default, deserialize_with = "small")]
    source_line: i32,
    #[serde(default, deserialize_with = "small")]
    source_span: i32,
    #[serde(default, deserialize_with = "small")]
    destination_line: i32,
    #[serde(default, deserialize_with = "small")]
    destination_span: i32,
    #[serde(default, deserialize_with = "lenient")]
    segments: Vec<Segment>,
    #[serde(default, deserialize_with = "truth")]
    truncated: bool,
}

#[derive(Debug, Default, Deserialize)]
struct Segment {
    #[serde(default, rename = "type", deserialize_with = "text")]
    kind: String,
    #[serde(default, deserialize_with = "lenient")]
    lines: Vec<Line>,
    #[serde(default, deserialize_with = "truth")]
    truncated: bool,
}

#[derive(Debug, Default, Deserialize)]
struct Line {
    #[serde(default, deserialize_with = "small")]
    source: i32,
    #[serde(default, deserialize_with = "small")]
    destination: i32,
    #[serde(default, rename = "line", deserialize_with = "text")]
    text: String,
    #[serde(default, deserialize_with = "truth")]
    truncated: bool,
}

impl From<Diff> for pb::Diff {
    fn from(diff: Diff) -> Self {
        Self {
            from_commit_id: diff.from_hash,
            to_commit_id: diff.to_hash,
            files: diff.diffs.into_iter().map(Into::into).collect(),
            truncated: diff.truncated,
        }
    }
}

impl From<File> for pb::FileDiff {
    fn from(file: File) -> Self {
        Self {
            path: file.destination.whole,
            src_path: file.source.whole,
            hunks: file.hunks.into_iter().map(Into::into).collect(),
            truncated: file.truncated,
            binary: file.binary,
        }
    }
}

impl From<Hunk> for pb::Hunk {
    fn from(hunk: Hunk) -> Self {
        let truncated = hunk.truncated || hunk.segments.iter().any(|segment| segment.truncated);
        Self {
            src_line: hunk.source_line,
            src_span: hunk.source_span,
            dst_line: hunk.destination_line,
            dst_span: hunk.destination_span,
            lines: hunk.segments.into_iter().flat_map(Segment::into_lines).collect(),
            truncated,
        }
    }
}

impl Segment {
    fn into_lines(self) -> impl Iterator<Item = pb::DiffLine> {
        let kind = match self.kind.as_str() {
            "ADDED" => pb::LineType::Added,
            "REMOVED" => pb::LineType::Removed,
            "CONTEXT" => pb::LineType::Context,
            _ => pb::LineType::Unspecified,
        };
        self.lines.into_iter().map(move |line| pb::DiffLine {
            r#type: kind.into(),
            text: line.text,
            src_line: line.source,
            dst_line: line.destination,
            truncated: line.truncated,
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::bitbucket::diff::reply;
    use crate::bitbucket::reply::Reply;
    use crate::proto::scm::v1 as pb;

    const DIFF: &str = r#"{"fromHash":"aa","toHash":"bb","truncated":true,"diffs":[
        {"source":null,"destination":{"toString":"new.txt"},"binary":true},
        {"source":{"toString":"old"},"destination":{"toString":"now"},"truncated":true,"hunks":[
          {"sourceLine":4,"sourceSpan":1,"destinationLine":4,"destinationSpan":2,"segments":[
            {"type":"CONTEXT","lines":[{"source":4,"destination":4,"line":"same"}],"truncated":false},
            {"type":"ADDED","lines":[{"source":5,"destination":5,"line":"more","truncated":true}],"truncated":true},
            {"type":"PAINTED","lines":[{"line":"odd"}]}]}]}]}"#;

    #[test]
    fn every_mark_of_what_is_left_out_arrives() {
        let diff = reply(&Reply::of(200, DIFF)).expect("a diff");
        assert!(diff.truncated && diff.files[1].truncated && diff.files[1].hunks[0].truncated);
        let lines = &diff.files[1].hunks[0].lines;
        assert_eq!((lines[0].truncated, lines[1].truncated), (false, true));
    }

    #[test]
    fn lines_keep_their_side_and_their_numbers() {
        let diff = reply(&Reply::of(200, DIFF)).expect("a diff");
        let [new, changed] = diff.files.as_slice() else { panic!("{diff:?}") };
        assert_eq!((new.path.as_str(), new.src_path.as_str(), new.binary), ("new.txt", "", true));
        assert_eq!((changed.path.as_str(), changed.src_path.as_str()), ("now", "old"));
        let hunk = &changed.hunks[0];
        assert_eq!((hunk.src_line, hunk.src_span, hunk.dst_line, hunk.dst_span), (4, 1, 4, 2));
        let kinds: Vec<_> = hunk.lines.iter().map(pb::DiffLine::r#type).collect();
        assert_eq!(kinds, [pb::LineType::Context, pb::LineType::Added, pb::LineType::Unspecified]);
        assert_eq!((hunk.lines[1].text.as_str(), hunk.lines[1].dst_line), ("more", 5));
    }
}
