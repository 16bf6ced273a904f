//! What a caller's gRPC call passes, from the entrance to the session that takes it.

mod bounds;
mod diagnose;
mod door;
mod forward;
mod kept;
mod local;
mod observe;
mod routing;

use std::sync::Arc;

use tower::{ServiceBuilder, service_fn};

pub use self::bounds::Shares;
use self::door::DoorLayer;
use self::forward::Forward;
pub(super) use self::local::Local;
pub(super) use self::observe::ObserveLayer;
use super::credentials::Credentials;
use super::directory::Directory;
use super::phase::Watch;
use super::store::Store;
use crate::ops::Tasks;
use crate::tunnel::admit::{self, AdmitLayer};
use crate::tunnel::deadline::{self, DeadlineLayer};
use crate::tunnel::ending::EndingLayer;
use crate::tunnel::observe::Observer;
use crate::tunnel::{self, Body};

/// What bounds calls.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Limits {
    /// Of calls without `grpc-timeout`.
    pub(super) deadlines: deadline::Defaults,
    /// All calls in flight.
    pub(super) all: admit::Limits,
    /// Of those, what one may have.
    pub(super) shares: Shares,
}

/// Puts the layers together; a drain of `tasks` waits for the calls in flight, until its grace is over.
pub(super) fn stack(
    store: &Arc<dyn Store>,
    directory: &Arc<dyn Directory>,
    local: Local,
    limits: Limits,
    observer: &Observer,
    (phase, tasks): (Watch, &Tasks),
) -> tunnel::Service {
    let forward = Forward::new(Arc::clone(store), Arc::clone(directory), phase, limits.shares);
    let forward = Arc::new(forward);
    let serve = service_fn(move |request: http::Request<Body>| {
        let (forward, local) = (Arc::clone(&forward), local.clone());
        async move {
            match local::serves(request.uri().path()) {
                true => local.call(request).await,
                false => Ok(forward.call(request).await),
            }
        }
    });
    let stack = ServiceBuilder::new()
        // First: one span per call, in its caller's trace; and measured, refusals of all that is below included.
        .layer(ObserveLayer::new(observer.clone()))
        // So that the end of the grace ends everything below, whatever it waits for.
        .layer(EndingLayer::new(tasks, "the gateway"))
        // It bounds everything below, the store's answer too.
        .layer(DeadlineLayer::new(limits.deadlines, tasks))
        // Before the limits: who is unknown, or may not, must not take a place from who may.
        .layer(DoorLayer::new(Credentials::new(Arc::clone(store))))
        // Refuse at once when full; the place stays with the body, so a download counts until it ends.
        .layer(AdmitLayer::new(limits.all, tasks))
        .service(serve);
    tunnel::Service::new(stack)
}

#[cfg(test)]
mod tests;
