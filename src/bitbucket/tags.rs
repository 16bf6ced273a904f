//! Tags: ListTags.

use crate::bitbucket::{Client, Error};
use crate::proto::scm::v1 as pb;

impl Client {
    /// Lists tags in the order of their names.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals.
    pub async fn list_tags(&self, asked: pb::ListTagsRequest) -> Result<pb::ListTagsResponse, Error> {
        crate::bitbucket::pending(asked)
    }
}
