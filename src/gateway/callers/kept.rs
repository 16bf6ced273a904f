//! A request body of which the beginning is kept, in case the call must be sent again.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tonic::Status;

use crate::tunnel::Body;

/// A body that can be sent more than once while no more than [`MOST`] of it has been read and nobody has answered.
///
/// Each sending reads its own [`Kept::attempt`]; what an earlier one read comes first, then the rest of the body. At most
/// one attempt lives: an older one fails from then on.
#[derive(Debug, Clone)]
pub(super) struct Kept(Arc<Mutex<Shared>>);

/// One sending.
struct Attempt {
    shared: Arc<Mutex<Shared>>,
    number: u64,
}

#[derive(Debug)]
struct Shared {
    body: Body,
    /// What was read; once no longer kept, only what this attempt has not read again.
    read: VecDeque<Part>,
    /// How much of `read` this attempt has passed on.
    at: usize,
    bytes: usize,
    keeping: bool,
    touched: bool,
    end: End,
    attempt: u64,
}

#[derive(Debug, Clone)]
enum Part {
    Data(Bytes),
    Trailers(HeaderMap),
}

/// How the body itself ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    NotYet,
    Whole,
    Broken,
}

impl Kept {
    pub(super) fn new(body: Body) -> Self {
        Self(Arc::new(Mutex::new(Shared {
            body,
            read: VecDeque::new(),
            at: 0,
            bytes: 0,
            keeping: true,
            touched: false,
            end: End::NotYet,
            attempt: 0,
        })))
    }

    /// The body from its beginning; `None` when that is not there any more.
    pub(super) fn attempt(&self) -> Option<Body> {
        let mut shared = lock(&self.0);
        if !shared.is_whole() {
            return None;
        }
        shared.attempt += 1;
        shared.at = 0;
        let number = shared.attempt;
        // `Body::new` asks the attempt whether it has ended.
        drop(shared);
        Some(Body::new(Attempt { shared: Arc::clone(&self.0), number }))
    }

    /// Whether [`Kept::attempt`] has it from its beginning.
    pub(super) fn can_repeat(&self) -> bool {
        lock(&self.0).is_whole()
    }

    /// Keeps no more of it: the call has been answered.
    pub(super) fn forget(&self) {
        lock(&self.0).forget();
    }

    /// Whether there is something in the body and nobody has asked for any of it.
    pub(super) fn is_untouched(&self) -> bool {
        let shared = lock(&self.0);
        !shared.touched && !shared.body.is_end_stream()
    }
}

impl Shared {
    fn is_whole(&self) -> bool {
        self.keeping && self.end != End::Broken
    }

    fn forget(&mut self) {
        self.keeping = false;
        self.read.drain(..self.at);
        self.at = 0;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Part, Status>>> {
        self.touched = true;
        if let Some(part) = self.again() {
            return Poll::Ready(Some(Ok(part)));
        }
        if self.end != End::NotYet {
            return Poll::Ready(None);
        }
        let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(cx)) else {
            self.end = End::Whole;
            return Poll::Ready(None);
        };
        let frame = frame.inspect_err(|_| self.end = End::Broken)?;
        let part = match frame.into_data() {
            Ok(data) => Part::Data(data),
            Err(frame) => Part::Trailers(frame.into_trailers().unwrap_or_default()),
        };
        self.keep(&part);
        Poll::Ready(Some(Ok(part)))
    }

    /// The next of what an earlier attempt has read.
    fn again(&mut self) -> Option<Part> {
        if !self.keeping {
            return self.read.pop_front();
        }
        let part = self.read.get(self.at).cloned()?;
        self.at += 1;
        Some(part)
    }

    fn keep(&mut self, part: &Part) {
        self.bytes += part.len();
        if self.keeping && self.bytes <= MOST {
            self.read.push_back(part.clone());
            self.at += 1;
        } else {
            self.forget();
        }
    }
}

impl Part {
    fn len(&self) -> usize {
        match self {
            Self::Data(data) => data.len(),
            Self::Trailers(_) => 0,
        }
    }
}

impl HttpBody for Attempt {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let mut shared = lock(&self.shared);
        if shared.attempt != self.number {
            return Poll::Ready(Some(Err(Status::cancelled("the call was sent again"))));
        }
        let part = ready!(shared.poll(cx));
        Poll::Ready(part.map(|part| {
            part.map(|part| match part {
                Part::Data(data) => Frame::data(data),
                Part::Trailers(trailers) => Frame::trailers(trailers),
            })
        }))
    }

    fn is_end_stream(&self) -> bool {
        let shared = lock(&self.shared);
        shared.at == shared.read.len() && (shared.end != End::NotYet || shared.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let shared = lock(&self.shared);
        let again = shared.read.iter().skip(shared.at).map(|part| part.len() as u64).sum::<u64>();
        // Where the caller told the length, the agent hears it too.
        shared
            .body
            .size_hint()
            .exact()
            .map_or_else(SizeHint::default, |left| SizeHint::with_exact(left + again))
    }
}

/// A panic elsewhere leaves the state whole enough: the call that shares it has failed with it.
fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes that are kept of one call. A small call's message fits; a transfer cannot be sent again.
pub(super) const MOST: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, StreamBody};
    use tokio::sync::mpsc;
    use tokio_stream::wrappers::ReceiverStream;

    use super::*;

    /// A body that ends when the sender is dropped.
    fn body() -> (mpsc::Sender<Result<Frame<Bytes>, Status>>, Kept) {
        let (sender, frames) = mpsc::channel(8);
        (sender, Kept::new(Body::new(StreamBody::new(ReceiverStream::new(frames)))))
    }

    async fn read(body: &mut Body) -> Bytes {
        body.frame().await.expect("a frame").expect("good").into_data().expect("data")
    }

    async fn send(sender: &mpsc::Sender<Result<Frame<Bytes>, Status>>, data: &[u8]) {
        sender.send(Ok(Frame::data(Bytes::copy_from_slice(data)))).await.expect("open");
    }

    #[tokio::test]
    async fn a_second_attempt_reads_all_of_it_and_the_first_fails() {
        let (sender, kept) = body();
        let mut first = kept.attempt().expect("the first");
        send(&sender, b"one").await;
        assert_eq!(read(&mut first).await, "one");
        let mut second = kept.attempt().expect("the second");
        send(&sender, b"two").await;
        drop(sender);
        assert!(first.frame().await.expect("a frame").is_err());
        assert!(!second.is_end_stream());
        assert_eq!(read(&mut second).await, "one");
        assert_eq!(second.collect().await.expect("whole").to_bytes(), "two");
        assert_eq!(kept.attempt().expect("the third").collect().await.expect("whole").to_bytes(), "onetwo");
    }

    #[tokio::test]
    async fn what_is_longer_than_is_kept_cannot_be_sent_again() {
        let (sender, kept) = body();
        let mut first = kept.attempt().expect("the first");
        assert_eq!(first.size_hint().exact(), None);
        send(&sender, &vec![7; MOST]).await;
        assert_eq!(read(&mut first).await.len(), MOST);
        assert!(kept.attempt().is_some(), "it is kept to the last byte");
        let mut again = kept.attempt().expect("again");
        send(&sender, b"x").await;
        assert_eq!(read(&mut again).await.len(), MOST);
        assert_eq!(read(&mut again).await, "x");
        assert!(kept.attempt().is_none());
        assert!(lock(&kept.0).read.is_empty(), "and takes no memory");
    }

    #[tokio::test]
    async fn an_answered_call_keeps_nothing_and_still_gets_the_rest() {
        let (sender, kept) = body();
        let mut first = kept.attempt().expect("the first");
        send(&sender, b"one").await;
        assert_eq!(read(&mut first).await, "one");
        let mut second = kept.attempt().expect("the second");
        kept.forget();
        assert!(kept.attempt().is_none());
        send(&sender, b"two").await;
        drop(sender);
        assert_eq!(read(&mut second).await, "one");
        assert_eq!(read(&mut second).await, "two");
        assert!(second.frame().await.is_none());
    }

    #[tokio::test]
    async fn every_attempt_has_the_whole_length() {
        let whole = http_body_util::Full::from("1234").map_err(|never| match never {});
        let kept = Kept::new(Body::new(whole));
        let mut first = kept.attempt().expect("the first");
        assert_eq!(first.size_hint().exact(), Some(4));
        read(&mut first).await;
        assert_eq!(kept.attempt().expect("the second").size_hint().exact(), Some(4));
    }

    #[tokio::test]
    async fn a_body_that_broke_cannot_be_sent_again() {
        let (sender, kept) = body();
        let mut first = kept.attempt().expect("the first");
        sender.send(Err(Status::cancelled("the caller left"))).await.expect("open");
        assert!(first.frame().await.expect("a frame").is_err());
        assert!(kept.attempt().is_none());
    }

    #[tokio::test]
    async fn an_empty_body_proves_nothing() {
        assert!(!Kept::new(Body::empty()).is_untouched());
        let (_sender, kept) = body();
        assert!(kept.is_untouched());
        let mut first = kept.attempt().expect("the first");
        assert!(futures_util::FutureExt::now_or_never(first.frame()).is_none());
        assert!(!kept.is_untouched(), "who asked may have sent");
    }
}
