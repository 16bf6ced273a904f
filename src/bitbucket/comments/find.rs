//! Looks for a comment that may have been posted already.

use crate::bitbucket::comments::activities;
use crate::bitbucket::names::RepoId;
use crate::bitbucket::{Client, Error};
use crate::proto::scm::v1 as pb;

/// What an equal comment has.
#[derive(Debug, Clone, Copy)]
pub(in crate::bitbucket) struct Wanted<'a> {
    /// The author's name, as Bitbucket names the user.
    pub(in crate::bitbucket) author: &'a str,
    /// The text.
    pub(in crate::bitbucket) text: &'a str,
    /// The kind.
    pub(in crate::bitbucket) kind: pb::CommentKind,
    /// The comment that it replies to; 0 for none.
    pub(in crate::bitbucket) parent: i64,
    /// Where it stands, as it was asked for.
    pub(in crate::bitbucket) anchor: Option<&'a pb::Anchor>,
}

impl Wanted<'_> {
    fn is(&self, comment: &pb::Comment) -> bool {
        let author = comment.author.as_ref();
        author.is_some_and(|author| author.name.eq_ignore_ascii_case(self.author))
            && same_text(&comment.text, self.text)
            && comment.kind() == self.kind
            && match (self.anchor, &comment.anchor) {
                (None, None) => true,
                (Some(wanted), Some(found)) => same_place(wanted, found),
                (None, Some(_)) | (Some(_), None) => false,
            }
    }
}

impl Client {
    /// An equal comment, written at or after `since_ms` by Bitbucket's clock, that is none of `but_not`: the oldest, should
    /// there be several.
    ///
    /// # Errors
    /// Bitbucket's refusals; a pull request or parent that does not exist is one.
    pub(in crate::bitbucket) async fn equal_comment(
        &self,
        repo: &RepoId,
        pr_id: i64,
        wanted: &Wanted<'_>,
        since_ms: i64,
        but_not: &[i64],
    ) -> Result<Option<pb::Comment>, Error> {
        let fits = |comment: &pb::Comment| {
            comment.created_ms >= since_ms && !but_not.contains(&comment.id) && wanted.is(comment)
        };
        if wanted.parent != 0 {
            let parent = self.comment(repo, pr_id, wanted.parent).await?;
            return Ok(parent.replies.into_iter().find(fits));
        }
        let (mut found, mut start) = (None, 0);
        loop {
            // No bound but `since_ms`: to end early would be to say that there is none.
            let reply = self.send(activities::request(repo, pr_id, start, PAGE)).await?;
            let page = activities::reply(&reply, start)?;
            for activity in page.values {
                if activity.at_ms < since_ms {
                    return Ok(found);
                }
                found = activity.thread.filter(fits).or(found);
            }
            match page.next {
                Some(next) => start = next,
                None => return Ok(found),
            }
        }
    }
}

/// Bitbucket may keep line ends of one kind only, and no white space around.
pub(super) fn same_text(left: &str, right: &str) -> bool {
    let (left, right) = (left.trim(), right.trim());
    left == right || left.replace("\r\n", "\n") == right.replace("\r\n", "\n")
}

/// Whether the place is the one that was asked for: Bitbucket fills in what was left out.
fn same_place(wanted: &pb::Anchor, found: &pb::Anchor) -> bool {
    let line = wanted.line == found.line && (wanted.line == 0 || sort(wanted) == sort(found));
    let hashes = |anchor: &pb::Anchor| {
        (anchor.from_commit_id.to_ascii_lowercase(), anchor.to_commit_id.to_ascii_lowercase())
    };
    let diff = wanted.diff() == found.diff()
        && (wanted.diff() == pb::AnchorDiff::Unspecified || hashes(wanted) == hashes(found));
    let start = |anchor: &pb::Anchor| if anchor.start_line == anchor.line { 0 } else { anchor.start_line };
    wanted.path == found.path && line && diff && start(wanted) == start(found)
}

/// The type and the side of an anchor's line, with what is implied.
fn sort(anchor: &pb::Anchor) -> (pb::LineType, pb::DiffSide) {
    match (anchor.line_type(), anchor.side()) {
        (pb::LineType::Removed, _) => (pb::LineType::Removed, pb::DiffSide::From),
        (pb::LineType::Context, pb::DiffSide::From) => (pb::LineType::Context, pb::DiffSide::From),
        (pb::LineType::Context, _) => (pb::LineType::Context, pb::DiffSide::To),
        (pb::LineType::Added | pb::LineType::Unspecified, _) => (pb::LineType::Added, pb::DiffSide::To),
    }
}

/// A comment and its thread may have 32 KiB each.
const PAGE: u32 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: pb::CommentKind = pb::CommentKind::Unspecified;

    fn comment(text: &str, anchor: Option<pb::Anchor>) -> pb::Comment {
        let author = Some(pb::User { name: "Jane".into(), ..Default::default() });
        pb::Comment { text: text.into(), author, anchor, ..Default::default() }
    }

    fn line(line: i32, line_type: pb::LineType) -> pb::Anchor {
        pb::Anchor { path: "a".into(), line, line_type: line_type.into(), ..Default::default() }
    }

    #[test]
    fn an_equal_comment_may_have_other_line_ends_and_more_of_an_anchor() {
        let asked = line(3, pb::LineType::Unspecified);
        let wanted =
            Wanted { author: "jane", text: "a\r\nb\n", kind: PLAIN, parent: 0, anchor: Some(&asked) };
        let filled = pb::Anchor { side: pb::DiffSide::To.into(), ..line(3, pb::LineType::Added) };
        assert!(wanted.is(&comment("a\nb", Some(filled))));
    }

    #[test]
    fn another_author_text_kind_or_place_is_another_comment() {
        let asked = line(3, pb::LineType::Added);
        let wanted = Wanted { author: "jane", text: "a", kind: PLAIN, parent: 0, anchor: Some(&asked) };
        assert!(wanted.is(&comment("a", Some(asked.clone()))));
        assert!(!wanted.is(&comment("b", Some(asked.clone()))));
        assert!(!wanted.is(&comment("a", None)));
        assert!(!wanted.is(&comment("a", Some(line(4, pb::LineType::Added)))));
        assert!(!wanted.is(&comment("a", Some(line(3, pb::LineType::Removed)))));
        assert!(!Wanted { author: "joe", ..wanted }.is(&comment("a", Some(asked.clone()))));
        let task = pb::Comment { kind: pb::CommentKind::Task.into(), ..comment("a", Some(asked.clone())) };
        assert!(!wanted.is(&task));
        let commit = pb::Anchor { diff: pb::AnchorDiff::Commit.into(), ..asked.clone() };
        assert!(!wanted.is(&comment("a", Some(commit))));
    }
}
