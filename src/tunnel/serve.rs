//! The agent's end of a pipe: a server of its stack.

use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tower::ServiceExt as _;

use super::alive::Alive;
use super::body::WithoutEmptyFrames;
use super::{Body, Options, Service, options};
use crate::ops::{Tasks, causes};

/// Why [`serve`] came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// A drain was asked for, and every call finished.
    Drained,
    /// The pipe ended; the text is the cause, for the log.
    Lost(String),
}

/// Serves calls from the pipe until it ends or `tasks` drain. Calls run as tasks of `tasks`.
///
/// When the pipe ends, the calls in flight are dropped: nobody can receive their answers. When a drain is asked for, the
/// peer is told (GOAWAY), calls in flight finish, and then it comes back.
pub async fn serve<IO>(io: IO, service: Service, options: &Options, tasks: &Tasks) -> Ended
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let io = TokioIo::new(Alive::new(io, options.silence));
    let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let answer = service.clone().oneshot(request.map(Body::new));
        async move { answer.await.map(|response| response.map(WithoutEmptyFrames)) }
    });
    let mut connection = std::pin::pin!(builder(options, tasks).serve_connection(io, service));
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = tasks.draining() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    match outcome {
        Ok(()) if tasks.is_draining() => Ended::Drained,
        Ok(()) => Ended::Lost("the peer closed it".to_owned()),
        Err(error) => Ended::Lost(causes(&error)),
    }
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
