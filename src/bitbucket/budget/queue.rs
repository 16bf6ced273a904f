//! Who gets the next token: first come, first served among the interactive, and the watches after them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{self, Instant};

use super::Rate;
use super::bucket::{Bucket, Grant};
use crate::ops::{Urgency, backoff};

/// The requests that one user may send to one server. Everything that is sent there in the user's name must take from it.
#[derive(Debug)]
pub struct Budget {
    state: Mutex<State>,
}

/// The leave to send one request, to be kept until Bitbucket's answer begins and to be told what it is. When it is dropped
/// before, the request counts all the same.
#[derive(Debug)]
#[must_use = "what Bitbucket answers is to be told"]
pub struct Ticket {
    budget: Arc<Budget>,
    grant: Grant,
    told: bool,
}

/// There is no token before the deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no token for {retry_after:?}, and the call ends before")]
pub struct Exhausted {
    /// After how long there will be one.
    pub retry_after: Duration,
}

#[derive(Debug)]
struct State {
    bucket: Bucket,
    // No longer than there are calls in flight and writes that go on without their caller: both hold a place of the stack.
    interactive: VecDeque<Arc<Seat>>,
    watches: VecDeque<Arc<Seat>>,
    /// The budget that has taken this one over, seats and all. That one is never taken over itself.
    joined: Option<Arc<Budget>>,
}

/// Where a request joins its queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::bitbucket) enum Place {
    /// Behind all that came before.
    Last,
    /// Before them: it had a token, and Bitbucket refused it.
    First,
}

/// A seat in a queue.
#[derive(Debug)]
struct Seat {
    /// When it came, or when the one came before whom it was let in: a queue is in this order.
    came: Instant,
    grant: OnceLock<Grant>,
    /// Told when it is granted, when it becomes the first of its queue, and when the prospects change.
    news: Notify,
}

/// Who waits; when it is dropped, it leaves its place or gives its token back.
struct Waiter<'a> {
    budget: &'a Budget,
    urgency: Urgency,
    seat: Arc<Seat>,
    /// It has taken the token that it was granted.
    served: bool,
}

/// What a waiter is to do.
enum Turn {
    Go(Grant),
    /// Nothing changes before then, unless there is news.
    Wait(Option<Instant>),
    Leave(Exhausted),
}

impl Budget {
    /// Makes a full one.
    pub(super) fn new(rate: Rate, share: u32) -> Self {
        let bucket = Bucket::new(rate, share, Instant::now());
        let (interactive, watches) = (VecDeque::new(), VecDeque::new());
        Self { state: Mutex::new(State { bucket, interactive, watches, joined: None }) }
    }

    /// Waits for the leave to send a request. To drop the future is to leave the queue.
    ///
    /// # Errors
    /// [`Exhausted`], at once when it can be foreseen, where no token comes early enough before `deadline` for an answer.
    pub async fn take(
        self: &Arc<Self>,
        urgency: Urgency,
        deadline: Option<Instant>,
    ) -> Result<Ticket, Exhausted> {
        self.take_at(Place::Last, urgency, deadline).await
    }

    /// As [`Budget::take`], from that place of the queue.
    pub(in crate::bitbucket) async fn take_at(
        self: &Arc<Self>,
        place: Place,
        urgency: Urgency,
        deadline: Option<Instant>,
    ) -> Result<Ticket, Exhausted> {
        let deadline = deadline.map(|deadline| deadline.checked_sub(ANSWER).unwrap_or(deadline));
        let mut waiter = Waiter::queue(self, urgency, place);
        loop {
            match waiter.turn(deadline) {
                Turn::Go(grant) => return Ok(self.ticket(grant)),
                Turn::Leave(exhausted) => return Err(exhausted),
                Turn::Wait(until) => waiter.wait(until).await,
            }
        }
    }

    /// The leave to send a request that does not wait, as one of a doctor must not; those after it wait longer.
    pub fn charge(self: &Arc<Self>) -> Ticket {
        let grant = self.with(|state| state.bucket.charge(Instant::now()));
        self.ticket(grant)
    }

    fn ticket(self: &Arc<Self>, grant: Grant) -> Ticket {
        Ticket { budget: Arc::clone(self), grant, told: false }
    }

    /// Takes over another share, in thousandths.
    pub(super) fn share(&self, permille: u32) {
        self.with(|state| {
            state.bucket.set_share(permille, Instant::now());
            state.tell_all();
        });
    }

    /// Takes over `other`, of which it has turned out that it is the same user's: its tokens as far as both have them, and
    /// all who wait there, in the order in which they came. Whoever holds `other` has this one from now on.
    ///
    /// Two budgets are locked in here and nowhere else; so this needs to be done by one at a time.
    pub(super) fn absorb(self: &Arc<Self>, other: &Arc<Self>) {
        if Arc::ptr_eq(self, other) {
            return;
        }
        let mut theirs = other.lock();
        if theirs.joined.is_some() {
            return;
        }
        let mut ours = self.lock();
        ours.bucket.absorb(&mut theirs.bucket, Instant::now());
        let State { interactive, watches, .. } = &mut *ours;
        merge(interactive, &mut theirs.interactive);
        merge(watches, &mut theirs.watches);
        theirs.joined = Some(Arc::clone(self));
        // There are more before each of them, and fewer tokens.
        ours.tell_all();
    }

    /// Whether it is as new and nobody waits.
    pub(super) fn is_full(&self, now: Instant) -> bool {
        self.with(|state| {
            state.interactive.is_empty() && state.watches.is_empty() && state.bucket.is_full(now)
        })
    }

    /// How many tokens there are.
    pub(in crate::bitbucket) fn level(&self, now: Instant) -> f64 {
        self.with(|state| state.bucket.level(now))
    }

    /// Does something to its state, which is another's if that has taken it over.
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let Some(joined) = state.joined.clone() else { return act(&mut state) };
        drop(state);
        act(&mut joined.lock())
    }

    /// Nothing below the lock can leave it half changed.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    /// Bitbucket took the request.
    pub fn passed(mut self) {
        self.told = true;
        self.budget.with(|state| state.bucket.passed(self.grant, Instant::now()));
    }

    /// Bitbucket answered 429: nothing is sent until the time that it named and a bit more, and less for a while.
    pub fn refused(mut self, retry_after: Option<Duration>) {
        self.told = true;
        // Whoever else was refused comes back at the same time otherwise.
        let back = retry_after.map(jittered);
        self.budget.with(|state| {
            state.bucket.refused(self.grant, back, Instant::now());
            state.tell_all();
        });
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.told {
            self.budget.with(|state| state.bucket.ended(self.grant, Instant::now()));
        }
    }
}

impl State {
    fn queue(&mut self, urgency: Urgency) -> &mut VecDeque<Arc<Seat>> {
        match urgency {
            Urgency::Interactive => &mut self.interactive,
            Urgency::Watch => &mut self.watches,
        }
    }

    /// Lets one more wait.
    fn seat(&mut self, urgency: Urgency, place: Place, now: Instant) -> Arc<Seat> {
        if urgency == Urgency::Watch && self.watches.is_empty() {
            self.bucket.watch_came(now);
        }
        let queue = self.queue(urgency);
        let came = match place {
            Place::Last => now,
            Place::First => queue.front().map_or(now, |first| first.came),
        };
        let seat = Arc::new(Seat { came, grant: OnceLock::new(), news: Notify::new() });
        match place {
            Place::Last => queue.push_back(Arc::clone(&seat)),
            Place::First => queue.push_front(Arc::clone(&seat)),
        }
        seat
    }

    /// Gives out the tokens that there are.
    fn serve(&mut self, now: Instant) {
        loop {
            let overdue = !self.watches.is_empty() && self.bucket.watch_is_due(now);
            let next =
                if self.interactive.is_empty() || overdue { Urgency::Watch } else { Urgency::Interactive };
            if self.queue(next).is_empty() {
                return;
            }
            let Some(grant) = self.bucket.take(next, now) else { return };
            if let Some(seat) = self.queue(next).pop_front() {
                // It was in the queue, so it has none yet.
                let _ = seat.grant.set(grant);
                seat.news.notify_one();
            }
            if let Some(first) = self.queue(next).front() {
                first.news.notify_one();
            }
        }
    }

    /// What who sits there is to do.
    fn turn(&mut self, urgency: Urgency, seat: &Arc<Seat>, deadline: Option<Instant>) -> Turn {
        let now = Instant::now();
        self.serve(now);
        if let Some(&grant) = seat.grant.get() {
            return Turn::Go(grant);
        }
        let place = self.place(urgency, seat);
        let expected = self.bucket.granted_at(place, now);
        if deadline.is_some_and(|deadline| deadline < expected || deadline <= now) {
            return Turn::Leave(Exhausted { retry_after: expected.saturating_duration_since(now) });
        }
        // Those behind the first hear of it when their turn comes.
        let is_first = self.queue(urgency).front().is_some_and(|first| Arc::ptr_eq(first, seat));
        let ready = is_first.then(|| self.bucket.ready_at(urgency, now));
        Turn::Wait(ready.into_iter().chain(deadline).min())
    }

    /// Takes one out who does not wait any more.
    fn leave(&mut self, urgency: Urgency, seat: &Arc<Seat>) {
        if let Some(&grant) = seat.grant.get() {
            self.bucket.give_back(grant);
        }
        self.queue(urgency).retain(|other| !Arc::ptr_eq(other, seat));
        for first in self.interactive.front().into_iter().chain(self.watches.front()) {
            first.news.notify_one();
        }
    }

    /// How many tokens are given out before a seat has had its own, that one included.
    fn place(&self, urgency: Urgency, seat: &Arc<Seat>) -> usize {
        let among = |queue: &VecDeque<Arc<Seat>>| queue.iter().position(|other| Arc::ptr_eq(other, seat));
        match urgency {
            Urgency::Interactive => among(&self.interactive).map_or(1, |at| at + 1),
            Urgency::Watch => among(&self.watches).map_or(1, |at| at + 1) + self.interactive.len(),
        }
    }

    fn tell_all(&self) {
        for seat in self.interactive.iter().chain(&self.watches) {
            seat.news.notify_one();
        }
    }
}

impl<'a> Waiter<'a> {
    fn queue(budget: &'a Budget, urgency: Urgency, place: Place) -> Self {
        let seat = budget.with(|state| state.seat(urgency, place, Instant::now()));
        Self { budget, urgency, seat, served: false }
    }

    fn turn(&mut self, deadline: Option<Instant>) -> Turn {
        let turn = self.budget.with(|state| state.turn(self.urgency, &self.seat, deadline));
        self.served |= matches!(turn, Turn::Go(_));
        turn
    }

    async fn wait(&self, until: Option<Instant>) {
        let news = self.seat.news.notified();
        match until {
            // Ready or not, there is a moment between two looks: others may go first.
            Some(until) => drop(time::timeout_at(until, news).await),
            None => news.await,
        }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        if self.served {
            return;
        }
        self.budget.with(|state| state.leave(self.urgency, &self.seat));
    }
}

/// Makes one queue of two, in the order in which they came.
fn merge(ours: &mut VecDeque<Arc<Seat>>, theirs: &mut VecDeque<Arc<Seat>>) {
    ours.append(theirs);
    ours.make_contiguous().sort_by_key(|seat| seat.came);
}

/// The next whole second is all that Bitbucket can name; up to a quarter of a second more is chance.
fn jittered(named: Duration) -> Duration {
    named + (backoff::jittered(JITTER) - JITTER)
}

const JITTER: Duration = Duration::from_millis(500);

/// What a call must have left for the answer: a token at its last moment would be spent for nothing.
const ANSWER: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests;
