//! `gitproxy.agent.v1.Instances`: what this process says about itself.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::time::Instant;
use tonic::{Code, Request, Response, Status};

use crate::proto::agent::v1::instances_server::{self, InstancesServer};
use crate::proto::agent::v1::{DiagnoseRequest, DiagnoseResponse, GetInstanceRequest, GetInstanceResponse};
use crate::proto::{Fault, Method, Reason};
use crate::scm::describe::{self, Describe};
use crate::scm::fields::Fields;
use crate::scm::{Core, call};

/// The service; it passes the same pause, policy and audit as the SCM commands.
pub(super) struct Instances {
    core: Arc<Core>,
    instance: String,
    doctor: Option<Doctor>,
    since: Instant,
}

/// Looks at every leg when it is asked; it keeps to a limit of its own.
pub(super) type Doctor = Arc<dyn Fn() -> BoxFuture<'static, DiagnoseResponse> + Send + Sync>;

impl Instances {
    /// Speaks for the process with the id `instance`, which begins now; without a doctor, Diagnose is UNIMPLEMENTED.
    pub(super) fn server(core: &Arc<Core>, instance: &str, doctor: Option<Doctor>) -> InstancesServer<Self> {
        InstancesServer::new(Self {
            core: Arc::clone(core),
            instance: instance.to_owned(),
            doctor,
            since: Instant::now(),
        })
    }

    async fn examine(&self) -> Result<DiagnoseResponse, Fault> {
        let Some(doctor) = &self.doctor else {
            let message = "this agent has no doctor; run `gitproxy doctor` on its machine";
            return Err(Fault::new(Code::Unimplemented, Reason::MethodUnknown, message));
        };
        Ok(doctor().await)
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

    async fn diagnose(
        &self,
        request: Request<DiagnoseRequest>,
    ) -> Result<Response<DiagnoseResponse>, Status> {
        call::own(&self.core, request, self.examine()).await
    }
}

impl Describe for GetInstanceRequest {
    const METHOD: &'static Method = describe::method("/gitproxy.agent.v1.Instances/GetInstance");

    fn describe(&self, _: &mut Fields) {}
}

impl Describe for DiagnoseRequest {
    const METHOD: &'static Method = describe::method("/gitproxy.agent.v1.Instances/Diagnose");

    fn describe(&self, _: &mut Fields) {}
}
