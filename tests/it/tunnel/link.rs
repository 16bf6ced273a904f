//! What the link does to calls: a dead one is noticed, a slow one is kept, the end is the end for all.

use std::time::Duration;

use gitproxy::ops::Tasks;
use gitproxy::proto::Reason;
use gitproxy::proto::tunnel::v1::Drain;
use gitproxy::tunnel::{Ended, Options};
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::Code;

use super::echo::{Caller, Echo, HANG, UNARY, text};
use super::ends::{Carrier, Weather, accept, agent_end, dial, gateway_end, join, wire};

super::over_both! {
    @paused a_blackholed_peer_is_noticed_at_both_ends
    @paused an_idle_link_is_kept
    @paused a_slow_link_is_not_cut_and_small_calls_still_answer
    the_end_of_the_pipe_fails_every_call_at_once
    a_draining_agent_finishes_its_calls
}

async fn a_blackholed_peer_is_noticed_at_both_ends(carrier: Carrier) {
    let (tasks, agent_tasks) = (Tasks::new(), Tasks::new());
    let (near, far, weather) = wire(&tasks);
    let mut agent = JoinSet::new();
    let service = Echo::default().stack();
    agent.spawn(async move { agent_end(carrier, far, service, &Options::default(), &agent_tasks).await });
    let channel = gateway_end(carrier, near, &Options::default(), &tasks).await;
    Caller::new(channel.clone()).unary(UNARY, text("")).await.expect("an answer");
    weather.send_replace(Weather::Blackhole);
    let start = Instant::now();
    channel.pulse().doubtful().await;
    assert!(start.elapsed() <= Duration::from_millis(2100), "{:?}", start.elapsed());
    channel.closed().await;
    assert!(start.elapsed() <= Duration::from_secs(10), "{:?}", start.elapsed());
    let ended = agent.join_next().await.expect("one").expect("no panic");
    assert!(matches!(&ended, Ended::Lost(_)), "{ended:?}");
    assert!(start.elapsed() <= Duration::from_secs(10), "{:?}", start.elapsed());
}

async fn an_idle_link_is_kept(carrier: Carrier) {
    let tasks = Tasks::new();
    let (near, far, _weather) = wire(&tasks);
    let channel = join(carrier, near, far, Echo::default().stack(), &Options::default(), &tasks).await;
    let caller = Caller::new(channel.clone());
    caller.unary(UNARY, text("")).await.expect("an answer");
    tokio::time::advance(Duration::from_secs(1)).await;
    let hour = Instant::now() + Duration::from_secs(3600);
    tokio::time::timeout_at(hour, std::future::pending::<()>()).await.expect_err("an hour passes");
    assert!(channel.pulse().quiet_for() < Duration::from_secs(2));
    caller.unary(UNARY, text("")).await.expect("still an answer");
}

/// 2 Mbit/s, filled by four downloads for a minute: PINGs wait seconds behind data all the time.
async fn a_slow_link_is_not_cut_and_small_calls_still_answer(carrier: Carrier) {
    let tasks = Tasks::new();
    let (near, far, weather) = wire(&tasks);
    let channel = join(carrier, near, far, Echo::default().stack(), &Options::default(), &tasks).await;
    let caller = Caller::new(channel.clone());
    weather.send_replace(Weather::Slow(250_000));
    let mut downloads = JoinSet::new();
    for _ in 0..4 {
        let caller = caller.clone();
        downloads.spawn(async move {
            let mut download = caller.download(text("")).await.expect("a stream");
            while download.message().await.expect("the link is kept").is_some() {}
        });
    }
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(60) {
        caller.unary(UNARY, text("small")).await.expect("an answer");
        assert!(!channel.pulse().is_doubtful());
    }
    assert!(!channel.is_closed());
    assert_eq!(downloads.len(), 4);
    assert!(downloads.try_join_next().is_none(), "a download ended");
}

async fn the_end_of_the_pipe_fails_every_call_at_once(carrier: Carrier) {
    let (echo, tasks) = (Echo::default(), Tasks::new());
    let agent = tasks.group();
    let (near, far) = UnixStream::pair().expect("a socket pair");
    let (service, group) = (echo.stack(), agent.clone());
    agent.spawn(async move { drop(agent_end(carrier, far, service, &Options::default(), &group).await) });
    let channel = gateway_end(carrier, near, &Options::default(), &tasks).await;
    let caller = Caller::new(channel.clone());
    let mut calls = JoinSet::new();
    for _ in 0..100 {
        let caller = caller.clone();
        calls.spawn(async move { caller.unary(HANG, text("")).await });
    }
    let mut download = caller.download(text("")).await.expect("a stream");
    download.message().await.expect("data").expect("data");
    echo.hanging.reached(100).await;
    agent.cut();
    while let Some(call) = calls.join_next().await {
        lost(&call.expect("no panic").expect_err("nobody is left to answer"));
    }
    let ended = loop {
        match download.message().await {
            Ok(message) => assert!(message.is_some(), "a cut download ended well"),
            Err(status) => break status,
        }
    };
    lost(&ended);
    channel.closed().await;
    lost(&caller.unary(UNARY, text("late")).await.expect_err("the pipe is spent"));
    assert_eq!(channel.in_flight(), 0);
}

fn lost(status: &tonic::Status) {
    assert_eq!(
        (status.code(), Reason::of(status)),
        (Code::Unavailable, Some(Reason::TunnelLost)),
        "{status}"
    );
}

async fn a_draining_agent_finishes_its_calls(carrier: Carrier) {
    let (tasks, agent_tasks) = (Tasks::new(), Tasks::new());
    let (near, far) = UnixStream::pair().expect("a socket pair");
    let mut agent = JoinSet::new();
    let (service, group) = (Echo::default().stack(), agent_tasks.clone());
    agent.spawn(async move { agent_end(carrier, far, service, &Options::default(), &group).await });
    let channel = gateway_end(carrier, near, &Options::default(), &tasks).await;
    let mut download = Caller::new(channel).download(text("200")).await.expect("a stream");
    download.message().await.expect("data").expect("data");
    agent_tasks.begin_drain();
    let mut rest = 0;
    while download.message().await.expect("a call in flight finishes").is_some() {
        rest += 1;
    }
    assert_eq!(rest, 199);
    assert_eq!(agent.join_next().await.expect("one").expect("no panic"), Ended::Drained);
}

#[tokio::test]
async fn words_about_draining_pass_beside_the_bytes() {
    let (tasks, options) = (Tasks::new(), Options::default());
    let (near, far) = UnixStream::pair().expect("a socket pair");
    let ((mut gateway_pipe, mut gateway), (mut agent_pipe, mut agent)) =
        tokio::join!(accept(near, &options, &tasks), dial(far, &options, &tasks));
    // Words come with the bytes, so somebody must read those.
    let mut reading = JoinSet::new();
    reading.spawn(async move { gateway_pipe.read_u8().await });
    reading.spawn(async move { agent_pipe.read_u8().await });
    let drain = Drain { cause: "rolling".into(), grace_ms: 5000 };
    gateway.drain(drain.clone());
    assert_eq!(agent.drained().await, drain);
    agent.draining("evicted");
    assert_eq!(gateway.draining().await.cause, "evicted");
}
