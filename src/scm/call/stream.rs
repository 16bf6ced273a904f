//! An answer in many messages.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::stream::{BoxStream, Stream, StreamExt as _};
use tonic::Status;

use super::entry::Entry;
use crate::proto::Fault;

/// The messages of a streaming command; it ends after the first fault, and audit hears how.
pub struct Messages<A> {
    /// Until the end; then the stream stays ended.
    live: Option<Live<A>>,
}

struct Live<A> {
    messages: BoxStream<'static, Result<A, Fault>>,
    entry: Entry,
}

impl<A> Messages<A> {
    pub(super) fn new(messages: BoxStream<'static, Result<A, Fault>>, entry: Entry) -> Self {
        Self { live: Some(Live { messages, entry }) }
    }

    fn end(&mut self, outcome: Result<(), Fault>) -> Option<Status> {
        self.live.take().and_then(|live| live.entry.close(outcome).err())
    }
}

impl<A> Stream for Messages<A> {
    type Item = Result<A, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(live) = self.live.as_mut() else {
            return Poll::Ready(None);
        };
        let span = live.entry.span().clone();
        match ready!(span.in_scope(|| live.messages.poll_next_unpin(cx))) {
            Some(Ok(message)) => Poll::Ready(Some(Ok(message))),
            Some(Err(fault)) => Poll::Ready(self.end(Err(fault)).map(Err)),
            None => Poll::Ready(self.end(Ok(())).map(Err)),
        }
    }
}
