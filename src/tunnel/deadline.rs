//! Ends a call when its time is over, body included.
//!
//! Unlike tower's `Timeout` it covers the whole call, not just the time to the response's head, and it needs nobody to
//! read: a body whose reader has stalled is dropped too. It stands at both ends of the pipe, since a stopped process
//! enforces nothing.

mod timed;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tonic::{Code, Status};
use tower::{Layer, Service};

use self::timed::Timed;
use super::{Body, wire};
use crate::ops::Tasks;
use crate::ops::call::Deadline;
use crate::proto::{Class, Fault, Reason, methods};

/// What bounds a call that came without `grpc-timeout`. A watch has no bound: its heartbeats show that it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Defaults {
    /// For a small call, all of it.
    pub unary: Duration,
    /// For a transfer, the longest time without progress.
    pub bulk_idle: Duration,
}

impl Default for Defaults {
    fn default() -> Self {
        Self { unary: Duration::from_secs(60), bulk_idle: Duration::from_secs(60) }
    }
}

/// Makes [`Bounded`].
#[derive(Debug, Clone)]
pub struct DeadlineLayer {
    defaults: Defaults,
    tasks: Tasks,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Bounded<S> {
    inner: S,
    defaults: Defaults,
    tasks: Tasks,
}

/// What bounds one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    /// It ends then.
    At(Instant),
    /// It ends when nothing has moved for so long.
    Idle(Duration),
    /// It may live for ever.
    Never,
}

impl DeadlineLayer {
    /// Enforces `grpc-timeout`, or `defaults` without it. The clocks of bodies run as tasks of `tasks`.
    pub fn new(defaults: Defaults, tasks: &Tasks) -> Self {
        Self { defaults, tasks: tasks.clone() }
    }
}

impl<S> Layer<S> for DeadlineLayer {
    type Service = Bounded<S>;

    fn layer(&self, inner: S) -> Bounded<S> {
        Bounded { inner, defaults: self.defaults, tasks: self.tasks.clone() }
    }
}

impl<S> Service<http::Request<Body>> for Bounded<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        let bound = match Bound::of(&request, self.defaults) {
            Ok(bound) => bound,
            Err(refusal) => return Box::pin(std::future::ready(Ok(wire::status_response(refusal)))),
        };
        if let Bound::At(deadline) = bound {
            request.extensions_mut().insert(Deadline(deadline));
        }
        Box::pin(within(bound, self.inner.call(request), self.tasks.clone()))
    }
}

async fn within<F, E>(bound: Bound, answer: F, tasks: Tasks) -> Result<http::Response<Body>, E>
where
    F: Future<Output = Result<http::Response<Body>, E>>,
{
    let response = match bound.instant() {
        None => answer.await?,
        Some(at) => match timeout_at(at, answer).await {
            Ok(answer) => answer?,
            Err(_) => return Ok(wire::status_response(bound.passed())),
        },
    };
    Ok(response.map(|body| match bound {
        Bound::Never => body,
        Bound::At(_) | Bound::Idle(_) => Timed::body(body, bound, &tasks),
    }))
}

impl Bound {
    fn of(request: &http::Request<Body>, defaults: Defaults) -> Result<Self, Status> {
        let timeout = wire::timeout_of(request.headers()).map_err(|malformed| {
            Status::from(Fault::new(Code::InvalidArgument, Reason::InvalidField, malformed.to_string()))
        })?;
        // A layer nearer to the caller has started the clock already.
        if let Some(&Deadline(at)) = request.extensions().get() {
            return Ok(Self::At(at));
        }
        let class = methods::find(request.uri().path()).map_or(Class::Unary, |method| method.class);
        Ok(match (timeout, class) {
            (Some(timeout), _) => Self::At(Instant::now() + timeout.min(LONGEST)),
            (None, Class::Unary) => Self::At(Instant::now() + defaults.unary),
            (None, Class::Bulk) => Self::Idle(defaults.bulk_idle),
            (None, Class::Watch) => Self::Never,
        })
    }

    /// When the call is over if nothing moves from now on.
    fn instant(self) -> Option<Instant> {
        match self {
            Self::At(deadline) => Some(deadline),
            Self::Idle(longest) => Some(Instant::now() + longest),
            Self::Never => None,
        }
    }

    fn passed(self) -> Status {
        let message = match self {
            Self::At(_) | Self::Never => "the call's deadline passed".to_owned(),
            Self::Idle(longest) => format!("the transfer made no progress for {longest:?}"),
        };
        Fault::new(Code::DeadlineExceeded, Reason::Deadline, message).into()
    }
}

/// `grpc-timeout` can say eleven thousand years; an instant so far away overflows.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

#[cfg(test)]
mod tests;
