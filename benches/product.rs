//! Through the product: caller → gateway → agent → a target that answers as Bitbucket does over plain HTTP.
//!
//! The release binaries as processes with their default settings, TLS on the tunnel and for the caller. The target and the
//! caller live in this process; beside them, the same target over two plain HTTP hops (nginx twice), in turns with the
//! product, so that whatever else the machine does hits both alike. Writes `target/bench/product.json`.

mod figures;
#[path = "../tests/it/processes/house.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod house;
#[path = "product/nginx.rs"]
mod nginx;
#[path = "product/plain.rs"]
mod plain;
#[path = "../tests/it/processes/program.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod program;
#[path = "product/target.rs"]
mod target;
#[path = "../tests/it/world/tls.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod tls;
/// Where the house of the tests finds it.
mod world {
    pub(crate) use super::tls;
}

use std::future::Future;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use self::figures::{Figures, cpu, status_mib};
use self::house::{Caller, House};
use self::nginx::Nginx;
use self::plain::{By, Joined};
use self::program::Program;
use self::target::{Plain, Target};

fn main() -> ExitCode {
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    plain::role().unwrap_or_else(|| runtime().expect("a runtime").block_on(measure()))
}

async fn measure() -> ExitCode {
    let target = Target::start().await;
    let house = House::new().await;
    let url = format!("http://{}", target.addr());
    let unlimited = [("GITPROXY_RATE_BURST", "100000"), ("GITPROXY_RATE_PER_SECOND", "100000")];
    let agent = house.start_agent(&[&[("BITBUCKET_URL", url.as_str())], &unlimited[..]].concat());
    let caller = house.caller().await;
    caller.get_repo_soon().await;
    let mut figures = Figures::new("product");
    figures.at_most("agent_idle_mib", status_mib(&agent.id().to_string(), "VmRSS"), 12.0);
    let hops = Nginx::twice(target.addr()).await;
    calls(&house, &agent, &caller, hops.as_ref(), &target, &mut figures).await;
    downloads(&caller, hops.as_ref(), &mut figures).await;
    under_bulk(&caller, &mut figures).await;
    if let Some(hops) = hops {
        hops.stop().await;
    }
    figures.at_most("agent_peak_mib", status_mib(&agent.id().to_string(), "VmHWM"), 64.0);
    drop(agent);
    past_the_tunnel(&house, &[&[("BITBUCKET_URL", url.as_str())], &unlimited[..]].concat(), &mut figures)
        .await;
    figures.finish()
}

/// Small calls, and what each process spends on one.
async fn calls(
    house: &House,
    agent: &Program,
    caller: &Caller,
    hops: Option<&Nginx>,
    target: &Target,
    figures: &mut Figures,
) {
    figures.head("nginx twice", "product");
    for callers in [1, 16, 128] {
        let (mut plain, mut product) = (Slice::default(), Slice::default());
        let processes = [agent.id(), house.gateway.id(), std::process::id()].map(|id| id.to_string());
        let mut spent = [Duration::ZERO; 3];
        for _ in 0..ROUNDS {
            if let Some(hops) = hops {
                plain.add(&slice(Plain::some(hops.addr(), callers).await).await);
            }
            let before = processes.each_ref().map(|id| cpu(id));
            product.add(&slice(vec![caller.clone(); callers]).await);
            for (at, id) in processes.iter().enumerate() {
                spent[at] += cpu(id) - before[at];
            }
        }
        figures.note(&format!("calls_per_s_c{callers}"), product.rate());
        if hops.is_some() {
            figures.compare(&format!("GetRepo, {callers} callers, calls/s"), plain.rate(), product.rate());
            figures.note(&format!("nginx_twice_per_s_c{callers}"), plain.rate());
            figures.note(&format!("calls_c{callers}_ratio"), product.rate() / plain.rate());
        }
        if callers == 16 {
            // Either of the two is what the product is held to.
            let ratio = if hops.is_some() { product.rate() / plain.rate() } else { 0.0 };
            let held_to = f64::max(product.rate() / CALLS_PER_S, ratio / RATIO);
            figures.at_least("calls_c16_of_what_is_promised", held_to, 1.0);
            figures.at_most("agent_cpu_us_per_call", spent[0].as_secs_f64() * 1e6 / product.done, 25.0);
        }
        for (name, spent) in ["agent", "gateway", "caller_and_target"].iter().zip(spent) {
            figures.note(
                &format!("{name}_cpu_us_per_call_c{callers}"),
                spent.as_secs_f64() * 1e6 / product.done,
            );
        }
    }
    target.delay(SLOW);
    let slow = slice(vec![caller.clone(); 128]).await;
    target.delay(Duration::ZERO);
    figures.note("calls_per_s_c128_20ms_target", slow.rate());
}

async fn downloads(caller: &Caller, hops: Option<&Nginx>, figures: &mut Figures) {
    let (mut plain, mut product) = (Slice::default(), Slice::default());
    for _ in 0..ROUNDS {
        if let Some(hops) = hops {
            let begun = Instant::now();
            let bytes = Plain::connect(hops.addr()).await.download().await;
            plain.add(&Slice { done: bytes as f64 / MIB, took: begun.elapsed() });
        }
        let begun = Instant::now();
        let bytes = caller.download("large.bin").await.expect("a file");
        product.add(&Slice { done: bytes as f64 / MIB, took: begun.elapsed() });
    }
    figures.note("download_mib_per_s", product.rate());
    if hops.is_some() {
        figures.compare("download, MiB/s", plain.rate(), product.rate());
        figures.at_least("download_ratio", product.rate() / plain.rate(), RATIO);
    }
}

/// What the tunnel costs: the same processes with a plain TCP connection in its place, in turns.
async fn past_the_tunnel(house: &House, settings: &[(&str, &str)], figures: &mut Figures) {
    let joined = Joined::start(house, settings).await;
    let [tunnel, plain] = joined.callers();
    let mut calls = [Slice::default(), Slice::default()];
    let mut bytes = [Slice::default(), Slice::default()];
    for _ in 0..ROUNDS {
        for (at, by) in [&plain, &tunnel].into_iter().enumerate() {
            calls[at].add(&slice(vec![by.clone(); 16]).await);
            let begun = Instant::now();
            let done = by.download("large.bin").await as f64 / MIB;
            bytes[at].add(&Slice { done, took: begun.elapsed() });
        }
    }
    figures.head("plain TCP", "tunnel");
    for (what, key, [plain, tunnel]) in [
        ("GetRepo, 16 callers, calls/s", "calls_c16_of_plain_tcp", calls),
        ("download, MiB/s", "download_of_plain_tcp", bytes),
    ] {
        figures.compare(what, plain.rate(), tunnel.rate());
        figures.at_least(key, tunnel.rate() / plain.rate(), OF_PLAIN_TCP);
    }
}

/// The time of small calls, alone and beside four transfers of 25 MiB/s.
async fn under_bulk(caller: &Caller, figures: &mut Figures) {
    let alone = times(caller).await;
    let over = Arc::new(AtomicBool::new(false));
    let mut bulk = JoinSet::new();
    for _ in 0..4 {
        let (caller, over) = (caller.clone(), Arc::clone(&over));
        bulk.spawn(async move {
            while !over.load(Ordering::Relaxed) {
                caller.download("paced.bin").await.expect("a file");
            }
        });
    }
    let beside = times(caller).await;
    over.store(true, Ordering::Relaxed);
    while bulk.join_next().await.is_some() {}
    let p99 = |times: &[Duration]| times[times.len() * 99 / 100].as_secs_f64() * 1e3;
    figures.note("small_call_p99_alone_ms", p99(&alone));
    figures.note("small_call_p99_beside_bulk_ms", p99(&beside));
}

/// How long each of many small calls takes, the shortest first.
async fn times(caller: &Caller) -> Vec<Duration> {
    let mut times = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let begun = Instant::now();
        caller.get_repo().await.expect("an answer");
        times.push(begun.elapsed());
    }
    times.sort();
    times
}

/// What was done in some time.
#[derive(Default)]
struct Slice {
    done: f64,
    took: Duration,
}

impl Slice {
    fn add(&mut self, other: &Self) {
        self.done += other.done;
        self.took += other.took;
    }

    fn rate(&self) -> f64 {
        self.done / self.took.as_secs_f64()
    }
}

/// Who makes small calls.
trait Calls: Send + 'static {
    /// Makes one and reads its answer.
    fn once(&mut self) -> impl Future<Output = ()> + Send;
}

impl Calls for Caller {
    async fn once(&mut self) {
        self.get_repo().await.expect("an answer");
    }
}

impl Calls for By {
    async fn once(&mut self) {
        self.get_repo().await;
    }
}

impl Calls for Plain {
    async fn once(&mut self) {
        self.get_repo().await;
    }
}

/// As many calls as these make in one slice, each one after the other.
async fn slice<T: Calls>(several: Vec<T>) -> Slice {
    let (over, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut loops = JoinSet::new();
    let start = Instant::now();
    for mut one in several {
        let (over, calls) = (Arc::clone(&over), Arc::clone(&calls));
        loops.spawn(async move {
            while !over.load(Ordering::Relaxed) {
                one.once().await;
                calls.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    tokio::time::sleep(SLICE).await;
    over.store(true, Ordering::Relaxed);
    while loops.join_next().await.is_some() {}
    Slice { done: calls.load(Ordering::Relaxed) as f64, took: start.elapsed() }
}

/// What is promised on two cores: so many calls a second, or so much of what the same target does behind nginx twice.
const CALLS_PER_S: f64 = 20_000.0;
const RATIO: f64 = 0.4;
/// The tunnel may cost a tenth.
const OF_PLAIN_TCP: f64 = 0.9;
const ROUNDS: usize = 8;
const SLICE: Duration = Duration::from_millis(500);
/// Of the target that is slow.
const SLOW: Duration = Duration::from_millis(20);
const CALLS: usize = 1000;
const MIB: f64 = 1024.0 * 1024.0;
