//! `gitproxy.agent.v1.Instances`: what this process says about itself.

use std::sync::Arc;

use tokio::time::Instant;
use tonic::{Request, Response, Status};

use crate::proto::Method;
use crate::proto::agent::v1::instances_server::{self, InstancesServer};
use crate::proto::agent::v1::{GetInstanceRequest, GetInstanceResponse};
use crate::scm::describe::{self, Describe};
use crate::scm::fields::Fields;
use crate::scm::{Core, call};

/// The service; it passes the same pause, policy and audit as the SCM commands.
pub(super) struct Instances {
    core: Arc<Core>,
    instance: String,
    since: Instant,
}

impl Instances {
    /// Speaks for the process with the id `instance`, which begins now.
    pub(super) fn server(core: &Arc<Core>, instance: &str) -> InstancesServer<Self> {
        InstancesServer::new(Self {
            core: Arc::clone(core),
            instance: instance.to_owned(),
            since: Instant::now(),
        })
    }

    fn answer(&self) -> GetInstanceResponse {
        GetInstanceResponse {
            instance: self.instance.clone(),
            build: super::BUILD.to_owned(),
            uptime_s: self.since.elapsed().as_secs(),
            connections: self.core.connections().local().map(|connection| connection.name.clone()).collect(),
        }
    }
}

#[tonic::async_trait]
impl instances_server::Instances for Instances {
    async fn get_instance(
        &self,
        request: Request<GetInstanceRequest>,
    ) -> Result<Response<GetInstanceResponse>, Status> {
        call::own(&self.core, request, async { Ok(self.answer()) }).await
    }
}

impl Describe for GetInstanceRequest {
    const METHOD: &'static Method = describe::method("/gitproxy.agent.v1.Instances/GetInstance");

    fn describe(&self, _: &mut Fields) {}
}
