//! What happened: ListActivity.

use crate::bitbucket::{Client, Error};
use crate::proto::scm::v1 as pb;

impl Client {
    /// Lists what happened, newest first.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals.
    pub async fn list_activity(
        &self,
        asked: pb::ListActivityRequest,
    ) -> Result<pb::ListActivityResponse, Error> {
        crate::bitbucket::pending(asked)
    }
}
