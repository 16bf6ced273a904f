//! A thousand writes whose answers are lost, tried again at two agents in turn: two cores, each with clients and a journal
//! of its own, as two processes have. The simulator's log of writes is the judge.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use bitbucket_sim::{Commit as Seed, Fault as Trouble, Rule, Version, WriteKind};
use gitproxy::proto::Fault;
use gitproxy::proto::scm::v1 as pb;
use gitproxy::proto::scm::v1::comments_client::CommentsClient;
use gitproxy::proto::scm::v1::files_client::FilesClient;
use gitproxy::proto::scm::v1::pull_requests_client::PullRequestsClient;
use gitproxy::proto::scm::v1::refs_client::RefsClient;
use gitproxy::scm::connections::{Connections, HeldBackends};
use gitproxy::scm::held::Settings;
use gitproxy::scm::{Core, Scm, backend, routes};
use tonic::service::Routes;
use tonic::{Code, Request, Response, Status};

use super::{branch, comment, edit, opening};
use crate::adapter::World;

/// So many of each of the four.
const EACH: usize = 250;
/// Branches that pull requests come from, and as many that they go to: 256 pairs.
const SIDE: usize = 16;

struct NoHeld;

impl HeldBackends for NoHeld {
    fn backend(&self, _: &Settings) -> Result<Arc<dyn Scm>, Fault> {
        Err(Fault::internal("none comes along"))
    }
}

fn agent(world: &World) -> Routes {
    let connections = Connections::new([backend::connection(world.client())], Arc::new(NoHeld));
    routes(&Arc::new(Core::new(connections)))
}

/// A new UUIDv7.
fn key() -> String {
    static MADE: AtomicU64 = AtomicU64::new(1);
    let made = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    format!("{:08x}-{:04x}-7000-8000-{number:012x}", made >> 16, made & 0xffff)
}

/// Calls until it succeeds and a second time, as if the first answer had been lost on its way to the caller: at the agents
/// in turn, with one key.
async fn insist<Q: Clone, A>(
    request: Q,
    call: impl AsyncFn(usize, Request<Q>) -> Result<Response<A>, Status>,
) {
    let key = key();
    let mut successes = 0;
    for attempt in 0..20 {
        let mut request = Request::new(request.clone());
        request.metadata_mut().insert("idempotency-key", key.parse().expect("a value"));
        match call(attempt % 2, request).await {
            Ok(_) if successes == 1 => return,
            Ok(_) => successes += 1,
            Err(status) if matches!(status.code(), Code::Unavailable | Code::Unknown) => {}
            Err(status) => panic!("{status:?}"),
        }
    }
    panic!("no success in 20 attempts");
}

/// How often each thing was written.
fn tally<K: Ord>(
    world: &World,
    kind: WriteKind,
    of: impl Fn(&bitbucket_sim::Write) -> K,
) -> BTreeMap<K, usize> {
    let mut tally = BTreeMap::new();
    for write in world.sim.writes().iter().filter(|write| write.kind == kind) {
        *tally.entry(of(write)).or_default() += 1;
    }
    tally
}

fn all_are<K: Display>(tally: &BTreeMap<K, usize>, kinds: usize, each: usize) {
    assert_eq!(tally.len(), kinds);
    for (what, times) in tally {
        assert_eq!(*times, each, "{what}");
    }
}

async fn scene() -> World {
    let world = World::new(Version::V9_4).await;
    let mut seeds = vec![Seed::new("Talk").on("talk").file("talk.txt", "x")];
    for number in 0..SIDE {
        seeds.push(Seed::new("Target").on(&format!("to-{number}")).file("to.txt", number.to_string()));
        seeds.push(Seed::new("Source").on(&format!("from-{number}")).file("from.txt", number.to_string()));
    }
    world.sim.add_commits("SHOP", "web", &seeds).await.expect("branches");
    world.client().open_pr(opening("talk", "master", "Talk")).await.expect("a pull request");
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_writes_with_lost_answers_leave_no_duplicate_at_two_agents() {
    let world = scene().await;
    let agents = [agent(&world), agent(&world)];
    for method in ["POST", "PUT"] {
        world.trouble(Rule::new(Trouble::DropAnswer).method(method).every(2));
    }
    let branches = async {
        for number in 0..EACH {
            let start_point = "to-0".to_owned();
            let asked = pb::CreateBranchRequest { start_point, ..branch(&format!("new-{number}")) };
            let call =
                async |at: usize, request| RefsClient::new(agents[at].clone()).create_branch(request).await;
            insist(asked, call).await;
        }
    };
    let edits = async {
        for number in 0..EACH {
            let asked = edit(&format!("new/{number}.txt"), &format!("{number}\n"));
            let call =
                async |at: usize, request| FilesClient::new(agents[at].clone()).edit_file(request).await;
            insist(asked, call).await;
        }
    };
    let openings = async {
        for number in 0..EACH {
            let (from, to) = (format!("from-{}", number / SIDE), format!("to-{}", number % SIDE));
            let asked = opening(&from, &to, "Bump");
            let call =
                async |at: usize, request| PullRequestsClient::new(agents[at].clone()).open_pr(request).await;
            insist(asked, call).await;
        }
    };
    let comments = async {
        for number in 0..EACH {
            // Each text twice, under two keys.
            let asked = comment(1, &format!("Look at {}", number / 2));
            let call = async |at: usize, request| {
                CommentsClient::new(agents[at].clone()).post_comment(request).await
            };
            insist(asked, call).await;
        }
    };
    tokio::join!(branches, edits, openings, comments);
    all_are(&tally(&world, WriteKind::CreateBranch, |write| write.fact("branch").to_owned()), EACH, 1);
    all_are(&tally(&world, WriteKind::EditFile, |write| write.fact("path").to_owned()), EACH, 1);
    let pair = |write: &bitbucket_sim::Write| format!("{} {}", write.fact("from"), write.fact("to"));
    all_are(&tally(&world, WriteKind::OpenPullRequest, pair), EACH + 1, 1);
    all_are(&tally(&world, WriteKind::Comment, |write| write.fact("text").to_owned()), EACH / 2, 2);
}
