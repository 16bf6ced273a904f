//! Builds page by page: ListBuilds, GetBuildLog.

use crate::bitbucket::{Client, Error};
use crate::proto::scm::v1 as pb;

impl Client {
    /// Lists builds, the newest first.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals.
    pub async fn list_builds(&self, asked: pb::ListBuildsRequest) -> Result<pb::ListBuildsResponse, Error> {
        crate::bitbucket::pending(asked)
    }

    /// Says that logs of builds are not stored, and where they are.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals.
    pub async fn get_build_log(
        &self,
        asked: pb::GetBuildLogRequest,
    ) -> Result<pb::GetBuildLogResponse, Error> {
        crate::bitbucket::pending(asked)
    }
}
