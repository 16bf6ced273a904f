//! The gateway's end of a pipe: an ordinary gRPC channel.

use std::error::Error as _;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use http::uri::{Authority, Scheme};
use http_body_util::BodyExt as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tonic::{Code, Status};

use super::alive::{Alive, SILENT};
use super::body::Holding;
use super::client::{self, Client, Failed};
use super::unprocessed::Unsent;
use super::{Body, Options, Pulse, wire};
use crate::ops::call::Deadline;
use crate::ops::{Tasks, causes};
use crate::proto::{Fault, Reason};

/// A gRPC channel through a pipe. Clones share the pipe.
///
/// Its life is the pipe's: when that ends, every call fails at once as UNAVAILABLE, and no call ever works again. A call
/// beyond [`Options::max_streams`] is refused with RESOURCE_EXHAUSTED before anything is sent; the place is held until the
/// response body ends. Generated clients take it as their transport.
#[derive(Debug, Clone)]
pub struct Channel {
    client: Arc<Client>,
    places: Arc<Semaphore>,
    max_streams: usize,
    end: watch::Receiver<Option<Arc<str>>>,
    pulse: Pulse,
}

/// Opens the client's end of HTTP/2 over `io`; the connection is driven by a task of `tasks`.
///
/// # Errors
/// UNAVAILABLE when the pipe ends before the handshake.
pub async fn channel<IO>(io: IO, options: &Options, tasks: &Tasks) -> Result<Channel, Status>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    channel_with(io, Pulse::default(), options, tasks).await
}

/// As [`channel`], for a pipe that gives signs of life of its own.
pub(super) async fn channel_with<IO>(
    io: IO,
    pulse: Pulse,
    options: &Options,
    tasks: &Tasks,
) -> Result<Channel, Status>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let io = Alive::new(io, pulse.clone(), options);
    let (client, driver) = client::open(io, options, tasks).await.map_err(lost)?;
    let (ended, end) = watch::channel(None);
    let (heard, ping_every) = (pulse.clone(), options.ping_every);
    tasks.spawn(async move {
        let cause = match driver.run(&heard, ping_every).await {
            Ok(()) => "the peer closed it".to_owned(),
            Err(error) => causes(&error),
        };
        // Nobody may be left to hear it.
        let _ = ended.send(Some(cause.into()));
    });
    let max_streams = options.max_streams as usize;
    let places = Arc::new(Semaphore::new(max_streams));
    Ok(Channel { client: Arc::new(client), places, max_streams, end, pulse })
}

impl Channel {
    /// How many calls are open.
    pub fn in_flight(&self) -> usize {
        self.max_streams - self.places.available_permits()
    }

    /// When the peer was last heard.
    pub fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// Whether the pipe has ended.
    pub fn is_closed(&self) -> bool {
        self.client.is_closed() || self.end.has_changed().is_err() || self.end.borrow().is_some()
    }

    /// Waits for the end of the pipe and says why it came, for the log.
    pub async fn closed(&self) -> Arc<str> {
        let mut end = self.end.clone();
        match end.wait_for(Option::is_some).await {
            Ok(cause) => cause.as_deref().unwrap_or(CUT).into(),
            // The task that drives the connection was cut.
            Err(_) => CUT.into(),
        }
    }

    async fn send(
        client: Arc<Client>,
        request: http::Request<Body>,
        permit: OwnedSemaphorePermit,
    ) -> Result<http::Response<Body>, Status> {
        let request = ready_for_pipe(request)?;
        let response = client.send(request).await.map_err(|failed| match failed {
            Failed::Unsent(error) => came_back(error),
            Failed::Sent(error) => lost(error),
        })?;
        Ok(response.map(|incoming| Body::new(Holding::new(incoming, permit).map_err(lost))))
    }

    fn full(&self) -> Status {
        let message = format!("{} calls are in flight to this agent, which is the most", self.max_streams);
        let mut status = Status::from(
            Fault::new(Code::ResourceExhausted, Reason::Busy, message)
                .with("scope", "session")
                .with("limit", self.max_streams.to_string())
                .retry_after(RETRY_WHEN_FULL),
        );
        status.set_source(Arc::new(Unsent(None)));
        status
    }
}

impl tower::Service<http::Request<Body>> for Channel {
    type Response = http::Response<Body>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Status>> + Send>>;

    /// Always ready: a dead pipe shows in the call, where gRPC has a status for it.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        match Arc::clone(&self.places).try_acquire_owned() {
            Ok(permit) => Box::pin(Self::send(Arc::clone(&self.client), request, permit)),
            Err(_) => Box::pin(std::future::ready(Err(self.full()))),
        }
    }
}

/// Gives the request what the pipe needs: an absolute URI, and the time that is left rather than the time it began with.
fn ready_for_pipe(request: http::Request<Body>) -> Result<http::Request<Body>, Status> {
    let (mut parts, body) = request.into_parts();
    if let Some(&Deadline(deadline)) = parts.extensions.get::<Deadline>() {
        wire::set_timeout(
            &mut parts.headers,
            deadline.saturating_duration_since(tokio::time::Instant::now()),
        );
    }
    if parts.uri.authority().is_none() {
        let mut uri = parts.uri.into_parts();
        uri.scheme = Some(Scheme::HTTP);
        uri.authority = Some(Authority::from_static("tunnel"));
        parts.uri = Uri::from_parts(uri).map_err(|_| Status::from(Fault::internal("the path is no URI")))?;
    }
    Ok(http::Request::from_parts(parts, body))
}

/// How the peer reset the stream of a call that ended with `status`; `None` where it did not.
pub(super) fn reset_of(status: &Status) -> Option<h2::Reason> {
    let mut cause = status.source();
    while let Some(error) = cause {
        if let Some(h2) = error.downcast_ref::<h2::Error>().filter(|h2| h2.is_reset()) {
            return h2.reason();
        }
        cause = error.source();
    }
    None
}

/// What was said of the peer's silence, where the pipe of a call ended for that.
fn silence(status: &Status) -> Option<String> {
    let mut cause = status.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if said.starts_with(SILENT) {
            return Some(said);
        }
        cause = error.source();
    }
    None
}

/// The same status in words for the agent, whose channel leads to the gateway.
pub(super) fn from_gateway(status: Status) -> Status {
    let message = match (reset_of(&status), Reason::of(&status)) {
        (Some(reason), _) => format!("the gateway, or a reverse proxy before it, reset the stream: {reason}"),
        (None, Some(Reason::TunnelLost)) => match silence(&status) {
            Some(silent) => format!("the connection to the gateway ended: {silent}"),
            None => "the connection to the gateway ended".to_owned(),
        },
        (None, _) => return status,
    };
    let mut told = Status::from(Fault::new(Code::Unavailable, Reason::TunnelLost, message));
    // So that who asks later still finds the reset.
    told.set_source(Arc::new(status));
    told
}

/// What the caller sees of a call that came back before any of it left.
fn came_back(error: Option<h2::Error>) -> Status {
    let message = "the stream to the agent ended before the call was sent; nothing was done";
    let mut status = Status::from(Fault::new(Code::Unavailable, Reason::TunnelLost, message));
    status.set_source(Arc::new(Unsent(error)));
    status
}

/// What the caller of a broken call sees. The operator sees the cause where the session's end is logged.
fn lost(error: h2::Error) -> Status {
    let mut status = match error.reason().filter(|_| error.is_reset()) {
        Some(h2::Reason::CANCEL) => Status::cancelled("the agent gave the call up"),
        Some(h2::Reason::REFUSED_STREAM) => {
            Fault::new(Code::Unavailable, Reason::Draining, "the agent took no new call; nothing was done")
                .retry_after(RETRY_WHEN_FULL)
                .into()
        }
        Some(reason) => Fault::internal(format!("the agent reset the call: {reason}")).into(),
        None => Fault::new(Code::Unavailable, Reason::TunnelLost, "the stream to the agent ended").into(),
    };
    status.set_source(Arc::new(error));
    status
}

const CUT: &str = "it was cut";
const RETRY_WHEN_FULL: Duration = Duration::from_millis(200);
