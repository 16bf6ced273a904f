//! Watches of pull requests and builds, against the simulator; looks are milliseconds apart.

mod builds;
mod pull_request;
mod tunnel;

use std::pin::Pin;
use std::time::Duration;

use bitbucket_sim::{Sim, TokenSpec, Version};
use futures_util::{Stream, StreamExt as _};
use gitproxy::bitbucket::{Client, Error, Rhythm};
use gitproxy::proto::scm::v1 as pb;
use gitproxy::proto::scm::v1::watch_build_status_request::Target;
use tokio::time;

use crate::adapter::{World, pull_request, web};

/// A simulator with a pull request, and who watches it.
struct Site {
    world: World,
    client: Client,
    pr: pb::PullRequest,
}

/// What a watch tells.
struct Watch<M>(Pin<Box<dyn Stream<Item = Result<M, Error>> + Send>>);

/// What every message of a watch has.
trait Told: Clone + std::fmt::Debug {
    /// Empty in a heartbeat.
    fn token(&self) -> &str;
}

impl Told for pb::WatchPrResponse {
    fn token(&self) -> &str {
        &self.resume_token
    }
}

impl Told for pb::WatchBuildStatusResponse {
    fn token(&self) -> &str {
        &self.resume_token
    }
}

impl Site {
    async fn new(version: Version) -> Self {
        let world = World::new(version).await;
        let client = world.client().watching_at(RHYTHM);
        let pr = pull_request(&client).await;
        Self { world, client, pr }
    }

    fn watch(&self, resume_token: &str) -> Watch<pb::WatchPrResponse> {
        let asked = pb::WatchPrRequest { repo: web(), id: self.pr.id, resume_token: resume_token.to_owned() };
        Watch(Box::pin(self.client.watch_pr(asked).expect("it begins")))
    }

    /// Watches the builds of the pull request's head.
    fn watch_builds(&self, resume_token: &str) -> Watch<pb::WatchBuildStatusResponse> {
        self.watch_builds_of(Target::PrId(self.pr.id), resume_token)
    }

    fn watch_builds_of(&self, target: Target, resume_token: &str) -> Watch<pb::WatchBuildStatusResponse> {
        let asked = pb::WatchBuildStatusRequest {
            repo: web(),
            target: Some(target),
            resume_token: resume_token.to_owned(),
        };
        Watch(Box::pin(self.client.watch_build_status(asked).expect("it begins")))
    }

    fn head(&self) -> String {
        self.pr.from.as_ref().expect("a side").commit_id.clone()
    }

    async fn rename(&self, title: &str) {
        let asked = pb::UpdatePrRequest {
            repo: web(),
            id: self.pr.id,
            title: Some(title.to_owned()),
            ..Default::default()
        };
        self.client.update_pr(asked).await.expect("updated");
    }

    async fn approve(&self) {
        let bob = self.world.client_as(&self.world.sim.add_token(TokenSpec::personal("bob")));
        let status = pb::ReviewStatus::Approved.into();
        let asked = pb::ReviewPrRequest { repo: web(), id: self.pr.id, status, ..Default::default() };
        bob.review_pr(asked).await.expect("approved");
    }

    async fn report(&self, key: &str, state: pb::BuildState) {
        self.report_on(&self.head(), key, state).await;
    }

    async fn report_on(&self, commit: &str, key: &str, state: pb::BuildState) {
        let asked = pb::SetBuildStatusRequest {
            repo: web(),
            commit_id: commit.to_owned(),
            key: key.into(),
            state: state.into(),
            url: "https://ci.example/1".into(),
            ..Default::default()
        };
        self.client.set_build_status(asked).await.expect("reported");
    }

    /// Adds a commit to the pull request, and gives its id.
    async fn push(&self) -> String {
        let commit = bitbucket_sim::Commit::new("More").on("x").file("b.txt", "new\n");
        self.world.sim.add_commits("SHOP", "web", &[commit]).await.expect("a commit");
        self.world.sim.commit_of("SHOP", "web", "x").await.expect("a commit")
    }

    async fn merge(&self) {
        let asked = pb::MergePrRequest { repo: web(), id: self.pr.id, ..Default::default() };
        self.client.merge_pr(asked).await.expect("merged");
    }

    async fn decline(&self) {
        let asked = pb::DeclinePrRequest { repo: web(), id: self.pr.id, expected_version: None };
        self.client.decline_pr(asked).await.expect("declined");
    }
}

impl<M: Told> Watch<M> {
    /// The next message; fails after a while.
    async fn message(&mut self) -> Option<Result<M, Error>> {
        time::timeout(Duration::from_secs(15), self.0.next()).await.expect("a message")
    }

    /// The next message, which is no heartbeat.
    async fn state(&mut self) -> M {
        let message = self.message().await.expect("it goes on").expect("it works");
        assert!(!message.token().is_empty(), "a heartbeat: {message:?}");
        message
    }

    /// Makes sure that so many more looks at what has `part` in its path have nothing to tell.
    async fn is_quiet(&mut self, sim: &Sim, part: &str, looks: usize) {
        let until = asked(sim, part) + looks;
        let looked = async {
            while asked(sim, part) < until {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            message = self.message() => panic!("nothing happened, but {message:?}"),
            () = looked => {}
        }
    }
}

/// How often something was asked for.
fn asked(sim: &Sim, part: &str) -> usize {
    sim.requests().iter().filter(|request| request.method == "GET" && request.path.contains(part)).count()
}

/// What is asked once in each look at a pull request.
const CHECK: &str = "/pull-requests/1/merge";
/// What is asked once in each look at builds.
const BUILDS: &str = "/build-status/";

const RHYTHM: Rhythm = Rhythm {
    soonest: Duration::from_millis(5),
    latest_busy: Duration::from_millis(10),
    latest: Duration::from_millis(10),
};
