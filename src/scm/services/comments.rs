use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::proto::scm::v1::comments_server;
use crate::proto::scm::v1::{PostCommentRequest, PostCommentResponse};
use crate::scm::Core;
use crate::scm::call::call;

pub(super) struct Comments(pub(super) Arc<Core>);

#[tonic::async_trait]
impl comments_server::Comments for Comments {
    async fn post_comment(
        &self,
        request: Request<PostCommentRequest>,
    ) -> Result<Response<PostCommentResponse>, Status> {
        call(&self.0, request, |scm, request| scm.post_comment(request)).await
    }
}
