//! Bodies on their way through the pipe.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tonic::Status;

use super::{Body, wire};

/// A body that holds something until it ends or is dropped, such as the place of its call.
#[derive(Debug)]
pub struct Holding<B, H> {
    inner: B,
    held: Option<H>,
}

impl<B: HttpBody, H> Holding<B, H> {
    /// Wraps `inner`; what has ended already holds nothing.
    pub fn new(inner: B, held: H) -> Self {
        let held = (!inner.is_end_stream()).then_some(held);
        Self { inner, held }
    }
}

impl<B: HttpBody + Unpin, H: Unpin> HttpBody for Holding<B, H> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        if self.inner.is_end_stream() || !matches!(frame, Some(Ok(_))) {
            self.held = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Makes a body that breaks end with trailers that say how. A server resets the stream of a body that breaks, and the peer
/// learns no more than that.
pub fn in_words(body: Body) -> Body {
    if body.is_end_stream() { body } else { Body::new(InWords(Some(body))) }
}

/// See [`in_words`]; there is no body any more once it has ended.
struct InWords(Option<Body>);

impl HttpBody for InWords {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(inner) = &mut self.0 else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(inner).poll_frame(cx));
        Poll::Ready(match frame {
            Some(Err(status)) => {
                self.0 = None;
                Some(Ok(Frame::trailers(wire::status_trailers(&status))))
            }
            whole => whole,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        // What has a length may break before it.
        SizeHint::default()
    }
}

/// A body into the pipe, without its empty frames.
///
/// h2 takes more than 100 empty DATA frames in the life of a connection for an attack and ends it. They may come from
/// anybody's body, and in the pipe they would end everybody's calls.
#[derive(Debug)]
pub(super) struct WithoutEmptyFrames<B>(pub(super) B);

impl<B> HttpBody for WithoutEmptyFrames<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        for _ in 0..EMPTY_FRAMES_A_POLL {
            let frame = ready!(Pin::new(&mut self.0).poll_frame(cx));
            let empty = matches!(&frame, Some(Ok(frame)) if frame.data_ref().is_some_and(Bytes::is_empty));
            if !empty {
                return Poll::Ready(frame);
            }
        }
        // Endless empty frames must not keep the others of this thread from running.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

const EMPTY_FRAMES_A_POLL: usize = 32;
