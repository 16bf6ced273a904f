use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::proto::scm::v1::pull_requests_server;
use crate::proto::scm::v1::{
    CheckMergeRequest, CheckMergeResponse, DeclinePrRequest, DeclinePrResponse, GetPrDiffRequest,
    GetPrDiffResponse, GetPrRequest, GetPrResponse, GetPrStatusRequest, GetPrStatusResponse,
    ListActivityRequest, ListActivityResponse, ListChangesRequest, ListChangesResponse, ListPRsRequest,
    ListPRsResponse, MergePrRequest, MergePrResponse, OpenPrRequest, OpenPrResponse, ReopenPrRequest,
    ReopenPrResponse, ReviewPrRequest, ReviewPrResponse, UpdatePrRequest, UpdatePrResponse, WatchPrRequest,
    WatchPrResponse,
};
use crate::scm::Core;
use crate::scm::call::{Messages, call, stream};

pub(super) struct PullRequests(pub(super) Arc<Core>);

#[tonic::async_trait]
impl pull_requests_server::PullRequests for PullRequests {
    type WatchPRStream = Messages<WatchPrResponse>;
    async fn open_pr(&self, request: Request<OpenPrRequest>) -> Result<Response<OpenPrResponse>, Status> {
        call(&self.0, request, |scm, request| scm.open_pr(request)).await
    }

    async fn get_pr(&self, request: Request<GetPrRequest>) -> Result<Response<GetPrResponse>, Status> {
        call(&self.0, request, |scm, request| scm.get_pr(request)).await
    }

    async fn list_p_rs(&self, request: Request<ListPRsRequest>) -> Result<Response<ListPRsResponse>, Status> {
        call(&self.0, request, |scm, request| scm.list_prs(request)).await
    }

    async fn update_pr(
        &self,
        request: Request<UpdatePrRequest>,
    ) -> Result<Response<UpdatePrResponse>, Status> {
        call(&self.0, request, |scm, request| scm.update_pr(request)).await
    }

    async fn check_merge(
        &self,
        request: Request<CheckMergeRequest>,
    ) -> Result<Response<CheckMergeResponse>, Status> {
        call(&self.0, request, |scm, request| scm.check_merge(request)).await
    }

    async fn merge_pr(&self, request: Request<MergePrRequest>) -> Result<Response<MergePrResponse>, Status> {
        call(&self.0, request, |scm, request| scm.merge_pr(request)).await
    }

    async fn decline_pr(
        &self,
        request: Request<DeclinePrRequest>,
    ) -> Result<Response<DeclinePrResponse>, Status> {
        call(&self.0, request, |scm, request| scm.decline_pr(request)).await
    }

    async fn reopen_pr(
        &self,
        request: Request<ReopenPrRequest>,
    ) -> Result<Response<ReopenPrResponse>, Status> {
        call(&self.0, request, |scm, request| scm.reopen_pr(request)).await
    }

    async fn review_pr(
        &self,
        request: Request<ReviewPrRequest>,
    ) -> Result<Response<ReviewPrResponse>, Status> {
        call(&self.0, request, |scm, request| scm.review_pr(request)).await
    }

    async fn list_activity(
        &self,
        request: Request<ListActivityRequest>,
    ) -> Result<Response<ListActivityResponse>, Status> {
        call(&self.0, request, |scm, request| scm.list_activity(request)).await
    }

    async fn list_changes(
        &self,
        request: Request<ListChangesRequest>,
    ) -> Result<Response<ListChangesResponse>, Status> {
        call(&self.0, request, |scm, request| scm.list_changes(request)).await
    }

    async fn get_pr_diff(
        &self,
        request: Request<GetPrDiffRequest>,
    ) -> Result<Response<GetPrDiffResponse>, Status> {
        call(&self.0, request, |scm, request| scm.get_pr_diff(request)).await
    }

    async fn get_pr_status(
        &self,
        request: Request<GetPrStatusRequest>,
    ) -> Result<Response<GetPrStatusResponse>, Status> {
        call(&self.0, request, |scm, request| scm.get_pr_status(request)).await
    }

    async fn watch_pr(
        &self,
        request: Request<WatchPrRequest>,
    ) -> Result<Response<Self::WatchPRStream>, Status> {
        stream(&self.0, request, |scm, request| scm.watch_pr(request)).await
    }
}
