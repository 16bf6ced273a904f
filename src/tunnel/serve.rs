//! The agent's end of a pipe: a server of its stack.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tower::ServiceExt as _;

use super::alive::Alive;
use super::body::{Holding, WithoutEmptyFrames};
use super::preface::Preface;
use super::{Body, Options, Pulse, Service, options};
use crate::ops::{Tasks, causes};

/// Why [`serve`] came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// A drain was asked for, and every call finished.
    Drained,
    /// The pipe ended; the text is the cause, for the log.
    Lost(String),
}

/// Counts the calls of a pipe whose answer is not over. Clones share the count.
#[derive(Debug, Clone, Default)]
pub struct Calls(Arc<AtomicUsize>);

/// Counts as one while it lives.
struct Call(Calls);

impl Calls {
    /// How many there are.
    pub fn in_flight(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn begin(&self) -> Call {
        self.0.fetch_add(1, Ordering::Relaxed);
        Call(self.clone())
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Serves calls from the pipe until it ends or `tasks` drain. Calls run as tasks of `tasks`.
///
/// When the pipe ends, the calls in flight are dropped: nobody can receive their answers. When a drain is asked for, the
/// peer is told (GOAWAY), calls in flight finish, and then it comes back.
pub async fn serve<IO>(io: IO, service: Service, options: &Options, tasks: &Tasks) -> Ended
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    serve_with(io, Pulse::default(), service, options, Calls::default(), tasks).await
}

/// As [`serve`], for a pipe that gives signs of life of its own; `calls` counts.
pub(super) async fn serve_with<IO>(
    io: IO,
    pulse: Pulse,
    service: Service,
    options: &Options,
    calls: Calls,
    tasks: &Tasks,
) -> Ended
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let io = Preface::new(Alive::new(io, pulse, options));
    let mut begun = io.read();
    let own = calls.clone();
    let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let call = calls.begin();
        let answer = service.clone().oneshot(request.map(Body::new));
        async move {
            let response = answer.await?;
            Ok::<_, Infallible>(response.map(|body| WithoutEmptyFrames(Holding::new(body, call))))
        }
    });
    let mut connection = std::pin::pin!(builder(options, tasks).serve_connection(TokioIo::new(io), service));
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = drain(&mut begun, tasks) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    match outcome {
        Ok(()) if tasks.is_draining() => Ended::Drained,
        // Told to go, and with no call left, the peer may close before we do: nothing is lost by that.
        Err(_) if tasks.is_draining() && own.in_flight() == 0 => Ended::Drained,
        Ok(()) => Ended::Lost("the peer closed it".to_owned()),
        Err(error) => Ended::Lost(causes(&error)),
    }
}

/// Waits until a drain is asked for and can be said.
async fn drain(begun: &mut watch::Receiver<bool>, tasks: &Tasks) {
    tasks.draining().await;
    // Where the connection ends before, that is what its own outcome says.
    let _ = begun.wait_for(|begun| *begun).await;
}

fn builder(options: &Options, tasks: &Tasks) -> http2::Builder<Tasks> {
    let mut builder = http2::Builder::new(tasks.clone());
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(options.window)
        .initial_connection_window_size(options::CONNECTION_WINDOW)
        .max_concurrent_streams(options.max_streams)
        .max_frame_size(options::FRAME)
        .max_header_list_size(options::HEADERS)
        .max_send_buf_size(options::SEND_BUFFER)
        .keep_alive_interval(options.ping_every)
        .keep_alive_timeout(options::PING_TIMEOUT)
        .max_local_error_reset_streams(None)
        .max_pending_accept_reset_streams(options::PENDING_RESETS)
        // Nobody reads it in here.
        .auto_date_header(false);
    builder
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;
    use tower::service_fn as tower_fn;

    use super::*;
    use crate::tunnel::{channel, is_unprocessed};

    #[tokio::test]
    async fn a_drain_before_the_first_byte_loses_no_call() {
        let (near, far) = duplex(1 << 16);
        let (options, tasks, leaving) = (Options::default(), Tasks::new(), Tasks::new());
        leaving.begin_drain();
        let channel = channel(near, &options, &tasks).await.expect("a channel");
        let service = Service::new(tower_fn(async |_| Ok(http::Response::new(Body::empty()))));
        // Kept, or the connection would end for want of users.
        let call = channel.clone().oneshot(http::Request::post("/x").body(Body::empty()).expect("a request"));
        let (answer, ended) = tokio::join!(call, serve(far, service, &options, &leaving));
        assert_eq!(ended, Ended::Drained);
        if let Err(status) = answer {
            assert!(is_unprocessed(&status), "{status:?}");
        }
    }
}
