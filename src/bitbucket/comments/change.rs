//! Changes of comments: UpdateComment, DeleteComment, ResolveComment.

use crate::bitbucket::{Client, Error};
use crate::proto::scm::v1 as pb;

impl Client {
    /// Changes a comment.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals.
    pub async fn update_comment(
        &self,
        asked: pb::UpdateCommentRequest,
    ) -> Result<pb::UpdateCommentResponse, Error> {
        crate::bitbucket::pending(asked)
    }

    /// Deletes a comment.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals.
    pub async fn delete_comment(
        &self,
        asked: pb::DeleteCommentRequest,
    ) -> Result<pb::DeleteCommentResponse, Error> {
        crate::bitbucket::pending(asked)
    }

    /// Resolves a comment or opens it again.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals.
    pub async fn resolve_comment(
        &self,
        asked: pb::ResolveCommentRequest,
    ) -> Result<pb::ResolveCommentResponse, Error> {
        crate::bitbucket::pending(asked)
    }
}
