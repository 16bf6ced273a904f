//! The comments of a pull request: ListComments.

use crate::bitbucket::{Client, Error};
use crate::proto::scm::v1 as pb;

impl Client {
    /// Lists comments with their replies.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals.
    pub async fn list_comments(
        &self,
        asked: pb::ListCommentsRequest,
    ) -> Result<pb::ListCommentsResponse, Error> {
        crate::bitbucket::pending(asked)
    }
}
