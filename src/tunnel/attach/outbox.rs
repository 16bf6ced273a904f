//! What waits to be sent on the stream: words first, then bytes, many small writes in one message.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use prost::Message;
use tokio::time::{Instant, Sleep};
use tokio_stream::Stream;
use tonic::Status;

use crate::proto::tunnel::v1::attach_request::Message as FromAgent;
use crate::proto::tunnel::v1::attach_response::Message as FromGateway;
use crate::proto::tunnel::v1::{AttachRequest, AttachResponse, Beat};
use crate::tunnel::Pulse;

/// The writing side; clones share it.
///
/// Writes gather while the stream below is busy and leave together: that is where the speed of small calls comes from.
#[derive(Debug, Clone)]
pub(super) struct Outbox<M> {
    shared: Arc<Mutex<Shared<M>>>,
}

/// The agent's messages as tonic wants them.
#[derive(Debug)]
pub struct Requests(Outgoing<AttachRequest>);

/// The gateway's messages as tonic wants them.
#[derive(Debug)]
pub struct Responses(Outgoing<AttachResponse>);

/// The stream's side. When it is dropped, the pipe's writes fail.
#[derive(Debug)]
struct Outgoing<M> {
    shared: Arc<Mutex<Shared<M>>>,
    /// Moved only when it rings, not at every message.
    alarm: Pin<Box<Sleep>>,
}

#[derive(Debug)]
struct Shared<M> {
    words: VecDeque<M>,
    bytes: BytesMut,
    /// The pipe has ended: what is queued still goes, then the stream ends.
    finished: bool,
    /// The stream is gone: nothing goes any more.
    gone: bool,
    /// How many bytes the stream has taken, with what gRPC puts around them.
    sent: u64,
    /// When it took the last of them, signs of life apart.
    sent_at: Instant,
    /// When it took the last message.
    spoke_at: Instant,
    /// When it last took a sign of life.
    beat_at: Instant,
    pulse: Pulse,
    sender: Option<Waker>,
    writer: Option<Waker>,
}

/// A message that can carry bytes of the pipe.
pub(super) trait Carrier: Message + Default {
    fn of(bytes: Bytes) -> Self;

    /// A sign of life.
    fn beat(beat: Beat) -> Self;
}

pub(super) fn requests() -> (Outbox<AttachRequest>, Requests) {
    let (outbox, outgoing) = pair();
    (outbox, Requests(outgoing))
}

pub(super) fn responses() -> (Outbox<AttachResponse>, Responses) {
    let (outbox, outgoing) = pair();
    (outbox, Responses(outgoing))
}

fn pair<M>() -> (Outbox<M>, Outgoing<M>) {
    let shared = Arc::new(Mutex::new(Shared {
        words: VecDeque::new(),
        bytes: BytesMut::new(),
        finished: false,
        gone: false,
        sent: 0,
        sent_at: Instant::now(),
        spoke_at: Instant::now(),
        beat_at: Instant::now(),
        pulse: Pulse::default(),
        sender: None,
        writer: None,
    }));
    (Outbox { shared: Arc::clone(&shared) }, Outgoing { shared, alarm: Box::pin(tokio::time::sleep(BEAT)) })
}

impl<M> Outbox<M> {
    /// Queues a word; it overtakes bytes that have not left yet.
    pub(super) fn say(&self, word: M) {
        let mut shared = lock(&self.shared);
        shared.words.push_back(word);
        wake(&mut shared.sender);
    }

    /// Takes as much of `slices` as there is room for, without waiting for a flush: the stream pulls.
    pub(super) fn poll_write(
        &self,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut shared = lock(&self.shared);
        if shared.gone || shared.finished {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let mut room = ROOM.saturating_sub(shared.bytes.len());
        if room == 0 {
            shared.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let before = shared.bytes.len();
        for slice in slices {
            let part = &slice[..slice.len().min(room)];
            shared.bytes.extend_from_slice(part);
            room -= part.len();
        }
        wake(&mut shared.sender);
        Poll::Ready(Ok(shared.bytes.len() - before))
    }

    /// Ready once every byte has been handed to the stream; which may be gone by then, its work done.
    pub(super) fn poll_empty(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut shared = lock(&self.shared);
        if shared.bytes.is_empty() {
            return Poll::Ready(Ok(()));
        }
        if shared.gone {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        shared.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    /// When the peer was last heard, and how far away it is.
    pub(super) fn pulse(&self) -> Pulse {
        lock(&self.shared).pulse.clone()
    }

    /// How many bytes have left for the peer, with what gRPC puts around them, and when the last of them did.
    pub(super) fn sent(&self) -> (u64, Instant) {
        let shared = lock(&self.shared);
        (shared.sent, shared.sent_at)
    }

    /// Ends the stream after what is queued.
    pub(super) fn finish(&self) {
        let mut shared = lock(&self.shared);
        shared.finished = true;
        wake(&mut shared.sender);
    }
}

impl<M: Carrier> Outgoing<M> {
    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<M>> {
        let mut shared = lock(&self.shared);
        if let Some(word) = shared.words.pop_front() {
            return Poll::Ready(Some(counted(&mut shared, word)));
        }
        if !shared.bytes.is_empty() {
            if shared.beat_at + MEASURE <= Instant::now() {
                return Poll::Ready(Some(beat(&mut shared)));
            }
            let bytes = if shared.bytes.len() <= MESSAGE {
                shared.bytes.split().freeze()
            } else {
                shared.bytes.split_to(MESSAGE).freeze()
            };
            wake(&mut shared.writer);
            return Poll::Ready(Some(counted(&mut shared, M::of(bytes))));
        }
        if shared.finished {
            return Poll::Ready(None);
        }
        shared.sender = Some(cx.waker().clone());
        loop {
            ready!(self.alarm.as_mut().poll(cx));
            let due = shared.spoke_at + BEAT;
            if due <= Instant::now() {
                self.alarm.as_mut().reset(Instant::now() + BEAT);
                return Poll::Ready(Some(beat(&mut shared)));
            }
            self.alarm.as_mut().reset(due);
        }
    }
}

impl<M> Drop for Outgoing<M> {
    fn drop(&mut self) {
        let mut shared = lock(&self.shared);
        shared.gone = true;
        wake(&mut shared.writer);
    }
}

impl Stream for Requests {
    type Item = AttachRequest;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<AttachRequest>> {
        self.0.poll_message(cx)
    }
}

impl Stream for Responses {
    type Item = Result<AttachResponse, Status>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<AttachResponse, Status>>> {
        self.0.poll_message(cx).map(|message| message.map(Ok))
    }
}

impl Carrier for AttachRequest {
    fn of(bytes: Bytes) -> Self {
        Self { message: Some(FromAgent::Data(bytes)) }
    }

    fn beat(beat: Beat) -> Self {
        Self { message: Some(FromAgent::Beat(beat)) }
    }
}

impl Carrier for AttachResponse {
    fn of(bytes: Bytes) -> Self {
        Self { message: Some(FromGateway::Data(bytes)) }
    }

    fn beat(beat: Beat) -> Self {
        Self { message: Some(FromGateway::Beat(beat)) }
    }
}

fn counted<M: Carrier>(shared: &mut Shared<M>, message: M) -> M {
    shared.sent += (PREFIX + message.encoded_len()) as u64;
    shared.sent_at = Instant::now();
    shared.spoke_at = shared.sent_at;
    message
}

/// Says that this end is there, and what its clock is.
fn beat<M: Carrier>(shared: &mut Shared<M>) -> M {
    let message = M::beat(shared.pulse.tell());
    shared.sent += (PREFIX + message.encoded_len()) as u64;
    shared.beat_at = Instant::now();
    shared.spoke_at = shared.beat_at;
    message
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

/// A panic elsewhere leaves the state whole: it is buffers and flags.
fn lock<M>(shared: &Mutex<Shared<M>>) -> MutexGuard<'_, Shared<M>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The longest that either end of a session says nothing: then it sends a sign of life.
///
/// An answer to a PING would not do: it queues behind its sender's data, for seconds on a slow link. This one waits behind
/// data only where data is on its way too, and that is a sign of life itself.
pub const BEAT: Duration = Duration::from_secs(1);

/// While it sends other things it sends one so often, for the round trip.
const MEASURE: Duration = Duration::from_secs(5);

/// What gRPC puts before each message.
const PREFIX: usize = 5;

/// The most bytes of one message.
const MESSAGE: usize = 64 * 1024;

/// The most bytes that wait: two messages, so that one fills while the other leaves. More would only add delay.
const ROOM: usize = 2 * MESSAGE;

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio_stream::StreamExt as _;

    use super::*;

    async fn write(outbox: &Outbox<AttachRequest>, bytes: &[u8]) -> io::Result<usize> {
        poll_fn(|cx| outbox.poll_write(cx, &[io::IoSlice::new(bytes)])).await
    }

    fn is_beat(message: Option<AttachRequest>) -> bool {
        matches!(message.and_then(|message| message.message), Some(FromAgent::Beat(_)))
    }

    fn data(message: Option<AttachRequest>) -> usize {
        match message.and_then(|message| message.message) {
            Some(FromAgent::Data(bytes)) => bytes.len(),
            other => panic!("no data: {other:?}"),
        }
    }

    #[tokio::test]
    async fn small_writes_leave_in_one_message() {
        let (outbox, mut requests) = requests();
        for _ in 0..100 {
            write(&outbox, b"0123456789").await.expect("room");
        }
        assert_eq!(data(requests.next().await), 1000);
    }

    #[tokio::test]
    async fn no_message_is_larger_than_64_kib_and_what_waits_is_bounded() {
        let (outbox, mut requests) = requests();
        assert_eq!(write(&outbox, &vec![0; 1 << 20]).await.expect("room"), ROOM);
        let full = tokio::time::timeout(Duration::ZERO, write(&outbox, b"x")).await;
        assert!(full.is_err(), "a full outbox must not take more");
        assert_eq!(data(requests.next().await), MESSAGE);
        assert_eq!(write(&outbox, b"x").await.expect("room again"), 1);
    }

    #[tokio::test]
    async fn a_word_overtakes_bytes() {
        let (outbox, mut requests) = requests();
        write(&outbox, b"bytes").await.expect("room");
        outbox.say(AttachRequest::default());
        assert_eq!(requests.next().await, Some(AttachRequest::default()));
        assert_eq!(data(requests.next().await), 5);
    }

    #[tokio::test]
    async fn a_finished_outbox_sends_the_rest_and_ends() {
        let (outbox, mut requests) = requests();
        write(&outbox, b"rest").await.expect("room");
        outbox.finish();
        assert_eq!(data(requests.next().await), 4);
        assert_eq!(requests.next().await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_without_anything_to_say_says_so_each_second() {
        let (outbox, mut requests) = requests();
        let start = Instant::now();
        for second in 1..=3 {
            assert!(is_beat(requests.next().await));
            assert_eq!(start.elapsed().as_secs(), second);
        }
        tokio::time::advance(BEAT / 2).await;
        write(&outbox, b"bytes").await.expect("room");
        assert_eq!(data(requests.next().await), 5);
        let rest = outbox.sent().1;
        assert!(is_beat(requests.next().await));
        assert_eq!((outbox.sent().1, start.elapsed().as_millis()), (rest, 4500));
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_that_never_rests_tells_its_clock_every_five_seconds() {
        let (outbox, mut requests) = requests();
        let mut beats = 0;
        for _ in 0..100 {
            tokio::time::advance(BEAT / 10).await;
            write(&outbox, b"bytes").await.expect("room");
            let mut next = requests.next().await;
            if is_beat(next.clone()) {
                beats += 1;
                next = requests.next().await;
            }
            assert_eq!(data(next), 5);
        }
        assert_eq!(beats, 2);
    }

    #[tokio::test]
    async fn a_write_fails_when_the_stream_is_gone() {
        let (outbox, requests) = requests();
        drop(requests);
        assert_eq!(write(&outbox, b"x").await.expect_err("gone").kind(), io::ErrorKind::BrokenPipe);
    }
}
