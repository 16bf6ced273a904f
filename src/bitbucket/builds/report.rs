//! Reports of code scanners (Code Insights): PublishReport.

use crate::bitbucket::{Client, Error};
use crate::proto::scm::v1 as pb;

impl Client {
    /// Publishes a report; the same key replaces it.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals.
    pub async fn publish_report(
        &self,
        asked: pb::PublishReportRequest,
    ) -> Result<pb::PublishReportResponse, Error> {
        crate::bitbucket::pending(asked)
    }
}
