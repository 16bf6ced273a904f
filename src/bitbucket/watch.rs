//! Watches: the present state, then each change: WatchPR, WatchBuildStatus.

use futures_util::Stream;

use crate::bitbucket::{Client, Error};
use crate::proto::scm::v1 as pb;

impl Client {
    /// Sends where a pull request stands, then each change, and heartbeats.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals.
    pub async fn watch_pr(
        &self,
        asked: pb::WatchPrRequest,
    ) -> Result<impl Stream<Item = Result<pb::WatchPrResponse, Error>> + Send + 'static + use<>, Error> {
        crate::bitbucket::pending::<_, futures_util::stream::Pending<_>>(asked)
    }

    /// Sends what builds say, then each change, and heartbeats.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals.
    pub async fn watch_build_status(
        &self,
        asked: pb::WatchBuildStatusRequest,
    ) -> Result<impl Stream<Item = Result<pb::WatchBuildStatusResponse, Error>> + Send + 'static + use<>, Error>
    {
        crate::bitbucket::pending::<_, futures_util::stream::Pending<_>>(asked)
    }
}
