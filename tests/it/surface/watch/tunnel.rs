//! Watches through gateway, tunnel and agent, in the pace that callers have.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bitbucket_sim::{Commit, Fault as Trouble, Rule};
use gitproxy::proto::scm::v1 as pb;
use gitproxy::proto::scm::v1::watch_build_status_request::Target;
use gitproxy::scm::audit::Outcome;
use gitproxy::scm::{Audit, Command};
use tokio::sync::Notify;
use tokio::time;
use tonic::{Code, Streaming};

use super::asked;
use crate::commands::{opening, web};
use crate::world::{Caller, World};

/// Keeps how watches end.
#[derive(Clone, Default)]
struct Ends {
    codes: Arc<Mutex<Vec<Code>>>,
    news: Arc<Notify>,
}

impl Audit for Ends {
    fn begin(&self, _: &Command) {}

    fn end(&self, command: &Command, outcome: &Outcome) {
        if command.method.path.contains("/Watch") {
            self.codes.lock().expect("nobody panicked").push(outcome.code);
            self.news.notify_one();
        }
    }
}

impl Ends {
    /// Waits until so many have ended.
    async fn are(&self, count: usize) -> Vec<Code> {
        let ended = async {
            loop {
                let codes = self.codes.lock().expect("nobody panicked").clone();
                if codes.len() >= count {
                    return codes;
                }
                self.news.notified().await;
            }
        };
        time::timeout(Duration::from_secs(15), ended).await.expect("the watches end")
    }
}

/// Opens a pull request from a new branch of this name.
async fn open(world: &World, caller: &Caller, branch: &str) -> i64 {
    let commit = Commit::new("Bump").on(branch).file(&format!("{branch}.txt"), "new\n");
    world.sim.add_commits("SHOP", "web", &[commit]).await.expect("a commit");
    let opened = caller.pull_requests().open_pr(caller.ask(opening(branch))).await.expect("opened");
    opened.into_inner().pull_request.expect("named").id
}

async fn rename(caller: &Caller, id: i64, title: &str) {
    let asked = pb::UpdatePrRequest { repo: web(), id, title: Some(title.to_owned()), ..Default::default() };
    caller.pull_requests().update_pr(caller.ask(asked)).await.expect("renamed");
}

async fn watch(caller: &Caller, id: i64, resume_token: &str) -> Streaming<pb::WatchPrResponse> {
    let asked = pb::WatchPrRequest { repo: web(), id, resume_token: resume_token.to_owned() };
    let mut client = caller.pull_requests();
    let begun = client.watch_pr(caller.ask(asked));
    time::timeout(SOON, begun).await.expect("it begins at once").expect("it begins").into_inner()
}

async fn watch_builds(caller: &Caller, id: i64) -> Streaming<pb::WatchBuildStatusResponse> {
    let asked =
        pb::WatchBuildStatusRequest { repo: web(), target: Some(Target::PrId(id)), ..Default::default() };
    let mut client = caller.builds();
    let begun = client.watch_build_status(caller.ask(asked));
    time::timeout(SOON, begun).await.expect("it begins at once").expect("it begins").into_inner()
}

/// The title that the next message tells; empty for a heartbeat.
async fn title(watch: &mut Streaming<pb::WatchPrResponse>) -> (String, String) {
    let message = time::timeout(Duration::from_secs(30), watch.message()).await.expect("a message");
    let message = message.expect("it works").expect("it goes on");
    let title = message.status.and_then(|status| status.pull_request).map(|pr| pr.title);
    (title.unwrap_or_default(), message.resume_token)
}

#[tokio::test]
async fn a_broken_stream_is_taken_up_where_it_broke() {
    let world = World::start().await;
    let caller = world.caller().await;
    let id = open(&world, &caller, "bump").await;
    // On a connection of its own, which breaks.
    let other = world.caller().await;
    let mut stream = watch(&other, id, "").await;
    assert_eq!(title(&mut stream).await.0, "Bump");
    rename(&caller, id, "Bump it").await;
    let (told, token) = title(&mut stream).await;
    assert_eq!(told, "Bump it");
    drop((stream, other));
    let mut stream = watch(&caller, id, &token).await;
    assert_eq!(title(&mut stream).await, Default::default(), "nothing happened: a sign of life");
    drop(stream);
    rename(&caller, id, "Bump it up").await;
    let mut stream = watch(&caller, id, &token).await;
    let (told, token) = title(&mut stream).await;
    assert_eq!(told, "Bump it up");
    let decline = pb::DeclinePrRequest { repo: web(), id, expected_version: None };
    caller.pull_requests().decline_pr(caller.ask(decline)).await.expect("declined");
    title(&mut stream).await;
    assert!(stream.message().await.expect("it ends well").is_none());
    let mut stream = watch(&caller, id, &token).await;
    title(&mut stream).await;
    assert!(stream.message().await.expect("it ends well").is_none());
}

#[tokio::test]
async fn nobody_looks_for_a_caller_who_has_left() {
    let ends = Ends::default();
    let world = World::with(|plan| plan.audit(ends.clone()).local("main")).await;
    let caller = world.caller().await;
    let (left, kept) = (open(&world, &caller, "left").await, open(&world, &caller, "kept").await);
    let (mut pull_request, mut builds) = (watch(&caller, left, "").await, watch_builds(&caller, left).await);
    title(&mut pull_request).await;
    builds.message().await.expect("it works").expect("a state");
    drop((pull_request, builds));
    assert_eq!(ends.are(2).await, [Code::Cancelled, Code::Cancelled]);
    let path = format!("/pull-requests/{left}");
    let before = asked(&world.sim, &path);
    // Another watch is the clock: with its second change it has looked again twice, and the others would have too.
    let mut clock = watch(&caller, kept, "").await;
    for expected in ["Bump", "once", "twice"] {
        assert_eq!(title(&mut clock).await.0, expected);
        rename(&caller, kept, if expected == "Bump" { "once" } else { "twice" }).await;
    }
    assert_eq!(asked(&world.sim, &path), before);
}

#[tokio::test]
async fn a_watch_begins_though_bitbucket_says_nothing() {
    let ends = Ends::default();
    let world = World::with(|plan| plan.audit(ends.clone()).local("main")).await;
    let caller = world.caller().await;
    let id = open(&world, &caller, "bump").await;
    world.sim.knobs().add(Rule::new(Trouble::Stall).path("/pull-requests/"));
    let begun = (watch(&caller, id, "").await, watch_builds(&caller, id).await);
    drop(begun);
    assert_eq!(ends.are(2).await, [Code::Cancelled, Code::Cancelled]);
}

/// Before a first attempt at a look would have ended.
const SOON: Duration = Duration::from_secs(10);
