//! A change of a pull request: UpdatePR.

use crate::bitbucket::{Client, Error};
use crate::proto::scm::v1 as pb;

impl Client {
    /// Changes what the request names and leaves the rest.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals.
    pub async fn update_pr(&self, asked: pb::UpdatePrRequest) -> Result<pb::UpdatePrResponse, Error> {
        crate::bitbucket::pending(asked)
    }
}
