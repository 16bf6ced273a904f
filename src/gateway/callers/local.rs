//! What the gateway answers itself: its agents, reflection, health.

use std::convert::Infallible;
use std::sync::Arc;

use tonic::service::Routes;
use tonic::{Request, Response, Status};
use tonic_health::server::HealthReporter;
use tonic_reflection::server::Builder;
use tower::Service as _;

use super::door::Admitted;
use crate::gateway::credentials::unanswered;
use crate::gateway::directory::{Directory, Session};
use crate::gateway::name::AgentId;
use crate::gateway::store::Store;
use crate::proto::gateway::v1::agents_server::{Agents, AgentsServer};
use crate::proto::gateway::v1::{
    Agent, DiagnoseAgentRequest, DiagnoseAgentResponse, Instance, ListAgentsRequest, ListAgentsResponse,
};
use crate::proto::{self, Fault, methods};
use crate::tunnel::Body;

/// The services that the gateway answers itself.
#[derive(Clone)]
pub(in crate::gateway) struct Local {
    routes: Routes,
}

/// Whether the gateway answers this path itself.
pub(super) fn serves(path: &str) -> bool {
    PATHS.contains(&path)
}

impl Local {
    /// Puts the services together.
    ///
    /// # Errors
    /// When the descriptor set that was built in cannot be read.
    pub(in crate::gateway) fn new(
        store: &Arc<dyn Store>,
        directory: &Arc<dyn Directory>,
        health: HealthReporter,
    ) -> Result<Self, tonic_reflection::server::Error> {
        let agents = Listing { store: Arc::clone(store), directory: Arc::clone(directory) };
        let health = tonic_health::server::HealthService::from_health_reporter(health);
        let routes = Routes::new(AgentsServer::new(agents))
            .add_service(tonic_health::pb::health_server::HealthServer::new(health))
            .add_service(reflection().build_v1()?)
            .add_service(reflection().build_v1alpha()?)
            .prepare();
        Ok(Self { routes })
    }

    pub(super) async fn call(
        mut self,
        request: http::Request<Body>,
    ) -> Result<http::Response<Body>, Infallible> {
        self.routes.call(request).await
    }
}

/// Shows what callers may use, and not the contracts between gateway and agent.
fn reflection() -> Builder<'static> {
    let services = methods::services(|method| method.package == methods::SCM_PACKAGE || serves(method.path));
    let builder = Builder::configure()
        .register_encoded_file_descriptor_set(proto::DESCRIPTOR_SET)
        // So that a tool can show the details of a failed call.
        .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .with_service_name(tonic_health::pb::health_server::SERVICE_NAME)
        .include_reflection_service(false);
    services.into_iter().fold(builder, Builder::with_service_name)
}

struct Listing {
    store: Arc<dyn Store>,
    directory: Arc<dyn Directory>,
}

#[tonic::async_trait]
impl Agents for Listing {
    async fn list_agents(
        &self,
        request: Request<ListAgentsRequest>,
    ) -> Result<Response<ListAgentsResponse>, Status> {
        let admitted = request.extensions().get::<Admitted>();
        let tenant = &admitted.ok_or_else(|| Fault::internal("the call came past the door"))?.caller.tenant;
        let mut agents = Vec::new();
        for agent in self.store.agents(tenant).await.map_err(|error| unanswered(&error))? {
            agents.push(self.describe(AgentId { tenant: tenant.clone(), agent }).await?);
        }
        Ok(Response::new(ListAgentsResponse { agents }))
    }

    async fn diagnose_agent(
        &self,
        _: Request<DiagnoseAgentRequest>,
    ) -> Result<Response<DiagnoseAgentResponse>, Status> {
        Err(Status::unimplemented("not yet"))
    }
}

impl Listing {
    async fn describe(&self, id: AgentId) -> Result<Agent, Fault> {
        let held = self.store.held_names(&id).await.map_err(|error| unanswered(&error))?;
        Ok(Agent {
            name: id.agent.to_string(),
            instances: self.directory.sessions(&id).iter().map(|session| instance(session)).collect(),
            held_connections: held.iter().map(ToString::to_string).collect(),
        })
    }
}

fn instance(session: &Session) -> Instance {
    Instance {
        id: session.instance.clone(),
        build: session.build.clone(),
        session: session.id.clone(),
        attached_s: session.since.elapsed().as_secs(),
        in_flight: u32::try_from(session.upstream.in_flight()).unwrap_or(u32::MAX),
        draining: session.is_draining(),
    }
}

const PATHS: [&str; 6] = [
    "/gitproxy.gateway.v1.Agents/ListAgents",
    "/gitproxy.gateway.v1.Agents/DiagnoseAgent",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
];
