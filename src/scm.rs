//! The SCM commands as gRPC services, and the one way in.
//!
//! Each method of a service is one line into [`call`](mod@call); what a command does is behind the trait [`Scm`]. Nothing here knows
//! Bitbucket, except `backend`, which joins the two.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;

use crate::ops::Call;
use crate::proto::Fault;
use crate::proto::scm::v1 as pb;

pub mod audit;
pub mod backend;
pub mod call;
pub mod caller;
mod checks;
pub mod chunks;
pub mod command;
pub mod connections;
pub mod describe;
pub mod fields;
pub mod held;
pub mod idempotency;
pub mod pause;
pub mod policy;
pub mod projects;
mod services;
#[cfg(test)]
pub(crate) mod testing;

pub use audit::Audit;
pub use call::Core;
pub use caller::Caller;
pub use command::{Command, Target};
pub use connections::{Connection, Connections};
pub use describe::Describe;
pub use held::HeldSecret;
pub use pause::Pause;
pub use policy::{AllowAll, DenyAll, Policy};
pub use projects::Projects;

/// The answer of a backend, on its way.
pub type Reply<'a, T> = BoxFuture<'a, Result<T, Fault>>;

/// The messages of a streaming answer, until its end or its first fault.
pub type Stream<T> = BoxStream<'static, Result<T, Fault>>;

/// What a connection can do: one method a command, called only by [`call`](mod@call).
///
/// A request that arrives here has passed the checks of [`describe`](mod@describe): its fields are in their limits and its
/// projects are the connection's. Every fault is ready for the cloud; its cause is in the log already.
#[tonic::async_trait]
pub trait Scm: Send + Sync + 'static {
    /// The same backend at work for `call`: what it does from here on is done in its time and with its urgency.
    fn during(&self, call: Call) -> Arc<dyn Scm>;
    /// Asks the server who the token is and what version runs.
    async fn test_connection(
        &self,
        request: pb::TestConnectionRequest,
    ) -> Result<pb::TestConnectionResponse, Fault>;
    /// Lists the connection's projects that the token can see.
    async fn list_projects(
        &self,
        request: pb::ListProjectsRequest,
    ) -> Result<pb::ListProjectsResponse, Fault>;
    /// Lists repositories of one project, or of all the connection's projects.
    async fn list_repos(&self, request: pb::ListReposRequest) -> Result<pb::ListReposResponse, Fault>;
    /// Reads one repository.
    async fn get_repo(&self, request: pb::GetRepoRequest) -> Result<pb::GetRepoResponse, Fault>;
    /// Lists branches.
    async fn list_branches(
        &self,
        request: pb::ListBranchesRequest,
    ) -> Result<pb::ListBranchesResponse, Fault>;
    /// Reads the default branch.
    async fn get_default_branch(
        &self,
        request: pb::GetDefaultBranchRequest,
    ) -> Result<pb::GetDefaultBranchResponse, Fault>;
    /// Creates a branch.
    async fn create_branch(
        &self,
        request: pb::CreateBranchRequest,
    ) -> Result<pb::CreateBranchResponse, Fault>;
    /// Deletes a branch.
    async fn delete_branch(
        &self,
        request: pb::DeleteBranchRequest,
    ) -> Result<pb::DeleteBranchResponse, Fault>;
    /// Lists the paths of all files below a directory.
    async fn list_files(&self, request: pb::ListFilesRequest) -> Result<pb::ListFilesResponse, Fault>;
    /// Streams the exact bytes of a file, in messages as [`chunks`] makes them.
    async fn get_file(&self, request: pb::GetFileRequest) -> Result<Stream<pb::GetFileResponse>, Fault>;
    /// Writes one file and commits it.
    async fn edit_file(&self, request: pb::EditFileRequest) -> Result<pb::EditFileResponse, Fault>;
    /// Opens a pull request.
    async fn open_pr(&self, request: pb::OpenPrRequest) -> Result<pb::OpenPrResponse, Fault>;
    /// Reads one pull request.
    async fn get_pr(&self, request: pb::GetPrRequest) -> Result<pb::GetPrResponse, Fault>;
    /// Lists pull requests.
    async fn list_prs(&self, request: pb::ListPRsRequest) -> Result<pb::ListPRsResponse, Fault>;
    /// Posts a comment on a pull request.
    async fn post_comment(&self, request: pb::PostCommentRequest) -> Result<pb::PostCommentResponse, Fault>;
    /// Reads what the builds of a commit, or of a pull request's head, say.
    async fn get_build_status(
        &self,
        request: pb::GetBuildStatusRequest,
    ) -> Result<pb::GetBuildStatusResponse, Fault>;
    /// Lists commits, newest first.
    async fn list_commits(&self, request: pb::ListCommitsRequest) -> Result<pb::ListCommitsResponse, Fault>;
    /// Reads one commit.
    async fn get_commit(&self, request: pb::GetCommitRequest) -> Result<pb::GetCommitResponse, Fault>;
    /// Says what one commit has that another has not.
    async fn compare_commits(
        &self,
        request: pb::CompareCommitsRequest,
    ) -> Result<pb::CompareCommitsResponse, Fault>;
    /// Reads what changed, line by line.
    async fn get_diff(&self, request: pb::GetDiffRequest) -> Result<pb::GetDiffResponse, Fault>;
    /// Lists what is in one directory.
    async fn list_directory(
        &self,
        request: pb::ListDirectoryRequest,
    ) -> Result<pb::ListDirectoryResponse, Fault>;
    /// Reads one branch.
    async fn get_branch(&self, request: pb::GetBranchRequest) -> Result<pb::GetBranchResponse, Fault>;
    /// Lists tags.
    async fn list_tags(&self, request: pb::ListTagsRequest) -> Result<pb::ListTagsResponse, Fault>;
    /// Changes what the request names of a pull request.
    async fn update_pr(&self, request: pb::UpdatePrRequest) -> Result<pb::UpdatePrResponse, Fault>;
    /// Asks whether a pull request would be merged.
    async fn check_merge(&self, request: pb::CheckMergeRequest) -> Result<pb::CheckMergeResponse, Fault>;
    /// Merges a pull request, or arms the merge.
    async fn merge_pr(&self, request: pb::MergePrRequest) -> Result<pb::MergePrResponse, Fault>;
    /// Declines a pull request.
    async fn decline_pr(&self, request: pb::DeclinePrRequest) -> Result<pb::DeclinePrResponse, Fault>;
    /// Opens a declined pull request again.
    async fn reopen_pr(&self, request: pb::ReopenPrRequest) -> Result<pb::ReopenPrResponse, Fault>;
    /// Says what a reviewer says.
    async fn review_pr(&self, request: pb::ReviewPrRequest) -> Result<pb::ReviewPrResponse, Fault>;
    /// Lists what happened to a pull request.
    async fn list_activity(
        &self,
        request: pb::ListActivityRequest,
    ) -> Result<pb::ListActivityResponse, Fault>;
    /// Lists the files that a pull request changes.
    async fn list_changes(&self, request: pb::ListChangesRequest) -> Result<pb::ListChangesResponse, Fault>;
    /// Reads what a pull request changes, line by line.
    async fn get_pr_diff(&self, request: pb::GetPrDiffRequest) -> Result<pb::GetPrDiffResponse, Fault>;
    /// Says where a pull request stands.
    async fn get_pr_status(&self, request: pb::GetPrStatusRequest) -> Result<pb::GetPrStatusResponse, Fault>;
    /// Lists comments of a pull request.
    async fn list_comments(
        &self,
        request: pb::ListCommentsRequest,
    ) -> Result<pb::ListCommentsResponse, Fault>;
    /// Changes a comment.
    async fn update_comment(
        &self,
        request: pb::UpdateCommentRequest,
    ) -> Result<pb::UpdateCommentResponse, Fault>;
    /// Deletes a comment.
    async fn delete_comment(
        &self,
        request: pb::DeleteCommentRequest,
    ) -> Result<pb::DeleteCommentResponse, Fault>;
    /// Resolves a comment or opens it again.
    async fn resolve_comment(
        &self,
        request: pb::ResolveCommentRequest,
    ) -> Result<pb::ResolveCommentResponse, Fault>;
    /// Lists builds.
    async fn list_builds(&self, request: pb::ListBuildsRequest) -> Result<pb::ListBuildsResponse, Fault>;
    /// Reports a build.
    async fn set_build_status(
        &self,
        request: pb::SetBuildStatusRequest,
    ) -> Result<pb::SetBuildStatusResponse, Fault>;
    /// Publishes a scanner's report.
    async fn publish_report(
        &self,
        request: pb::PublishReportRequest,
    ) -> Result<pb::PublishReportResponse, Fault>;
    /// Says that logs of builds are not stored, and where they are.
    async fn get_build_log(&self, request: pb::GetBuildLogRequest) -> Result<pb::GetBuildLogResponse, Fault>;
    /// Streams an archive of the files at a commit, in messages as [`chunks`] makes them.
    async fn get_archive(
        &self,
        request: pb::GetArchiveRequest,
    ) -> Result<Stream<pb::GetArchiveResponse>, Fault>;
    /// Sends where a pull request stands, then each change, and heartbeats.
    async fn watch_pr(&self, request: pb::WatchPrRequest) -> Result<Stream<pb::WatchPrResponse>, Fault>;
    /// Sends what builds say, then each change, and heartbeats.
    async fn watch_build_status(
        &self,
        request: pb::WatchBuildStatusRequest,
    ) -> Result<Stream<pb::WatchBuildStatusResponse>, Fault>;
}

/// Makes the services of `gitproxy.scm.v1` over `core`.
///
/// A request message larger than 8 MiB is refused: the largest one legal, an edit, carries 5 MiB of content.
pub fn routes(core: &Arc<Core>) -> tonic::service::Routes {
    services::routes(core)
}
