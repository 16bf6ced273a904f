//! The end of a pull request without a merge, and the way back: DeclinePR, ReopenPR.

use crate::bitbucket::{Client, Error};
use crate::proto::scm::v1 as pb;

impl Client {
    /// Declines a pull request.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals.
    pub async fn decline_pr(&self, asked: pb::DeclinePrRequest) -> Result<pb::DeclinePrResponse, Error> {
        crate::bitbucket::pending(asked)
    }

    /// Opens a declined pull request again.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals.
    pub async fn reopen_pr(&self, asked: pb::ReopenPrRequest) -> Result<pb::ReopenPrResponse, Error> {
        crate::bitbucket::pending(asked)
    }
}
