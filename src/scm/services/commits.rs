use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::proto::scm::v1::commits_server;
use crate::proto::scm::v1::{
    CompareCommitsRequest, CompareCommitsResponse, GetCommitRequest, GetCommitResponse, GetDiffRequest,
    GetDiffResponse, ListCommitsRequest, ListCommitsResponse,
};
use crate::scm::Core;
use crate::scm::call::call;

pub(super) struct Commits(pub(super) Arc<Core>);

#[tonic::async_trait]
impl commits_server::Commits for Commits {
    async fn list_commits(
        &self,
        request: Request<ListCommitsRequest>,
    ) -> Result<Response<ListCommitsResponse>, Status> {
        call(&self.0, request, |scm, request| scm.list_commits(request)).await
    }

    async fn get_commit(
        &self,
        request: Request<GetCommitRequest>,
    ) -> Result<Response<GetCommitResponse>, Status> {
        call(&self.0, request, |scm, request| scm.get_commit(request)).await
    }

    async fn compare_commits(
        &self,
        request: Request<CompareCommitsRequest>,
    ) -> Result<Response<CompareCommitsResponse>, Status> {
        call(&self.0, request, |scm, request| scm.compare_commits(request)).await
    }

    async fn get_diff(&self, request: Request<GetDiffRequest>) -> Result<Response<GetDiffResponse>, Status> {
        call(&self.0, request, |scm, request| scm.get_diff(request)).await
    }
}
