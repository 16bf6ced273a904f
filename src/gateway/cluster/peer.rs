//! The way to another gateway: one connection, and calls on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::Uri;
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, timeout};
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
use crate::tunnel::{self, Body, Channel, Holding};

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
        options: tunnel::Options,
        tasks: &Tasks,
    ) -> Option<Self> {
        let uri = Uri::try_from(format!("https://{}/", entry.advertise)).ok()?;
        let connector = egress.connector(Origin::of_uri(&uri).ok()?, Alpn::Http2Only);
        Some(Self {
            id: id.to_owned(),
            connector,
            options,
            tasks: tasks.group(),
            link: Mutex::default(),
            certificate: watch::Sender::new(entry.certificate.clone()),
            leaving: AtomicBool::new(entry.leaving),
        })
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

    async fn channel(&self) -> Result<Channel, Status> {
        // Who comes while another dials waits for that one's outcome.
        let mut link = self.link.lock().await;
        if let Some(open) = link.channel.as_ref().filter(|channel| !channel.is_closed()) {
            return Ok(open.clone());
        }
        if link.failed.is_some_and(|at| at.elapsed() < PAUSE) {
            return Err(away());
        }
        match timeout(DIAL, self.dial()).await.unwrap_or_else(|_| Err("it takes too long".to_owned())) {
            Ok(channel) => {
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

    /// Its own gateway finds it sick, or is about to leave: others are better.
    fn is_sick(&self) -> bool {
        self.sick.load(Ordering::Relaxed) || self.peer.leaving.load(Ordering::Relaxed)
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
