//! Looks once a day when the tokens of the settings' connections end, so that nobody learns it from a failed command.
//!
//! It only asks: the probe of a connection logs a WARN itself, once a day, from 30 days before, and a certificate that is
//! about to expire is logged where TLS sees it.

use std::time::Duration;

use tokio::time::sleep;
use tracing::debug;

use crate::bitbucket::Client;
use crate::ops::Tasks;

/// Looks at each connection in turn until the tasks drain.
pub(super) async fn watch(clients: Vec<Client>, tasks: Tasks) {
    let looking = async {
        sleep(FIRST).await;
        loop {
            for client in &clients {
                let checks = client.probe().await;
                let expiry = checks.iter().find(|check| check.name == "expiry");
                let found = expiry.map_or("nothing", |check| check.found.as_str());
                debug!(connection = client.connection(), found, "looked when the token ends");
            }
            sleep(EVERY).await;
        }
    };
    tokio::select! {
        () = tasks.draining() => {}
        () = looking => {}
    }
}

/// Not at once: an agent that is restarted again and again must not log in as often.
const FIRST: Duration = Duration::from_secs(5 * 60);
const EVERY: Duration = Duration::from_secs(24 * 60 * 60);
