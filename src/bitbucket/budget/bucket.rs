//! The tokens: how many there are now, and when there will be enough. Arithmetic only, no waiting.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::{Rate, WHOLE};
use crate::ops::Urgency;

/// Our picture of Bitbucket's bucket.
#[derive(Debug)]
pub(super) struct Bucket {
    rate: Rate,
    /// What the gateway leaves to this instance, from 0 to 1.
    share: f64,
    /// What 429s have left of that, from [`LEAST`] to 1.
    trust: f64,
    /// As if Bitbucket counted each request at the moment when its answer is here, or [`ARRIVES`] after it was granted. It
    /// does so earlier, and a bucket that is full refills from then on only: so there are at least so many tokens.
    tokens: f64,
    /// Requests that are to be counted yet, the oldest first. There may be more than tokens, when one did not wait.
    in_flight: VecDeque<Grant>,
    filled: Instant,
    /// Bitbucket said when to come back.
    closed_until: Instant,
    /// A watch gets the next token that there is, once this has passed.
    watch_due: Instant,
    /// When trust was lost last.
    doubted: Option<Instant>,
}

/// A token that was taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grant {
    /// Of no other grant of any bucket, so that one bucket can take over another's.
    id: u64,
    at: Instant,
}

impl Bucket {
    pub(super) fn new(rate: Rate, share: u32, now: Instant) -> Self {
        let (closed_until, watch_due) = (now, now);
        let share = part(share);
        let mut bucket = Self {
            rate,
            share,
            trust: 1.0,
            tokens: 0.0,
            in_flight: VecDeque::new(),
            filled: now,
            closed_until,
            watch_due,
            doubted: None,
        };
        bucket.tokens = bucket.capacity();
        bucket
    }

    /// How many tokens there are for new requests.
    pub(super) fn level(&mut self, now: Instant) -> f64 {
        self.fill(now);
        self.free()
    }

    /// Whether it is as new.
    pub(super) fn is_full(&mut self, now: Instant) -> bool {
        self.fill(now);
        self.trust >= 1.0 && now >= self.closed_until && self.free() >= self.capacity()
    }

    /// Takes over another share, in thousandths.
    pub(super) fn set_share(&mut self, permille: u32, now: Instant) {
        self.fill(now);
        self.share = part(permille);
        self.tokens = self.tokens.min(self.capacity());
    }

    /// Takes over what was seen in `other`, which has turned out to be a picture of the same bucket of Bitbucket's: what was
    /// spent from either was spent from that one, and of each doubt the greater stays.
    pub(super) fn absorb(&mut self, other: &mut Self, now: Instant) {
        self.fill(now);
        other.fill(now);
        self.trust = self.trust.min(other.trust);
        self.doubted = self.doubted.max(other.doubted);
        self.closed_until = self.closed_until.max(other.closed_until);
        self.watch_due = self.watch_due.max(other.watch_due);
        let full = self.capacity();
        let (ours, theirs) = (self.tokens.min(full), other.tokens.min(full));
        // Bitbucket's own is never below empty; what was below in either picture stays so.
        self.tokens = (ours + theirs - full).max(0.0).min(ours).min(theirs);
        self.in_flight.append(&mut other.in_flight);
        self.in_flight.make_contiguous().sort_by_key(|grant| grant.at);
    }

    /// Bitbucket refused a request, and most likely named a time.
    ///
    /// The requests of a burst are refused together, for one cause: only one that was granted after the last loss of
    /// trust tells anything new.
    pub(super) fn refused(&mut self, grant: Grant, back: Option<Duration>, now: Instant) {
        self.fill(now);
        if self.doubted.is_none_or(|doubted| grant.at > doubted) {
            self.trust = (self.trust / 2.0).max(LEAST);
            self.doubted = Some(now);
        }
        self.remove(grant);
        // Whatever else is in flight has been counted there, or will be refused too.
        self.tokens = self.tokens.min(self.in_flight.len() as f64);
        if let Some(back) = back {
            self.closed_until = self.closed_until.max(now + back);
        }
    }

    /// Bitbucket took a request.
    pub(super) fn passed(&mut self, grant: Grant, now: Instant) {
        self.ended(grant, now);
        if self.trust < 1.0 && self.doubted.is_none_or(|doubted| grant.at > doubted) {
            self.trust = (self.trust + STEP).min(1.0);
        }
    }

    /// Nobody knows what came of a request; most likely it was counted.
    pub(super) fn ended(&mut self, grant: Grant, now: Instant) {
        self.fill(now);
        if self.remove(grant) {
            self.tokens -= 1.0;
        }
    }

    /// Takes a token though there may be none.
    pub(super) fn charge(&mut self, now: Instant) -> Grant {
        self.fill(now);
        let grant = Grant { id: GRANTED.fetch_add(1, Ordering::Relaxed), at: now };
        self.in_flight.push_back(grant);
        grant
    }

    /// Puts a token back that was not used.
    pub(super) fn give_back(&mut self, grant: Grant) {
        self.remove(grant);
    }

    /// The first watch begins to wait.
    pub(super) fn watch_came(&mut self, now: Instant) {
        self.watch_due = self.watch_due.max(now + self.trickle());
    }

    /// Whether a watch has waited for so long that it goes first.
    pub(super) fn watch_is_due(&self, now: Instant) -> bool {
        now >= self.watch_due
    }

    /// Takes a token if there is one for work of this urgency.
    pub(super) fn take(&mut self, urgency: Urgency, now: Instant) -> Option<Grant> {
        if now < self.ready_at(urgency, now) {
            return None;
        }
        if urgency == Urgency::Watch {
            self.watch_due = now + self.trickle();
        }
        Some(self.charge(now))
    }

    /// When there will be a token for work of this urgency, if nobody takes one before.
    pub(super) fn ready_at(&mut self, urgency: Urgency, now: Instant) -> Instant {
        self.fill(now);
        let any = now + self.until(1.0);
        let ready = match urgency {
            Urgency::Interactive => any,
            // What interactive calls leave, and now and then a token that they would have had.
            Urgency::Watch => any.max((now + self.until(1.0 + self.reserve())).min(self.watch_due)),
        };
        ready.max(self.closed_until)
    }

    /// When the last of `count` requests will have had its token, if all goes well: trust comes back on the way.
    pub(super) fn granted_at(&mut self, count: usize, now: Instant) -> Instant {
        self.fill(now);
        let open = self.closed_until.saturating_duration_since(now);
        let gained = open.as_secs_f64() * self.per_second();
        let tokens = (self.tokens + gained).min(self.capacity()) - self.in_flight.len() as f64;
        let missing = (count as f64 - tokens).max(0.0);
        let whole = f64::from(self.rate.per_second) * self.share;
        // At a rate that grows by STEP with each token, k tokens take ln((trust + k × STEP) / trust) / (whole × STEP).
        let doubtful = missing.min((1.0 - self.trust) / STEP);
        let slow = ((self.trust + doubtful * STEP) / self.trust).ln() / (whole * STEP);
        now + open + seconds(slow + (missing - doubtful) / whole)
    }

    fn fill(&mut self, now: Instant) {
        while let Some(arrived) = self.in_flight.front().map(|oldest| oldest.at + ARRIVES)
            && arrived <= now
        {
            self.refill(arrived);
            self.in_flight.pop_front();
            self.tokens -= 1.0;
        }
        self.refill(now);
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.tokens = (self.tokens + passed * self.per_second()).min(self.capacity());
        self.filled = self.filled.max(now);
    }

    /// Takes it from those in flight, unless it was counted already.
    fn remove(&mut self, grant: Grant) -> bool {
        let at = self.in_flight.iter().position(|other| other.id == grant.id);
        at.and_then(|at| self.in_flight.remove(at)).is_some()
    }

    fn free(&self) -> f64 {
        self.tokens - self.in_flight.len() as f64
    }

    fn per_second(&self) -> f64 {
        f64::from(self.rate.per_second) * self.share * self.trust
    }

    /// Less than Bitbucket's, so that somebody who uses the same token by hand does not make us exceed it at once. At least
    /// one, or nothing would ever go.
    fn capacity(&self) -> f64 {
        (f64::from(self.rate.burst) * CAUTION * self.share * self.trust).max(1.0)
    }

    /// What watches leave for interactive calls.
    fn reserve(&self) -> f64 {
        (self.capacity() * RESERVE).min(self.capacity() - 1.0)
    }

    /// The longest that a watch lets interactive calls go first.
    fn trickle(&self) -> Duration {
        seconds(1.0 / (self.per_second() * TRICKLE))
    }

    /// The time until there are so many tokens.
    fn until(&self, tokens: f64) -> Duration {
        // What has been added up in small parts never quite is a whole number.
        if self.free() + 1e-6 >= tokens {
            return Duration::ZERO;
        }
        // Too early where answers have to come first: whoever waits looks again then.
        seconds((tokens - self.free()) / self.per_second())
    }
}

fn part(permille: u32) -> f64 {
    f64::from(permille.clamp(1, WHOLE)) / f64::from(WHOLE)
}

/// No time that comes out of a division is too long to be added to an instant.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.clamp(0.0, LONGEST)).unwrap_or_default()
}

/// How many tokens were granted in this process.
static GRANTED: AtomicU64 = AtomicU64::new(0);

/// The part of the burst that is used.
const CAUTION: f64 = 0.9;
/// The part of the tokens that watches leave alone.
const RESERVE: f64 = 0.25;
/// The part of the rate that watches have even if interactive calls wait.
const TRICKLE: f64 = 0.1;
/// The longest that a request is on its way, a new connection included, before Bitbucket counts it. With a longer time
/// requests that Bitbucket takes long to answer would keep others from being sent.
const ARRIVES: Duration = Duration::from_secs(2);
/// What 429s leave at least: of 5 requests a second, one in 3.2 s.
const LEAST: f64 = 1.0 / 16.0;
/// What one request that is not refused restores: 32 of them undo a halving.
const STEP: f64 = 1.0 / 64.0;
/// A day, in seconds.
const LONGEST: f64 = 86_400.0;

#[cfg(test)]
mod tests;
