//! Whole watches, with the times that the contract promises.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::{join_all, try_join_all};
use tokio::time::{self, Instant};

use super::testing::{Bitbucket, HEAD, Messages, Told, of_builds, of_pull_request, web};
use super::*;
use crate::proto::{Fault, Reason};

const SECOND: Duration = Duration::from_secs(1);

/// What is told otherwise.
type Change = fn(&mut Told);

/// The next message that is no heartbeat, and how long it took.
async fn news<M>(watch: &mut Messages<M>, is_heartbeat: fn(&M) -> bool) -> (M, Duration) {
    let began = Instant::now();
    loop {
        let message = watch.next().await.expect("it goes on").expect("it works");
        if !is_heartbeat(&message) {
            return (message, began.elapsed());
        }
    }
}

fn of_pr(message: &pb::WatchPrResponse) -> bool {
    message.status.is_none()
}

fn of_commit(message: &pb::WatchBuildStatusResponse) -> bool {
    message.commit_id.is_empty()
}

/// A watch of the pull request that has not seen anything for an hour.
async fn at_rest(bitbucket: &Bitbucket) -> Messages<pb::WatchPrResponse> {
    let mut watch = of_pull_request(&bitbucket.client());
    news(&mut watch, of_pr).await;
    assert!(time::timeout(3600 * SECOND, news(&mut watch, of_pr)).await.is_err(), "nothing happened");
    watch
}

#[tokio::test(start_paused = true)]
async fn every_change_of_a_pull_request_shows_within_a_minute_and_an_armed_merge_within_five() {
    let changes: [(Change, u64); 5] = [
        (|told| told.veto = Some("Not enough approvals"), 60),
        (|told| told.outcome = "UNKNOWN", 60),
        (|told| told.builds = vec!["FAILED"], 60),
        (|told| told.title = "Bump it", 60),
        (|told| told.armed = true, 300),
    ];
    for (number, (change, seconds)) in changes.into_iter().enumerate() {
        let bitbucket = Bitbucket::default();
        let mut watch = at_rest(&bitbucket).await;
        change(&mut bitbucket.lock());
        let (_, took) = news(&mut watch, of_pr).await;
        assert!(took <= Duration::from_secs(seconds), "change {number} took {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_soon_after_another_shows_within_seconds() {
    let bitbucket = Bitbucket::default();
    let mut watch = at_rest(&bitbucket).await;
    bitbucket.lock().title = "Bump it";
    news(&mut watch, of_pr).await;
    bitbucket.lock().veto = Some("Not enough approvals");
    let (changed, took) = news(&mut watch, of_pr).await;
    let blockers = changed.status.expect("no heartbeat").blockers;
    assert_eq!(blockers[0].summary, "Not enough approvals");
    assert!(took <= 2 * SECOND, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn every_change_of_a_build_shows_within_a_minute_and_of_one_that_runs_within_a_quarter() {
    for (state, seconds) in [("SUCCESSFUL", 60), ("INPROGRESS", 15)] {
        let bitbucket = Bitbucket::default();
        bitbucket.lock().builds = vec![state];
        let mut watch = of_builds(&bitbucket.client(), Target::CommitId(HEAD.into()));
        news(&mut watch, of_commit).await;
        assert!(time::timeout(3600 * SECOND, news(&mut watch, of_commit)).await.is_err());
        bitbucket.lock().builds = vec!["FAILED"];
        let (changed, took) = news(&mut watch, of_commit).await;
        assert_eq!(changed.state(), pb::BuildState::Failed);
        assert!(took <= Duration::from_secs(seconds), "{state} took {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_begins_before_anything_is_asked_and_is_heard_of_in_a_burst() {
    let bitbucket = Bitbucket::default();
    let client = bitbucket.client();
    let calls = (0..250).map(|_| client.get_repo(pb::GetRepoRequest { repo: web() }));
    let burst = join_all(calls);
    let watches: Vec<_> = (0..10).map(|_| of_pull_request(&client)).collect();
    assert_eq!(bitbucket.asked(), [""; 0], "it has begun");
    let (_, waits) = tokio::join!(burst, try_join_all(watches.into_iter().map(waits)));
    let longest = waits.expect("they work").into_iter().max().expect("some");
    assert!(longest > 20 * SECOND, "the burst was not long enough: {longest:?}");
}

/// How long it takes until the present state is told; there is something to hear every 20 seconds.
async fn waits(mut watch: Messages<pb::WatchPrResponse>) -> Result<Duration, Error> {
    let began = Instant::now();
    loop {
        let next = time::timeout(20 * SECOND, watch.next()).await.expect("20 s of silence");
        if next.expect("it goes on")?.status.is_some() {
            return Ok(began.elapsed());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_pull_request_that_is_not_there_ends_it_with_the_reason() {
    let client = Bitbucket::default().client();
    let asked = pb::WatchPrRequest { repo: web(), id: 9, ..Default::default() };
    let told: Vec<_> = client.watch_pr(asked).expect("it begins").collect().await;
    let [Err(error)] = <[_; 1]>::try_from(told).expect("one message") else { panic!("it has a state") };
    assert_eq!(Fault::from(error).reason(), Reason::PrNotFound);
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_the_request_itself_refuses_it() {
    let client = Bitbucket::default().client();
    let good = pb::WatchPrRequest { repo: web(), id: 7, ..Default::default() };
    let no_id = pb::WatchPrRequest { id: 0, ..good.clone() };
    let odd = pb::WatchPrRequest { resume_token: "odd".into(), ..good.clone() };
    let first = news(&mut of_pull_request(&client), of_pr).await.0;
    let elsewhere = pb::WatchPrRequest { id: 8, resume_token: first.resume_token, ..good };
    for (asked, reason) in [
        (no_id, Reason::InvalidField),
        (odd, Reason::ResumeTokenInvalid),
        (elsewhere, Reason::ResumeTokenInvalid),
    ] {
        let refused = client.watch_pr(asked).err().expect("refused");
        assert_eq!(Fault::from(refused).reason(), reason);
    }
}
