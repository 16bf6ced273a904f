use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::proto::scm::v1::builds_server;
use crate::proto::scm::v1::{GetBuildStatusRequest, GetBuildStatusResponse};
use crate::scm::Core;
use crate::scm::call::call;

pub(super) struct Builds(pub(super) Arc<Core>);

#[tonic::async_trait]
impl builds_server::Builds for Builds {
    async fn get_build_status(
        &self,
        request: Request<GetBuildStatusRequest>,
    ) -> Result<Response<GetBuildStatusResponse>, Status> {
        call(&self.0, request, |scm, request| scm.get_build_status(request)).await
    }
}
