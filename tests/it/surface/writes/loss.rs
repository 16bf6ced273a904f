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
/// Repositories for pull requests, and in each as many branches that they come from and that they go to: 252 pairs. The
/// simulator looks at every open one of a repository whenever one is read, so that many in one would take long.
const REPOS: usize = 28;
const SIDE: usize = 3;

struct NoHeld;

impl HeldBackends for NoHeld {
    fn backend(&self, _: &Settings) -> Result<Arc<dyn Scm>, Fault> {
        Err(Fault::internal("none comes along"))
    }
}

pub(in crate::surface) fn agent(world: &World) -> Routes {
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
    let seeds = [Seed::new("Start").file("a.txt", "a"), Seed::new("Talk").on("talk").file("talk.txt", "x")];
    world.sim.add_repo("SHOP", "talk", &seeds).await.expect("a repository");
    let talk = pb::OpenPrRequest { repo: repo("talk"), ..opening("talk", "master", "Talk") };
    world.client().open_pr(talk).await.expect("a pull request");
    let mut seeds = vec![Seed::new("Start").file("a.txt", "a")];
    for number in 0..SIDE {
        seeds.push(Seed::new("Target").on(&format!("to-{number}")).file("to.txt", number.to_string()));
        seeds.push(Seed::new("Source").on(&format!("from-{number}")).file("from.txt", number.to_string()));
    }
    for number in 0..REPOS {
        world.sim.add_repo("SHOP", &format!("pulls-{number}"), &seeds).await.expect("a repository");
    }
    world
}

fn repo(slug: &str) -> Option<pb::RepoRef> {
    Some(pb::RepoRef { project: "SHOP".into(), slug: slug.into() })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_writes_with_lost_answers_leave_no_duplicate_at_two_agents() {
    let world = scene().await;
    let agents = [agent(&world), agent(&world)];
    for method in ["POST", "PUT"] {
        world.trouble(Rule::new(Trouble::DropAnswer).method(method).every(2));
    }
    let start = world.sim.commit_of("SHOP", "web", "master").await.expect("a commit");
    let branches = async {
        for number in 0..EACH {
            // Edits move master meanwhile.
            let start_point = start.clone();
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
            let (in_repo, pair) = (number % REPOS, number / REPOS);
            let (from, to) = (format!("from-{}", pair / SIDE), format!("to-{}", pair % SIDE));
            let repo = repo(&format!("pulls-{in_repo}"));
            let asked = pb::OpenPrRequest { repo, ..opening(&from, &to, "Bump") };
            let call =
                async |at: usize, request| PullRequestsClient::new(agents[at].clone()).open_pr(request).await;
            insist(asked, call).await;
        }
    };
    let comments = async {
        for number in 0..EACH {
            // Each text twice, under two keys.
            let text = format!("Look at {}", number / 2);
            let asked = pb::PostCommentRequest { repo: repo("talk"), ..comment(1, &text) };
            let call = async |at: usize, request| {
                CommentsClient::new(agents[at].clone()).post_comment(request).await
            };
            insist(asked, call).await;
        }
    };
    tokio::join!(branches, edits, openings, comments);
    all_are(&tally(&world, WriteKind::CreateBranch, |write| write.fact("branch").to_owned()), EACH, 1);
    all_are(&tally(&world, WriteKind::EditFile, |write| write.fact("path").to_owned()), EACH, 1);
    let pair =
        |write: &bitbucket_sim::Write| format!("{} {} {}", write.repo, write.fact("from"), write.fact("to"));
    all_are(&tally(&world, WriteKind::OpenPullRequest, pair), EACH + 1, 1);
    all_are(&tally(&world, WriteKind::Comment, |write| write.fact("text").to_owned()), EACH / 2, 2);
}
