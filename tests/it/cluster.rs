//! Two gateways that share their directory on a real NATS: the agent is at one, callers come to the other.

use std::time::Duration;

use gitproxy::egress::ClientIdentity;
use gitproxy::gateway::Gateway;
use gitproxy::gateway::cluster::Config;
use gitproxy::proto::Reason;
use gitproxy::proto::scm::v1 as pb;
use gitproxy::tunnel::is_unprocessed;
use tokio::time::{Instant, timeout};
use tonic::{Code, Status};

use crate::commands::{opening, web};
use crate::tools::Nats;
use crate::world::knock::{ask, connect, knock};
use crate::world::{Caller, World, peers};

#[tokio::test]
async fn a_call_reaches_an_agent_at_the_other_gateway() {
    let Some(nats) = Nats::start().await else { return };
    let (world, far) = cluster(&nats).await;
    let caller = world.caller_at(&far).await;
    caller.sees("site", 1).await;

    get_repo(&caller, web()).await.expect("answered");

    let nowhere = Some(pb::RepoRef { project: "SHOP".into(), slug: "nowhere".into() });
    let status = get_repo(&caller, nowhere).await.expect_err("there is none");
    assert_eq!(
        (status.code(), Reason::of(&status)),
        (Code::NotFound, Some(Reason::RepoNotFound)),
        "{status:?}"
    );

    let asked = pb::GetFileRequest { repo: web(), path: "a.txt".into(), at: String::new() };
    let mut download = caller.files().get_file(caller.ask(asked)).await.expect("a file").into_inner();
    let mut messages = 0;
    while download.message().await.expect("all of it").is_some() {
        messages += 1;
    }
    assert!(messages > 0);
}

#[tokio::test]
async fn a_watch_that_is_given_up_and_a_deadline_end_at_the_agent_too() {
    let Some(nats) = Nats::start().await else { return };
    let (world, far) = cluster(&nats).await;
    let caller = world.caller_at(&far).await;
    caller.sees("site", 1).await;
    let asked = pb::WatchPrRequest { repo: web(), id: pull_request(&caller).await, ..Default::default() };
    let mut late = caller.ask(asked.clone());
    late.set_timeout(Duration::from_millis(400));
    let began = Instant::now();
    let mut watch = caller.pull_requests().watch_pr(late).await.expect("a watch").into_inner();
    let ended = loop {
        match watch.message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("a watch has no end"),
            Err(status) => break status,
        }
    };
    assert_eq!(ended.code(), Code::DeadlineExceeded, "{ended:?}");
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());

    let mut watch = caller.pull_requests().watch_pr(caller.ask(asked)).await.expect("a watch").into_inner();
    watch.message().await.expect("a message");
    assert!(in_flight(&world).await > 0);
    drop(watch);
    until(|| async { in_flight(&world).await == 0 }).await;
}

#[tokio::test]
async fn calls_in_flight_outlive_the_entries_of_a_gateway_that_only_fell_silent() {
    let Some(nats) = Nats::start().await else { return };
    // It beats once.
    let once = |config, _: &_| Config { beat: Duration::from_secs(3600), ..config };
    let world = World::with(|plan| plan.local("main").cluster_with(&nats.url(), once)).await;
    let far = world.another(&nats.url()).await;
    let (near, caller) = (world.caller().await, world.caller_at(&far).await);
    caller.sees("site", 1).await;
    let id = pull_request(&near).await;
    let asked = pb::WatchPrRequest { repo: web(), id, ..Default::default() };
    let mut watch = caller.pull_requests().watch_pr(caller.ask(asked)).await.expect("a watch").into_inner();
    watch.message().await.expect("a message");

    until(|| async { instances(&caller).await == 0 }).await;
    let comment =
        pb::PostCommentRequest { repo: web(), pr_id: id, text: "still there?".into(), ..Default::default() };
    near.comments().post_comment(near.ask(comment)).await.expect("commented");
    watch.message().await.expect("the watch goes on").expect("a change");
}

#[tokio::test]
async fn entries_of_a_dead_gateway_vanish() {
    let Some(nats) = Nats::start().await else { return };
    let (world, far) = cluster(&nats).await;
    let tasks = gitproxy::ops::Tasks::new();
    let survivor = world.another_in(&nats.url(), &tasks).await;
    let token = world.caller_token("acme/caller").clone();
    let url = crate::world::url(survivor.callers_addr());
    let caller = Caller::dial(&url, &world.roots, token, &tasks).await;
    caller.sees("site", 1).await;
    // As a kill does: nobody says goodbye.
    world.tasks.cut();
    let began = Instant::now();
    until(|| async { instances(&caller).await == 0 }).await;
    let status = get_repo(&caller, web()).await.expect_err("away");
    assert_eq!(Reason::of(&status), Some(Reason::AgentAway), "{status:?}");
    assert!(began.elapsed() < peers::BEAT * 20, "{:?}", began.elapsed());
    drop(far);
    tasks.cut();
}

#[tokio::test]
async fn calls_go_on_without_nats_and_it_heals() {
    let Some(mut nats) = Nats::start().await else { return };
    let (world, far) = cluster(&nats).await;
    let caller = world.caller_at(&far).await;
    caller.sees("site", 1).await;
    // By now each knows the other: who is not in the directory yet is not let in.
    get_repo(&caller, web()).await.expect("answered");
    nats.stop();
    let until_then = Instant::now() + peers::BEAT * 12;
    while Instant::now() < until_then {
        get_repo(&caller, web()).await.expect("answered without NATS");
    }
    nats.resume().await;
    // Who comes now learns of the agent from the healed directory alone.
    let third = world.another(&nats.url()).await;
    let caller = world.caller_at(&third).await;
    timeout(LONG, caller.sees("site", 1)).await.expect("healed");
    get_repo(&caller, web()).await.expect("answered");
}

#[tokio::test]
async fn a_gateway_starts_without_nats() {
    let Some(mut nats) = Nats::start().await else { return };
    nats.stop();
    let (world, far) = cluster(&nats).await;
    get_repo(&world.caller().await, web()).await.expect("its own agent");
    nats.resume().await;
    let caller = world.caller_at(&far).await;
    timeout(LONG, caller.sees("site", 1)).await.expect("found once NATS is there");
}

#[tokio::test]
async fn a_drained_gateway_takes_its_entries_with_it() {
    let Some(nats) = Nats::start().await else { return };
    let (mut world, far) = cluster(&nats).await;
    let caller = world.caller_at(&far).await;
    caller.sees("site", 1).await;
    let third = world.another(&nats.url()).await;
    let gone = std::mem::replace(&mut world.gateway, third);
    gone.drain().await;
    let ended = async { while get_repo(&caller, web()).await.is_ok() {} };
    timeout(LONG, ended).await.expect("no session is left");
    let status = get_repo(&caller, web()).await.expect_err("away");
    assert_eq!(Reason::of(&status), Some(Reason::AgentAway), "{status:?}");
}

#[tokio::test]
async fn the_mark_of_a_hop_is_refused_at_the_callers_door() {
    let Some(nats) = Nats::start().await else { return };
    let (world, _far) = cluster(&nats).await;
    let caller = world.caller().await.having("gitproxy-hop", "acme/site/one");
    let status = get_repo(&caller, web()).await.expect_err("refused");
    assert_eq!((status.code(), Reason::of(&status)), (Code::InvalidArgument, Some(Reason::HeaderReserved)));
}

#[tokio::test]
async fn a_gateway_in_no_live_entry_hears_that_nothing_was_done() {
    let Some(nats) = Nats::start().await else { return };
    let world = World::with(|plan| plan.local("main").cluster(&nats.url())).await;
    let (config, listener) = peers::join(&nats.url(), world.folder(), &world.tasks);
    let advertise = config.advertise.clone();
    let _gateway = world.gateway_with((config, listener), &world.tasks).await;
    // Of the right authority, but no gateway's.
    let (ca, files) = peers::certificate(world.folder());
    let stranger = ClientIdentity::open(&files, &world.tasks).expect("a certificate");
    let status = knock(&world.tasks, (&ca, Some(stranger)), &advertise, "acme/site/one").await;
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(is_unprocessed(&status), "{status:?}");
    // Without a certificate there is no connection.
    let status = knock(&world.tasks, (&ca, None), &advertise, "acme/site/one").await;
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(!is_unprocessed(&status), "{status:?}");
}

#[tokio::test]
async fn the_connection_of_a_gateway_that_is_gone_takes_no_call_and_ends() {
    let Some(nats) = Nats::start().await else { return };
    let world = World::with(|plan| plan.local("main").cluster(&nats.url())).await;
    let (called, listener) = peers::join(&nats.url(), world.folder(), &world.tasks);
    let advertise = called.advertise.clone();
    let _called = world.gateway_with((called, listener), &world.tasks).await;
    let (config, listener) = peers::join(&nats.url(), world.folder(), &world.tasks);
    let (ca, identity) = (peers::certificate(world.folder()).0, config.identity.clone());
    let third = world.gateway_with((config, listener), &world.tasks).await;

    let channel = connect(&world.tasks, (&ca, Some(identity)), &advertise).await.expect("a connection");
    let status = ask(&channel, "acme/site/none").await;
    assert!(is_unprocessed(&status) && status.message().contains("has left"), "{status:?}");
    assert!(!channel.is_closed());

    third.drain().await;
    let refused = async {
        while !channel.is_closed() {
            assert!(is_unprocessed(&ask(&channel, "acme/site/none").await))
        }
    };
    timeout(LONG, refused).await.expect("the connection ends");
}

#[tokio::test]
async fn a_call_makes_no_second_hop() {
    let Some(nats) = Nats::start().await else { return };
    let world = World::with(|plan| plan.local("main").cluster(&nats.url())).await;
    let (between, listener) = peers::join(&nats.url(), world.folder(), &world.tasks);
    let advertise = between.advertise.clone();
    let between = world.gateway_with((between, listener), &world.tasks).await;
    let caller = world.caller_at(&between).await;
    caller.sees("site", 1).await;
    get_repo(&caller, web()).await.expect("the first hop");
    let asked = gitproxy::proto::gateway::v1::ListAgentsRequest {};
    let listed = caller.agents().list_agents(caller.ask(asked)).await.expect("listed").into_inner();
    let hop = format!("acme/site/{}", listed.agents[0].instances[0].id);

    // A gateway of the directory asks the one that does not hold the instance.
    let (config, listener) = peers::join(&nats.url(), world.folder(), &world.tasks);
    let identity = config.identity.clone();
    let _third = world.gateway_with((config, listener), &world.tasks).await;
    let (ca, _) = peers::certificate(world.folder());
    let status = knock(&world.tasks, (&ca, Some(identity)), &advertise, &hop).await;
    assert_eq!(Reason::of(&status), Some(Reason::AgentAway), "{status:?}");
}

/// A world whose agent is at its own gateway, and another gateway.
async fn cluster(nats: &Nats) -> (World, Gateway) {
    let world = World::with(|plan| plan.local("main").cluster(&nats.url())).await;
    let far = world.another(&nats.url()).await;
    (world, far)
}

async fn get_repo(caller: &Caller, repo: Option<pb::RepoRef>) -> Result<(), Status> {
    caller.repos().get_repo(caller.ask(pb::GetRepoRequest { repo })).await.map(drop)
}

async fn pull_request(caller: &Caller) -> i64 {
    let branch = pb::CreateBranchRequest { repo: web(), name: "x".into(), start_point: "master".into() };
    caller.refs().create_branch(caller.ask(branch)).await.expect("a branch");
    let edit = pb::EditFileRequest {
        repo: web(),
        branch: "x".into(),
        path: "b.txt".into(),
        content: "new".into(),
        message: "b".into(),
        ..Default::default()
    };
    caller.files().edit_file(caller.ask(edit)).await.expect("a commit");
    let opened = caller.pull_requests().open_pr(caller.ask(opening("x"))).await.expect("opened");
    opened.into_inner().pull_request.expect("one").id
}

/// How many instances of agents the gateway knows that this caller calls.
async fn instances(caller: &Caller) -> usize {
    let asked = gitproxy::proto::gateway::v1::ListAgentsRequest {};
    let listed = caller.agents().list_agents(caller.ask(asked)).await.expect("listed").into_inner();
    listed.agents.iter().map(|agent| agent.instances.len()).sum()
}

/// Calls in flight at the agent's own gateway.
async fn in_flight(world: &World) -> u32 {
    let caller = world.caller_named("acme/operator").await;
    let asked = gitproxy::proto::gateway::v1::ListAgentsRequest {};
    let listed = caller.agents().list_agents(caller.ask(asked)).await.expect("listed").into_inner();
    listed.agents.iter().flat_map(|agent| &agent.instances).map(|instance| instance.in_flight).sum()
}

async fn until<F: Future<Output = bool>>(happens: impl Fn() -> F) {
    let waits = async {
        while !happens().await {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, waits).await.expect("it never happened");
}

const LONG: Duration = Duration::from_secs(20);
