//! Which services stand behind which door. The stack before them is the same.

use std::sync::Arc;

use tonic::service::Routes;
use tonic_reflection::server::Builder;

use super::instances::{Doctor, Instances};
use crate::proto::{DESCRIPTOR_SET, methods};
use crate::scm::{self, Core};

/// Behind the tunnel: the SCM commands, and the questions about this process.
pub(super) fn tunnel(core: &Arc<Core>, instance: &str, doctor: Option<&Doctor>) -> Routes {
    scm::routes(core).add_service(Instances::server(core, instance, doctor.cloned()))
}

/// Behind the debug listener: the same, with reflection and health for the operator's tools.
///
/// # Errors
/// When the descriptor set does not decode, which a build that passed its tests cannot have.
pub(super) async fn debug(
    core: &Arc<Core>,
    instance: &str,
    doctor: Option<&Doctor>,
) -> Result<Routes, tonic_reflection::server::Error> {
    let (reporter, health) = tonic_health::server::health_reporter();
    // The process as a whole; whether the gateway is there is the status socket's business.
    reporter.set_service_status("", tonic_health::ServingStatus::Serving).await;
    Ok(tunnel(core, instance, doctor)
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?)
        .add_service(health))
}

/// Shows what is behind the debug listener, and not the gateway's contracts of the same descriptor set.
fn reflection() -> Builder<'static> {
    let packages = [methods::SCM_PACKAGE, methods::AGENT_PACKAGE];
    let builder = Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTOR_SET)
        // So that a tool can show the details of a failed call.
        .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .with_service_name(tonic_health::pb::health_server::SERVICE_NAME);
    let services = methods::services(|method| packages.contains(&method.package));
    services.into_iter().fold(builder, Builder::with_service_name)
}
