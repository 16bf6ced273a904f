//! What is in a directory: ListDirectory.

use crate::bitbucket::{Client, Error};
use crate::proto::scm::v1 as pb;

impl Client {
    /// Lists what is in one directory.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals.
    pub async fn list_directory(
        &self,
        asked: pb::ListDirectoryRequest,
    ) -> Result<pb::ListDirectoryResponse, Error> {
        crate::bitbucket::pending(asked)
    }
}
