//! Bodies on their way through the pipe.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;
use tonic::Status;

use super::channel::lost;

/// A response body out of the pipe: it holds the call's place until it ends, and its errors are statuses.
#[derive(Debug)]
pub(super) struct FromPipe {
    incoming: Incoming,
    permit: Option<OwnedSemaphorePermit>,
}

impl FromPipe {
    pub(super) fn new(incoming: Incoming, permit: OwnedSemaphorePermit) -> Self {
        let permit = (!incoming.is_end_stream()).then_some(permit);
        Self { incoming, permit }
    }
}

impl HttpBody for FromPipe {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        if self.incoming.is_end_stream() || !matches!(frame, Some(Ok(_))) {
            self.permit = None;
        }
        Poll::Ready(frame.map(|frame| frame.map_err(|error| lost(&error))))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
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
