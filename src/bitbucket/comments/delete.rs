//! The end of a comment: DeleteComment.

use bytes::Bytes;
use http::{Method, Request, StatusCode};

use crate::bitbucket::comments::change::Target;
use crate::bitbucket::comments::path;
use crate::bitbucket::request::{Draft, Permission};
use crate::bitbucket::{Client, Error};
use crate::proto::Reason;
use crate::proto::scm::v1 as pb;

/// `DELETE /rest/api/latest/projects/{p}/repos/{r}/pull-requests/{id}/comments/{comment}`
fn request(target: &Target, version: i32) -> Request<Bytes> {
    let path = path(&target.repo, target.pr_id).segment(&target.id.to_string());
    let draft = Draft::new(Method::DELETE, path, Permission::RepoRead);
    draft.query("version", &version.to_string()).empty()
}

impl Client {
    /// Deletes a comment; one that is gone is a success.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals; `COMMENT_HAS_REPLIES`, `COMMENT_OUT_OF_DATE`.
    pub async fn delete_comment(
        &self,
        asked: pb::DeleteCommentRequest,
    ) -> Result<pb::DeleteCommentResponse, Error> {
        let target = Target::parse(self, asked.repo.as_ref(), asked.pr_id, asked.comment_id)?;
        let deleted = match asked.expected_version {
            Some(version) => self.delete(&target, version).await,
            None => self.delete_any(&target).await,
        };
        match deleted {
            Err(error) if !is_gone(&error) => Err(error),
            Ok(()) | Err(_) => Ok(pb::DeleteCommentResponse {}),
        }
    }

    async fn delete_any(&self, target: &Target) -> Result<(), Error> {
        let read = || self.comment(&target.repo, target.pr_id, target.id);
        match self.delete(target, read().await?.version).await {
            Err(error) if error.reason() == Some(Reason::CommentOutOfDate) => {
                self.delete(target, read().await?.version).await
            }
            other => other,
        }
    }

    /// Deletes a comment of this version; where the answer is lost, the comment is looked for.
    async fn delete(&self, target: &Target, version: i32) -> Result<(), Error> {
        let Err(error) = self.send(request(target, version)).await else { return Ok(()) };
        if matches!(error, Error::Uncertain { .. }) {
            let found = self.comment(&target.repo, target.pr_id, target.id).await;
            return if found.is_err_and(|why| is_gone(&why)) { Ok(()) } else { Err(error) };
        }
        if is_vague_conflict(&error) {
            // 409 is said of an archived repository too: the comment tells whether it is the replies.
            let found = self.comment(&target.repo, target.pr_id, target.id).await;
            let replies = found.is_ok_and(|comment| !comment.replies.is_empty());
            return Err(if replies {
                error.means(Reason::StateRefused, Reason::CommentHasReplies)
            } else {
                error
            });
        }
        Err(self.out_of_date(target, error).await)
    }
}

fn is_gone(error: &Error) -> bool {
    error.reason() == Some(Reason::CommentNotFound)
}

fn is_vague_conflict(error: &Error) -> bool {
    matches!(error, Error::Refused(refusal)
        if refusal.status == StatusCode::CONFLICT && refusal.reason == Reason::StateRefused)
}
