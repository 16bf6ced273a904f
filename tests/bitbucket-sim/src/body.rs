//! Bodies: JSON, and streams that a program writes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::process::Child;

/// The body of every answer.
pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// A body of these bytes.
pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// What a program writes, as it writes it; the program is killed when nobody reads on.
pub(crate) struct Piped {
    out: Pin<Box<dyn AsyncRead + Send>>,
    /// Held for its kill on drop.
    _child: Child,
    /// The bytes still to come, where they are known.
    left: Option<u64>,
    buffer: BytesMut,
}

impl Piped {
    /// Streams `out` of `child`; `length` is exact where it is given.
    pub(crate) fn new(child: Child, out: impl AsyncRead + Send + 'static, length: Option<u64>) -> Self {
        Self { out: Box::pin(out), _child: child, left: length, buffer: BytesMut::zeroed(CHUNK) }
    }
}

impl HttpBody for Piped {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = &mut *self;
        let mut buffer = ReadBuf::new(&mut this.buffer);
        match this.out.as_mut().poll_read(cx, &mut buffer) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(error))),
            Poll::Ready(Ok(())) => {}
        }
        let read = buffer.filled();
        if read.is_empty() {
            let short = this.left.take().is_some_and(|left| left > 0);
            return Poll::Ready(short.then(|| Err(io::ErrorKind::UnexpectedEof.into())));
        }
        this.left = this.left.map(|left| left.saturating_sub(read.len() as u64));
        Poll::Ready(Some(Ok(Frame::data(Bytes::copy_from_slice(read)))))
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// A body that breaks after so many bytes.
pub(crate) struct Cut {
    inner: Body,
    left: u64,
}

impl Cut {
    /// Lets `left` bytes of `inner` through.
    pub(crate) fn new(inner: Body, left: u64) -> Self {
        Self { inner, left }
    }
}

impl HttpBody for Cut {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left == 0 {
            return Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into())));
        }
        let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(cx) else { return Poll::Pending };
        Poll::Ready(frame.map(|frame| {
            frame.map(|frame| match frame.into_data() {
                Ok(mut data) => {
                    data.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
                    self.left -= data.len() as u64;
                    Frame::data(data)
                }
                Err(other) => other,
            })
        }))
    }

    // The length that was promised stands: that is what a peer notices a cut by.
    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Bytes read from a program at once.
const CHUNK: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_cut_body_gives_its_bytes_and_then_breaks() {
        let mut cut = Cut::new(full("0123456789"), 4);
        let first = cut.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(first, "0123");
        assert!(cut.frame().await.unwrap().is_err());
    }
}
