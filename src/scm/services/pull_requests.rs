use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::proto::scm::v1::pull_requests_server;
use crate::proto::scm::v1::{
    GetPrRequest, GetPrResponse, ListPRsRequest, ListPRsResponse, OpenPrRequest, OpenPrResponse,
};
use crate::scm::Core;
use crate::scm::call::call;

pub(super) struct PullRequests(pub(super) Arc<Core>);

#[tonic::async_trait]
impl pull_requests_server::PullRequests for PullRequests {
    async fn open_pr(&self, request: Request<OpenPrRequest>) -> Result<Response<OpenPrResponse>, Status> {
        call(&self.0, request, |scm, request| scm.open_pr(request)).await
    }

    async fn get_pr(&self, request: Request<GetPrRequest>) -> Result<Response<GetPrResponse>, Status> {
        call(&self.0, request, |scm, request| scm.get_pr(request)).await
    }

    async fn list_p_rs(&self, request: Request<ListPRsRequest>) -> Result<Response<ListPRsResponse>, Status> {
        call(&self.0, request, |scm, request| scm.list_prs(request)).await
    }
}
