//! Tries the way to a gateway as a session would use it, without attaching.
//!
//! [`greet`] is the agent's end: it says Hello, and then measures. [`hear`] is the gateway's: it sends back what comes.

mod echo;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use super::answer::GrpcOnly;
use super::body_limit::Sent;
use super::{Channel, body_limit, greeting};
use crate::ops::Key;
use crate::proto::tunnel::v1::probe_request::Message as FromAgent;
use crate::proto::tunnel::v1::probe_response::Message as FromGateway;
use crate::proto::tunnel::v1::tunnel_client::TunnelClient;
use crate::proto::tunnel::v1::{Hello, ProbeRequest, ProbeResponse, Welcome};
use crate::proto::{Fault, Reason};

pub use self::echo::{Echo, Opening, Report, hear};

/// A gateway that would attach this instance, and how it is to talk to.
#[derive(Debug)]
pub struct Greeted {
    /// What the gateway would grant.
    pub welcome: Welcome,
    /// The time that a byte takes there and back: the median of five.
    pub round_trip: Duration,
    /// How far this machine's clock is ahead of the gateway's, in milliseconds; negative when it is behind. It is known to
    /// about half the round trip. `None` when the gateway does not tell its time.
    pub clock_ahead_ms: Option<i64>,
}

/// What went there and back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transferred {
    /// Until the last byte had left; this way and the other run side by side.
    pub up: Duration,
    /// Until the last byte was back.
    pub down: Duration,
}

/// A transfer that did not come to its end.
#[derive(Debug, thiserror::Error)]
#[error("cut after {sent} bytes were sent and {received} came back: {}", .status.message())]
pub struct Cut {
    /// Bytes that had left; some may still have been under way.
    pub sent: u64,
    /// Bytes that came back.
    pub received: u64,
    /// Why: BODY_LIMIT where the cut speaks for it, DEADLINE when the time was over, or what ended the stream.
    pub status: Status,
}

/// Both ways of an open probe.
#[derive(Debug)]
struct Line {
    out: mpsc::Sender<ProbeRequest>,
    back: Streaming<ProbeResponse>,
}

/// Says Hello to the gateway at the other end of `transport`, and measures round trip and clock. The probe is over when it
/// comes back.
///
/// # Errors
/// As [`super::attach::dial`]; BUSY when another probe of this agent is under way; DEADLINE_EXCEEDED when five bytes do not
/// come back within 5 s.
pub async fn greet(
    transport: Channel,
    origin: http::Uri,
    key: &Key,
    hello: Hello,
) -> Result<Greeted, Status> {
    let (welcome, mut line) = open(transport, origin, key, hello).await?;
    let heard = SystemTime::now();
    let measured = timeout(MEASURING, async {
        let round_trip = line.round_trip().await?;
        line.end().await.map(|()| round_trip)
    });
    let round_trip = measured.await.map_err(|_| late("five bytes did not come back", MEASURING))??;
    let clock_ahead_ms = ahead(welcome.unix_ms, heard, round_trip);
    Ok(Greeted { welcome, round_trip, clock_ahead_ms })
}

/// Sends so many bytes to the gateway at the other end of `transport` and takes them back, both at once. The gateway takes
/// 8 MiB and 30 s at most.
///
/// # Errors
/// When the greeting fails, or the stream ends or 30 s are over before every byte is back.
pub async fn transfer(
    transport: Channel,
    origin: http::Uri,
    key: &Key,
    hello: Hello,
    bytes: usize,
) -> Result<Transferred, Cut> {
    let opened = open(transport, origin, key, hello).await;
    let (_, Line { out, mut back }) = opened.map_err(|status| Cut { sent: 0, received: 0, status })?;
    let (sent, received) = (Progress::default(), AtomicU64::new(0));
    let begun = Instant::now();
    let there = async {
        send(out, bytes, &sent).await;
        Ok(begun.elapsed())
    };
    let and_back = async {
        take(&mut back, bytes as u64, &received).await?;
        Ok(begun.elapsed())
    };
    let moved = timeout(LONGEST, async { tokio::try_join!(there, and_back) }).await;
    let moved = moved.unwrap_or_else(|_| Err(late("not every byte came back", LONGEST)));
    let (sent, received) = (sent.now(), received.into_inner());
    match moved {
        Ok((up, down)) => Ok(Transferred { up, down }),
        Err(status) => Err(Cut { sent: sent.bytes, received, status: told(status, sent) }),
    }
}

async fn open(
    transport: Channel,
    origin: http::Uri,
    key: &Key,
    hello: Hello,
) -> Result<(Welcome, Line), Status> {
    // One waits while one leaves; more would count as sent what is not.
    let (out, messages) = mpsc::channel(1);
    // It has room for one.
    drop(out.try_send(ProbeRequest { message: Some(FromAgent::Hello(hello)) }));
    let request = greeting::authorized(ReceiverStream::new(messages), key)?;
    let mut client = TunnelClient::with_origin(GrpcOnly(transport), origin);
    let (welcome, back) = greeting::welcomed(client.probe(request)).await?;
    Ok((welcome, Line { out, back }))
}

impl Line {
    async fn round_trip(&mut self) -> Result<Duration, Status> {
        let mut trips = [Duration::ZERO; 5];
        for trip in &mut trips {
            let begun = Instant::now();
            // When the stream has ended, its other half says why.
            let _ = self.out.send(data(Bytes::from_static(b"?"))).await;
            take(&mut self.back, 1, &AtomicU64::new(0)).await?;
            *trip = begun.elapsed();
        }
        trips.sort_unstable();
        Ok(trips[trips.len() / 2])
    }

    /// Ends both sides. A stream that is only dropped may still be under way when the next probe comes, which is then BUSY.
    async fn end(self) -> Result<(), Status> {
        let Self { out, mut back } = self;
        drop(out);
        while back.message().await?.is_some() {}
        Ok(())
    }
}

/// How much has been sent, and when the last of it.
#[derive(Debug, Default)]
struct Progress(Mutex<Option<(u64, Instant)>>);

impl Progress {
    fn add(&self, bytes: u64) {
        let mut sent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *sent = Some((sent.map_or(0, |(before, _)| before) + bytes, Instant::now()));
    }

    fn now(&self) -> Sent {
        let sent = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (bytes, before) = sent.map_or((0, Duration::ZERO), |(bytes, last)| (bytes, last.elapsed()));
        Sent { bytes, before }
    }
}

/// Sends until all has left or the stream is gone, which the other half then says.
async fn send(out: mpsc::Sender<ProbeRequest>, bytes: usize, sent: &Progress) {
    let message = Bytes::from_static(&[0x5a; MESSAGE]);
    let mut left = bytes;
    while left > 0 {
        let piece = message.slice(..message.len().min(left));
        let Ok(place) = out.reserve().await else { return };
        left -= piece.len();
        sent.add(piece.len() as u64);
        place.send(data(piece));
    }
}

async fn take(back: &mut Streaming<ProbeResponse>, bytes: u64, received: &AtomicU64) -> Result<(), Status> {
    while received.load(Ordering::Relaxed) < bytes {
        let Some(message) = back.message().await? else { return Err(ended()) };
        if let Some(FromGateway::Data(data)) = message.message {
            received.fetch_add(data.len() as u64, Ordering::Relaxed);
        }
    }
    Ok(())
}

fn told(status: Status, sent: Sent) -> Status {
    body_limit::suspected(&status, sent).map_or(status, Status::from)
}

fn ahead(gateway_ms: i64, heard: SystemTime, round_trip: Duration) -> Option<i64> {
    let heard = heard.duration_since(UNIX_EPOCH).ok()?;
    let written = i64::try_from(heard.saturating_sub(round_trip / 2).as_millis()).ok()?;
    (gateway_ms != 0).then(|| written.saturating_sub(gateway_ms))
}

fn data(bytes: Bytes) -> ProbeRequest {
    ProbeRequest { message: Some(FromAgent::Data(bytes)) }
}

/// Without a status of gitproxy's own, so that a proxy that ends the stream politely is suspected too.
fn ended() -> Status {
    Status::unavailable("the stream ended before every byte was back")
}

fn late(what: &str, limit: Duration) -> Status {
    Fault::new(Code::DeadlineExceeded, Reason::Deadline, format!("{what} within {limit:?}")).into()
}

/// The most bytes of one message.
const MESSAGE: usize = 64 * 1024;

/// How long five round trips may take.
const MEASURING: Duration = Duration::from_secs(5);

/// The gateway's own limit.
const LONGEST: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_compared_at_half_the_round_trip() {
        let heard = UNIX_EPOCH + Duration::from_millis(10_100);
        let trip = Duration::from_millis(200);
        assert_eq!(ahead(10_000, heard, trip), Some(0));
        assert_eq!(ahead(70_000, heard, trip), Some(-60_000));
        assert_eq!(ahead(4_000, heard, trip), Some(6_000));
        assert_eq!(ahead(0, heard, trip), None, "the gateway does not tell");
    }
}
