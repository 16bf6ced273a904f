//! A stream of bytes that is doubted, and given up, after silence.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::{Options, Pulse};

/// How the error of a silent peer begins; the text is all that HTTP/2 keeps of it.
pub const SILENT: &str = "the peer sent nothing for";

/// Wraps one end of a pipe: doubts it once nothing has come for `doubt`, and fails with `TimedOut` after `silence`.
///
/// Unlike a keepalive timeout it counts every byte, so data on a slow link keeps it open while a PING is stuck behind. Nor
/// does it take its own reader's idleness for the peer's: HTTP/2 does not read while something urgent cannot be written, and
/// then this looks for itself whether something came.
#[derive(Debug)]
pub(super) struct Alive<IO> {
    io: IO,
    pulse: Pulse,
    doubt: Duration,
    silence: Duration,
    alarm: Pin<Box<Sleep>>,
    /// Whether the alarm is set to the doubt or, that being there, to the silence.
    waits_for: Stage,
    /// What was read while a write was stuck.
    ahead: BytesMut,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Doubt,
    Silence,
}

impl<IO> Alive<IO> {
    /// Wraps `io`, whose signs of life `pulse` tells; who makes bytes of something else may add signs of its own.
    pub(super) fn new(io: IO, pulse: Pulse, options: &Options) -> Self {
        let Options { doubt, silence, .. } = *options;
        let alarm = Box::pin(tokio::time::sleep(doubt.min(silence)));
        Self { io, pulse, doubt, silence, alarm, waits_for: Stage::Doubt, ahead: BytesMut::new() }
    }

    /// Ready once the silence is over its limit; the alarm is only moved when it rings, not at every read.
    fn poll_silent(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        if self.waits_for == Stage::Silence && !self.pulse.is_doubtful() {
            // Revived: what comes next is another doubt, before the alarm would ring.
            self.set(Stage::Doubt);
        }
        loop {
            ready!(self.alarm.as_mut().poll(cx));
            let quiet = self.pulse.quiet_for();
            if quiet >= self.silence {
                let what = format!("{SILENT} {:?}", self.silence);
                return Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, what));
            }
            if quiet >= self.doubt {
                self.pulse.doubt();
                self.set(Stage::Silence);
            } else {
                self.set(Stage::Doubt);
            }
        }
    }

    fn set(&mut self, stage: Stage) {
        let after = match stage {
            Stage::Doubt => self.doubt.min(self.silence),
            Stage::Silence => self.silence,
        };
        // Never in the past, where the loop above would spin.
        let due = (self.pulse.last() + after).max(Instant::now());
        self.waits_for = stage;
        self.alarm.as_mut().reset(due);
    }
}

impl<IO: AsyncRead + Unpin> Alive<IO> {
    /// Passes on how far a write came; one that is stuck must not hide a silence, nor make one up.
    fn written<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() || self.alarm.as_mut().poll(cx).is_pending() {
            return outcome;
        }
        if let Poll::Ready(Err(broken)) = self.read_ahead(cx) {
            return Poll::Ready(Err(broken));
        }
        self.poll_silent(cx).map(Err)
    }

    fn read_ahead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.ahead.len() >= AHEAD {
            return Poll::Pending;
        }
        let mut bytes = [0; AHEAD];
        let mut buf = ReadBuf::new(&mut bytes);
        ready!(Pin::new(&mut self.io).poll_read(cx, &mut buf))?;
        // The end of the stream is told again to whoever reads.
        if !buf.filled().is_empty() {
            self.pulse.beat();
            self.ahead.extend_from_slice(buf.filled());
        }
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Alive<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.ahead.is_empty() {
            let len = self.ahead.len().min(buf.remaining());
            buf.put_slice(&self.ahead[..len]);
            self.ahead.advance(len);
            return Poll::Ready(Ok(()));
        }
        match Pin::new(&mut self.io).poll_read(cx, buf) {
            Poll::Ready(outcome) => {
                self.pulse.beat();
                Poll::Ready(outcome)
            }
            Poll::Pending => self.poll_silent(cx).map(Err),
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Alive<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.written(cx, outcome)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.io).poll_flush(cx);
        self.written(cx, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        self.written(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

/// How many bytes are read before somebody asks for them: enough for any sign of life.
const AHEAD: usize = 1024;

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::time::{advance, timeout};

    use super::*;

    const SILENCE: Duration = Duration::from_secs(10);
    const DOUBT: Duration = Duration::from_secs(2);

    fn alive(io: DuplexStream) -> (Alive<DuplexStream>, Pulse) {
        let pulse = Pulse::default();
        let options = Options { doubt: DOUBT, silence: SILENCE, ..Options::default() };
        (Alive::new(io, pulse.clone(), &options), pulse)
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_the_read_after_doubt() {
        let (near, _far) = duplex(64);
        let start = Instant::now();
        let (mut near, pulse) = alive(near);
        let doubted = async {
            pulse.doubtful().await;
            start.elapsed()
        };
        let (ended, doubted) = tokio::join!(near.read_u8(), doubted);
        let ended = ended.expect_err("silence");
        assert_eq!(ended.kind(), io::ErrorKind::TimedOut);
        assert_eq!((doubted.as_secs(), start.elapsed().as_secs()), (DOUBT.as_secs(), SILENCE.as_secs()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_trickle_keeps_it_open_for_ever_and_free_of_doubt() {
        let (near, mut far) = duplex(64);
        let (mut near, pulse) = alive(near);
        for _ in 0..20 {
            let (read, ()) = tokio::join!(near.read_u8(), async {
                advance(DOUBT - Duration::from_millis(1)).await;
                assert!(!pulse.is_doubtful());
                far.write_u8(7).await.expect("open");
            });
            assert_eq!(read.expect("a byte came in time"), 7);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_byte_revives_it_and_the_next_doubt_comes_as_soon_as_the_first() {
        let (near, mut far) = duplex(64);
        let (mut near, pulse) = alive(near);
        for _ in 0..3 {
            let start = Instant::now();
            timeout(DOUBT + Duration::from_millis(10), near.read_u8()).await.expect_err("nothing comes");
            assert!(pulse.is_doubtful() && start.elapsed() < DOUBT * 2);
            far.write_u8(7).await.expect("open");
            near.read_u8().await.expect("a byte");
            assert!(!pulse.is_doubtful());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_that_is_stuck_ends_with_the_silence() {
        let (near, _far) = duplex(1);
        let (mut near, pulse) = alive(near);
        let start = Instant::now();
        let ended =
            timeout(SILENCE * 2, near.write_all(b"four")).await.expect("in time").expect_err("silence");
        assert_eq!((ended.kind(), start.elapsed().as_secs()), (io::ErrorKind::TimedOut, SILENCE.as_secs()));
        assert!(pulse.is_doubtful());
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_that_is_stuck_does_not_hide_that_the_peer_is_alive() {
        let (near, mut far) = duplex(4);
        let (mut near, pulse) = alive(near);
        let mut stuck = Box::pin(near.write_all(b"more than four"));
        for _ in 0..3 {
            let wait = timeout(DOUBT - Duration::from_millis(100), &mut stuck).await;
            wait.expect_err("nobody reads");
            far.write_u8(7).await.expect("open");
        }
        assert!(!pulse.is_doubtful());
    }
}
