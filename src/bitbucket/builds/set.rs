//! What a CI system reports: SetBuildStatus.

use crate::bitbucket::{Client, Error};
use crate::proto::scm::v1 as pb;

impl Client {
    /// Reports a build.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals.
    pub async fn set_build_status(
        &self,
        asked: pb::SetBuildStatusRequest,
    ) -> Result<pb::SetBuildStatusResponse, Error> {
        crate::bitbucket::pending(asked)
    }
}
