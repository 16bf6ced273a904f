//! One branch by its name: GetBranch.

use crate::bitbucket::{Client, Error};
use crate::proto::scm::v1 as pb;

impl Client {
    /// Reads one branch.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals; `REF_NOT_FOUND`.
    pub async fn get_branch(&self, asked: pb::GetBranchRequest) -> Result<pb::GetBranchResponse, Error> {
        crate::bitbucket::pending(asked)
    }
}
