//! What the link does next: which sessions it wants, when it dials, which it lets go. Decisions only, no IO.
//!
//! It wants one open session, and where the gateways are several, two on different ones. A session goes through these
//! phases, and only forwards but for a doubt that passes:
//!
//! ```text
//!  open ⇄ doubted ──────────────┐
//!   ├── asked (by its gateway) ─┼─► ended
//!   └── leaving (by us) ────────┘
//! ```

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::Instant;

use super::next::Wait;
use super::outage::{Outage, Standing};
use crate::ops::backoff;

/// The sessions that there are, and what is to come.
#[derive(Debug)]
pub(super) struct Plan {
    /// Those that shall stay longest come last: the newest, but for a second one that found no other gateway.
    seats: Vec<Seat>,
    dialing: Option<Errand>,
    outage: Outage,
    /// When to dial where no session is open.
    link_at: Instant,
    spare: Spare,
    /// A remote asked for patience until then, whatever the next dial is for.
    not_before: Instant,
    replicas: u32,
    /// The last that was heard of it, of whatever session.
    told: u32,
}

/// What a dial is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Errand {
    /// No session is open.
    Link,
    /// One is open, and there are several gateways.
    Spare,
}

/// How it is with a session, in the order in which these come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It takes calls.
    Open,
    /// Nothing has been heard for a while; it still takes calls.
    Doubted,
    /// Its gateway asked to attach elsewhere; it takes the calls that still come.
    Asked,
    /// Its gateway was told to send nothing new; its calls finish.
    Leaving,
}

impl Phase {
    /// One word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Doubted => "doubted",
            Self::Asked => "asked",
            Self::Leaving => "leaving",
        }
    }
}

/// The next thing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Dial.
    Dial(Errand),
    /// Drop the dial that is under way.
    Abandon,
    /// Tell the gateway of this session to send nothing new, and let its calls finish.
    Retire(u64),
    /// End this session at once.
    Cut(u64),
    /// Nothing until then, or until something happens.
    Rest(Option<Instant>),
}

#[derive(Debug)]
struct Seat {
    id: u64,
    gateway: String,
    since: Instant,
    phase: Phase,
    /// Where its gateway asked to attach elsewhere: how long it takes calls even so.
    until: Option<Instant>,
    cut: bool,
}

/// The search for a second gateway.
#[derive(Debug, Clone, Copy)]
struct Spare {
    tries: u32,
    at: Instant,
}

impl Plan {
    /// Nothing is there, and the first dial is due at once.
    pub(super) fn begin(now: Instant) -> Self {
        let spare = Spare { tries: 0, at: now };
        let (outage, seats) = (Outage::begin(now), Vec::new());
        Self { seats, dialing: None, outage, link_at: now, spare, not_before: now, replicas: 1, told: 1 }
    }

    /// What to do now; to be asked again until it says [`Step::Rest`], and after everything that happens.
    pub(super) fn next(&mut self, now: Instant) -> Step {
        if let Some(step) = self.clear_up(now) {
            return step;
        }
        let wish = self.wish();
        match (self.dialing, wish) {
            (Some(_), None) => {
                self.dialing = None;
                return Step::Abandon;
            }
            (Some(_), Some((errand, _))) => self.dialing = Some(errand),
            (None, Some((errand, at))) if at <= now => {
                self.dialing = Some(errand);
                return Step::Dial(errand);
            }
            (None, _) => {}
        }
        let dial_at = wish.filter(|_| self.dialing.is_none()).map(|(_, at)| at);
        Step::Rest(self.grace_ends().into_iter().chain(dial_at).min())
    }

    /// The dial under way attached the session `id` to `gateway`, which is one of `replicas`.
    pub(super) fn attached(&mut self, now: Instant, id: u64, gateway: &str, replicas: u32) {
        let errand = self.dialing.take();
        let known = self.gateways().contains(gateway);
        let seat =
            Seat { id, gateway: gateway.to_owned(), since: now, phase: Phase::Open, until: None, cut: false };
        (self.replicas, self.told) = (replicas, replicas);
        if errand == Some(Errand::Spare) && known {
            // Nobody calls it yet, so it is the one to go.
            self.seats.insert(0, seat);
        } else {
            self.seats.push(seat);
        }
        match errand {
            Some(Errand::Spare) => self.spare.tried(now),
            Some(Errand::Link) | None => self.spare = Spare::anew(now),
        }
    }

    /// The dial under way failed; says how long the next one has to wait.
    pub(super) fn failed(&mut self, now: Instant, wait: Wait) -> Duration {
        let length = wait.length(self.outage.lost_for(now));
        if matches!(wait, Wait::AtLeast(_)) {
            self.not_before = now + length;
        }
        match self.dialing.take() {
            Some(Errand::Spare) => {
                self.spare.tried(now);
                self.spare.at.max(self.not_before).saturating_duration_since(now)
            }
            Some(Errand::Link) | None => {
                self.link_at = now + length;
                length
            }
        }
    }

    /// Nothing has been heard on a session for a while.
    pub(super) fn doubted(&mut self, now: Instant, id: u64) {
        if let Some(since) = self.leaves(id, Phase::Doubted) {
            self.missing(now, since);
            // No hot loop: a doubt takes its time.
            self.link_at = now;
        }
    }

    /// Something has been heard again.
    pub(super) fn revived(&mut self, id: u64) {
        if let Some(seat) = self.seats.iter_mut().find(|seat| seat.id == id && seat.phase == Phase::Doubted) {
            seat.phase = Phase::Open;
        }
    }

    /// The gateway of a session says that there are so many from now on.
    ///
    /// Where there are more, a second one is looked for at once: the one that has come may be it. That there are fewer lets no
    /// session go, since those are cheap and the one that says so may be mistaken.
    pub(super) fn told_replicas(&mut self, now: Instant, id: u64, count: u32) {
        if self.phase(id) != Some(Phase::Open) {
            return;
        }
        if count > self.told {
            self.replicas = self.replicas.max(count);
            self.spare = Spare::anew(now);
        }
        self.told = count;
    }

    /// The gateway of a session asks to attach elsewhere, and gives its calls `grace`. Says whether the session was a link
    /// worth the name.
    pub(super) fn asked(&mut self, now: Instant, id: u64, grace: Duration) -> Standing {
        if let Some(seat) = self.seats.iter_mut().find(|seat| seat.id == id) {
            seat.until = Some(now + grace.min(LONGEST_GRACE));
        }
        let Some(since) = self.leaves(id, Phase::Asked) else { return Standing::Steady };
        let standing = self.missing(now, since);
        if standing == Standing::Steady {
            self.link_at = now;
        }
        standing
    }

    /// A session is over; says in which phase it was.
    pub(super) fn ended(&mut self, now: Instant, id: u64) -> Option<Phase> {
        let at = self.seats.iter().position(|seat| seat.id == id)?;
        let Seat { phase, since, .. } = self.seats.remove(at);
        if phase == Phase::Open {
            self.missing(now, since);
        }
        Some(phase)
    }

    /// How long no session has been open.
    pub(super) fn lost_for(&self, now: Instant) -> Duration {
        self.outage.lost_for(now)
    }

    /// The phase of a session.
    pub(super) fn phase(&self, id: u64) -> Option<Phase> {
        self.seats.iter().find(|seat| seat.id == id).map(|seat| seat.phase)
    }

    /// The open session that shall stay longest.
    pub(super) fn open(&self) -> Option<u64> {
        self.seats.iter().rfind(|seat| seat.phase == Phase::Open).map(|seat| seat.id)
    }

    /// Whether a dial is under way.
    pub(super) fn is_dialing(&self) -> bool {
        self.dialing.is_some()
    }

    /// Takes an open session out of those, and says since when it was one; `None` if it is not open.
    fn leaves(&mut self, id: u64, phase: Phase) -> Option<Instant> {
        let seat = self.seats.iter_mut().find(|seat| seat.id == id)?;
        let was = seat.phase;
        // Nothing goes back, but for a doubt that passes.
        seat.phase = was.max(phase);
        (was == Phase::Open).then_some(seat.since)
    }

    /// Plans the dial for a session that was open since `since` and is no more.
    fn missing(&mut self, now: Instant, since: Instant) -> Standing {
        if self.open().is_some() {
            self.spare = Spare::anew(now);
            return Standing::of(now, since);
        }
        let standing = self.outage.ended(now, since);
        self.link_at = now + backoff::delay(self.outage.lost_for(now));
        standing
    }

    fn wish(&self) -> Option<(Errand, Instant)> {
        if self.open().is_none() {
            return Some((Errand::Link, self.link_at.max(self.not_before)));
        }
        let lacks = self.gateways().len() < self.wanted();
        lacks.then_some((Errand::Spare, self.spare.at.max(self.not_before)))
    }

    /// The gateways of the open sessions.
    fn gateways(&self) -> HashSet<&str> {
        let open = self.seats.iter().filter(|seat| seat.phase == Phase::Open);
        open.map(|seat| seat.gateway.as_str()).collect()
    }

    fn wanted(&self) -> usize {
        if self.replicas > 1 { 2 } else { 1 }
    }

    /// Lets go what is not needed, one session at a time.
    fn clear_up(&mut self, now: Instant) -> Option<Step> {
        if let Some(at) = self.surplus(now) {
            self.seats[at].phase = Phase::Leaving;
            return Some(Step::Retire(self.seats[at].id));
        }
        let leaving = self.seats.iter_mut().filter(|seat| seat.phase == Phase::Leaving && !seat.cut);
        let mut leaving: Vec<_> = leaving.collect();
        if leaving.len() <= MOST_LEAVING {
            return None;
        }
        let oldest = leaving.remove(0);
        oldest.cut = true;
        Some(Step::Cut(oldest.id))
    }

    /// The place of a session to retire: an open one too many, or one that its gateway has let go long enough ago.
    fn surplus(&self, now: Instant) -> Option<usize> {
        self.open()?;
        let (mut gateways, wanted) = (HashSet::new(), self.wanted());
        self.seats.iter().enumerate().rev().find_map(|(at, seat)| {
            let goes = match seat.phase {
                Phase::Open => gateways.len() == wanted || !gateways.insert(seat.gateway.as_str()),
                Phase::Asked => seat.until.is_some_and(|until| until <= now),
                Phase::Doubted | Phase::Leaving => false,
            };
            goes.then_some(at)
        })
    }

    /// When the next session that its gateway has let go is to be retired.
    fn grace_ends(&self) -> Option<Instant> {
        self.open()?;
        let asked = self.seats.iter().filter(|seat| seat.phase == Phase::Asked);
        asked.filter_map(|seat| seat.until).min()
    }
}

impl Spare {
    fn anew(now: Instant) -> Self {
        Self { tries: 0, at: now + backoff::spread(APART) }
    }

    fn tried(&mut self, now: Instant) {
        self.tries = self.tries.saturating_add(1);
        let later = if self.tries < TRIES {
            // Further and further apart: a gateway is there before balancers send anybody to it.
            backoff::spread(APART * 2_u32.pow(self.tries))
        } else {
            backoff::jittered(RARELY)
        };
        self.at = now + later;
    }
}

/// How often a second gateway is looked for in a row.
const TRIES: u32 = 4;

/// The longest before the first of these, and half of the longest before the next, and so on: nothing presses, and all agents
/// of a lost gateway do it at once.
const APART: Duration = Duration::from_secs(2);

/// How often it is looked for after that.
const RARELY: Duration = Duration::from_secs(300);

/// How many sessions may be finishing their calls: a call that never ends must not add up to more than a gateway takes.
const MOST_LEAVING: usize = 4;

/// The longest grace that a gateway can ask for.
const LONGEST_GRACE: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests;
