use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::proto::scm::v1::refs_server;
use crate::proto::scm::v1::{
    CreateBranchRequest, CreateBranchResponse, DeleteBranchRequest, DeleteBranchResponse, GetBranchRequest,
    GetBranchResponse, GetDefaultBranchRequest, GetDefaultBranchResponse, ListBranchesRequest,
    ListBranchesResponse, ListTagsRequest, ListTagsResponse,
};
use crate::scm::Core;
use crate::scm::call::call;

pub(super) struct Refs(pub(super) Arc<Core>);

#[tonic::async_trait]
impl refs_server::Refs for Refs {
    async fn list_branches(
        &self,
        request: Request<ListBranchesRequest>,
    ) -> Result<Response<ListBranchesResponse>, Status> {
        call(&self.0, request, |scm, request| scm.list_branches(request)).await
    }

    async fn get_default_branch(
        &self,
        request: Request<GetDefaultBranchRequest>,
    ) -> Result<Response<GetDefaultBranchResponse>, Status> {
        call(&self.0, request, |scm, request| scm.get_default_branch(request)).await
    }

    async fn create_branch(
        &self,
        request: Request<CreateBranchRequest>,
    ) -> Result<Response<CreateBranchResponse>, Status> {
        call(&self.0, request, |scm, request| scm.create_branch(request)).await
    }

    async fn delete_branch(
        &self,
        request: Request<DeleteBranchRequest>,
    ) -> Result<Response<DeleteBranchResponse>, Status> {
        call(&self.0, request, |scm, request| scm.delete_branch(request)).await
    }

    async fn get_branch(
        &self,
        request: Request<GetBranchRequest>,
    ) -> Result<Response<GetBranchResponse>, Status> {
        call(&self.0, request, |scm, request| scm.get_branch(request)).await
    }

    async fn list_tags(
        &self,
        request: Request<ListTagsRequest>,
    ) -> Result<Response<ListTagsResponse>, Status> {
        call(&self.0, request, |scm, request| scm.list_tags(request)).await
    }
}
