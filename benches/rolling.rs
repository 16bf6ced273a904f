//! Restarts of every process under load: two gateways with NATS behind a TCP balancer, two instances of an agent, release
//! binaries with their default settings, and callers that never retry.
//!
//! First each is restarted in order, which must fail no call; then each is killed, which must fail only calls in flight, at
//! once. Writes `target/bench/rolling.json`. `-- --short` does it once, with short graces.
#![expect(clippy::print_stdout, reason = "a benchmark tells what fails")]

#[expect(dead_code, reason = "other benchmarks use more of it")]
mod figures;
#[path = "../tests/it/processes/fleet.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod fleet;
#[path = "../tests/it/processes/house.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod house;
#[path = "../tests/it/processes/line.rs"]
mod line;
#[path = "../tests/it/processes/load.rs"]
mod load;
#[path = "../tests/it/tools/need.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod need;
#[path = "../tests/it/world/peers.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod peers;
#[path = "../tests/it/tools/ports.rs"]
mod ports;
#[path = "../tests/it/processes/program.rs"]
mod program;
#[path = "../tests/it/world/tls.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod tls;
#[path = "../tests/it/processes/watches.rs"]
mod watches;
/// Where the fleet of the tests finds them.
mod world {
    pub(crate) use super::{peers, tls};
}
mod tools {
    pub(crate) use super::{need, ports};
}

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use tokio::time::sleep;

use self::figures::Figures;
use self::fleet::{Fleet, Outage, Part, Plan};
use self::line::Line;
use self::load::{Failure, Load, Place, Seen};
use self::watches::{Told, Watches};

/// What can be asked for after `--`.
#[derive(Parser)]
struct Args {
    /// One restart of each, with short graces.
    #[arg(long)]
    short: bool,
    /// Restarts of each; five unless set.
    #[arg(long)]
    rounds: Option<usize>,
    /// Calls a second.
    #[arg(long, default_value_t = 200)]
    rate: u32,
    /// Only what is done to the processes in this way.
    #[arg(long)]
    only: Option<Manner>,
    /// Prints what every part has logged since its last start when something is wrong.
    #[arg(long)]
    logs: bool,
    /// What cargo adds.
    #[arg(long, hide = true)]
    bench: bool,
}

/// How a process ends.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Manner {
    InOrder,
    Killed,
}

/// One part of the run.
struct Run {
    manner: Manner,
    began: Instant,
    outages: Vec<Outage>,
    seen: Arc<Seen>,
    told: Arc<Told>,
    handed_back: u64,
    wrong_writes: Vec<String>,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    let args = Args::parse();
    let plan = if args.short { SHORT } else { PLAN };
    let Some(mut fleet) = Fleet::start(plan).await else { return ExitCode::FAILURE };
    let mut figures = Figures::new("rolling");
    for manner in [Manner::InOrder, Manner::Killed] {
        if args.only.is_none_or(|only| only == manner) {
            let run = run(&mut fleet, manner, &args).await;
            let broken = run.tell(&mut figures, &args);
            if broken && args.logs {
                fleet.parts().iter().for_each(|part| println!("== {part:?}\n{}", fleet.log(*part)));
            }
        }
    }
    figures.finish()
}

async fn run(fleet: &mut Fleet, manner: Manner, args: &Args) -> Run {
    let lines: Vec<_> = (0..LINES).map(|_| Line::new(fleet.way())).collect();
    let (mut watched, mut written) = (Vec::<Place>::new(), Vec::new());
    for (number, line) in lines.iter().enumerate() {
        let name = manner.word();
        watched.push(load::place(&fleet.site.sim, line, &format!("{name}-watched-{number}")).await);
        written.push(load::place(&fleet.site.sim, line, &format!("{name}-written-{number}")).await);
    }
    let load = Load::start(manner.word(), args.rate, lines.clone(), written);
    let watches = Watches::start(&lines, &watched, &load.seen);
    let (began, mut outages) = (Instant::now(), Vec::new());
    fleet.whole().await;
    sleep(PAUSE).await;
    for _ in 0..args.rounds.unwrap_or(if args.short { 1 } else { 5 }) {
        for part in fleet.parts() {
            let outage = match manner {
                Manner::InOrder => fleet.restart(part).await,
                Manner::Killed => {
                    let outage = fleet.kill(part).await;
                    sleep(DOWN).await;
                    fleet.start_again(part).await;
                    // Who kills the one gateway that an agent is at tries something else.
                    fleet.whole().await;
                    outage
                }
            };
            outages.push(outage);
            sleep(PAUSE).await;
        }
    }
    let told = watches.end().await;
    let seen = load.end().await;
    let handed_back = lines.iter().map(Line::handed_back).sum();
    let wrong_writes = seen.log().judge(&fleet.site.sim);
    Run { manner, began, outages, seen, told, handed_back, wrong_writes }
}

impl Run {
    /// Keeps the figures; says whether anything was wrong.
    fn tell(&self, figures: &mut Figures, args: &Args) -> bool {
        let (seen, told) = (self.seen.log(), self.told.log());
        let key = |what: &str| format!("{}_{what}", self.manner.word());
        let lasted = self.began.elapsed().as_secs_f64();
        figures.note(&key("restarts"), self.outages.len() as f64);
        figures.note(&key("calls"), (seen.answered.len() + seen.failures.len()) as f64);
        figures.at_least(
            &key("calls_per_s"),
            seen.answered.len() as f64 / lasted,
            f64::from(args.rate) * 0.95,
        );
        figures.note(&key("calls_handed_back_unsent"), self.handed_back as f64);
        for percent in [50, 99, 100] {
            figures.note(&key(&format!("p{percent}_ms")), seen.percentile(percent).as_secs_f64() * 1e3);
        }
        figures.note(&key("failed_calls"), seen.failures.len() as f64);
        let unjust: Vec<_> = seen.failures.iter().filter(|failure| !self.is_just(failure)).collect();
        figures.at_most(&key("failed_calls_that_must_not"), unjust.len() as f64, 0.0);
        let after = |failure: &Failure| self.after(failure.began, failure.ended).unwrap_or_default();
        let slowest = seen.failures.iter().map(after).max().unwrap_or_default();
        figures.note(&key("slowest_failure_ms"), slowest.as_secs_f64() * 1e3);
        figures.note(&key("watched_changes"), told.changes as f64);
        figures.note(&key("watch_ends"), told.ends.len() as f64);
        let untimely: Vec<_> = told.ends.iter().filter(|end| !self.is_timely(end, args)).collect();
        figures.at_most(&key("watch_ends_that_must_not"), untimely.len() as f64, 0.0);
        figures.at_most(&key("watch_problems"), told.problems.len() as f64, 0.0);
        figures.at_most(&key("wrong_writes"), self.wrong_writes.len() as f64, 0.0);
        let at = |at: Instant| at.duration_since(self.began);
        for outage in self.outages.iter().filter(|_| !unjust.is_empty() || !untimely.is_empty()) {
            println!("{:?} {:.3?} to {:.3?}", outage.part, at(outage.began), at(outage.ended));
        }
        for failure in unjust.iter().take(MOST_TOLD) {
            println!(
                "{} {:.3?} to {:.3?}: {}",
                failure.what,
                at(failure.began),
                at(failure.ended),
                failure.why
            );
        }
        for end in untimely.iter().take(MOST_TOLD) {
            println!("a watch ended {:.3?}: {}", at(end.at), end.why);
        }
        for text in told.problems.iter().chain(&self.wrong_writes).take(MOST_TOLD) {
            println!("{text}");
        }
        !(unjust.is_empty()
            && untimely.is_empty()
            && told.problems.is_empty()
            && self.wrong_writes.is_empty())
    }

    /// Whether a call may have failed: it was in flight when something was killed, and failed at once.
    fn is_just(&self, failure: &Failure) -> bool {
        self.manner == Manner::Killed
            && self.after(failure.began, failure.ended).is_some_and(|after| after <= AT_ONCE)
    }

    /// How long after a kill something ended that had begun before the process was gone.
    fn after(&self, began: Instant, ended: Instant) -> Option<Duration> {
        let within = self.outages.iter().filter(|outage| began <= outage.ended && outage.began <= ended);
        within.map(|outage| ended - outage.began).min()
    }

    /// Whether a watch ended as it may: at once after a kill, or in order at the end of a grace.
    fn is_timely(&self, end: &watches::End, args: &Args) -> bool {
        self.outages.iter().any(|outage| match self.manner {
            Manner::Killed => end.at >= outage.began && end.at - outage.began <= AT_ONCE,
            Manner::InOrder => {
                let grace = match outage.part {
                    Part::Gateway(_) if args.short => Duration::from_secs(4),
                    Part::Instance(_) if args.short => Duration::from_secs(3),
                    // `drain.settle` and `drain.grace` of the gateway, and `drain.grace` of the agent.
                    Part::Gateway(_) => Duration::from_secs(25),
                    Part::Instance(_) => Duration::from_secs(30),
                    Part::Nats => return false,
                };
                end.in_order && end.at >= outage.began + grace && end.at <= outage.ended + HEARD
            }
        })
    }
}

impl Manner {
    fn word(self) -> &'static str {
        match self {
            Self::InOrder => "in_order",
            Self::Killed => "killed",
        }
    }
}

/// Half of them come to each gateway.
const LINES: usize = 8;
/// Between restarts: as much as an operator's tools take.
const PAUSE: Duration = Duration::from_secs(2);
/// How long what was killed stays away.
const DOWN: Duration = Duration::from_secs(5);
/// The longest that a call in flight may take to fail after a kill.
const AT_ONCE: Duration = Duration::from_millis(100);
/// The longest that callers may take to read what a gateway said before it ended: all of its watches end and begin anew in
/// that moment, on the processors that everything here shares.
const HEARD: Duration = Duration::from_secs(1);
const MOST_TOLD: usize = 40;

const PLAN: Plan =
    Plan { gateways: 2, instances: 2, gateway: &[], agent: UNLIMITED, check: Duration::from_secs(1) };
const SHORT: Plan = Plan {
    gateway: &[("DRAIN_SETTLE", "1s"), ("DRAIN_GRACE", "3s")],
    agent: &[
        ("GITPROXY_DRAIN_GRACE", "3s"),
        ("GITPROXY_RATE_PER_SECOND", "100000"),
        ("GITPROXY_RATE_BURST", "100000"),
    ],
    check: Duration::from_millis(200),
    ..PLAN
};
/// Bitbucket's own default, 5 requests a second, is less than the load.
const UNLIMITED: &[(&str, &str)] =
    &[("GITPROXY_RATE_PER_SECOND", "100000"), ("GITPROXY_RATE_BURST", "100000")];
