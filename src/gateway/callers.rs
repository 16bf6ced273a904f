//! What a caller's gRPC call passes, from the entrance to the session that takes it.

mod diagnose;
mod door;
mod forward;
mod local;
mod observe;
mod routing;

use std::sync::Arc;

use tower::{ServiceBuilder, service_fn};

use self::door::DoorLayer;
use self::forward::Forward;
pub(super) use self::local::Local;
use self::observe::ObserveLayer;
use super::credentials::Credentials;
use super::directory::Directory;
use super::store::Store;
use crate::ops::Tasks;
use crate::tunnel::admit::{self, AdmitLayer};
use crate::tunnel::deadline::{self, DeadlineLayer};
use crate::tunnel::observe::Observer;
use crate::tunnel::{self, Body};

/// Puts the layers together; a drain of `tasks` waits for the calls in flight.
pub(super) fn stack(
    store: &Arc<dyn Store>,
    directory: &Arc<dyn Directory>,
    local: Local,
    bounds: (deadline::Defaults, admit::Limits),
    observer: &Observer,
    tasks: &Tasks,
) -> tunnel::Service {
    let (deadlines, limits) = bounds;
    let forward = Arc::new(Forward::new(Arc::clone(store), Arc::clone(directory)));
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
        // It bounds everything below, the store's answer too.
        .layer(DeadlineLayer::new(deadlines, tasks))
        // Before the limits: who is unknown, or may not, must not take a place from who may.
        .layer(DoorLayer::new(Credentials::new(Arc::clone(store))))
        // Refuse at once when full; the place stays with the body, so a download counts until it ends.
        .layer(AdmitLayer::new(limits, tasks))
        .service(serve);
    tunnel::Service::new(stack)
}

#[cfg(test)]
mod tests;
