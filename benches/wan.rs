//! Over bad links: 50 ms, 1 % loss, 100 Mbit/s, 2 Mbit/s; against what iperf3 gets over the same link in the same run.
//!
//! The agent and a target that answers as Bitbucket does are in a network namespace at the far end, gateway and caller at the
//! near one. Release binaries, TLS; needs root, iproute2 and iperf3, and says so where they are missing. Writes
//! `target/bench/wan.json`.
#![expect(
    clippy::print_stdout,
    reason = "what is missing is told, and where it is in the minutes that it takes"
)]

#[expect(dead_code, reason = "the other benchmarks use more of it")]
mod figures;
#[path = "../tests/it/processes/house.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod house;
#[path = "wan/link.rs"]
mod link;
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

use std::future::pending;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use gitproxy::ops::telemetry::{self, Format};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::info;

use self::figures::Figures;
use self::house::{Caller, Site};
use self::link::{HERE, Link, Quality};
use self::program::Program;
use self::target::Target;

/// Bad links.
#[derive(Parser)]
struct Args {
    /// How long each transfer is watched, in seconds.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// How long four transfers share 2 Mbit/s, in seconds.
    #[arg(long, default_value_t = 300)]
    narrow: u64,
    /// Cargo says so.
    #[arg(long, hide = true)]
    bench: bool,
    /// Be the target; for the far end.
    #[arg(long, hide = true)]
    target: bool,
}

/// The product over a link.
struct Office {
    link: Link,
    agent: Program,
    _gateway: Program,
    _target: Program,
    caller: Caller,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    let Args { seconds, narrow, bench: _, target } = Args::parse();
    if target {
        return serve_target().await;
    }
    let seconds = Duration::from_secs(seconds);
    let mut figures = Figures::new("wan");
    match measure(seconds, Duration::from_secs(narrow), &mut figures).await {
        Ok(()) => figures.finish(),
        Err(missing) => {
            println!("wan cannot be measured here: {missing}");
            ExitCode::SUCCESS
        }
    }
}

async fn measure(seconds: Duration, narrow: Duration, figures: &mut Figures) -> Result<(), String> {
    figures.head("iperf3", "product");
    let far = Quality { round_trip: 50, loss: 0, rate: 0 };
    one(figures, "far", far, "cubic", Some("8MiB"), seconds).await?;
    let office = Office::open(far, "cubic", None).await?;
    figures.note("far_default_window_mbit", office.download(seconds).await);
    drop(office);
    for control in ["cubic", "bbr"] {
        one(figures, "lossy", Quality { loss: 1, ..far }, control, Some("8MiB"), seconds).await?;
    }
    let fast = Quality { rate: 100, ..far };
    one(figures, "fast", fast, "cubic", Some("1280KiB"), seconds).await?;
    beside_bulk(figures, fast, seconds).await?;
    narrowly(figures, Quality { rate: 2, ..far }, narrow).await
}

/// One download against iperf3, over the same link with the same congestion control.
async fn one(
    figures: &mut Figures,
    name: &str,
    quality: Quality,
    control: &str,
    window: Option<&str>,
    seconds: Duration,
) -> Result<(), String> {
    let office = Office::open(quality, control, window).await?;
    let plain = office.iperf(control, seconds).await?;
    let product = office.download(seconds).await;
    figures.compare(&format!("{name}, {control}, download, Mbit/s"), plain, product);
    figures.note(&format!("{name}_{control}_iperf3_mbit"), plain);
    figures.note(&format!("{name}_{control}_mbit"), product);
    figures.at_least(&format!("{name}_{control}_of_iperf3"), product / plain, OF_IPERF3);
    Ok(())
}

/// Small calls beside a download that fills the link.
async fn beside_bulk(figures: &mut Figures, quality: Quality, seconds: Duration) -> Result<(), String> {
    let office = Office::open(quality, "cubic", Some("1280KiB")).await?;
    let alone = office.small_calls(seconds / 2).await;
    let bulk = office.transfers(1);
    let beside = office.small_calls(seconds).await;
    drop(bulk);
    figures.note("fast_small_call_alone_p99_ms", part(&alone, 99));
    figures.note("fast_small_call_beside_bulk_p99_ms", part(&beside, 99));
    Ok(())
}

/// Four transfers on a narrow link: it is never cut, and small calls still answer.
async fn narrowly(figures: &mut Figures, quality: Quality, lasting: Duration) -> Result<(), String> {
    let office = Office::open(quality, "cubic", None).await?;
    let bulk = office.transfers(4);
    let calls = office.small_calls(lasting).await;
    drop(bulk);
    figures.note("narrow_small_calls", calls.len() as f64);
    figures.note("narrow_small_call_p50_ms", part(&calls, 50));
    figures.note("narrow_small_call_p99_ms", part(&calls, 99));
    figures.at_most("narrow_small_call_worst_ms", part(&calls, 100), CALL.as_secs_f64() * 1e3);
    let lost = office.agent.log().lines().filter(|line| line.contains("the session ended")).count();
    figures.at_most("narrow_sessions_lost", lost as f64, 0.0);
    Ok(())
}

impl Office {
    async fn open(quality: Quality, control: &str, window: Option<&str>) -> Result<Self, String> {
        let link = Link::new(quality).await?;
        let site = Site::new().await;
        let mut more = vec![("TCP_CONGESTION_CONTROL", control)];
        more.extend(window.map(|window| ("LINK_WINDOW", window)));
        let (gateway, (agents, callers)) =
            site.start_gateway((&format!("{HERE}:0"), "127.0.0.1:0"), &more).await;
        let own = std::env::current_exe().expect("a benchmark has a file");
        let mut command = link.command(own.to_str().expect("a path in UTF-8"));
        command.arg("--target");
        let target = Program::run(command, [("PATH", "/usr/sbin:/usr/bin")]);
        let line = target.says("target=").await;
        let url = format!("http://{}", line.split_once("target=").expect("just found").1.trim());
        let mut more = vec![
            ("BITBUCKET_URL", url.as_str()),
            ("GITPROXY_RATE_BURST", "100000"),
            ("GITPROXY_RATE_PER_SECOND", "100000"),
            ("GITPROXY_TCP_CONGESTION_CONTROL", control),
        ];
        more.extend(window.map(|window| ("GITPROXY_LINK_WINDOW", window)));
        let mut command = link.command(env!("CARGO_BIN_EXE_gitproxy"));
        command.arg("run");
        let settings = site.settings_of(format!("https://gateway.test:{}", agents.port()), &more);
        let agent = Program::run(command, settings);
        let caller = site.way(callers.port()).caller().await?;
        caller.get_repo_soon().await;
        Ok(Self { link, agent, _gateway: gateway, _target: target, caller })
    }

    /// What plain TCP gets from the far end, in Mbit/s.
    async fn iperf(&self, control: &str, seconds: Duration) -> Result<f64, String> {
        let mut server = tokio::process::Command::new("iperf3");
        let server = server.args(["-s", "-1", "-B", HERE]).stdout(std::process::Stdio::null());
        let mut server = server.kill_on_drop(true).spawn().map_err(|error| format!("iperf3: {error}"))?;
        sleep(Duration::from_millis(300)).await;
        let mut client = self.link.command("iperf3");
        client.args(["-c", HERE, "-J", "-C", control, "-t", &seconds.as_secs().to_string()]);
        let told = client.output().await.map_err(|error| format!("iperf3: {error}"))?;
        // With -1 it ends after one client.
        let _ = server.wait().await;
        let told: serde_json::Value =
            serde_json::from_slice(&told.stdout).map_err(|error| format!("iperf3: {error}"))?;
        let bits = told["end"]["sum_received"]["bits_per_second"].as_f64();
        bits.map(|bits| bits / 1e6).ok_or_else(|| format!("iperf3: {}", told["error"]))
    }

    /// What one download gets in this time, in Mbit/s.
    async fn download(&self, lasting: Duration) -> f64 {
        let begun = Instant::now();
        let mut parts = self.caller.files().get_file(self.caller.file("huge.bin")).await;
        let parts = parts.as_mut().expect("a file").get_mut();
        let mut bytes = 0;
        while let Ok(part) = timeout(lasting.saturating_sub(begun.elapsed()), parts.message()).await {
            let Some(part) = part.expect("a part") else { break };
            bytes += part.data.len();
        }
        bytes as f64 * 8.0 / 1e6 / begun.elapsed().as_secs_f64()
    }

    /// Downloads that go on until this is dropped.
    fn transfers(&self, count: usize) -> JoinSet<()> {
        let mut transfers = JoinSet::new();
        for _ in 0..count {
            let caller = self.caller.clone();
            transfers.spawn(async move {
                loop {
                    caller.download("huge.bin").await.expect("the transfer goes on");
                }
            });
        }
        transfers
    }

    /// How long small calls take, one after the other, the shortest first.
    async fn small_calls(&self, lasting: Duration) -> Vec<Duration> {
        let (begun, mut times) = (Instant::now(), Vec::new());
        while begun.elapsed() < lasting {
            let call = Instant::now();
            let answer = timeout(CALL, self.caller.get_repo()).await;
            answer.expect("it answers").expect("an answer");
            times.push(call.elapsed());
            sleep(Duration::from_millis(50)).await;
        }
        times.sort();
        times
    }
}

/// So much of the times, in percent, is no longer than this, in milliseconds.
fn part(times: &[Duration], percent: usize) -> f64 {
    times[(times.len() * percent / 100).min(times.len() - 1)].as_secs_f64() * 1e3
}

async fn serve_target() -> ExitCode {
    let _lines = telemetry::init(Format::Human, "info").expect("a log");
    let target = Target::start().await;
    info!("target={}", target.addr());
    pending().await
}

const OF_IPERF3: f64 = 0.9;
/// A small call's deadline, as a patient caller sets it.
const CALL: Duration = Duration::from_secs(60);
