//! A stream of messages as a stream of bytes.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_stream::Stream as _;
use tonic::{Status, Streaming};

use super::Word;
use super::outbox::Outbox;
use crate::ops::Tasks;
use crate::proto::tunnel::v1::attach_request::Message as FromAgent;
use crate::proto::tunnel::v1::attach_response::Message as FromGateway;
use crate::proto::tunnel::v1::{AttachRequest, AttachResponse, Beat, Draining};
use crate::tunnel::{Calls, Channel, Ended, Options, Pulse, Service, channel, serve};

/// The agent's end.
pub type AgentPipe = Pipe<AttachResponse, AttachRequest>;

/// The gateway's end.
pub type GatewayPipe = Pipe<AttachRequest, AttachResponse>;

/// Bytes from messages of type `In`, bytes into messages of type `Out`. Dropping it ends the stream.
#[derive(Debug)]
pub struct Pipe<In: Incoming, Out> {
    stream: Streaming<In>,
    unread: Bytes,
    words: mpsc::Sender<In::Word>,
    outbox: Outbox<Out>,
    end: Arc<OnceLock<End>>,
    pulse: Pulse,
    /// Whether the peer has sent bytes.
    begun: watch::Sender<bool>,
}

/// How the peer ended the stream.
#[derive(Debug)]
pub(super) struct End {
    /// The status that it ended with.
    pub(super) status: Status,
    /// When that was read.
    pub(super) at: Instant,
}

/// What a message means to the one who receives it.
#[derive(Debug)]
pub enum Meaning<W> {
    /// The next bytes.
    Bytes(Bytes),
    /// A word beside them.
    Word(W),
    /// What the peer tells of its clock.
    Beat(Beat),
    /// Something that this version does not know, or that has no meaning any more: skipped.
    Nothing,
}

/// A message that a pipe can receive.
pub trait Incoming {
    /// What the peer may say beside the bytes.
    type Word;

    /// Reads the message.
    fn meaning(self) -> Meaning<Self::Word>;
}

impl<In: Incoming, Out> Pipe<In, Out> {
    pub(super) fn new(stream: Streaming<In>, outbox: Outbox<Out>, words: mpsc::Sender<In::Word>) -> Self {
        let (end, pulse, begun) = (Arc::default(), outbox.pulse(), watch::Sender::new(false));
        Self { stream, unread: Bytes::new(), words, outbox, end, pulse, begun }
    }

    /// When the peer was last heard: every message counts, the empty ones too.
    pub fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    /// True once the peer has sent bytes, and not only words.
    pub fn begun(&self) -> watch::Receiver<bool> {
        self.begun.subscribe()
    }

    /// Where it stands how the stream ended, once it has ended with a status.
    pub(super) fn end(&self) -> Arc<OnceLock<End>> {
        Arc::clone(&self.end)
    }

    /// Keeps the status: it says why the peer ended the stream.
    fn broken(&self, status: Status) -> io::Error {
        // Its message alone: what a status shows of its details and sources is for no reader of a log.
        let error = io::Error::new(io::ErrorKind::ConnectionAborted, status.message());
        // Only the first end counts.
        let _ = self.end.set(End { status, at: Instant::now() });
        error
    }

    /// A write has failed, since the stream is gone; the reading side knows why.
    fn why(&mut self, cx: &mut Context<'_>, failed: io::Error) -> io::Error {
        while let Poll::Ready(Some(ended)) = Pin::new(&mut self.stream).poll_next(cx) {
            if let Err(status) = ended {
                return self.broken(status);
            }
        }
        failed
    }

    fn take(&mut self, message: In) {
        match message.meaning() {
            Meaning::Bytes(bytes) => {
                self.unread = bytes;
                self.begun.send_if_modified(|begun| !std::mem::replace(begun, true));
            }
            // A peer that repeats itself while nobody listens loses nothing by being ignored.
            Meaning::Word(word) => drop(self.words.try_send(word)),
            Meaning::Beat(beat) => self.pulse.told(&beat),
            Meaning::Nothing => {}
        }
    }
}

impl AgentPipe {
    /// As [`crate::tunnel::serve`]; `calls` counts what is in flight.
    pub async fn serve(self, service: Service, options: &Options, calls: Calls, tasks: &Tasks) -> Ended {
        let pulse = self.pulse();
        serve::serve_with(self, pulse, service, options, calls, tasks).await
    }
}

impl GatewayPipe {
    /// As [`crate::tunnel::channel`].
    ///
    /// # Errors
    /// UNAVAILABLE when the pipe ends before the handshake.
    pub async fn channel(self, options: &Options, tasks: &Tasks) -> Result<Channel, Status> {
        let pulse = self.pulse();
        channel::channel_with(self, pulse, options, tasks).await
    }
}

impl<In: Incoming, Out> AsyncRead for Pipe<In, Out> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.unread.is_empty() {
            match ready!(Pin::new(&mut self.stream).poll_next(cx)) {
                Some(Ok(message)) => {
                    self.pulse.beat();
                    self.take(message);
                }
                Some(Err(status)) => return Poll::Ready(Err(self.broken(status))),
                None => return Poll::Ready(Ok(())),
            }
        }
        let len = self.unread.len().min(buf.remaining());
        buf.put_slice(&self.unread[..len]);
        self.unread.advance(len);
        Poll::Ready(Ok(()))
    }
}

impl<In: Incoming, Out> AsyncWrite for Pipe<In, Out> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(self.outbox.poll_write(cx, slices));
        Poll::Ready(written.map_err(|failed| self.why(cx, failed)))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Nothing to do: the stream below takes what is there as soon as it can. Waiting here would end the coalescing.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Ends this side, then waits for the other: to drop the stream earlier would throw away what h2 has not sent yet.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outbox.finish();
        ready!(self.outbox.poll_empty(cx))?;
        while let Some(Ok(_unwanted)) = ready!(Pin::new(&mut self.stream).poll_next(cx)) {}
        Poll::Ready(Ok(()))
    }
}

impl<In: Incoming, Out> Drop for Pipe<In, Out> {
    fn drop(&mut self) {
        self.outbox.finish();
    }
}

impl Incoming for AttachRequest {
    type Word = Draining;

    fn meaning(self) -> Meaning<Draining> {
        match self.message {
            Some(FromAgent::Data(bytes)) => Meaning::Bytes(bytes),
            Some(FromAgent::Draining(draining)) => Meaning::Word(draining),
            Some(FromAgent::Beat(beat)) => Meaning::Beat(beat),
            Some(FromAgent::Hello(_)) | None => Meaning::Nothing,
        }
    }
}

impl Incoming for AttachResponse {
    type Word = Word;

    fn meaning(self) -> Meaning<Word> {
        match self.message {
            Some(FromGateway::Data(bytes)) => Meaning::Bytes(bytes),
            Some(FromGateway::Drain(drain)) => Meaning::Word(Word::Drain(drain)),
            Some(FromGateway::Budget(budget)) => Meaning::Word(Word::Budget(budget)),
            Some(FromGateway::Replicas(replicas)) => Meaning::Word(Word::Replicas(replicas)),
            Some(FromGateway::Beat(beat)) => Meaning::Beat(beat),
            Some(FromGateway::Welcome(_)) | None => Meaning::Nothing,
        }
    }
}
