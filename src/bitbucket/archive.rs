//! Archives: GetArchive.

use bytes::Bytes;
use futures_util::Stream;

use crate::bitbucket::{Client, Error};
use crate::proto::scm::v1 as pb;

impl Client {
    /// Reads an archive as it comes, in pieces of at most 64 KiB.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals.
    pub async fn get_archive(
        &self,
        asked: pb::GetArchiveRequest,
    ) -> Result<impl Stream<Item = Result<Bytes, Error>> + Send + 'static + use<>, Error> {
        crate::bitbucket::pending::<_, futures_util::stream::Pending<_>>(asked)
    }
}
