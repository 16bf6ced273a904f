//! The client's end of one HTTP/2 connection, on h2 itself.
//!
//! hyper's client would do, and takes a queue of 9 KiB for each connection; a gateway keeps tens of thousands of them.

use std::convert::Infallible;
use std::error::Error;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::client;
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Method};
use http_body::{Body as HttpBody, Frame};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot};
use tonic::Status;

use super::body::WithoutEmptyFrames;
use super::{Body, Options, Pulse, options};
use crate::ops::Tasks;

/// Sends requests over one connection.
#[derive(Debug)]
pub(super) struct Client {
    orders: mpsc::Sender<Box<Order>>,
    /// Never sends: it only tells whether the connection takes requests.
    idle: client::SendRequest<Bytes>,
    tasks: Tasks,
}

/// Drives a connection; its end is the connection's.
pub(super) struct Driver<IO> {
    /// In a box, or each future that hands it on would have its size.
    connection: Box<client::Connection<IO, Bytes>>,
    desk: Desk,
}

/// Where orders are taken, as fast as the peer allows streams: so at most one request is with h2 that cannot leave, and those
/// after it still are their senders'. In a storm of cancelled calls most have been given up when their turn comes.
#[derive(Debug)]
struct Desk {
    orders: mpsc::Receiver<Box<Order>>,
    next: client::SendRequest<Bytes>,
}

/// A request that has not left. In a box, since the queue keeps places for more of them than there mostly are.
#[derive(Debug)]
struct Order {
    head: http::Request<()>,
    ends: bool,
    begun: oneshot::Sender<Result<Begun, Failed>>,
}

/// A request that leaves, or has left.
type Begun = (client::ResponseFuture, h2::SendStream<Bytes>);

/// Why there is no response.
#[derive(Debug)]
pub(super) enum Failed {
    /// Nothing of the request has left; without an error where the connection had ended before.
    Unsent(Option<h2::Error>),
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
) -> Result<(Client, Driver<IO>), h2::Error>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let (next, connection) = builder(options).handshake(io).await?;
    let idle = next.clone();
    let (sender, orders) = mpsc::channel(options.max_streams as usize);
    let driver = Driver { connection: Box::new(connection), desk: Desk { orders, next } };
    Ok((Client { orders: sender, idle, tasks: tasks.clone() }, driver))
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Driver<IO> {
    /// Drives the connection to its end, and asks the peer for a word whenever `pulse` has been quiet for `every`.
    pub(super) async fn run(self, pulse: &Pulse, every: Duration) -> Result<(), h2::Error> {
        let Self { mut connection, desk } = self;
        let pings = connection.ping_pong();
        tokio::select! {
            biased;
            never = desk.take() => match never {},
            ended = connection => ended,
            never = ask(pings, pulse, every) => match never {},
        }
    }
}

impl Desk {
    async fn take(mut self) -> Infallible {
        loop {
            let ready = poll_fn(|cx| self.next.poll_ready(cx)).await;
            let Some(order) = self.orders.recv().await else { break };
            let Order { head, ends, begun } = *order;
            if begun.is_closed() {
                continue;
            }
            let outcome = match ready {
                Ok(()) => self.next.send_request(head, ends).map_err(unsent_or_bad),
                Err(error) => Err(Failed::Unsent(Some(error))),
            };
            // Who gave up in this moment drops the stream, which resets it.
            drop(begun.send(outcome));
        }
        // Nobody is left who could ask; what is open goes on.
        drop(self);
        std::future::pending().await
    }
}

/// A connection that has ended took nothing; otherwise the request is none, wherever it would be sent.
fn unsent_or_bad(error: h2::Error) -> Failed {
    if error.is_io() || error.is_go_away() { Failed::Unsent(Some(error)) } else { Failed::Sent(error) }
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

    async fn begin(&self, head: http::Request<()>, ends: bool) -> Result<Begun, Failed> {
        let (sender, begun) = oneshot::channel();
        let order = Box::new(Order { head, ends, begun: sender });
        self.orders.send(order).await.map_err(|_| Failed::Unsent(None))?;
        begun.await.unwrap_or(Err(Failed::Unsent(None)))
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

#[cfg(test)]
mod tests;
