//! What changed between two commits: GetDiff, and the wire forms of changes and diffs.

use crate::bitbucket::{Client, Error};
use crate::proto::scm::v1 as pb;

impl Client {
    /// Reads what changed, line by line.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals.
    pub async fn get_diff(&self, asked: pb::GetDiffRequest) -> Result<pb::GetDiffResponse, Error> {
        crate::bitbucket::pending(asked)
    }
}
