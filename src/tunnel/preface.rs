//! Tells when the client's preface has been read.
//!
//! Until then hyper (1.12) has no connection that it could end in order: asked to, it closes at once and says no GOAWAY, so that
//! calls which are on their way already would be lost instead of being sent elsewhere.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;

/// A server's end of a connection.
pub(super) struct Preface<IO> {
    io: IO,
    /// Bytes of the preface that have not been read.
    left: usize,
    read: watch::Sender<bool>,
}

impl<IO> Preface<IO> {
    pub(super) fn new(io: IO) -> Self {
        Self { io, left: LENGTH, read: watch::Sender::new(false) }
    }

    /// True once it has been read.
    pub(super) fn read(&self) -> watch::Receiver<bool> {
        self.read.subscribe()
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Preface<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        if self.left > 0 {
            self.left = self.left.saturating_sub(buf.filled().len() - before);
            self.read.send_if_modified(|read| std::mem::replace(read, self.left == 0) != *read);
        }
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Preface<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
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

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// `PRI * HTTP/2.0`, `SM` and what is around them (RFC 9113, 3.4).
const LENGTH: usize = 24;
