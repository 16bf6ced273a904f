//! The agent as operators run it: the release binary as a process, with a gateway of its own kind, over TLS on loopback.
//!
//! What the simulator, the caller and the gateway need is not counted. Writes `target/bench/agent.json`.

#[expect(dead_code, reason = "the other benchmark uses more of it")]
mod figures;
#[path = "../tests/it/processes/house.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod house;
#[path = "../tests/it/processes/program.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod program;
#[path = "../tests/it/world/tls.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod tls;
/// Where the house of the tests finds it.
mod world {
    pub(crate) use super::tls;
}

use std::time::{Duration, Instant};

use bitbucket_sim::{Fault, Rule};
use futures_util::future::join_all;

use self::figures::{Figures, status_mib};
use self::house::{Caller, House};
use self::program::Program;

#[tokio::main(worker_threads = 2)]
async fn main() -> std::process::ExitCode {
    let house = House::new().await;
    let caller = house.caller().await;
    let mut figures = Figures::new("agent");
    start(&house, &caller, &mut figures).await;
    idle(&house, &caller, &mut figures).await;
    busy(&house, &caller, &mut figures).await;
    figures.finish()
}

/// From the start of the process to the first answer, to a caller who asks again as soon as it was refused.
async fn start(house: &House, caller: &Caller, figures: &mut Figures) {
    let mut starts = Vec::with_capacity(STARTS);
    for _ in 0..STARTS {
        let begun = Instant::now();
        let agent = house.start_agent(&[]);
        caller.get_repo_soon().await;
        starts.push(begun.elapsed());
        stopped(agent).await;
    }
    starts.sort();
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    figures.note("start_to_first_answer_worst_ms", millis(starts[STARTS - 1]));
    figures.at_most("start_to_first_answer_ms", millis(starts[STARTS / 2]), 100.0);
}

/// After one call, and as many heartbeats as a minute has.
async fn idle(house: &House, caller: &Caller, figures: &mut Figures) {
    let agent = house.start_agent(&[("GITPROXY_LINK_PING", "500ms")]);
    caller.get_repo_soon().await;
    tokio::time::sleep(HEARTBEATS * Duration::from_millis(500)).await;
    figures.note("idle_anonymous_mib", status_mib(&agent.id().to_string(), "RssAnon"));
    figures.at_most("idle_rss_mib", status_mib(&agent.id().to_string(), "VmRSS"), 15.0);
    stopped(agent).await;
}

/// With many calls waiting for Bitbucket at once; the peak counts, which may come with the answers.
async fn busy(house: &House, caller: &Caller, figures: &mut Figures) {
    let agent = house.start_agent(&[]);
    caller.get_repo_soon().await;
    let before = house.sim.request_count();
    let rule = house.sim.knobs().add(Rule::new(Fault::Delay(HELD)).path("/repos/web"));
    let begun = Instant::now();
    let answers = join_all((0..CALLS).map(|_| caller.get_repo())).await;
    house.sim.knobs().remove(rule);
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert!(house.sim.request_count() - before >= CALLS, "not every call reached the simulator");
    assert!(begun.elapsed() < 2 * HELD, "they were not in flight all at once");
    figures.note("busy_rss_mib", status_mib(&agent.id().to_string(), "VmHWM"));
    stopped(agent).await;
}

async fn stopped(mut agent: Program) {
    agent.kill();
    agent.ended().await;
}

const STARTS: usize = 11;
/// One each three seconds is what an agent has by default.
const HEARTBEATS: u32 = 20;
const CALLS: u64 = 64;
/// Long enough for all of them to be on their way at once.
const HELD: Duration = Duration::from_secs(2);
