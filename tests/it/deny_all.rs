//! A policy that denies everything stops every method of the descriptor set, whichever door it comes through.

use gitproxy::proto::{DESCRIPTOR_SET, Reason};
use gitproxy::scm::DenyAll;
use prost_reflect::DescriptorPool;
use tonic::Code;

use crate::world::{Caller, World};

#[tokio::test]
async fn through_the_gateway_no_command_reaches_bitbucket() {
    let world = World::with(|plan| plan.policy(DenyAll).local("main").held("cloud")).await;
    let caller = world.caller_named("acme/operator").await;
    let (before, paths) = (world.sim.request_count(), paths("gitproxy.scm.v1"));
    assert!(paths.len() >= 16, "{paths:?}");
    for connection in ["main", "cloud"] {
        let caller = caller.clone().on(connection);
        for path in &paths {
            denied(&caller, path).await;
        }
    }
    assert_eq!(world.sim.request_count(), before, "{:?}", world.sim.requests());
}

#[tokio::test]
async fn at_the_agents_own_door_no_command_passes_either() {
    let world = World::with(|plan| plan.policy(DenyAll).local("main").debug()).await;
    let (caller, before) = (operator(&world).await, world.sim.request_count());
    let paths = [paths("gitproxy.scm.v1"), paths("gitproxy.agent.v1")].concat();
    assert!(paths.iter().any(|path| path.starts_with("/gitproxy.agent.v1.")), "{paths:?}");
    for path in &paths {
        denied(&caller, path).await;
    }
    assert_eq!(world.sim.request_count(), before, "{:?}", world.sim.requests());
}

#[tokio::test]
async fn the_agent_serves_no_method_of_the_gateway_or_of_the_tunnel() {
    let world = World::with(|plan| plan.policy(DenyAll).local("main").debug()).await;
    let caller = operator(&world).await;
    let paths = [paths("gitproxy.tunnel.v1"), paths("gitproxy.gateway.v1")].concat();
    assert!(paths.len() >= 2, "{paths:?}");
    for path in &paths {
        let status = caller.raw(path, &[]).await.expect("an answer").status();
        assert_eq!(status.code(), Code::Unimplemented, "{path}: {status:?}");
    }
}

#[test]
fn every_method_of_the_descriptor_set_is_shown_here() {
    let shown = ["gitproxy.scm.v1", "gitproxy.agent.v1", "gitproxy.tunnel.v1", "gitproxy.gateway.v1"];
    let missing = services().into_iter().filter(|(package, _)| !shown.contains(&package.as_str()));
    assert_eq!(missing.collect::<Vec<_>>(), []);
}

#[tokio::test]
async fn without_the_policy_the_same_request_reaches_bitbucket() {
    let world = World::with(|plan| plan.local("main").debug()).await;
    for caller in [operator(&world).await, world.caller().await] {
        let before = world.sim.request_count();
        let status = caller.raw("/gitproxy.scm.v1.Repos/ListRepos", &[]).await.expect("an answer").status();
        assert_eq!(status.code(), Code::Ok, "{status:?}");
        assert!(world.sim.request_count() > before);
    }
}

#[track_caller]
fn is_denied(path: &str, status: &tonic::Status) {
    let found = (status.code(), Reason::of(status));
    assert_eq!(found, (Code::PermissionDenied, Some(Reason::PolicyDenied)), "{path}: {status:?}");
    assert!(status.message().contains("deny-all"), "{path}: {}", status.message());
}

async fn denied(caller: &Caller, path: &str) {
    is_denied(path, &caller.raw(path, &[]).await.expect("an answer").status());
}

/// Who has the debug listener's token.
async fn operator(world: &World) -> Caller {
    let agent = world.agent("acme/site");
    let url = format!("http://{}", agent.debug_addr().expect("on TCP"));
    let token = agent.debug_token().expect("on TCP").clone();
    Caller::dial(&url, &world.roots, token, &world.tasks).await
}

fn paths(of: &str) -> Vec<String> {
    services().into_iter().filter(|(package, _)| package == of).map(|(_, path)| path).collect()
}

/// Every method of ours, as package and path.
fn services() -> Vec<(String, String)> {
    let pool = DescriptorPool::decode(DESCRIPTOR_SET).expect("a descriptor set");
    let of_service = |service: prost_reflect::ServiceDescriptor| {
        let package = service.package_name().to_owned();
        let path = |method: prost_reflect::MethodDescriptor| {
            format!("/{}/{}", method.parent_service().full_name(), method.name())
        };
        service.methods().map(|method| (package.clone(), path(method))).collect::<Vec<_>>()
    };
    pool.services().flat_map(of_service).collect()
}
