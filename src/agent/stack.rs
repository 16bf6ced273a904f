//! What every command passes before its service, whichever door it came through.

use tonic::service::Routes;
use tower::ServiceBuilder;

use self::observe::ObserveLayer;
use self::rescue::RescueLayer;
use self::take_secrets::TakeSecretsLayer;
use crate::ops::Tasks;
use crate::tunnel::admit::{AdmitLayer, Limits};
use crate::tunnel::deadline::{DeadlineLayer, Defaults};
use crate::tunnel::ending::EndingLayer;
use crate::tunnel::observe::Observer;
use crate::tunnel::{Body, Service};

pub mod observe;
pub mod rescue;
pub mod take_secrets;
#[cfg(test)]
mod tests;

/// Puts the stack over `services`. Each call of this makes places of its own, up to `limits`; a drain of `tasks` waits for
/// the calls in flight.
pub fn stack(services: Routes, limits: Limits, observer: &Observer, tasks: &Tasks) -> Service {
    let stack = ServiceBuilder::new()
        // First, so that nothing below can log a token: secret headers move into an extension.
        .layer(TakeSecretsLayer::new())
        // One span per command, so everything below logs with its id; and measured, refusals of what is below included.
        .layer(ObserveLayer::new(observer.clone()))
        // From here down errors and panics may happen; this turns each into the status the cloud may see.
        .layer(RescueLayer::new())
        // When the grace of a drain is over, callers hear it, whatever what is below waits for.
        .layer(EndingLayer::new(tasks, "this instance of the agent"))
        // Before the limits: who has stopped waiting must not hold a place in them, unless a write of his goes on.
        .layer(DeadlineLayer::new(Defaults::default(), tasks))
        // Refuse at once when full; the permit stays with the body, so a download counts until it ends, and a write with a
        // key beyond its call.
        .layer(AdmitLayer::new(limits, tasks))
        // Generic over bodies; ours is named here.
        .map_request(|request: http::Request<Body>| request)
        .service(services);
    Service::new(stack)
}
