//! Readers that stall and callers who give up, through both programs: the others go on, and nothing stays behind.
//!
//! `benches/storm.rs` measures the same with release binaries; here it is what does not depend on how fast the machine is.

#[path = "../../../benches/product/target.rs"]
#[expect(dead_code, reason = "the benchmarks use more of it")]
mod target;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bitbucket_sim::Commit;
use futures_util::future::join_all;
use gitproxy::proto::scm::v1 as pb;
use gitproxy::proto::scm::v1::pull_requests_client::PullRequestsClient;
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tonic::Streaming;

use self::target::Target;
use super::house::{Caller, House, web};
use super::program::Program;
use crate::world::collector::{Collector, points};

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_stalled_readers_slow_nobody_and_give_back_their_places() {
    let target = Target::start().await;
    let (quiet, loaded) = (Pair::start(&target).await, Pair::start(&target).await);
    let stalled = stalled(&loaded).await;
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        ratios.push(p99_ratio(&quiet.caller, &loaded.caller).await);
    }
    ratios.sort_by(f64::total_cmp);
    assert!(ratios[ROUNDS / 2] <= 2.0, "p99 {ratios:.2?} x idle");
    let full = loaded.caller.download("large.bin").await.expect_err("every place is taken");
    assert_eq!(full.code(), tonic::Code::ResourceExhausted, "{full}");
    assert!(tonic_types::StatusExt::get_details_retry_info(&full).is_some(), "{full:?}");
    drop(stalled);
    loaded.is_as_before().await;
    self::stalled(&loaded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_cancels_on_one_connection_leaves_the_others_and_the_tunnel_alone() {
    let target = Target::start().await;
    let pair = Pair::start(&target).await;
    let storm = Storm { caller: pair.house.caller().await, cancelled: Arc::default(), over: Arc::default() };
    let mut lanes = JoinSet::new();
    for lane in 0..LANES {
        let storm = storm.clone();
        lanes.spawn(async move { storm.run(lane).await });
    }
    let mut answered = 0;
    // So many answers of others, however slow the machine, while it blows.
    while storm.cancelled.load(Ordering::Relaxed) < CANCELS || answered < ANSWERS {
        // In the second half Bitbucket takes its time.
        let late = storm.cancelled.load(Ordering::Relaxed) > CANCELS / 2;
        target.delay(if late { Duration::from_millis(3) } else { Duration::ZERO });
        let answer = timeout(PATIENCE, pair.caller.get_repo()).await.expect("others do not hang");
        if let Err(status) = answer {
            let (gateway, agent) = (pair.house.gateway.log(), pair.agent.log());
            panic!("others are answered: {status}\n{gateway}\n{agent}");
        }
        answered += 1;
    }
    storm.over.store(true, Ordering::Relaxed);
    while let Some(lane) = lanes.join_next().await {
        lane.expect("no lane fails");
    }
    storm.caller.get_repo().await.expect("it keeps its connection");
    drop(storm);
    pair.is_as_before().await;
    stalled(&pair).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_gives_up_while_the_gateway_does_not_read_keeps_its_connection() {
    let target = Target::start().await;
    let pair = Pair::start(&target).await;
    let hasty = pair.house.caller().await;
    signal(&pair.house.gateway, "STOP").await;
    for _ in 0..CANCELS / WAVE {
        // Each of them is on its way when it is given up.
        let calls = join_all((0..WAVE).map(|_| hasty.get_repo()));
        timeout(Duration::from_millis(5), calls).await.expect_err("nobody answers");
    }
    signal(&pair.house.gateway, "CONT").await;
    timeout(PATIENCE, hasty.get_repo()).await.expect("no hang").expect("the connection is there");
    drop(hasty);
    assert_eq!(pair.quiet().await["gitproxy-gateway gitproxy.calls.in_flight"], 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn watches_that_are_given_up_at_any_stage_give_back_their_places() {
    let house = House::new().await;
    let commit = Commit::new("Bump").on("bump").file("a.txt", "one\ntwo\n");
    house.sim.add_commits("SHOP", "web", &[commit]).await.expect("a commit");
    let places = WATCHES.to_string();
    let agent = house.start_agent(&[("GITPROXY_LIMIT_WATCH", &places), FAST[0], FAST[1]]);
    let caller = house.caller().await.on("default");
    caller.get_repo_soon().await;
    let id = opened(&caller).await;
    for round in 0..40 {
        let begun = join_all((0..WATCHES).map(|_| watching(&caller, id)));
        // From before it leaves to after its first message.
        match timeout(Duration::from_millis(round), begun).await {
            Ok(begun) => drop(begun),
            Err(_) => continue,
        }
    }
    // All of them have a place again, as soon as the last cancel has come.
    let all = async {
        while join_all((0..WATCHES).map(|_| watching(&caller, id))).await.iter().any(Option::is_none) {}
    };
    timeout(PATIENCE, all).await.expect("every place comes free");
    caller.get_repo().await.expect("others are answered");
    assert_eq!(sessions(&agent), 1, "{}", agent.log());
}

/// Gateway, agent, the collector of both, and a caller who only asks small things.
struct Pair {
    house: House,
    agent: Program,
    caller: Caller,
    collector: Collector,
    before: BTreeMap<String, f64>,
}

impl Pair {
    /// The agent has as many places for transfers as there are stalled readers, so that one that stays taken shows.
    async fn start(target: &Target) -> Self {
        let collector = Collector::start().await;
        let (push, url) = (collector.url(), format!("http://{}", target.addr()));
        let push = [("OTEL_EXPORTER_OTLP_ENDPOINT", push.as_str()), ("GITPROXY_METRICS_EVERY", "1s")];
        let house = House::with(&push).await;
        let places = READERS.to_string();
        let own = [("BITBUCKET_URL", url.as_str()), ("GITPROXY_LIMIT_BULK", places.as_str())];
        let agent = house.start_agent(&[&push[..], &own, &FAST].concat());
        let caller = house.caller().await;
        caller.get_repo_soon().await;
        let mut pair = Self { house, agent, caller, collector, before: BTreeMap::new() };
        pair.before = pair.quiet().await;
        pair
    }

    /// Waits until nothing is in flight, and says what was pushed then; of what has labels the sum.
    async fn quiet(&self) -> BTreeMap<String, f64> {
        let seen = self.collector.pushes().len();
        let told = self.collector.until("that nothing is in flight", |pushes| {
            // One push of each program is whole.
            let mut told = BTreeMap::new();
            for push in pushes[seen..].iter().rev() {
                let points = points(std::slice::from_ref(push));
                let Some(service) = points.first().map(|point| point.service.clone()) else { continue };
                if told.keys().any(|key: &String| key.starts_with(&format!("{service} "))) {
                    continue;
                }
                for point in points {
                    *told.entry(format!("{service} {}", point.metric)).or_default() += point.value;
                }
            }
            let both = ["gitproxy", "gitproxy-gateway"];
            let quiet =
                both.iter().all(|it| told.get(&format!("{it} gitproxy.calls.in_flight")) == Some(&0.0));
            quiet.then_some(told)
        });
        told.await
    }

    /// Nothing is in flight, in the session that there was from the start, and no task of the gateway stays behind.
    async fn is_as_before(&self) {
        let fewest = async {
            loop {
                let now = self.quiet().await;
                let name = "gitproxy-gateway gitproxy.tasks";
                // A connection may come or go: that of a probe, of the collector.
                if now[name] <= self.before[name] + 4.0 {
                    return now;
                }
            }
        };
        let now = timeout(PATIENCE, fewest).await.expect("tasks of the gateway stay behind");
        for name in [
            "gitproxy-gateway gitproxy.attaches",
            "gitproxy-gateway gitproxy.sessions",
            "gitproxy gitproxy.link.dials",
        ] {
            assert_eq!(now[name], self.before[name], "{name}: {}", self.agent.log());
        }
        assert_eq!(sessions(&self.agent), 1, "{}", self.agent.log());
    }
}

/// One who gives up everything that it begins.
#[derive(Clone)]
struct Storm {
    caller: Caller,
    cancelled: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
}

impl Storm {
    /// Gives up before the call has left, on its way, while Bitbucket is asked, in mid-transfer.
    async fn run(self, lane: usize) {
        let mut call = lane;
        // Beyond what the processors can do, everybody waits, whoever it is that calls.
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.over.load(Ordering::Relaxed) {
            pace.tick().await;
            let patience = Duration::from_micros(500 * (call as u64 % 8));
            let was = if call.is_multiple_of(5) {
                // Not as fast as it goes: what a program without optimization can carry is another question.
                timeout(patience, self.caller.download("paced.bin")).await.is_err()
            } else {
                timeout(patience, self.caller.get_repo()).await.is_err()
            };
            self.cancelled.fetch_add(usize::from(was), Ordering::Relaxed);
            call += LANES + 1;
        }
    }
}

/// Readers of a large file who have read a first part of it. Those who left a moment ago may still have their places.
async fn stalled(pair: &Pair) -> Vec<Streaming<pb::GetFileResponse>> {
    let caller = pair.house.caller().await;
    let all = async {
        let mut stalled = Vec::new();
        while stalled.len() < READERS {
            let Ok(answer) = caller.files().get_file(caller.file("large.bin")).await else { continue };
            let mut parts = answer.into_inner();
            parts.message().await.expect("a first part").expect("it has some");
            stalled.push(parts);
        }
        stalled
    };
    timeout(PATIENCE, all).await.expect("every reader has a place")
}

async fn p99_ratio(quiet: &Caller, loaded: &Caller) -> f64 {
    let (mut idle, mut under_load) = (Vec::new(), Vec::new());
    for _ in 0..CALLS {
        idle.push(timed(quiet).await);
        under_load.push(timed(loaded).await);
    }
    let [idle, under_load] = [idle, under_load].map(|mut times| {
        times.sort();
        times[CALLS * 99 / 100].as_secs_f64()
    });
    under_load / idle
}

async fn timed(caller: &Caller) -> Duration {
    let begun = Instant::now();
    caller.get_repo().await.expect("an answer");
    begun.elapsed()
}

/// A watch that has told how things stand; none where it was refused.
async fn watching(caller: &Caller, id: i64) -> Option<Streaming<pb::WatchPrResponse>> {
    let asked = pb::WatchPrRequest { repo: Some(web()), id, ..Default::default() };
    let mut watch = pull_requests(caller).watch_pr(caller.ask(asked)).await.ok()?.into_inner();
    watch.message().await.ok()??;
    Some(watch)
}

async fn opened(caller: &Caller) -> i64 {
    let asked = pb::OpenPrRequest {
        repo: Some(web()),
        title: "Bump".to_owned(),
        from_branch: "bump".to_owned(),
        to_branch: "master".to_owned(),
        ..Default::default()
    };
    let opened = pull_requests(caller).open_pr(caller.ask(asked)).await.expect("opened");
    opened.into_inner().pull_request.expect("named").id
}

fn pull_requests(caller: &Caller) -> PullRequestsClient<gitproxy::tunnel::Channel> {
    PullRequestsClient::with_origin(caller.channel.clone(), caller.uri.clone())
}

fn sessions(agent: &Program) -> usize {
    agent.log().lines().filter(|line| line.contains("life: attached")).count()
}

async fn signal(program: &Program, name: &str) {
    let sent = Command::new("sh").args(["-c", "kill -$0 $1", name, &program.id().to_string()]).status().await;
    assert!(sent.expect("a shell").success(), "SIG{name} was not sent");
}

const READERS: usize = 200;
const CANCELS: usize = 15_000;
const ANSWERS: usize = 100;
/// How many are given up together: fewer than a connection takes at once.
const WAVE: usize = 500;
/// Who gives up at the same time.
const LANES: usize = 16;
const PACE: Duration = Duration::from_millis(15);
const WATCHES: usize = 32;
const ROUNDS: usize = 5;
const CALLS: usize = 200;
const FAST: [(&str, &str); 2] = [("GITPROXY_RATE_BURST", "100000"), ("GITPROXY_RATE_PER_SECOND", "100000")];
const PATIENCE: Duration = Duration::from_secs(60);
