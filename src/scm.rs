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
mod testing;

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
    async fn get_file(
        &self,
        request: pb::GetFileRequest,
    ) -> Result<BoxStream<'static, Result<pb::GetFileResponse, Fault>>, Fault>;
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
}

/// Makes the services of `gitproxy.scm.v1` over `core`.
///
/// A request message larger than 8 MiB is refused: the largest one legal, an edit, carries 5 MiB of content.
pub fn routes(core: &Arc<Core>) -> tonic::service::Routes {
    services::routes(core)
}
