//! The client's end of one HTTP/2 connection, on h2 itself.
//!
//! hyper's client would do, and takes a queue of 9 KiB for each connection and a hop to its task for each call; a gateway
//! keeps tens of thousands of connections, and all that its calls do is pass through.

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::client;
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Method};
use http_body::{Body as HttpBody, Frame};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Mutex, oneshot};
use tonic::Status;

use super::body::WithoutEmptyFrames;
use super::{Body, Options, Pulse, options};
use crate::ops::Tasks;

/// What drives a connection; it ends with it. In a box, or each future that hands it on would have its size.
pub(super) type Connection<IO> = Box<client::Connection<IO, Bytes>>;

/// Sends requests over one connection.
#[derive(Debug)]
pub(super) struct Client {
    /// Who sends waits here for a stream that the peer has not allowed yet: so at most one request is with h2 that cannot
    /// leave, and those after it still are their senders'.
    next: Mutex<client::SendRequest<Bytes>>,
    /// Never sends: it only tells whether the connection takes requests.
    idle: client::SendRequest<Bytes>,
    tasks: Tasks,
}

/// Why there is no response.
#[derive(Debug)]
pub(super) enum Failed {
    /// Nothing of the request has left.
    Unsent(h2::Error),
    /// It has left, or may have.
    Sent(h2::Error),
}

/// The body of a response. Dropping it gives the call up.
#[derive(Debug)]
pub(super) struct Incoming {
    stream: h2::RecvStream,
    has_data: bool,
    /// Ends what still uploads when it is dropped.
    _upload: Option<oneshot::Sender<Infallible>>,
}

/// Sends the body of a request.
#[derive(Debug)]
struct Upload {
    body: WithoutEmptyFrames<Body>,
    to: h2::SendStream<Bytes>,
}

/// Opens the client's end over `io`. Uploads run as tasks of `tasks`.
pub(super) async fn open<IO>(
    io: IO,
    options: &Options,
    tasks: &Tasks,
) -> Result<(Client, Connection<IO>), h2::Error>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let (next, connection) = builder(options).handshake(io).await?;
    let idle = next.clone();
    Ok((Client { next: Mutex::new(next), idle, tasks: tasks.clone() }, Box::new(connection)))
}

/// Drives the connection to its end, and asks the peer for a word whenever `pulse` has been quiet for `every`.
pub(super) async fn drive<IO>(
    mut connection: Connection<IO>,
    pulse: &Pulse,
    every: Duration,
) -> Result<(), h2::Error>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let pings = connection.ping_pong();
    tokio::select! {
        biased;
        ended = connection => ended,
        never = ask(pings, pulse, every) => match never {},
    }
}

async fn ask(pings: Option<h2::PingPong>, pulse: &Pulse, every: Duration) -> Infallible {
    let Some(mut pings) = pings else { return std::future::pending().await };
    loop {
        tokio::time::sleep_until(pulse.last() + every).await;
        // Its answer may wait behind data; the next one is asked for when it has come. That the connection has ended is for
        // the connection to tell.
        if pulse.quiet_for() >= every && pings.ping(h2::Ping::opaque()).await.is_err() {
            return std::future::pending().await;
        }
    }
}

impl Client {
    /// Whether the connection has ended, or takes no new request.
    pub(super) fn is_closed(&self) -> bool {
        let mut nobody = Context::from_waker(Waker::noop());
        matches!(self.idle.clone().poll_ready(&mut nobody), Poll::Ready(Err(_)))
    }

    /// Sends the request and waits for the head of the response. Dropping the future gives the call up.
    pub(super) async fn send(
        &self,
        request: http::Request<Body>,
    ) -> Result<http::Response<Incoming>, Failed> {
        let (mut parts, body) = request.into_parts();
        let body = WithoutEmptyFrames(body);
        tell_length(&mut parts, &body);
        let ends = body.is_end_stream();
        let (response, to) = self.begin(http::Request::from_parts(parts, ()), ends).await?;
        let (response, upload) =
            if ends { (response.await, None) } else { self.upload(response, Upload { body, to }).await };
        let response = response.map_err(Failed::Sent)?;
        Ok(response.map(|stream| Incoming { stream, has_data: true, _upload: upload }))
    }

    async fn begin(
        &self,
        head: http::Request<()>,
        ends: bool,
    ) -> Result<(client::ResponseFuture, h2::SendStream<Bytes>), Failed> {
        let mut next = self.next.lock().await;
        std::future::poll_fn(|cx| next.poll_ready(cx)).await.map_err(Failed::Unsent)?;
        next.send_request(head, ends).map_err(|error| {
            // Otherwise the request is none, wherever it would be sent.
            let ended = error.is_io() || error.is_go_away();
            if ended { Failed::Unsent(error) } else { Failed::Sent(error) }
        })
    }

    /// Sends the body until the response is there; what is left of it then goes on beside the response.
    async fn upload(
        &self,
        mut response: client::ResponseFuture,
        mut upload: Upload,
    ) -> (Result<http::Response<h2::RecvStream>, h2::Error>, Option<oneshot::Sender<Infallible>>) {
        tokio::select! {
            biased;
            response = &mut response => {
                let (held, dropped) = oneshot::channel::<Infallible>();
                if response.is_ok() {
                    self.tasks.spawn(async move {
                        tokio::select! {
                            biased;
                            // It never sends.
                            _ = dropped => {}
                            () = upload => {}
                        }
                    });
                }
                (response, Some(held))
            }
            () = &mut upload => (response.await, None),
        }
    }
}

/// As any client does where the length is known.
fn tell_length(parts: &mut http::request::Parts, body: &WithoutEmptyFrames<Body>) {
    let length = body.size_hint().exact().filter(|&length| length > 0 || parts.method == Method::POST);
    if let Some(length) = length
        && !parts.headers.contains_key(CONTENT_LENGTH)
    {
        parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
}

impl Future for Upload {
    type Output = ();

    /// Ready when the body was handed over, or nobody wants it any more; the response tells which.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        loop {
            if ready!(this.poll_room(cx)).is_none() || this.to.poll_reset(cx).is_ready() {
                return Poll::Ready(());
            }
            let outcome = match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                None => this.to.send_data(Bytes::new(), true),
                Some(Err(status)) => {
                    this.to.send_reset(reason(&status));
                    return Poll::Ready(());
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        let ends = this.body.is_end_stream();
                        let sent = this.to.send_data(data, ends);
                        if sent.is_ok() && !ends {
                            continue;
                        }
                        sent
                    }
                    Err(frame) => this.to.send_trailers(frame.into_trailers().unwrap_or_default()),
                },
            };
            // Where it failed the stream has ended, and the response knows why.
            drop(outcome);
            return Poll::Ready(());
        }
    }
}

impl Upload {
    /// Waits until the peer takes a byte; `None` when it never will.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Option<()>> {
        self.to.reserve_capacity(1);
        while self.to.capacity() == 0 {
            if let None | Some(Err(_)) = ready!(self.to.poll_capacity(cx)) {
                return Poll::Ready(None);
            }
        }
        Poll::Ready(Some(()))
    }
}

impl HttpBody for Incoming {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        if self.has_data {
            match ready!(self.stream.poll_data(cx)) {
                Some(Ok(data)) => {
                    // It fails where the stream has ended meanwhile, which the next frame tells.
                    let _ = self.stream.flow_control().release_capacity(data.len());
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Some(Err(error)) if is_over(&error) => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => self.has_data = false,
            }
        }
        Poll::Ready(match ready!(self.stream.poll_trailers(cx)) {
            Ok(trailers) => trailers.map(|trailers| Ok(Frame::trailers(trailers))),
            Err(error) if is_over(&error) => None,
            Err(error) => Some(Err(error)),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }
}

/// A reset with NO_ERROR says that nobody wants the rest of the request (RFC 9113, 8.1).
fn is_over(error: &h2::Error) -> bool {
    error.is_reset() && error.reason() == Some(h2::Reason::NO_ERROR)
}

/// How to reset the stream of a body that broke: as its own stream was, where it came from one.
fn reason(status: &Status) -> h2::Reason {
    let mut cause = status.source();
    while let Some(error) = cause {
        if let Some(reason) = error.downcast_ref::<h2::Error>().and_then(h2::Error::reason) {
            return reason;
        }
        cause = error.source();
    }
    h2::Reason::INTERNAL_ERROR
}

fn builder(options: &Options) -> client::Builder {
    let mut builder = client::Builder::new();
    builder
        .enable_push(false)
        .initial_window_size(options.window)
        .initial_connection_window_size(options::CONNECTION_WINDOW)
        .initial_max_send_streams(options.max_streams as usize)
        .max_frame_size(options::FRAME)
        .max_header_list_size(options::HEADERS)
        .max_send_buffer_size(options::SEND_BUFFER)
        .max_concurrent_reset_streams(options.max_streams as usize)
        // What is a limit to strangers counts over the whole life of a connection.
        .max_local_error_reset_streams(None)
        .max_pending_accept_reset_streams(options::PENDING_RESETS);
    builder
}
