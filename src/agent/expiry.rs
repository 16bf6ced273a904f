//! Looks again and again when tokens and certificates end, so that nobody learns it from a failed command.
//!
//! What is found warns by itself: a certificate by `egress::Expiries`, a token by the probe of its connection, each once a
//! day, from 30 days before.

use std::time::Duration;

use tokio::time::{sleep, timeout};
use tracing::debug;

use crate::bitbucket::Client;
use crate::egress::{ClientIdentity, Expiries};
use crate::ops::Tasks;

/// What there is to look at.
pub(super) struct Watch {
    /// The connections of the settings.
    pub(super) clients: Vec<Client>,
    /// Our own certificates, by whose they are.
    pub(super) identities: Vec<(String, ClientIdentity)>,
    /// What was met of others'.
    pub(super) expiries: Expiries,
}

impl Watch {
    /// Looks until the tasks drain.
    pub(super) async fn run(self, tasks: Tasks) {
        tokio::select! {
            () = tasks.draining() => {}
            () = self.look() => {}
        }
    }

    async fn look(&self) {
        // Tokens not at once: an agent that is restarted again and again must not log in as often.
        let mut until_tokens = FIRST;
        loop {
            self.certificates();
            if timeout(until_tokens, self.certificates_hourly()).await.is_err() {
                self.tokens().await;
                until_tokens = EVERY;
            }
        }
    }

    /// A day is a matter of the machine's clock, which may be set or have slept: so it looks more often than it says.
    async fn certificates_hourly(&self) {
        loop {
            sleep(HOUR).await;
            self.certificates();
        }
    }

    fn certificates(&self) {
        for (whose, identity) in &self.identities {
            if let Some(certificate) = identity.certificate() {
                self.expiries.saw(whose, &certificate);
            }
        }
        self.expiries.remind();
    }

    async fn tokens(&self) {
        for client in &self.clients {
            let checks = client.probe().await;
            let expiry = checks.iter().find(|check| check.name == "expiry");
            let found = expiry.map_or("nothing", |check| check.found.as_str());
            debug!(connection = client.connection(), found, "looked when the token ends");
        }
    }
}

const FIRST: Duration = Duration::from_secs(5 * 60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const EVERY: Duration = Duration::from_secs(24 * 60 * 60);
