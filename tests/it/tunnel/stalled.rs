//! Readers that stop reading cost memory up to a bound, and nobody else's time.
//!
//! Memory is a process's, so each case runs in processes of its own: this binary again, told by an environment variable
//! which part to play.
#![expect(clippy::print_stdout, reason = "the figures belong to the result")]

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use gitproxy::ops::Tasks;
use gitproxy::tunnel::{Body, Channel, Options};
use http_body_util::{BodyExt as _, Full};
use tokio::net::{UnixListener, UnixStream};
use tokio::process::{Child, Command};
use tokio::time::timeout;
use tower::ServiceExt as _;

use super::echo::{Caller, DOWNLOAD, Echo, MADE, UNARY, text};
use super::ends::{Carrier, agent_end, gateway_end};

#[tokio::test]
async fn stalled_readers_slow_nobody_and_memory_is_bounded_over_attach() {
    play("stalled_readers_slow_nobody_and_memory_is_bounded_over_attach", Carrier::Attach).await;
}

#[tokio::test]
async fn stalled_readers_slow_nobody_and_memory_is_bounded_over_a_socket_pair() {
    play("stalled_readers_slow_nobody_and_memory_is_bounded_over_a_socket_pair", Carrier::Bare).await;
}

/// Plays the part that this process was started for; without one, starts the process that is the gateway.
async fn play(test: &str, carrier: Carrier) {
    match part() {
        None => {
            let gateway = this_binary(test, GATEWAY).output();
            let output = timeout(LONGEST, gateway).await.expect("calls hang").expect("this binary again");
            let told = String::from_utf8_lossy(&output.stdout);
            let figures = told.lines().find(|line| line.contains(FIGURES));
            println!("{}", figures.unwrap_or_default());
            let passed = output.status.success() && figures.is_some();
            assert!(passed, "{told}\n{}", String::from_utf8_lossy(&output.stderr));
        }
        Some(part) if part == GATEWAY => measure(test, carrier).await,
        Some(socket) => {
            let pipe = UnixStream::connect(&socket).await.expect("the gateway listens");
            agent_end(carrier, pipe, Echo::default().stack(), &Options::default(), &Tasks::new()).await;
        }
    }
}

async fn measure(test: &str, carrier: Carrier) {
    let tasks = Tasks::new();
    let (quiet, _quiet_agent) = attached(test, carrier, &tasks).await;
    let (loaded, agent) = attached(test, carrier, &tasks).await;
    let (quiet, channel, loaded) = (Caller::new(quiet), loaded.clone(), Caller::new(loaded));
    let before = resident_mib("self", "VmRSS");
    let mut stalled = Vec::new();
    for _ in 0..READERS {
        stalled.push(begun(&channel).await);
    }
    all_windows_are_full(&loaded).await;

    let own_mib = || resident_mib(&agent.id().expect("it runs").to_string(), "RssAnon");
    let full_mib = own_mib();
    let ratio = median_p99_ratio(&quiet, &loaded).await;
    let agent_mib = own_mib().max(full_mib);
    let gateway_mib = resident_mib("self", "VmHWM").saturating_sub(before);
    println!(
        "{carrier:?}: {READERS} {FIGURES} p99 {ratio:.2} x idle, agent {agent_mib} MiB, gateway +{gateway_mib} MiB"
    );
    assert!(ratio <= 2.0, "p99 {ratio:.2} x idle");
    assert!(agent_mib <= AGENT_OWN_MIB, "agent {agent_mib} MiB");
    let windows_mib = (READERS as u64 * u64::from(Options::default().window)) >> 20;
    assert!(gateway_mib <= windows_mib + GATEWAY_MIB_BESIDE_WINDOWS, "gateway +{gateway_mib} MiB");
}

/// A download of which the first bytes have come; undecoded, as the gateway passes it on.
async fn begun(channel: &Channel) -> Body {
    // The frame of an empty message.
    let body = Body::new(Full::from(&[0; 5][..]).map_err(|never| match never {}));
    let request = http::Request::post(DOWNLOAD).header("content-type", "application/grpc").body(body);
    let response = channel.clone().oneshot(request.expect("a request")).await.expect("a stream");
    let mut body = response.into_body();
    let first = body.frame().await.expect("a frame").expect("data");
    assert!(first.into_data().is_ok_and(|data| !data.is_empty()));
    body
}

/// A tunnel to an agent in a process of its own.
async fn attached(test: &str, carrier: Carrier, tasks: &Tasks) -> (Channel, Child) {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("pipe");
    let listener = UnixListener::bind(&socket).expect("a socket");
    let agent = this_binary(test, path(&socket)).spawn().expect("this binary again");
    let (pipe, _) = listener.accept().await.expect("the agent connects");
    (gateway_end(carrier, pipe, &Options::default(), tasks).await, agent)
}

/// Waits until the agent makes no more messages: every window and buffer is full.
async fn all_windows_are_full(caller: &Caller) {
    let mut made = Vec::new();
    while made.len() < STEADY || made[made.len() - STEADY] != made[made.len() - 1] {
        made.push(caller.unary(MADE, text("")).await.expect("an answer").into_inner().data);
    }
}

/// A tunnel that starves its callers does so in every round; what else the machine does comes and goes.
async fn median_p99_ratio(quiet: &Caller, loaded: &Caller) -> f64 {
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        ratios.push(p99_ratio(quiet, loaded).await);
    }
    ratios.sort_by(f64::total_cmp);
    ratios[ROUNDS / 2]
}

/// How much slower the 99th percentile is with load than without, calls of both kinds taking turns.
async fn p99_ratio(quiet: &Caller, loaded: &Caller) -> f64 {
    let (mut idle, mut under_load) = (Vec::new(), Vec::new());
    for _ in 0..CALLS {
        idle.push(timed(quiet).await);
        under_load.push(timed(loaded).await);
    }
    p99(under_load).as_secs_f64() / p99(idle).as_secs_f64()
}

async fn timed(caller: &Caller) -> Duration {
    let start = Instant::now();
    caller.unary(UNARY, text("small")).await.expect("an answer");
    start.elapsed()
}

fn p99(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() * 99 / 100]
}

fn resident_mib(process: &str, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("a live process");
    let line = status.lines().find(|line| line.starts_with(field)).expect("the field");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number") / 1024
}

fn this_binary(test: &str, part: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("a path"));
    command.args(["--exact", &format!("tunnel::stalled::{test}"), "--nocapture", "--test-threads=1"]);
    command.env(PART, part).stdin(Stdio::null()).kill_on_drop(true);
    command
}

fn path(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[expect(clippy::disallowed_methods, reason = "no setting, but the part that a process of this test plays")]
fn part() -> Option<String> {
    std::env::var(PART).ok()
}

const READERS: usize = 200;
/// An agent may take 64 MiB. Its program's own pages are 16 of them, where it is built as operators run it; here they are
/// those of a binary with every test in it, and are not counted.
const AGENT_OWN_MIB: u64 = 48;
const GATEWAY_MIB_BESIDE_WINDOWS: u64 = 32;
const ROUNDS: usize = 9;
/// In each round. Many, and in turns, so that what else the machine does hits both kinds alike.
const CALLS: usize = 500;
/// After so many answers with the same count nothing is under way.
const STEADY: usize = 50;
/// A starved tunnel shows as a hang, which must not become the test's own.
const LONGEST: Duration = Duration::from_secs(120);
const FIGURES: &str = "stalled readers:";
const PART: &str = "GITPROXY_TEST_STALLED_PART";
const GATEWAY: &str = "gateway";
