//! Merges: CheckMerge, MergePR.

use crate::bitbucket::{Client, Error};
use crate::proto::scm::v1 as pb;

impl Client {
    /// Asks whether Bitbucket would merge.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals.
    pub async fn check_merge(&self, asked: pb::CheckMergeRequest) -> Result<pb::CheckMergeResponse, Error> {
        crate::bitbucket::pending(asked)
    }

    /// Merges, or arms the merge.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals.
    pub async fn merge_pr(&self, asked: pb::MergePrRequest) -> Result<pb::MergePrResponse, Error> {
        crate::bitbucket::pending(asked)
    }
}
