//! A stream of bytes that gives up after silence.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// How the error of a silent peer begins; the text is all that HTTP/2 keeps of it.
pub const SILENT: &str = "the peer sent nothing for";

/// Wraps one end of a pipe and fails its reads with `TimedOut` once nothing has come for `silence`.
///
/// Unlike a keepalive timeout it counts every byte, so data on a slow link keeps it open while a PING is stuck behind.
#[derive(Debug)]
pub(super) struct Alive<IO> {
    io: IO,
    silence: Duration,
    last_read: Instant,
    alarm: Pin<Box<Sleep>>,
}

impl<IO> Alive<IO> {
    pub(super) fn new(io: IO, silence: Duration) -> Self {
        let last_read = Instant::now();
        Self { io, silence, last_read, alarm: Box::pin(tokio::time::sleep(silence)) }
    }

    /// Ready once the silence is over its limit; the alarm is only moved when it rings, not at every read.
    fn poll_silent(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        loop {
            ready!(self.alarm.as_mut().poll(cx));
            let due = self.last_read + self.silence;
            if due <= Instant::now() {
                let what = format!("{SILENT} {:?}", self.silence);
                return Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, what));
            }
            self.alarm.as_mut().reset(due);
        }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Alive<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.io).poll_read(cx, buf) {
            Poll::Ready(outcome) => {
                self.last_read = Instant::now();
                Poll::Ready(outcome)
            }
            Poll::Pending => self.poll_silent(cx).map(Err),
        }
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Alive<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    const SILENCE: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn silence_ends_the_read() {
        let (near, _far) = duplex(64);
        let start = Instant::now();
        let ended = Alive::new(near, SILENCE).read_u8().await.expect_err("silence");
        assert_eq!(ended.kind(), io::ErrorKind::TimedOut);
        assert_eq!(start.elapsed().as_secs(), SILENCE.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_trickle_keeps_it_open_for_ever() {
        let (near, mut far) = duplex(64);
        let mut near = Alive::new(near, SILENCE);
        for _ in 0..20 {
            let late = SILENCE - Duration::from_millis(1);
            let (read, ()) = tokio::join!(near.read_u8(), async {
                tokio::time::advance(late).await;
                far.write_u8(7).await.expect("open");
            });
            assert_eq!(read.expect("a byte came in time"), 7);
        }
    }
}
