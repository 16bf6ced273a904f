//! Several gateways that share a directory on NATS and forward calls to one another, once.
//!
//! Each gateway writes who it is and which sessions it holds into one key-value bucket (`nats`, `entry`) and keeps what
//! it reads of the others beside its own sessions (`shared`). A call for a session elsewhere goes over mutual TLS to the
//! gateway that holds it (`peer`), which takes it on a listener of its own (`door`) and never sends it on to a third.

mod door;
mod entry;
mod hop;
mod login;
mod nats;
mod peer;
mod shared;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::TcpListener;

use self::door::Door;
pub(super) use self::shared::Shared;
use crate::egress::push::Telemetry;
use crate::egress::serve::ServerTls;
use crate::egress::{ClientIdentity, Egress};
use crate::gateway::metrics;
use crate::ops::Tasks;
use crate::ops::metrics::Metrics;
use crate::ops::secret::Source;
use crate::tunnel::{self, admit, deadline};

/// What makes a gateway one of several.
#[derive(Debug, Clone)]
pub struct Config {
    /// NATS servers, as `nats://host:port` or `tls://host:port`.
    pub nats: Vec<String>,
    /// `USER:PASSWORD`, a token, the seed of an NKey, or what a `.creds` file has; read at each connection.
    pub nats_login: Option<Source>,
    /// TLS with NATS.
    pub nats_tls: Egress,
    /// The bucket that the gateways share.
    pub bucket: String,
    /// Where the other gateways reach this one, `host:port`.
    pub advertise: String,
    /// Certificate of the peers' listener, and the authority of its clients.
    pub tls: ServerTls,
    /// The way out to peers: trusts `peers.ca` alone and shows [`Config::identity`].
    pub egress: Egress,
    /// The certificate that peers are shown.
    pub identity: ClientIdentity,
    /// How often a gateway says that it lives. One that has missed four is gone.
    pub beat: Duration,
}

impl Config {
    /// The beat of the design.
    pub const BEAT: Duration = Duration::from_secs(3);
}

/// What the peers' listener bounds.
pub(super) struct Bounds {
    pub(super) handshakes: usize,
    pub(super) tunnel: tunnel::Options,
    pub(super) deadlines: deadline::Defaults,
    pub(super) limits: admit::Limits,
    pub(super) telemetry: Telemetry,
}

/// Starts to share the directory and to take calls of peers. Connections of peers run in `serving`, the talk with NATS
/// and connections to peers in `talking`.
pub(super) fn start(
    name: &str,
    config: Config,
    listener: TcpListener,
    bounds: Bounds,
    (serving, talking): (&Tasks, &Tasks),
) -> Arc<Shared> {
    let tls = config.tls.clone();
    let shared = Shared::new(name, config, bounds.tunnel.clone(), talking);
    measure(&shared, &bounds.telemetry.metrics);
    let door = Door::new(tls, Arc::clone(&shared), bounds, serving);
    serving.spawn(door.run(listener));
    talking.spawn(nats::run(Arc::clone(&shared)));
    shared
}

fn measure(shared: &Arc<Shared>, metrics: &Metrics) {
    // Weak: what is measured outlives the gateway.
    let (one, other) = (Arc::downgrade(shared), Arc::downgrade(shared));
    let joined = move || one.upgrade().is_some_and(|it| it.joined.load(Ordering::Relaxed));
    metrics.gauge(metrics::JOINED, move || vec![(Vec::new(), f64::from(u8::from(joined())))]);
    let others = move || other.upgrade().map_or(0, |it| it.others());
    metrics.gauge(metrics::OTHERS, move || vec![(Vec::new(), others() as f64)]);
}

#[cfg(test)]
mod tests;
