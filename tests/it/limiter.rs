//! The rate budget in real time, against a limiter as Bitbucket has it by default: 60 tokens, and 5 more a second.
//!
//! 200 calls of one request each share it with 20 watches, which begin together with them, as after a restart. A steady
//! stream of 3 calls a second leaves 2 tokens a second to the watches; a burst has to wait for about half a minute.

#![expect(clippy::print_stdout, reason = "the figures belong to the result")]

use std::cell::Cell;
use std::time::Duration;

use bitbucket_sim::{Commit, RateLimit};
use futures_util::future::try_join_all;
use futures_util::{StreamExt as _, stream};
use gitproxy::bitbucket::Rate;
use gitproxy::proto::scm::v1 as pb;
use gitproxy::proto::scm::v1::watch_build_status_request::Target;
use tokio::time::{self, Instant};
use tonic::{Status, Streaming};

use crate::commands::{opening, web};
use crate::world::{Caller, World};

#[tokio::test]
async fn calls_at_three_a_second_are_answered_within_a_second_beside_twenty_watches() {
    steady(1).await;
}

#[tokio::test]
async fn calls_at_three_a_second_are_answered_within_a_second_by_two_instances_beside_twenty_watches() {
    steady(2).await;
}

#[tokio::test]
async fn two_hundred_calls_at_once_wait_for_their_turn_and_none_is_refused() {
    all_at_once(1).await;
}

#[tokio::test]
async fn two_hundred_calls_at_once_wait_for_two_instances_and_none_is_refused() {
    all_at_once(2).await;
}

async fn steady(instances: usize) {
    let offered = Offered { every: Duration::from_millis(333), limit: Duration::from_secs(30) };
    let seen = run(instances, offered).await;
    println!("{CALLS} calls at 3/s, {instances} instance(s): {seen:?}");
    assert!(seen.median < Duration::from_secs(1), "{seen:?}");
    assert_eq!(seen.refusals, 0, "{seen:?}");
    // They come after the calls, but they come.
    assert_eq!(seen.begun, WATCHES, "{seen:?}");
}

async fn all_at_once(instances: usize) {
    // As long as the gateway gives a call that names no deadline.
    let offered = Offered { every: Duration::from_nanos(1), limit: Duration::from_secs(60) };
    let seen = run(instances, offered).await;
    println!("{CALLS} calls at once, {instances} instance(s): {seen:?}");
    assert_eq!(seen.refusals, 0, "{seen:?}");
}

/// How calls come.
struct Offered {
    every: Duration,
    /// The deadline of each.
    limit: Duration,
}

/// What was measured, from the moment when a call was due, whether it was sent then or not.
#[derive(Debug)]
#[expect(dead_code, reason = "some figures are only shown")]
struct Seen {
    median: Duration,
    /// Of a hundred calls one takes longer.
    slow: Duration,
    slowest: Duration,
    /// 429s of the simulator.
    refusals: usize,
    /// Watches that have said where things stand.
    begun: usize,
    /// All requests that the simulator had meanwhile.
    requests: usize,
}

/// Offers the calls beside the watches; a call or a watch that fails ends it.
async fn run(instances: usize, offered: Offered) -> Seen {
    let rate = Rate { burst: 60, per_second: 5 };
    let world = World::with(|plan| plan.rate(rate).instances(instances).local("main")).await;
    let caller = world.caller().await;
    let watched = watched(&world, &caller).await;
    let limit = RateLimit { capacity: rate.burst, per_second: rate.per_second.into(), retry_after: true };
    world.sim.knobs().rate_limit(Some(limit));
    let (before, begun) = (world.sim.requests().len(), Cell::new(0));
    let mut took = tokio::select! {
        took = calls(&caller, &offered) => took,
        ended = watches(&caller, &watched, &begun) => panic!("a watch ended: {ended:?}"),
    };
    took.sort();
    let requests = world.sim.requests();
    Seen {
        median: took[CALLS / 2],
        slow: took[CALLS * 99 / 100],
        slowest: took[CALLS - 1],
        refusals: requests.iter().filter(|request| request.status == Some(429)).count(),
        begun: begun.get(),
        requests: requests.len() - before,
    }
}

/// How long each call took.
async fn calls(caller: &Caller, offered: &Offered) -> Vec<Duration> {
    let times = stream::unfold(time::interval(offered.every), |mut times| async {
        Some((times.tick().await, times))
    });
    let call = |due: Instant| async move {
        let mut request = caller.ask(pb::GetRepoRequest { repo: web() });
        request.set_timeout(offered.limit);
        caller.repos().get_repo(request).await.map(|_| due.elapsed())
    };
    let answers = times.take(CALLS).map(call).buffer_unordered(CALLS);
    answers.map(|answer| answer.expect("an answer")).collect().await
}

/// Keeps the watches up: half of them of a pull request, half of its builds. It returns when one of them ends.
async fn watches(caller: &Caller, watched: &pb::PullRequest, begun: &Cell<usize>) -> Result<(), Status> {
    let of_pull_requests = (0..WATCHES / 2).map(|_| async {
        let asked = pb::WatchPrRequest { repo: web(), id: watched.id, ..Default::default() };
        let stream = caller.pull_requests().watch_pr(caller.ask(asked)).await?;
        follow(stream.into_inner(), begun, |message| message.status.is_some()).await
    });
    let of_builds = (0..WATCHES / 2).map(|_| async {
        let target = Some(Target::PrId(watched.id));
        let asked = pb::WatchBuildStatusRequest { repo: web(), target, ..Default::default() };
        let stream = caller.builds().watch_build_status(caller.ask(asked)).await?;
        follow(stream.into_inner(), begun, |message| !message.commit_id.is_empty()).await
    });
    tokio::try_join!(try_join_all(of_pull_requests), try_join_all(of_builds))?;
    Ok(())
}

/// Reads to the end, which never comes, and counts the watch once it has said where things stand.
async fn follow<M>(
    mut stream: Streaming<M>,
    begun: &Cell<usize>,
    is_state: impl Fn(&M) -> bool,
) -> Result<(), Status> {
    let mut counted = false;
    while let Some(message) = stream.message().await? {
        if is_state(&message) && !counted {
            counted = true;
            begun.set(begun.get() + 1);
        }
    }
    Err(Status::internal("the end of the stream"))
}

/// A pull request whose build runs, so that watches look often.
async fn watched(world: &World, caller: &Caller) -> pb::PullRequest {
    let commit = Commit::new("Bump").on("bump").file("a.txt", "one\nthree\n");
    world.sim.add_commits("SHOP", "web", &[commit]).await.expect("a commit");
    let opened = caller.pull_requests().open_pr(caller.ask(opening("bump"))).await.expect("opened");
    let running = pb::SetBuildStatusRequest {
        repo: web(),
        commit_id: world.sim.commit_of("SHOP", "web", "bump").await.expect("a commit"),
        key: "ci".into(),
        state: pb::BuildState::InProgress.into(),
        url: "https://ci.example/1".into(),
        ..Default::default()
    };
    caller.builds().set_build_status(caller.ask(running)).await.expect("set");
    opened.into_inner().pull_request.expect("named")
}

const CALLS: usize = 200;
const WATCHES: usize = 20;
