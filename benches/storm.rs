//! What others notice of 200 readers that stopped reading, and of 15,000 calls that are cancelled: through the product.
//!
//! Caller → gateway → agent → a plain HTTP target, twice: one pair of programs is left in peace, the other carries the load,
//! and small calls go to both in turns, so that whatever else the machine does hits both alike. Release binaries, TLS; the
//! settings are the defaults but for the rate of requests and for as many transfers as there are stalled readers. Writes
//! `target/bench/storm.json`.

#[expect(dead_code, reason = "the other benchmarks use more of it")]
mod figures;
#[path = "../tests/it/processes/house.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod house;
#[path = "../tests/it/processes/program.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod program;
#[path = "product/target.rs"]
#[expect(dead_code, reason = "the other benchmark uses more of it")]
mod target;
#[path = "../tests/it/world/tls.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod tls;
/// Where the house of the tests finds it.
mod world {
    pub(crate) use super::tls;
}

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use gitproxy::proto::scm::v1::GetFileResponse;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tonic::Streaming;

use self::figures::{Figures, status_mib};
use self::house::{Caller, House};
use self::program::Program;
use self::target::Target;

/// Gateway, agent, and a caller whose only calls are those that are timed.
struct Pair {
    house: House,
    agent: Program,
    caller: Caller,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    let target = Target::start().await;
    let (quiet, loaded) = (Pair::start(&target).await, Pair::start(&target).await);
    let mut figures = Figures::new("storm");
    loaded.tell_memory("before", &mut figures);

    let stalled = stalled(&loaded).await;
    tell("stalled", &ratio(&quiet, &loaded).await, &mut figures);
    loaded.tell_memory("stalled", &mut figures);
    drop(stalled);

    let (over, cancelled) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let storm = storm(&loaded, &over, &cancelled).await;
    let times = ratio_until(&quiet, &loaded, &cancelled).await;
    over.store(true, Ordering::Relaxed);
    storm.join_all().await;
    tell("storm", &times, &mut figures);
    figures.at_least("storm_cancelled_calls", cancelled.load(Ordering::Relaxed) as f64, CANCELS as f64);
    loaded.tell_memory("storm", &mut figures);

    // Every place is free again, in the same session.
    let again = timeout(PATIENCE, self::stalled(&loaded)).await;
    figures.at_least("transfers_admitted_after", again.map_or(0, |again| again.len()) as f64, READERS as f64);
    let sessions = loaded.agent.log().lines().filter(|line| line.contains("life: attached")).count();
    figures.at_most("sessions_that_the_agent_needed", sessions as f64, 1.0);
    figures.finish()
}

impl Pair {
    async fn start(target: &Target) -> Self {
        let house = House::new().await;
        let url = format!("http://{}", target.addr());
        let agent = house.start_agent(&[
            ("BITBUCKET_URL", url.as_str()),
            ("GITPROXY_RATE_BURST", "100000"),
            ("GITPROXY_RATE_PER_SECOND", "100000"),
            ("GITPROXY_LIMIT_BULK", "256"),
        ]);
        let caller = house.caller().await;
        caller.get_repo_soon().await;
        Self { house, agent, caller }
    }

    async fn timed(&self) -> Duration {
        let begun = Instant::now();
        self.caller.get_repo().await.expect("others must not notice");
        begun.elapsed()
    }

    fn tell_memory(&self, when: &str, figures: &mut Figures) {
        for (name, process) in [("agent", self.agent.id()), ("gateway", self.house.gateway.id())] {
            figures.note(&format!("{name}_{when}_mib"), status_mib(&process.to_string(), "VmRSS"));
            figures.note(&format!("{name}_peak_mib"), status_mib(&process.to_string(), "VmHWM"));
        }
    }
}

/// Readers of a large file who have read a first part of it.
async fn stalled(pair: &Pair) -> Vec<Streaming<GetFileResponse>> {
    let caller = pair.house.caller().await;
    let mut stalled = Vec::new();
    while stalled.len() < READERS {
        let answer = caller.files().get_file(caller.file("large.bin")).await;
        let Ok(answer) = answer else {
            // Those that were cancelled a moment ago may still have their places.
            sleep(Duration::from_millis(5)).await;
            continue;
        };
        let mut parts = answer.into_inner();
        parts.message().await.expect("a first part").expect("it has some");
        stalled.push(parts);
    }
    stalled
}

/// Calls that are cancelled at every stage: before they left, on their way, while Bitbucket is asked, in mid-transfer.
async fn storm(pair: &Pair, over: &Arc<AtomicBool>, cancelled: &Arc<AtomicUsize>) -> JoinSet<()> {
    let mut storm = JoinSet::new();
    for lane in 0..LANES {
        // Few connections: what one of them may be cancelled on is bounded by HTTP/2 servers, unless they are told.
        let caller = pair.house.caller().await;
        let (over, cancelled) = (Arc::clone(over), Arc::clone(cancelled));
        storm.spawn(async move {
            let mut call = lane;
            while !over.load(Ordering::Relaxed) {
                let patience = Duration::from_micros(250 * (call as u64 % 16));
                // Whether it was in time does not matter.
                let was = match call % 2 {
                    0 => timeout(patience, caller.get_repo()).await.is_err(),
                    _ => timeout(patience, caller.download("large.bin")).await.is_err(),
                };
                cancelled.fetch_add(usize::from(was), Ordering::Relaxed);
                call += LANES + 1;
                sleep(PACE).await;
            }
        });
    }
    storm
}

/// The times of small calls in some rounds: the median of the ratios of their 99th percentiles, and those of that round.
struct Times {
    ratio: f64,
    quiet_ms: f64,
    loaded_ms: f64,
}

async fn ratio(quiet: &Pair, loaded: &Pair) -> Times {
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push(round(quiet, loaded).await);
    }
    median(rounds)
}

/// Rounds for as long as the storm lasts.
async fn ratio_until(quiet: &Pair, loaded: &Pair, cancelled: &AtomicUsize) -> Times {
    let mut rounds = Vec::new();
    while rounds.len() < ROUNDS || cancelled.load(Ordering::Relaxed) < CANCELS {
        rounds.push(round(quiet, loaded).await);
    }
    median(rounds)
}

fn median(mut rounds: Vec<Times>) -> Times {
    rounds.sort_by(|one, other| one.ratio.total_cmp(&other.ratio));
    rounds.swap_remove(rounds.len() / 2)
}

async fn round(quiet: &Pair, loaded: &Pair) -> Times {
    let (mut idle, mut under_load) = (Vec::new(), Vec::new());
    for _ in 0..CALLS {
        idle.push(quiet.timed().await);
        under_load.push(loaded.timed().await);
    }
    let [quiet_ms, loaded_ms] = [idle, under_load].map(|mut times| {
        times.sort();
        times[times.len() * 99 / 100].as_secs_f64() * 1e3
    });
    Times { ratio: loaded_ms / quiet_ms, quiet_ms, loaded_ms }
}

fn tell(what: &str, times: &Times, figures: &mut Figures) {
    figures.note(&format!("{what}_p99_idle_ms"), times.quiet_ms);
    figures.note(&format!("{what}_p99_ms"), times.loaded_ms);
    figures.at_most(&format!("{what}_p99_of_idle"), times.ratio, 2.0);
}

const READERS: usize = 200;
const CANCELS: usize = 15_000;
/// Who cancels at the same time, each on a connection of its own.
const LANES: usize = 16;
const PACE: Duration = Duration::from_millis(10);
const ROUNDS: usize = 9;
const CALLS: usize = 500;
const PATIENCE: Duration = Duration::from_secs(30);
