//! Where a new comment shall stand: in general, below another one, or in a diff (FACTS 4.1).

use serde::Serialize;

use crate::bitbucket::Error;
use crate::bitbucket::names::{CommitId, RepoPath};
use crate::proto::scm::v1 as pb;

/// Where a comment stands.
#[derive(Debug)]
pub(super) enum Place {
    General,
    Reply { parent: i64 },
    Diff(Box<Spot>),
}

/// A file in a diff, or lines of it.
#[derive(Debug)]
pub(super) struct Spot {
    path: RepoPath,
    src_path: Option<RepoPath>,
    diff: Option<Span>,
    lines: Option<Lines>,
}

/// A diff other than the pull request's effective one.
#[derive(Debug)]
struct Span {
    word: &'static str,
    from: CommitId,
    to: CommitId,
}

#[derive(Debug)]
struct Lines {
    last: i32,
    word: &'static str,
    side: &'static str,
    first: Option<Marker>,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
struct Marker {
    start_line: i32,
    start_line_type: &'static str,
}

/// Without `diffType` and hashes it is an anchor in the pull request's effective diff.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Anchor<'a> {
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    src_path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    diff_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from_hash: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to_hash: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    multiline_marker: Option<Marker>,
}

impl Place {
    /// Reads an anchor.
    ///
    /// # Errors
    /// [`Error::Field`] for what does not fit together.
    pub(super) fn parse(anchor: &pb::Anchor) -> Result<Self, Error> {
        let path = RepoPath::parse(&anchor.path).map_err(|why| Error::field("anchor.path", why))?;
        let src_path = (!anchor.src_path.is_empty()).then(|| RepoPath::parse(&anchor.src_path));
        let src_path = src_path.transpose().map_err(|why| Error::field("anchor.src_path", why))?;
        let (diff, lines) = (Span::parse(anchor)?, Lines::parse(anchor)?);
        Ok(Self::Diff(Box::new(Spot { path, src_path, diff, lines })))
    }

    pub(super) fn is_line(&self) -> bool {
        self.lines().is_some()
    }

    /// Whether it is several lines, which older versions ignore: they show the last one.
    pub(super) fn is_multiline(&self) -> bool {
        self.lines().is_some_and(|lines| lines.first.is_some())
    }

    fn lines(&self) -> Option<&Lines> {
        match self {
            Self::Diff(spot) => spot.lines.as_ref(),
            Self::General | Self::Reply { .. } => None,
        }
    }
}

impl Spot {
    pub(super) fn anchor(&self) -> Anchor<'_> {
        let (diff, lines) = (self.diff.as_ref(), self.lines.as_ref());
        Anchor {
            path: self.path.as_str(),
            src_path: self.src_path.as_ref().map(RepoPath::as_str),
            line: lines.map(|lines| lines.last),
            line_type: lines.map(|lines| lines.word),
            file_type: lines.map(|lines| lines.side),
            diff_type: diff.map(|diff| diff.word),
            from_hash: diff.map(|diff| diff.from.as_str()),
            to_hash: diff.map(|diff| diff.to.as_str()),
            multiline_marker: lines.and_then(|lines| lines.first),
        }
    }
}

impl Span {
    fn parse(anchor: &pb::Anchor) -> Result<Option<Self>, Error> {
        let diff = pb::AnchorDiff::try_from(anchor.diff).map_err(|_| unknown("anchor.diff"))?;
        let word = match diff {
            pb::AnchorDiff::Commit => "COMMIT",
            pb::AnchorDiff::Range => "RANGE",
            pb::AnchorDiff::Unspecified => {
                let named = [
                    ("anchor.from_commit_id", &anchor.from_commit_id),
                    ("anchor.to_commit_id", &anchor.to_commit_id),
                ];
                return match named.iter().find(|(_, id)| !id.is_empty()) {
                    Some((field, _)) => Err(Error::field(*field, "must be empty without `anchor.diff`")),
                    None => Ok(None),
                };
            }
        };
        let id = |field, id| CommitId::parse(id).map_err(|why| Error::field(field, why));
        let from = id("anchor.from_commit_id", &anchor.from_commit_id)?;
        let to = id("anchor.to_commit_id", &anchor.to_commit_id)?;
        Ok(Some(Self { word, from, to }))
    }
}

impl Lines {
    fn parse(anchor: &pb::Anchor) -> Result<Option<Self>, Error> {
        if anchor.line < 0 {
            return Err(Error::field("anchor.line", "must be a line from 1, or 0 for the whole file"));
        }
        if anchor.start_line < 0 || anchor.start_line > anchor.line {
            return Err(Error::field("anchor.start_line", "must be 0 or a line up to `anchor.line`"));
        }
        let (word, usual) = sort("anchor.line_type", anchor.line_type)?;
        let side = match pb::DiffSide::try_from(anchor.side).map_err(|_| unknown("anchor.side"))? {
            pb::DiffSide::Unspecified => usual,
            pb::DiffSide::From => "FROM",
            pb::DiffSide::To => "TO",
        };
        if word != "CONTEXT" && side != usual {
            return Err(Error::field(
                "anchor.side",
                "must be FROM for a removed line and TO for an added one",
            ));
        }
        let (start_line_type, _) = sort("anchor.start_line_type", anchor.start_line_type)?;
        let several = anchor.start_line != 0 && anchor.start_line != anchor.line;
        let first = several.then_some(Marker { start_line: anchor.start_line, start_line_type });
        Ok((anchor.line > 0).then_some(Self { last: anchor.line, word, side, first }))
    }
}

/// Bitbucket's word for the type of a line, and the side that it implies.
fn sort(field: &str, line_type: i32) -> Result<(&'static str, &'static str), Error> {
    Ok(match pb::LineType::try_from(line_type).map_err(|_| unknown(field))? {
        pb::LineType::Unspecified | pb::LineType::Added => ("ADDED", "TO"),
        pb::LineType::Removed => ("REMOVED", "FROM"),
        pb::LineType::Context => ("CONTEXT", "TO"),
    })
}

fn unknown(field: &str) -> Error {
    Error::field(field, "is a value that this version of gitproxy does not know")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wire(anchor: &pb::Anchor) -> serde_json::Value {
        let Place::Diff(spot) = Place::parse(anchor).expect("a place") else { panic!("not in a diff") };
        serde_json::to_value(spot.anchor()).expect("JSON")
    }

    #[test]
    fn several_lines_of_a_range_name_all_that_bitbucket_needs() {
        let anchor = pb::Anchor {
            path: "a".into(),
            line: 9,
            line_type: pb::LineType::Context.into(),
            side: pb::DiffSide::From.into(),
            diff: pb::AnchorDiff::Range.into(),
            from_commit_id: "A".repeat(40),
            to_commit_id: "b".repeat(40),
            start_line: 7,
            start_line_type: pb::LineType::Removed.into(),
            ..Default::default()
        };
        let expected = json!({"path": "a", "line": 9, "lineType": "CONTEXT", "fileType": "FROM",
            "diffType": "RANGE", "fromHash": "a".repeat(40), "toHash": "b".repeat(40),
            "multilineMarker": {"startLine": 7, "startLineType": "REMOVED"}});
        assert_eq!(wire(&anchor), expected);
        assert!(Place::parse(&anchor).expect("a place").is_multiline());
    }

    #[test]
    fn what_does_not_fit_together_is_named() {
        let base = || pb::Anchor { path: "a".into(), line: 9, ..Default::default() };
        let commit = pb::AnchorDiff::Commit.into();
        let cases = [
            (pb::Anchor { side: pb::DiffSide::From.into(), ..base() }, "anchor.side"),
            (pb::Anchor { start_line: 10, ..base() }, "anchor.start_line"),
            (pb::Anchor { diff: commit, ..base() }, "anchor.from_commit_id"),
            (pb::Anchor { to_commit_id: "a".repeat(40), ..base() }, "anchor.to_commit_id"),
            (pb::Anchor { line_type: 77, ..base() }, "anchor.line_type"),
        ];
        for (anchor, named) in cases {
            let refused = Place::parse(&anchor);
            assert!(matches!(refused, Err(Error::Field { ref field, .. }) if field == named), "{named}");
        }
        let same = pb::Anchor { start_line: 9, ..base() };
        assert!(!Place::parse(&same).expect("a place").is_multiline());
    }
}
