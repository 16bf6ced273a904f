use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::proto::scm::v1::comments_server;
use crate::proto::scm::v1::{
    DeleteCommentRequest, DeleteCommentResponse, ListCommentsRequest, ListCommentsResponse,
    PostCommentRequest, PostCommentResponse, ResolveCommentRequest, ResolveCommentResponse,
    UpdateCommentRequest, UpdateCommentResponse,
};
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

    async fn list_comments(
        &self,
        request: Request<ListCommentsRequest>,
    ) -> Result<Response<ListCommentsResponse>, Status> {
        call(&self.0, request, |scm, request| scm.list_comments(request)).await
    }

    async fn update_comment(
        &self,
        request: Request<UpdateCommentRequest>,
    ) -> Result<Response<UpdateCommentResponse>, Status> {
        call(&self.0, request, |scm, request| scm.update_comment(request)).await
    }

    async fn delete_comment(
        &self,
        request: Request<DeleteCommentRequest>,
    ) -> Result<Response<DeleteCommentResponse>, Status> {
        call(&self.0, request, |scm, request| scm.delete_comment(request)).await
    }

    async fn resolve_comment(
        &self,
        request: Request<ResolveCommentRequest>,
    ) -> Result<Response<ResolveCommentResponse>, Status> {
        call(&self.0, request, |scm, request| scm.resolve_comment(request)).await
    }
}
