use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::proto::scm::v1::{self as pb, connections_server};
use crate::scm::Core;
use crate::scm::call::{call, own};

pub(super) struct Connections(pub(super) Arc<Core>);

#[tonic::async_trait]
impl connections_server::Connections for Connections {
    async fn test_connection(
        &self,
        request: Request<pb::TestConnectionRequest>,
    ) -> Result<Response<pb::TestConnectionResponse>, Status> {
        call(&self.0, request, |scm, request| scm.test_connection(request)).await
    }

    async fn list_connections(
        &self,
        request: Request<pb::ListConnectionsRequest>,
    ) -> Result<Response<pb::ListConnectionsResponse>, Status> {
        own(&self.0, request, std::future::ready(Ok(list(&self.0)))).await
    }
}

fn list(core: &Core) -> pb::ListConnectionsResponse {
    let connections = core.connections().local().map(|it| pb::Connection {
        name: it.name.clone(),
        url: it.url.clone(),
        projects: it.projects.keys().to_vec(),
    });
    pb::ListConnectionsResponse { connections: connections.collect() }
}
