//! The way to another gateway: one connection, and calls on it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::Uri;
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep, timeout};
use tonic::{Code, Status};
use tower::ServiceExt as _;
use tracing::{debug, warn};

use super::entry::Gateway;
use super::hop::{self, HOP, Hop};
use crate::egress::{Alpn, Connector, Egress, Origin};
use crate::gateway::directory::Upstream;
use crate::gateway::name::AgentId;
use crate::ops::{Tasks, causes};
use crate::proto::{Fault, Reason};
use crate::tunnel::{self, Body, Channel, Holding, Pulse};

/// Another gateway.
pub(super) struct Peer {
    id: String,
    connector: Connector,
    options: tunnel::Options,
    tasks: Tasks,
    link: Mutex<Link>,
    /// SHA-256 of the certificate that the directory says it has.
    certificate: watch::Sender<String>,
    leaving: AtomicBool,
    /// Of the last connection: one that was given up in silence stays doubted.
    pulse: watch::Sender<Pulse>,
    /// The last attempt to connect has failed.
    failed: AtomicBool,
}

#[derive(Default)]
struct Link {
    channel: Option<Channel>,
    /// When the last attempt failed: those who come right after are told the same.
    failed: Option<Instant>,
}

/// A session at another gateway, as calls see it.
pub(super) struct Remote {
    pub(super) peer: Arc<Peer>,
    pub(super) session: (AgentId, String),
    /// Hears that the peer cannot be reached.
    pub(super) unreachable: Arc<dyn Fn(&str) + Send + Sync>,
    pub(super) in_flight: Arc<AtomicUsize>,
    /// What the peer last said of it.
    pub(super) sick: Arc<AtomicBool>,
}

/// Counts a call until its body ends.
struct Counted(Arc<AtomicUsize>);

impl Peer {
    /// `None` where its address is no `host:port`.
    pub(super) fn new(
        id: &str,
        entry: &Gateway,
        egress: &Egress,
        options: &tunnel::Options,
        tasks: &Tasks,
    ) -> Option<Arc<Self>> {
        let uri = Uri::try_from(format!("https://{}/", entry.advertise)).ok()?;
        let connector = egress.connector(Origin::of_uri(&uri).ok()?, Alpn::Http2Only);
        let peer = Arc::new(Self {
            id: id.to_owned(),
            connector,
            options: tunnel::Options { ping_every: PING, ..options.clone() },
            tasks: tasks.group(),
            link: Mutex::default(),
            certificate: watch::Sender::new(entry.certificate.clone()),
            leaving: AtomicBool::new(entry.leaving),
            pulse: watch::Sender::default(),
            failed: AtomicBool::new(false),
        });
        peer.tasks.spawn(regain(Arc::downgrade(&peer)));
        Some(peer)
    }

    /// Takes what the gateway now says of itself.
    pub(super) fn hears(&self, entry: &Gateway) {
        self.leaving.store(entry.leaving, Ordering::Relaxed);
        let certificate = &entry.certificate;
        self.certificate.send_if_modified(|now| {
            let news = now != certificate;
            now.clone_from(certificate);
            news
        });
    }

    /// Ends the connection and every call on it.
    pub(super) fn cut(&self) {
        self.tasks.cut();
    }

    /// Whether it is silent or could not be reached: others are better.
    fn is_doubted(&self) -> bool {
        self.failed.load(Ordering::Relaxed) || self.pulse.borrow().is_doubtful()
    }

    async fn channel(&self) -> Result<Channel, Status> {
        // Who comes while another dials waits for that one's outcome.
        let mut link = self.link.lock().await;
        if let Some(open) = link.channel.as_ref().filter(|channel| !channel.is_closed()) {
            return Ok(open.clone());
        }
        if link.failed.is_some_and(|at| at.elapsed() < PAUSE) {
            return Err(away());
        }
        let dialled =
            timeout(DIAL, self.dial()).await.unwrap_or_else(|_| Err("it takes too long".to_owned()));
        self.failed.store(dialled.is_err(), Ordering::Relaxed);
        match dialled {
            Ok(channel) => {
                self.pulse.send_replace(channel.pulse().clone());
                *link = Link { channel: Some(channel.clone()), failed: None };
                Ok(channel)
            }
            Err(cause) => {
                warn!(peer = self.id, address = %self.connector.origin(), cause, "another gateway cannot be reached");
                *link = Link { channel: None, failed: Some(Instant::now()) };
                Err(away())
            }
        }
    }

    async fn dial(&self) -> Result<Channel, String> {
        let stream = self.connector.connect().await.map_err(|error| causes(&error))?;
        let shown = stream.fingerprint().unwrap_or_default().to_owned();
        let mut certificate = self.certificate.subscribe();
        let known = certificate.wait_for(|known| *known == shown);
        // A certificate that was just replaced is in the directory with the next beat.
        if timeout(ENTRY, known).await.is_err() {
            return Err(MISMATCH.to_owned());
        }
        let channel = tunnel::channel(stream, &self.options, &self.tasks).await;
        channel.map_err(|status| status.message().to_owned())
    }
}

/// Dials a peer that is doubted and has no connection: a call goes elsewhere where it can, and would not find out that the peer
/// is well again.
async fn regain(peer: Weak<Peer>) {
    loop {
        sleep(REGAIN).await;
        let Some(peer) = peer.upgrade() else { return };
        if peer.is_doubted() {
            // Why it fails is in the log.
            let _ = peer.channel().await;
        }
    }
}

impl Upstream for Remote {
    fn send(
        &self,
        mut request: http::Request<Body>,
    ) -> BoxFuture<'static, Result<http::Response<Body>, Status>> {
        let (peer, unreachable) = (Arc::clone(&self.peer), Arc::clone(&self.unreachable));
        let (session, counted) = (self.session.clone(), Counted::new(&self.in_flight));
        Box::pin(async move {
            request.headers_mut().insert(HOP, Hop::mark(&session)?);
            let channel = peer.channel().await.inspect_err(|_| unreachable(&peer.id));
            let channel = channel.map_err(tunnel::unprocessed)?;
            let answer = channel.oneshot(request).await?;
            if let Some(status) = hop::refusal(&answer) {
                debug!(peer = peer.id, cause = status.message(), "a peer did not take a call");
                return Err(tunnel::unprocessed(status));
            }
            Ok(answer.map(|body| Body::new(Holding::new(body, counted))))
        })
    }

    fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Its own gateway finds it sick, is about to leave, or is doubted itself: others are better.
    fn is_sick(&self) -> bool {
        let peer = &self.peer;
        self.sick.load(Ordering::Relaxed) || peer.leaving.load(Ordering::Relaxed) || peer.is_doubted()
    }
}

impl Counted {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn away() -> Status {
    let message = "the gateway that holds the agent cannot be reached; nothing was done";
    Fault::new(Code::Unavailable, Reason::AgentAway, message).retry_after(PAUSE).into()
}

const MISMATCH: &str = "its certificate is not the one that the directory has: look whether `peers.advertise` of that gateway leads to \
                        itself, and whether something in between ends TLS";
/// For a connection inside one company's cloud.
const DIAL: Duration = Duration::from_secs(2);
const ENTRY: Duration = Duration::from_millis(1500);
const PAUSE: Duration = Duration::from_millis(500);
/// Shorter than [`tunnel::Options::doubt`]: an idle peer is not a silent one.
const PING: Duration = Duration::from_secs(1);
const REGAIN: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_peer_is_asked_for_a_word_well_before_it_would_be_doubted() {
        assert!(PING * 2 <= tunnel::Options::default().doubt);
    }
}
