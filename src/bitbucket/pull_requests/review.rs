//! Reviews: ReviewPR, and the default reviewers.

use crate::bitbucket::{Client, Error};
use crate::proto::scm::v1 as pb;

impl Client {
    /// Says what a reviewer says.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals.
    pub async fn review_pr(&self, asked: pb::ReviewPrRequest) -> Result<pb::ReviewPrResponse, Error> {
        crate::bitbucket::pending(asked)
    }
}
