//! Where a pull request stands, in one answer: GetPRStatus.

use crate::bitbucket::{Client, Error};
use crate::proto::scm::v1 as pb;

impl Client {
    /// Says where a pull request stands.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals.
    pub async fn get_pr_status(
        &self,
        asked: pb::GetPrStatusRequest,
    ) -> Result<pb::GetPrStatusResponse, Error> {
        crate::bitbucket::pending(asked)
    }
}
