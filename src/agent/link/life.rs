//! The link's life: does what the plan says, and tells it and the log what comes of it.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{self, Instant};
use tonic::Status;
use tracing::{debug, info, warn};

use super::Link;
use super::next::Failure;
use super::outage::{Last, Standing};
use super::over::{self, Over};
use super::plan::{Errand, Phase, Plan, Step};
use super::race::race;
use super::repeats::Repeats;
use super::session::{Event, Session};
use super::sessions::Row;
use super::state::State;
use super::tally::Trouble;
use crate::ops::Tasks;
use crate::proto::tunnel::v1::{Budget, Drain, Replicas, Welcome};
use crate::tunnel::attach::Word;

/// A link that is being kept.
pub(super) struct Life<'a> {
    link: &'a Link,
    way: &'a Way<'a>,
    plan: Plan,
    dial: Option<Dial<'a>>,
    /// By when they attached.
    held: BTreeMap<u64, Held>,
    attached: u64,
    last: Last,
    repeats: Repeats,
    events: mpsc::Sender<(u64, Event)>,
    heard: mpsc::Receiver<(u64, Event)>,
}

/// A session that runs in a task of its own.
struct Held {
    welcome: Welcome,
    /// Those of its connection: their drain lets it finish, their cut ends it.
    tasks: Tasks,
    row: Row,
}

/// How to dial once.
pub(super) type Way<'a> = dyn Fn() -> Dial<'a> + Send + Sync + 'a;

type Dial<'a> = Pin<Box<dyn Future<Output = Result<Session, Failure>> + Send + 'a>>;

impl<'a> Life<'a> {
    pub(super) fn new(link: &'a Link, way: &'a Way<'a>) -> Self {
        let (events, heard) = mpsc::channel(EVENTS);
        Self {
            link,
            way,
            plan: Plan::begin(Instant::now()),
            dial: None,
            held: BTreeMap::new(),
            attached: 0,
            last: Last::default(),
            repeats: Repeats::default(),
            events,
            heard,
        }
    }

    /// Keeps the link until the tasks drain, and then until the calls of every session have finished.
    pub(super) async fn run(mut self) {
        while !self.link.tasks.is_draining() {
            let until = self.act();
            self.show();
            tokio::select! {
                () = self.link.tasks.draining() => {}
                dialed = outcome(&mut self.dial) => self.dialed(dialed),
                Some((seat, event)) = self.heard.recv() => self.happened(seat, event),
                () = sleep_until(until) => {}
            }
        }
        self.dial = None;
        if !self.held.is_empty() {
            self.link.enter(State::Draining);
        }
        while !self.held.is_empty() {
            // Each session tells its end, and this holds a sender.
            let Some((seat, event)) = self.heard.recv().await else { break };
            if matches!(event, Event::Ended(_)) {
                self.gone(seat);
            }
        }
        self.link.enter(State::Ended);
    }

    /// Does all that is due, and says how long nothing else is.
    fn act(&mut self) -> Option<Instant> {
        loop {
            match self.plan.next(Instant::now()) {
                Step::Dial(errand) => self.dial = Some(self.begin(errand)),
                Step::Abandon => self.dial = None,
                Step::Retire(seat) => self.with(seat, |held| {
                    info!(
                        session = held.row.id,
                        gateway = held.row.gateway,
                        "letting a session finish its calls"
                    );
                    held.tasks.begin_drain();
                }),
                Step::Cut(seat) => self.with(seat, |held| {
                    let in_flight = held.row.calls.in_flight();
                    warn!(
                        session = held.row.id,
                        in_flight, "too many sessions have calls that do not end: the oldest is cut"
                    );
                    held.tasks.cut();
                }),
                Step::Rest(until) => return until,
            }
        }
    }

    fn begin(&self, errand: Errand) -> Dial<'a> {
        let way = self.way;
        let lost_for = match errand {
            Errand::Link => self.plan.lost_for(Instant::now()),
            Errand::Spare => Duration::ZERO,
        };
        Box::pin(race(way, lost_for))
    }

    fn dialed(&mut self, dialed: Result<Session, Failure>) {
        self.dial = None;
        match dialed {
            Ok(session) => self.adopt(session),
            Err(failure) => self.failed(&failure),
        }
    }

    fn adopt(&mut self, session: Session) {
        let seat = self.attached;
        self.attached += 1;
        let welcome = session.welcome.clone();
        let Welcome { gateway, agent, session: id, replicas, .. } = &welcome;
        info!(gateway, agent, session = id, "attached");
        self.link.tally.attached();
        self.repeats.forget();
        self.link.budgets.share(welcome.budget_share_permille);
        self.plan.attached(Instant::now(), seat, gateway, *replicas);
        let row = Row {
            id: id.clone(),
            gateway: gateway.clone(),
            since: session.since,
            pulse: session.pulse.clone(),
            calls: session.calls.clone(),
            phase: Phase::Open,
        };
        self.held.insert(seat, Held { welcome, tasks: session.tasks.0.clone(), row });
        let tasks = &self.link.tasks;
        tasks.spawn(session.run(seat, tasks.clone(), self.events.clone()));
    }

    fn failed(&mut self, failure: &Failure) {
        let (now, has_link) = (Instant::now(), self.plan.open().is_some());
        let lost_for = self.plan.lost_for(now);
        let wait = self.plan.failed(now, failure.wait());
        let (gateway, verdict, cause) = (&self.link.origin, failure.verdict(), failure.why());
        self.link.tally.failed(verdict.word(), Trouble::new(&verdict, failure.advice()));
        if has_link {
            info!(%gateway, %verdict, cause, retry_in = ?wait, "no second session");
            return;
        }
        let Some(unsaid) = self.repeats.tell(now, format!("{verdict}: {cause}")) else {
            return debug!(%gateway, %verdict, cause, retry_in = ?wait, ?lost_for, "still not attached");
        };
        let advice = failure.advice();
        let (remedy, docs) = (&advice.remedy, advice.link());
        warn!(%gateway, %verdict, cause, remedy, docs, retry_in = ?wait, ?lost_for, unsaid, "not attached");
    }

    fn happened(&mut self, seat: u64, event: Event) {
        let now = Instant::now();
        match event {
            Event::Doubted => {
                self.plan.doubted(now, seat);
                self.with(seat, |held| {
                    let quiet_for = held.row.pulse.quiet_for();
                    info!(
                        session = held.row.id,
                        ?quiet_for,
                        "the gateway is silent: attaching once more beside this session"
                    );
                });
            }
            Event::Revived => {
                self.plan.revived(seat);
                self.with(seat, |held| info!(session = held.row.id, "the gateway is heard again"));
            }
            Event::Word(Word::Drain(drain)) => self.asked(seat, &drain),
            Event::Word(Word::Budget(budget)) => self.take_share(seat, &budget),
            Event::Word(Word::Replicas(Replicas { count })) => self.plan.told_replicas(now, seat, count),
            Event::Ended(over) => self.ended(seat, over),
        }
    }

    fn asked(&mut self, seat: u64, drain: &Drain) {
        let grace = Duration::from_millis(drain.grace_ms.into());
        let standing = self.plan.asked(Instant::now(), seat, grace);
        self.with(seat, |held| {
            let (session, cause) = (&held.row.id, &drain.cause);
            info!(session, cause, "the gateway is about to end the session: attaching elsewhere");
            if standing == Standing::Fleeting {
                let lasted = held.row.since.elapsed();
                warn!(session, ?lasted, "the gateway welcomed this instance only to send it away");
            }
        });
    }

    fn take_share(&self, seat: u64, budget: &Budget) {
        let permille = budget.share_permille;
        self.with(seat, |held| {
            info!(session = held.row.id, permille, "this instance's share of the rate budgets changed");
        });
        self.link.budgets.share(permille);
    }

    fn ended(&mut self, seat: u64, over: Over) {
        let now = Instant::now();
        if matches!(over, Over::Moved) {
            self.plan.asked(now, seat, Duration::ZERO);
        }
        let phase = self.plan.ended(now, seat);
        let Some(held) = self.gone(seat) else { return };
        let (id, lasted) = (held.row.id, now.saturating_duration_since(held.row.since));
        self.link.tally.ended(over.word());
        if matches!(phase, Some(Phase::Asked | Phase::Leaving)) {
            return info!(session = id, ?lasted, %over, "the old session is over");
        }
        let again = self.last.alike(lasted);
        if let Some(trouble) = Trouble::of(&over) {
            self.link.tally.trouble(trouble);
        }
        match over {
            Over::Lost(lost) => match lost.advice(lasted, again) {
                None => warn!(session = id, ?lasted, cause = lost.cause, "the session ended"),
                Some(advice) => over::tell(&id, lasted, &advice),
            },
            Over::Limited(fault) => over::tell(&id, lasted, &Failure::from(Status::from(fault)).advice()),
            Over::Moved | Over::Drained => info!(session = id, ?lasted, "the session is over"),
        }
    }

    fn gone(&mut self, seat: u64) -> Option<Held> {
        let held = self.held.remove(&seat);
        self.publish();
        held
    }

    fn with(&self, seat: u64, what: impl FnOnce(&Held)) {
        if let Some(held) = self.held.get(&seat) {
            what(held);
        }
    }

    /// Shows others where the link is.
    fn show(&mut self) {
        self.publish();
        let open = self.plan.open().and_then(|seat| self.held.get(&seat));
        self.link.enter(match open {
            Some(Held { welcome, .. }) => State::of(welcome),
            None if self.plan.is_dialing() => State::Dialing,
            None => State::Waiting,
        });
    }

    fn publish(&mut self) {
        for (seat, held) in &mut self.held {
            held.row.phase = self.plan.phase(*seat).unwrap_or(Phase::Leaving);
        }
        self.link.sessions.put(self.held.values().map(|held| held.row.clone()).collect());
    }
}

/// Waits for the dial under way; for ever without one.
async fn outcome(dial: &mut Option<Dial<'_>>) -> Result<Session, Failure> {
    match dial {
        Some(dial) => dial.await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(until: Option<Instant>) {
    match until {
        Some(until) => time::sleep_until(until).await,
        None => std::future::pending().await,
    }
}

/// What may wait while one is dealt with: each session says little, and waits for its turn.
const EVENTS: usize = 16;

#[cfg(test)]
mod tests;
