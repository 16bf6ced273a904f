//! What a pull request changes: ListChanges, GetPRDiff.

use crate::bitbucket::{Client, Error};
use crate::proto::scm::v1 as pb;

impl Client {
    /// Lists the files that the pull request changes.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals.
    pub async fn list_changes(
        &self,
        asked: pb::ListChangesRequest,
    ) -> Result<pb::ListChangesResponse, Error> {
        crate::bitbucket::pending(asked)
    }

    /// Reads what the pull request changes, line by line.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals.
    pub async fn get_pr_diff(&self, asked: pb::GetPrDiffRequest) -> Result<pb::GetPrDiffResponse, Error> {
        crate::bitbucket::pending(asked)
    }
}
