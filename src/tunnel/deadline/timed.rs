//! A body with a clock.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};
use tonic::Status;

use super::{Body, Bound, wire};
use crate::ops::Tasks;

/// A body that ends with DEADLINE_EXCEEDED when its bound passes. What it wraps is dropped at that moment, read or not.
pub(super) struct Timed {
    shared: Arc<Mutex<Shared>>,
    bound: Bound,
    // Dropped with the body: tells the clock to stop.
    _running: oneshot::Sender<()>,
}

struct Shared {
    state: State,
    moved: Instant,
    reader: Option<Waker>,
}

enum State {
    Open(Body),
    Over(Status),
    Ended,
}

impl Timed {
    /// Puts a clock on `body`; one that has ended already needs none.
    pub(super) fn body(body: Body, bound: Bound, tasks: &Tasks) -> Body {
        if body.is_end_stream() {
            return body;
        }
        let shared = Shared { state: State::Open(body), moved: Instant::now(), reader: None };
        let shared = Arc::new(Mutex::new(shared));
        let (running, stopped) = oneshot::channel();
        tasks.spawn(clock(Arc::clone(&shared), bound, stopped));
        Body::new(Self { shared, bound, _running: running })
    }
}

impl HttpBody for Timed {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let mut shared = lock(&self.shared);
        let State::Open(body) = &mut shared.state else {
            return Poll::Ready(match std::mem::replace(&mut shared.state, State::Ended) {
                State::Over(status) => Some(Ok(Frame::trailers(wire::status_trailers(&status)))),
                State::Open(_) | State::Ended => None,
            });
        };
        let Poll::Ready(frame) = Pin::new(body).poll_frame(cx) else {
            shared.reader = Some(cx.waker().clone());
            return Poll::Pending;
        };
        if matches!(self.bound, Bound::Idle(_)) {
            shared.moved = Instant::now();
        }
        if !matches!(frame, Some(Ok(_))) {
            shared.state = State::Ended;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &lock(&self.shared).state {
            State::Open(body) => body.is_end_stream(),
            State::Over(_) => false,
            State::Ended => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &lock(&self.shared).state {
            State::Open(body) => body.size_hint(),
            State::Over(_) | State::Ended => SizeHint::with_exact(0),
        }
    }
}

/// Waits until the bound passes or the body is dropped, and in the first case ends the body.
async fn clock(shared: Arc<Mutex<Shared>>, bound: Bound, mut stopped: oneshot::Receiver<()>) {
    loop {
        let Some(due) = due(&lock(&shared), bound) else { return };
        if Instant::now() >= due {
            return expire(&shared, bound);
        }
        tokio::select! {
            () = sleep_until(due) => {}
            _ = &mut stopped => return,
        }
    }
}

fn due(shared: &Shared, bound: Bound) -> Option<Instant> {
    match bound {
        Bound::At(deadline) => Some(deadline),
        Bound::Idle(longest) => Some(shared.moved + longest),
        Bound::Never => None,
    }
}

fn expire(shared: &Mutex<Shared>, bound: Bound) {
    let mut shared = lock(shared);
    let reader = shared.reader.take();
    let open = match std::mem::replace(&mut shared.state, State::Over(bound.passed())) {
        State::Open(body) => Some(body),
        ended @ (State::Over(_) | State::Ended) => {
            shared.state = ended;
            None
        }
    };
    drop(shared);
    // Outside the lock: a drop may wake or run anything.
    drop(open);
    if let Some(reader) = reader {
        reader.wake();
    }
}

/// A panic elsewhere leaves the state whole: every change is one assignment.
fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
