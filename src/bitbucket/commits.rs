//! Commits: ListCommits, GetCommit, CompareCommits.

use crate::bitbucket::{Client, Error};
use crate::proto::scm::v1 as pb;

impl Client {
    /// Lists commits, newest first.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals.
    pub async fn list_commits(
        &self,
        asked: pb::ListCommitsRequest,
    ) -> Result<pb::ListCommitsResponse, Error> {
        crate::bitbucket::pending(asked)
    }

    /// Reads one commit.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals.
    pub async fn get_commit(&self, asked: pb::GetCommitRequest) -> Result<pb::GetCommitResponse, Error> {
        crate::bitbucket::pending(asked)
    }

    /// Says what one commit has that another has not.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals.
    pub async fn compare_commits(
        &self,
        asked: pb::CompareCommitsRequest,
    ) -> Result<pb::CompareCommitsResponse, Error> {
        crate::bitbucket::pending(asked)
    }
}
