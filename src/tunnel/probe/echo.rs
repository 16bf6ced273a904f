//! The gateway's end of a probe: sends back what comes, within bounds.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};
use tokio_stream::Stream;
use tonic::{Code, Status, Streaming};

use crate::proto::tunnel::v1::probe_request::Message as FromAgent;
use crate::proto::tunnel::v1::probe_response::Message as FromGateway;
use crate::proto::tunnel::v1::{Hello, ProbeRequest, ProbeResponse, Welcome};
use crate::proto::{Fault, Reason};
use crate::tunnel::greeting;

/// A probe that has said Hello and waits for Welcome.
#[derive(Debug)]
pub struct Opening {
    stream: Streaming<ProbeRequest>,
}

/// What a probe was, once it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// How many bytes came.
    pub bytes: u64,
    /// How long it took.
    pub took: Duration,
}

/// Welcome, and then the bytes that come, in their order, until the agent ends its side.
///
/// One message at a time: nothing is read while the one before has not left. It ends with INVALID_ARGUMENT beyond 8 MiB and
/// with DEADLINE_EXCEEDED after 30 s.
pub struct Echo {
    stream: Streaming<ProbeRequest>,
    welcome: Option<Welcome>,
    bytes: u64,
    begun: Instant,
    over: Pin<Box<Sleep>>,
    report: Option<Box<dyn FnOnce(Report) + Send>>,
}

/// Reads the Hello of an agent whose key has been checked.
///
/// # Errors
/// As [`crate::tunnel::attach::greet`].
pub async fn hear(stream: Streaming<ProbeRequest>) -> Result<(Hello, Opening), Status> {
    let (hello, stream) = greeting::hello(stream).await?;
    Ok((hello, Opening { stream }))
}

impl Opening {
    /// Welcomes the agent. What comes back is the response stream to hand to tonic; `report` is called once, when the probe
    /// is over, however it ends.
    pub fn welcome(self, welcome: Welcome, report: impl FnOnce(Report) + Send + 'static) -> Echo {
        Echo {
            stream: self.stream,
            welcome: Some(welcome),
            bytes: 0,
            begun: Instant::now(),
            over: Box::pin(sleep(LONGEST)),
            report: Some(Box::new(report)),
        }
    }
}

impl Echo {
    fn poll_echo(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<ProbeResponse, Status>>> {
        if let Some(welcome) = self.welcome.take() {
            return Poll::Ready(Some(Ok(response(FromGateway::Welcome(welcome)))));
        }
        if self.over.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Some(Err(late())));
        }
        loop {
            match ready!(Pin::new(&mut self.stream).poll_next(cx)) {
                Some(Ok(ProbeRequest { message: Some(FromAgent::Data(data)) })) => {
                    self.bytes += data.len() as u64;
                    if self.bytes > MOST {
                        return Poll::Ready(Some(Err(too_much())));
                    }
                    return Poll::Ready(Some(Ok(response(FromGateway::Data(data)))));
                }
                // A second Hello, or something of a later version.
                Some(Ok(ProbeRequest { message: Some(FromAgent::Hello(_)) | None })) => {}
                Some(Err(status)) => return Poll::Ready(Some(Err(status))),
                None => return Poll::Ready(None),
            }
        }
    }

    fn finish(&mut self) {
        if let Some(report) = self.report.take() {
            report(Report { bytes: self.bytes, took: self.begun.elapsed() });
        }
    }
}

impl Stream for Echo {
    type Item = Result<ProbeResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // It is over: what is behind it may have been dropped.
        if self.report.is_none() {
            return Poll::Ready(None);
        }
        let next = ready!(self.poll_echo(cx));
        if !matches!(next, Some(Ok(_))) {
            self.finish();
        }
        Poll::Ready(next)
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.finish();
    }
}

fn response(message: FromGateway) -> ProbeResponse {
    ProbeResponse { message: Some(message) }
}

fn late() -> Status {
    Fault::new(Code::DeadlineExceeded, Reason::Deadline, format!("a probe may take {LONGEST:?}")).into()
}

fn too_much() -> Status {
    let message = format!("a probe may send {} MiB", MOST / (1024 * 1024));
    Fault::new(Code::InvalidArgument, Reason::ProtocolError, message).into()
}

/// Four transfers of the doctor.
const MOST: u64 = 8 * 1024 * 1024;

/// Enough for 2 MiB each way at 1 Mbit/s.
const LONGEST: Duration = Duration::from_secs(30);
