use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::proto::scm::v1::repos_server;
use crate::proto::scm::v1::{
    GetRepoRequest, GetRepoResponse, ListProjectsRequest, ListProjectsResponse, ListReposRequest,
    ListReposResponse,
};
use crate::scm::Core;
use crate::scm::call::call;

pub(super) struct Repos(pub(super) Arc<Core>);

#[tonic::async_trait]
impl repos_server::Repos for Repos {
    async fn list_projects(
        &self,
        request: Request<ListProjectsRequest>,
    ) -> Result<Response<ListProjectsResponse>, Status> {
        call(&self.0, request, |scm, request| scm.list_projects(request)).await
    }

    async fn list_repos(
        &self,
        request: Request<ListReposRequest>,
    ) -> Result<Response<ListReposResponse>, Status> {
        call(&self.0, request, |scm, request| scm.list_repos(request)).await
    }

    async fn get_repo(&self, request: Request<GetRepoRequest>) -> Result<Response<GetRepoResponse>, Status> {
        call(&self.0, request, |scm, request| scm.get_repo(request)).await
    }
}
