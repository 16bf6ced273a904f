//! Hours in minutes: everything comes and goes around one gateway and one instance of an agent, which must not grow.
//!
//! A fleet as in the tests, of release binaries: two gateways with NATS behind a balancer, two instances of an agent, and the
//! simulator. The second gateway, the second instance and NATS are restarted and killed in turns; callers come and go, give up
//! calls and downloads, watch, use a connection that the cloud holds; Bitbucket fails now and then; tokens are exchanged.
//! Memory, descriptors, threads and tasks of the first gateway and the first instance are taken each second; the median of
//! the last fifth is held against that of the second (the first one warms up). Writes `target/bench/soak.json`.
#![expect(clippy::print_stdout, reason = "where it is may be asked in the minutes that it takes")]

#[path = "soak/churn.rs"]
mod churn;
#[path = "../tests/it/world/collector.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod collector;
#[expect(dead_code, reason = "the other benchmarks use more of it")]
mod figures;
#[path = "../tests/it/processes/fleet.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod fleet;
#[path = "../tests/it/processes/house.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod house;
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
#[path = "soak/taken.rs"]
mod taken;
#[path = "../tests/it/world/tls.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod tls;
/// Where the fleet of the tests finds them.
mod tools {
    pub(crate) use super::{need, ports};
}
/// Where the house of the tests finds them.
mod world {
    pub(crate) use super::{peers, tls};
}

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use tokio::time::{MissedTickBehavior, interval, sleep};

use self::churn::Churn;
use self::collector::Collector;
use self::figures::Figures;
use self::fleet::{Fleet, Part, Plan};
use self::taken::Taken;

/// A soak with churn.
#[derive(Parser)]
struct Args {
    /// How long it lasts.
    #[arg(long, default_value_t = 20.0)]
    minutes: f64,
    /// How many callers come and go at the same time.
    #[arg(long, default_value_t = 4)]
    callers: usize,
    /// How many milliseconds a caller waits between two calls.
    #[arg(long, default_value_t = 20)]
    pace: u64,
    /// How many seconds pass between two restarts.
    #[arg(long, default_value_t = 15)]
    restarts: u64,
    /// Cargo says so.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    let args = Args::parse();
    let collector = Collector::start().await;
    let Some(mut fleet) = Fleet::start(plan(&collector)).await else {
        println!("it needs nats-server and haproxy");
        return ExitCode::FAILURE;
    };
    let churn = Churn::start(&fleet, args.callers, Duration::from_millis(args.pace)).await;
    let watched = [(GATEWAY, fleet.id(Part::Gateway(0))), (AGENT, fleet.id(Part::Instance(0)))];
    let mut taken = Taken::of(watched, collector);

    let end = Instant::now() + Duration::from_secs_f64(args.minutes * 60.0);
    let (mut looks, mut restarts) = (interval(LOOK), 0);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut due = Instant::now() + Duration::from_secs(args.restarts);
    while Instant::now() < end {
        looks.tick().await;
        taken.look();
        if Instant::now() >= due {
            disturb(&mut fleet, restarts, &churn, &mut taken).await;
            restarts += 1;
            due = Instant::now() + Duration::from_secs(args.restarts);
            println!("{restarts} disturbances, {} calls, {}", churn.made(), taken.now());
        }
    }
    let answers = churn.end().await;
    let mut figures = Figures::new("soak");
    figures.note("minutes", args.minutes);
    figures.note("disturbances", restarts as f64);
    for (code, count) in answers.iter().filter(|(code, _)| *code != "hung") {
        figures.note(&format!("calls_{code}"), *count as f64);
    }
    // Callers that are refused at the door wear nothing out.
    let of = |what: &[&str]| what.iter().filter_map(|what| answers.get(*what)).sum::<u64>() as f64;
    let all = answers.values().sum::<u64>() as f64;
    figures.at_least("calls_served_share", of(&["ok", "left", "cancelled", "NotFound"]) / all, 0.9);
    figures.at_most("calls_hung", of(&["hung"]), 0.0);
    let first = fleet.log(Part::Gateway(0));
    figures.at_most("panics", first.matches("panicked").count() as f64, 0.0);
    // What it takes when nothing goes on any more, for whoever wants to know.
    sleep(AFTER).await;
    taken.judge(&mut figures);
    figures.finish()
}

/// What can happen to the others, in turns; the first gateway and the first instance see all of it.
async fn disturb(fleet: &mut Fleet, number: usize, churn: &Churn, taken: &mut Taken) {
    let (gateway, instance) = (Part::Gateway(1), Part::Instance(1));
    let change = async {
        match number % 6 {
            0 => drop(fleet.restart(instance).await),
            1 => drop(fleet.restart(gateway).await),
            2 => killed(fleet, instance).await,
            3 => killed(fleet, gateway).await,
            4 => drop(fleet.restart(Part::Nats).await),
            _ => churn.exchange_tokens(&fleet.site, number),
        }
    };
    // It takes up to a grace period, in which there is something to see too.
    tokio::pin!(change);
    let mut looks = interval(LOOK);
    loop {
        tokio::select! {
            () = &mut change => return,
            _ = looks.tick() => taken.look(),
        }
    }
}

/// It is away for a moment, in which the others get its calls.
async fn killed(fleet: &mut Fleet, part: Part) {
    fleet.kill(part).await;
    sleep(AWAY).await;
    fleet.start_again(part).await;
}

/// Both programs push their metrics, as they would in earnest.
fn plan(collector: &Collector) -> Plan {
    // It lives as long as the process does.
    let url: &'static str = collector.url().leak();
    let push = [("OTEL_EXPORTER_OTLP_ENDPOINT", url), ("GITPROXY_METRICS_EVERY", "2s")];
    let fast = [
        ("GITPROXY_RATE_BURST", "100000"),
        ("GITPROXY_RATE_PER_SECOND", "100000"),
        ("GITPROXY_ALLOWED_ADDRESSES", "127.0.0.0/8, ::1/128"),
    ];
    let quick = [("DRAIN_SETTLE", "1s"), ("DRAIN_GRACE", "5s")];
    Plan {
        gateways: 2,
        instances: 2,
        gateway: Vec::from_iter(push.into_iter().chain(quick)).leak(),
        agent: Vec::from_iter(push.into_iter().chain(fast)).leak(),
        check: Duration::from_millis(200),
    }
}

const GATEWAY: &str = "gateway";
const AGENT: &str = "agent";
const LOOK: Duration = Duration::from_secs(1);
const AWAY: Duration = Duration::from_secs(2);
const AFTER: Duration = Duration::from_secs(5);
