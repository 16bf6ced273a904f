use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::proto::scm::v1::files_server;
use crate::proto::scm::v1::{
    EditFileRequest, EditFileResponse, GetArchiveRequest, GetArchiveResponse, GetFileRequest,
    GetFileResponse, ListDirectoryRequest, ListDirectoryResponse, ListFilesRequest, ListFilesResponse,
};
use crate::scm::Core;
use crate::scm::call::{Messages, call, stream};

pub(super) struct Files(pub(super) Arc<Core>);

#[tonic::async_trait]
impl files_server::Files for Files {
    type GetArchiveStream = Messages<GetArchiveResponse>;
    type GetFileStream = Messages<GetFileResponse>;

    async fn list_files(
        &self,
        request: Request<ListFilesRequest>,
    ) -> Result<Response<ListFilesResponse>, Status> {
        call(&self.0, request, |scm, request| scm.list_files(request)).await
    }

    async fn get_file(
        &self,
        request: Request<GetFileRequest>,
    ) -> Result<Response<Self::GetFileStream>, Status> {
        stream(&self.0, request, |scm, request| scm.get_file(request)).await
    }

    async fn edit_file(
        &self,
        request: Request<EditFileRequest>,
    ) -> Result<Response<EditFileResponse>, Status> {
        call(&self.0, request, |scm, request| scm.edit_file(request)).await
    }

    async fn list_directory(
        &self,
        request: Request<ListDirectoryRequest>,
    ) -> Result<Response<ListDirectoryResponse>, Status> {
        call(&self.0, request, |scm, request| scm.list_directory(request)).await
    }

    async fn get_archive(
        &self,
        request: Request<GetArchiveRequest>,
    ) -> Result<Response<Self::GetArchiveStream>, Status> {
        stream(&self.0, request, |scm, request| scm.get_archive(request)).await
    }
}
