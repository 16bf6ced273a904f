use super::{Describe, method};
use crate::proto::Method;
use crate::proto::scm::v1::{Anchor, CommentKind, LineType, PostCommentRequest};
use crate::scm::fields::{Fields, Presence};

/// In characters.
const TEXT_MOST: usize = 32_767;

impl Describe for PostCommentRequest {
    const METHOD: &'static Method = method("/gitproxy.scm.v1.Comments/PostComment");

    fn describe(&self, fields: &mut Fields) {
        fields.repo("repo", self.repo.as_ref());
        fields.number("pr_id", self.pr_id);
        fields.text("text", &self.text, Presence::Required, TEXT_MOST);
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
}
