use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::proto::scm::v1::builds_server;
use crate::proto::scm::v1::{
    GetBuildLogRequest, GetBuildLogResponse, GetBuildStatusRequest, GetBuildStatusResponse,
    ListBuildsRequest, ListBuildsResponse, PublishReportRequest, PublishReportResponse,
    SetBuildStatusRequest, SetBuildStatusResponse, WatchBuildStatusRequest, WatchBuildStatusResponse,
};
use crate::scm::Core;
use crate::scm::call::{Messages, call, stream};

pub(super) struct Builds(pub(super) Arc<Core>);

#[tonic::async_trait]
impl builds_server::Builds for Builds {
    type WatchBuildStatusStream = Messages<WatchBuildStatusResponse>;
    async fn get_build_status(
        &self,
        request: Request<GetBuildStatusRequest>,
    ) -> Result<Response<GetBuildStatusResponse>, Status> {
        call(&self.0, request, |scm, request| scm.get_build_status(request)).await
    }

    async fn list_builds(
        &self,
        request: Request<ListBuildsRequest>,
    ) -> Result<Response<ListBuildsResponse>, Status> {
        call(&self.0, request, |scm, request| scm.list_builds(request)).await
    }

    async fn watch_build_status(
        &self,
        request: Request<WatchBuildStatusRequest>,
    ) -> Result<Response<Self::WatchBuildStatusStream>, Status> {
        stream(&self.0, request, |scm, request| scm.watch_build_status(request)).await
    }

    async fn set_build_status(
        &self,
        request: Request<SetBuildStatusRequest>,
    ) -> Result<Response<SetBuildStatusResponse>, Status> {
        call(&self.0, request, |scm, request| scm.set_build_status(request)).await
    }

    async fn publish_report(
        &self,
        request: Request<PublishReportRequest>,
    ) -> Result<Response<PublishReportResponse>, Status> {
        call(&self.0, request, |scm, request| scm.publish_report(request)).await
    }

    async fn get_build_log(
        &self,
        request: Request<GetBuildLogRequest>,
    ) -> Result<Response<GetBuildLogResponse>, Status> {
        call(&self.0, request, |scm, request| scm.get_build_log(request)).await
    }
}
