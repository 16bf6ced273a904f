//! The peers' listener: takes calls that other gateways forward, for the instances that are attached here.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;
use tonic::Code;
use tower::{ServiceBuilder, service_fn};
use tracing::{debug, warn};

use super::hop::{self, Hop};
use super::shared::Guest;
use super::{Bounds, Shared};
use crate::egress::serve::{self, ServerTls};
use crate::gateway::callers::ObserveLayer;
use crate::gateway::dice::Dice;
use crate::gateway::directory::{self, Wanted};
use crate::gateway::listen::Listening;
use crate::gateway::metrics;
use crate::ops::Tasks;
use crate::ops::metrics::{Counter, Metrics};
use crate::proto::{Fault, Reason, methods};
use crate::tunnel::admit::AdmitLayer;
use crate::tunnel::deadline::DeadlineLayer;
use crate::tunnel::ending::EndingLayer;
use crate::tunnel::observe::Observer;
use crate::tunnel::{self, Body, wire};

/// See the module.
pub(super) struct Door {
    tls: ServerTls,
    shared: Arc<Shared>,
    bounds: Bounds,
    observer: Observer,
    taken: Counter,
    places: AdmitLayer,
    tasks: Tasks,
}

impl Door {
    pub(super) fn new(tls: ServerTls, shared: Arc<Shared>, bounds: Bounds, tasks: &Tasks) -> Self {
        let places = AdmitLayer::new(bounds.limits, tasks);
        // The caller's gateway measures the call; here it is a place in its trace, and one forward.
        let observer = Observer::new(&Metrics::default(), bounds.telemetry.tracer.clone());
        let taken = bounds.telemetry.metrics.counter(metrics::TAKEN);
        Self { tls, shared, bounds, observer, taken, places, tasks: tasks.clone() }
    }

    /// Accepts until its tasks drain.
    pub(super) async fn run(self, listener: TcpListener) {
        let listening = Listening {
            name: "peers",
            metrics: self.bounds.telemetry.metrics.clone(),
            tls: self.tls.clone(),
            handshakes: self.bounds.handshakes,
            tasks: self.tasks.clone(),
        };
        let door = Arc::new(self);
        let serve = move |stream, place| {
            let own = Arc::clone(&door);
            async move { own.serve(stream, place).await }
        };
        listening.run(listener, serve).await;
    }

    async fn serve(&self, stream: TlsStream<TcpStream>, place: OwnedSemaphorePermit) {
        let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        let fingerprint = shown.map(|der| serve::fingerprint(der)).unwrap_or_default();
        // A gateway that has just come may call before its entry has arrived here.
        let known = tokio::select! {
            known = timeout(ENTRY, self.shared.guest(&fingerprint)) => known.ok(),
            () = self.tasks.draining() => None,
        };
        let Some(guest) = known else {
            return self.refuse(stream, &fingerprint).await;
        };
        drop(place);
        debug!(listener = "peers", ?guest, "a peer is connected");
        let connection = self.tasks.group();
        let stack = self.stack(guest, &connection);
        let ended = tunnel::serve(stream, stack, &self.bounds.tunnel, &connection).await;
        debug!(listener = "peers", fingerprint, ?ended, "a peer's connection ended");
    }

    /// Tells a gateway that is in no entry here that none of its calls was taken: were the connection just closed, it would have to
    /// take them for lost.
    async fn refuse(&self, stream: TlsStream<TcpStream>, fingerprint: &str) {
        if !self.tasks.is_draining() {
            warn!(
                listener = "peers",
                fingerprint,
                "a connection is refused: no live gateway of the directory has its certificate; if it is a gateway, give it and \
                 this one the same `cluster.nats` and `cluster.bucket`, and look whether either says that NATS is away"
            );
        }
        let goodbye = self.tasks.group();
        goodbye.begin_drain();
        let refused = service_fn(async |_| Ok::<_, Infallible>(hop::untaken(hop::unknown())));
        let refused = tunnel::serve(stream, tunnel::Service::new(refused), &self.bounds.tunnel, &goodbye);
        if timeout(GOODBYE, refused).await.is_err() {
            debug!(listener = "peers", fingerprint, "a connection that was refused is cut");
        }
        goodbye.cut();
    }

    fn stack(&self, guest: Guest, connection: &Tasks) -> tunnel::Service {
        let (shared, taken) = (Arc::clone(&self.shared), self.taken.clone());
        let (guest, connection) = (Arc::new(guest), connection.clone());
        let serve = service_fn(move |request: http::Request<Body>| {
            taken.add(1, &[]);
            let (shared, guest, connection) = (Arc::clone(&shared), Arc::clone(&guest), connection.clone());
            async move {
                if !shared.is_live(&guest) {
                    // Who is there all the same comes again, and shows the certificate that it has now.
                    connection.begin_drain();
                    return Ok::<_, Infallible>(hop::untaken(hop::unknown()));
                }
                Ok(forward(&shared, request).await)
            }
        });
        let stack = ServiceBuilder::new()
            // First: a span with the id of the trace that the call's own gateway logs.
            .layer(ObserveLayer::new(self.observer.clone()))
            // The end of the grace ends everything below, as it does at the door of callers.
            .layer(EndingLayer::new(&self.tasks, "the gateway"))
            // The time left of a call runs here too, should the peer stop.
            .layer(DeadlineLayer::new(self.bounds.deadlines, &self.tasks))
            // Refuse at once when full, over all peers; a drain waits for what is in flight.
            .layer(self.places.clone())
            .service(serve);
        tunnel::Service::new(stack)
    }
}

/// Gives a call to the instance that it is for, if it is here. It goes no further: only sessions of this gateway are asked.
async fn forward(shared: &Shared, mut request: http::Request<Body>) -> http::Response<Body> {
    if methods::find(request.uri().path()).is_none() {
        let message = "no such method: the gateways' builds differ too much";
        return hop::untaken(Fault::new(Code::Unimplemented, Reason::MethodUnknown, message));
    }
    let hop = match Hop::take(request.headers_mut()) {
        Ok(hop) => hop,
        Err(fault) => return hop::untaken(fault),
    };
    hop::relayed(request.headers_mut());
    // The agent's channel puts in its own.
    let path = request.uri().path().to_owned();
    let Ok(uri) = http::Uri::try_from(path) else {
        return wire::status_response(Fault::internal("the path is no URI").into());
    };
    *request.uri_mut() = uri;
    let mut sessions = shared.here(&hop.agent);
    sessions.retain(|session| session.instance == hop.instance);
    // Of one instance only the newest session counts: there is nothing to draw lots for.
    let chosen = directory::choose(&sessions, &Wanted::default(), &Dice::seeded(0));
    let Some(session) = chosen else { return hop::untaken(hop::gone(&hop)) };
    debug!(agent = %hop.agent, session = session.id, path = request.uri().path(), "taken from a peer");
    match session.upstream.send(request).await {
        Ok(answer) => hop::cleaned(answer),
        Err(status) if tunnel::is_unprocessed(&status) => hop::untaken_status(status),
        Err(status) => wire::status_response(status),
    }
}

/// NATS carries an entry in milliseconds; after it was away, this gateway has to read it anew first.
const ENTRY: Duration = Duration::from_secs(5);
/// For a peer that has to answer once before its connection ends in order.
const GOODBYE: Duration = Duration::from_secs(2);
