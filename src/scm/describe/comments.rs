use super::{Describe, method};
use crate::proto::Method;
use crate::proto::scm::v1::{
    Anchor, AnchorDiff, CommentKind, DeleteCommentRequest, DiffSide, LineType, ListCommentsRequest,
    PostCommentRequest, ResolveCommentRequest, UpdateCommentRequest,
};
use crate::scm::fields::{Fields, Presence};

/// In characters.
const TEXT_MOST: usize = 32_767;

/// A text that is split has at most this many parts.
const PARTS_MOST: usize = 20;

/// Bitbucket gives no larger page of activities, which are where comments are listed.
const COMMENTS_MOST: i32 = 500;

impl Describe for PostCommentRequest {
    const METHOD: &'static Method = method("/gitproxy.scm.v1.Comments/PostComment");

    fn describe(&self, fields: &mut Fields) {
        fields.pull_request(self.repo.as_ref(), "pr_id", self.pr_id);
        let most = if self.split { TEXT_MOST * PARTS_MOST } else { TEXT_MOST };
        fields.text("text", &self.text, Presence::Required, most);
        fields.not_negative("parent_id", self.parent_id);
        fields.known::<CommentKind>("kind", self.kind);
        if let Some(anchor) = &self.anchor {
            describe_anchor(anchor, fields);
            if self.parent_id != 0 {
                fields.refuse("anchor", "must not be set on a reply");
            }
        }
    }
}

fn describe_anchor(anchor: &Anchor, fields: &mut Fields) {
    fields.path("anchor.path", &anchor.path, Presence::Required);
    fields.path("anchor.src_path", &anchor.src_path, Presence::Optional);
    fields.not_negative("anchor.line", anchor.line.into());
    fields.known::<LineType>("anchor.line_type", anchor.line_type);
    fields.known::<DiffSide>("anchor.side", anchor.side);
    fields.known::<AnchorDiff>("anchor.diff", anchor.diff);
    let hashes =
        if anchor.diff() == AnchorDiff::Unspecified { Presence::Optional } else { Presence::Required };
    fields.commit("anchor.from_commit_id", &anchor.from_commit_id, hashes);
    fields.commit("anchor.to_commit_id", &anchor.to_commit_id, hashes);
    fields.between("anchor.start_line", anchor.start_line, 0..=anchor.line.max(0));
    fields.known::<LineType>("anchor.start_line_type", anchor.start_line_type);
}

impl Describe for ListCommentsRequest {
    const METHOD: &'static Method = method("/gitproxy.scm.v1.Comments/ListComments");

    fn describe(&self, fields: &mut Fields) {
        fields.pull_request(self.repo.as_ref(), "pr_id", self.pr_id);
        fields.page_size(self.page_size, COMMENTS_MOST);
        fields.path("path", &self.path, Presence::Optional);
        fields.known::<CommentKind>("kind", self.kind);
    }
}

impl Describe for UpdateCommentRequest {
    const METHOD: &'static Method = method("/gitproxy.scm.v1.Comments/UpdateComment");

    fn describe(&self, fields: &mut Fields) {
        fields.pull_request(self.repo.as_ref(), "pr_id", self.pr_id);
        fields.number("comment_id", self.comment_id);
        if let Some(text) = &self.text {
            fields.text("text", text, Presence::Required, TEXT_MOST);
        }
        fields.known::<CommentKind>("kind", self.kind.unwrap_or_default());
        fields.version("expected_version", self.expected_version);
    }
}

impl Describe for DeleteCommentRequest {
    const METHOD: &'static Method = method("/gitproxy.scm.v1.Comments/DeleteComment");

    fn describe(&self, fields: &mut Fields) {
        fields.pull_request(self.repo.as_ref(), "pr_id", self.pr_id);
        fields.number("comment_id", self.comment_id);
        fields.version("expected_version", self.expected_version);
    }
}

impl Describe for ResolveCommentRequest {
    const METHOD: &'static Method = method("/gitproxy.scm.v1.Comments/ResolveComment");

    fn describe(&self, fields: &mut Fields) {
        fields.pull_request(self.repo.as_ref(), "pr_id", self.pr_id);
        fields.number("comment_id", self.comment_id);
    }
}
