//! A caller that goes away is noticed, and harms nobody.

use futures_util::future::poll_immediate;
use gitproxy::ops::Tasks;
use tokio::task::JoinSet;

use super::echo::{Caller, Echo, HANG, UNARY, text};
use super::ends::{Carrier, open};

super::over_both! {
    a_cancel_reaches_the_handler
    a_storm_of_15000_cancelled_calls_leaves_the_tunnel_alive
}

async fn a_cancel_reaches_the_handler(carrier: Carrier) {
    let (echo, tasks) = (Echo::default(), Tasks::new());
    let channel = open(carrier, echo.stack(), &tasks).await;
    let caller = Caller::new(channel.clone());
    let mut calls = JoinSet::new();
    calls.spawn(async move { caller.unary(HANG, text("")).await });
    echo.hanging.reached(1).await;
    assert_eq!((echo.dropped.now(), channel.in_flight()), (0, 1));
    calls.shutdown().await;
    echo.dropped.reached(1).await;
    assert_eq!(channel.in_flight(), 0);
}

/// A third is given up before the handler can know, a third while it works, a third in the middle of a download.
async fn a_storm_of_15000_cancelled_calls_leaves_the_tunnel_alive(carrier: Carrier) {
    let (echo, tasks) = (Echo::default(), Tasks::new());
    let channel = open(carrier, echo.stack(), &tasks).await;
    let caller = Caller::new(channel.clone());
    for _ in 0..STORM / 3 / WAVE {
        sent_and_given_up(&caller).await;
        let begun = echo.hanging.now();
        let mut working = JoinSet::new();
        for _ in 0..WAVE {
            let caller = caller.clone();
            working.spawn(async move { caller.unary(HANG, text("")).await });
        }
        echo.hanging.reached(begun + WAVE).await;
        working.shutdown().await;
        for _ in 0..WAVE {
            let mut download = caller.download(text("")).await.expect("a stream");
            download.message().await.expect("data").expect("data");
        }
    }
    caller.unary(UNARY, text("calm")).await.expect("the tunnel lives");
    assert!(!channel.is_closed());
}

/// A wave of calls of which the other end reads the request and the reset in one go.
async fn sent_and_given_up(caller: &Caller) {
    let mut calls: Vec<_> = (0..WAVE).map(|_| Box::pin(caller.unary(HANG, text("")))).collect();
    for call in &mut calls {
        assert!(poll_immediate(call).await.is_none(), "nobody answers");
    }
    // Lets the connection write the requests, but not the other end read them.
    tokio::task::yield_now().await;
}

const STORM: usize = 15_000;
const WAVE: usize = 100;
