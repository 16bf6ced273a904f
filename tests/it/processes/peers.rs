//! Two gateways that share a directory on NATS, seen from outside: agents attach at the far one, callers come to the near one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_nats::jetstream;
use futures_util::future::join_all;
use gitproxy::egress::ClientIdentity;
use gitproxy::ops::Tasks;
use gitproxy::proto::Reason;
use gitproxy::proto::gateway::v1::ListAgentsRequest;
use gitproxy::proto::gateway::v1::agents_client::AgentsClient;
use gitproxy::proto::scm::v1::GetRepoRequest;
use tokio::time::timeout;
use tonic::{Code, Status};

use super::fleet::{Fleet, Gateway, Part, Plan};
use super::house::{Caller, Site, web};
use super::program::Program;
use crate::tools::Nats;
use crate::world::knock::knock;
use crate::world::peers;

#[tokio::test]
async fn a_gateway_with_another_certificate_than_the_directorys_gets_no_call() {
    let Some(nats) = Nats::start().await else { return };
    let site = Site::new().await;
    // Of the same authority, and where the far one says that it is.
    let other = Gateway::start(&site, &nats.url(), "other", &[("CLUSTER_BUCKET", "other")]).await;
    let address = format!("localhost:{}", other.peers);
    let pair = Pair::of(site, nats, &[], &[("PEERS_ADVERTISE", &address)]).await;
    let _agent = pair.agent_at(&pair.far).await;
    pair.caller_at(&pair.far).await.get_repo_soon().await;
    let caller = pair.caller_at(&pair.near).await;
    let refused = async {
        while !pair.near.process.log().contains("certificate is not the one that the directory has") {
            away_at_once(&caller).await;
        }
    };
    timeout(LONG, refused).await.expect("it says why");
    away_at_once(&caller).await;
    assert!(!other.process.log().contains("a connection is refused"), "it was sent something");
}

#[tokio::test]
async fn a_stranger_with_a_certificate_of_the_same_authority_is_refused_and_the_log_says_what_to_do() {
    let Some(pair) = Pair::start().await else { return };
    let (tasks, address) = (Tasks::new(), format!("localhost:{}", pair.far.peers));
    let (ca, files) = peers::certificate(pair.site.folder());
    let stranger = ClientIdentity::open(&files, &tasks).expect("a certificate");
    let status = knock(&tasks, (&ca, Some(stranger)), &address, "acme/office/one").await;
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    let line = pair.far.process.says("a connection is refused").await;
    assert!(line.contains("`cluster.bucket`") && line.contains("fingerprint="), "{line}");
}

#[tokio::test]
async fn a_call_that_came_over_goes_no_further_and_its_mark_counts_for_peers_alone() {
    let Some(pair) = Pair::start().await else { return };
    let _agent = pair.agent_at(&pair.far).await;
    let caller = pair.caller_at(&pair.near).await;
    caller.get_repo_soon().await;
    let hop = format!("acme/office/{}", instances(&caller).await[0]);

    let mut marked = caller.ask(GetRepoRequest { repo: Some(web()) });
    marked.metadata_mut().insert("gitproxy-hop", hop.parse().expect("ASCII"));
    let status = caller.repos().get_repo(marked).await.expect_err("reserved");
    let refusal = (Code::InvalidArgument, Some(Reason::HeaderReserved));
    assert_eq!((status.code(), Reason::of(&status)), refusal, "{status:?}");

    // The near one would find the instance for a caller. For another gateway it looks at home alone.
    let tasks = Tasks::new();
    let (ca, _) = peers::certificate(pair.site.folder());
    let far = ClientIdentity::open(&pair.far.shown, &tasks).expect("a certificate");
    let (address, began) = (format!("localhost:{}", pair.near.peers), Instant::now());
    let status = knock(&tasks, (&ca, Some(far)), &address, &hop).await;
    assert_eq!((status.code(), Reason::of(&status)), AWAY, "{status:?}");
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
}

#[tokio::test]
async fn no_call_fails_while_the_gateway_drains_that_it_was_forwarded_to() {
    let Some(mut pair) = Pair::start().await else { return };
    let third = pair.third().await;
    let _agents = [pair.agent_at(&pair.far).await, pair.agent_at(&third).await];
    let caller = pair.caller_at(&pair.near).await;
    pair.forwards(&caller).await;
    let far = &mut pair.far.process;
    let failures = during(&caller, async {
        far.terminate().await;
        far.ended().await;
    });
    assert_eq!(failures.await, Vec::<String>::new());
}

#[tokio::test]
async fn no_call_fails_while_a_gateway_drains_whose_instance_is_at_both() {
    let Some(mut fleet) = Fleet::start(PLAN).await else { return };
    for name in ["gateway-0", "gateway-1"] {
        fleet.says(Part::Instance(0), &format!("attached gateway=\"{name}\""), 1).await;
    }
    for (drains, stays) in [(0, 1), (1, 0)] {
        let caller = fleet.caller_at(stays).await;
        caller.get_repo_soon().await;
        let found = format!("attached gateway=\"gateway-{drains}\"");
        let times = fleet.said(Part::Instance(0), &found);
        let failures = during(&caller, async {
            fleet.restart(Part::Gateway(drains)).await;
        });
        let failures = failures.await;
        assert_eq!(failures, Vec::<String>::new());
        fleet.says(Part::Instance(0), &found, times + 1).await;
    }
}

#[tokio::test]
async fn sessions_that_come_and_go_make_no_gateway_older() {
    let Some(pair) = Pair::start().await else { return };
    let _agent = pair.agent_at(&pair.near).await;
    let caller = pair.caller_at(&pair.far).await;
    caller.get_repo_soon().await;
    for _ in 0..8 {
        drop(pair.agent_at(&pair.far).await);
    }
    // What was killed last may still be taken for there.
    caller.get_repo_soon().await;
    let log = pair.far.process.log();
    assert!(!log.contains("another gateway is gone"), "{log}");
}

#[tokio::test]
async fn without_nats_calls_go_over_and_the_log_says_so() {
    let Some(mut pair) = Pair::start().await else { return };
    let _agent = pair.agent_at(&pair.far).await;
    let caller = pair.caller_at(&pair.near).await;
    caller.get_repo_soon().await;
    pair.nats.stop();
    for gateway in [&pair.near, &pair.far] {
        gateway.process.says("this gateway goes on with what it knows").await;
    }
    // Longer than an entry lives by its beats.
    let over = Instant::now() + Duration::from_secs(14);
    while Instant::now() < over {
        caller.get_repo().await.expect("answered without NATS");
    }
    pair.nats.resume().await;
    for gateway in [&pair.near, &pair.far] {
        gateway.process.says("NATS is back").await;
    }
    caller.get_repo().await.expect("answered");
}

#[tokio::test]
async fn an_agent_that_came_without_nats_is_found_everywhere_once_nats_is_back_though_empty() {
    let Some(mut pair) = Pair::start().await else { return };
    let caller = pair.caller_at(&pair.near).await;
    pair.nats.stop();
    for gateway in [&pair.near, &pair.far] {
        gateway.process.says("NATS is away").await;
    }
    let _agent = pair.agent_at(&pair.far).await;
    pair.caller_at(&pair.far).await.get_repo_soon().await;
    away_at_once(&caller).await;
    pair.nats.resume_empty().await;
    timeout(HEALED, caller.get_repo_soon()).await.expect("healed");
}

#[tokio::test]
async fn a_bucket_that_was_made_anew_is_noticed() {
    let Some(pair) = Pair::start().await else { return };
    let client = async_nats::connect(pair.nats.url()).await.expect("NATS");
    let context = jetstream::new(client);
    let bucket = context.get_key_value("gitproxy").await.expect("the gateways' bucket");
    // A watch goes on after what it has seen last.
    for _ in 0..200 {
        bucket.put("other", "".into()).await.expect("written");
    }
    let config = bucket.stream.cached_info().config.clone();
    context.delete_stream("KV_gitproxy").await.expect("deleted");
    context.create_stream(config).await.expect("made anew");
    let _agent = pair.agent_at(&pair.far).await;
    let caller = pair.caller_at(&pair.near).await;
    timeout(HEALED, caller.get_repo_soon()).await.expect("healed");
    pair.near.process.says("what this gateway writes does not come back").await;
    pair.near.process.says("NATS is back").await;
}

#[tokio::test]
async fn a_gateway_that_nats_refuses_says_what_to_do_serves_alone_and_heals() {
    let config = "authorization { user: u, password: right }";
    let Some(nats) = Nats::start_with(config).await else { return };
    let site = Site::new().await;
    let (wrong, right) = (site.write("near.nats", "u:mistyped"), site.write("far.nats", "u:right"));
    let login = "CLUSTER_NATS_CREDENTIALS";
    let pair = Pair::of(site, nats, &[(login, &wrong)], &[(login, &right)]).await;
    let line = pair.near.process.says("NATS is away").await;
    assert!(line.contains("check `cluster.nats_login` or the file in `cluster.nats_credentials`"), "{line}");
    let _agent = pair.agent_at(&pair.near).await;
    pair.caller_at(&pair.near).await.get_repo_soon().await;
    let caller = pair.caller_at(&pair.far).await;
    away_at_once(&caller).await;
    pair.site.write("near.nats", "u:right");
    timeout(HEALED, caller.get_repo_soon()).await.expect("healed");
    pair.near.process.says("NATS is back").await;
    assert!(!pair.near.process.log().contains("mistyped"));
}

#[tokio::test]
async fn a_killed_gateway_leaves_the_directory_and_nobody_waits_for_it() {
    let Some(mut pair) = Pair::start().await else { return };
    let _agent = pair.agent_at(&pair.far).await;
    let caller = pair.caller_at(&pair.near).await;
    caller.get_repo_soon().await;
    pair.far.process.kill();
    let gone = async {
        while !pair.near.process.log().contains("another gateway is gone") {
            let (status, took) = refused(&caller).await;
            assert_eq!(status.code(), Code::Unavailable, "{status:?}");
            assert!(took < AT_ONCE, "{took:?}: {status:?}");
        }
    };
    timeout(LONG, gone).await.expect("it leaves the directory");
    let (status, took) = refused(&caller).await;
    assert_eq!((status.code(), Reason::of(&status)), AWAY, "{status:?}");
    assert!(took < AT_ONCE, "{took:?}");
    assert_eq!(instances(&caller).await, Vec::<String>::new());
}

/// See the module.
pub(super) struct Pair {
    pub(super) site: Site,
    nats: Nats,
    pub(super) near: Gateway,
    pub(super) far: Gateway,
}

impl Pair {
    /// Starts both, and waits until they know each other; none where there is no NATS.
    pub(super) async fn start() -> Option<Self> {
        let nats = Nats::start().await?;
        let pair = Self::of(Site::new().await, nats, &[], &[]).await;
        for gateway in [&pair.near, &pair.far] {
            gateway.process.says("another gateway is there").await;
        }
        Some(pair)
    }

    /// Starts both, the near and the far one with these in their environments.
    pub(super) async fn of(
        site: Site,
        nats: Nats,
        near: &[(&'static str, &str)],
        far: &[(&'static str, &str)],
    ) -> Self {
        let [near, far] = [near, far].map(|more| [SETTINGS, more].concat());
        let near = Gateway::start(&site, &nats.url(), "near", &near).await;
        let far = Gateway::start(&site, &nats.url(), "far", &far).await;
        Self { site, nats, near, far }
    }

    /// Starts an instance that knows this gateway alone, and waits until it is attached.
    pub(super) async fn agent_at(&self, gateway: &Gateway) -> Program {
        let agent = self.site.start_agent_of(format!("https://localhost:{}", gateway.agents), UNHINDERED);
        agent.says("attached").await;
        agent
    }

    pub(super) async fn caller_at(&self, gateway: &Gateway) -> Caller {
        self.site.way(gateway.callers).caller().await.expect("a gateway")
    }

    /// Another gateway, where an agent is that the near one has to go elsewhere for: it prefers what it has itself.
    pub(super) async fn third(&self) -> Gateway {
        Gateway::start(&self.site, &self.nats.url(), "third", SETTINGS).await
    }

    /// Calls until both instances are known and the far gateway has taken a call.
    pub(super) async fn forwards(&self, caller: &Caller) {
        let forwarded = async {
            while instances(caller).await.len() < 2 || !self.far.process.log().contains("taken from a peer") {
                caller.get_repo_soon().await;
            }
        };
        timeout(LONG, forwarded).await.expect("no call goes over");
    }
}

/// Calls, eight at a time, for as long as `event` lasts, and gives what failed.
async fn during(caller: &Caller, event: impl Future<Output = ()>) -> Vec<String> {
    let over = AtomicBool::new(false);
    let calls = (0..8).map(|_| async {
        let mut failures = Vec::new();
        while !over.load(Ordering::Relaxed) {
            failures.extend(caller.get_repo().await.err().map(|status| status.to_string()));
        }
        failures
    });
    let event = async {
        event.await;
        over.store(true, Ordering::Relaxed);
    };
    tokio::join!(join_all(calls), event).0.concat()
}

/// The agent is not there for a caller, who is told at once.
async fn away_at_once(caller: &Caller) {
    let (status, took) = refused(caller).await;
    assert_eq!((status.code(), Reason::of(&status)), AWAY, "{status:?}");
    assert!(took < Duration::from_secs(4), "{took:?}");
}

async fn refused(caller: &Caller) -> (Status, Duration) {
    let began = Instant::now();
    (caller.get_repo().await.expect_err("nobody is there"), began.elapsed())
}

/// The instances of all agents, as a caller is told.
pub(super) async fn instances(caller: &Caller) -> Vec<String> {
    let mut agents = AgentsClient::with_origin(caller.channel.clone(), caller.uri.clone());
    let listed = agents.list_agents(caller.ask(ListAgentsRequest {})).await.expect("listed").into_inner();
    listed.agents.into_iter().flat_map(|agent| agent.instances).map(|instance| instance.id).collect()
}

const AWAY: (Code, Option<Reason>) = (Code::Unavailable, Some(Reason::AgentAway));
const SETTINGS: &[(&str, &str)] = &[
    ("DRAIN_SETTLE", "0"),
    ("DRAIN_GRACE", "5s"),
    ("RUST_LOG", "info,async_nats=off,gitproxy::gateway::cluster=debug"),
];
const UNHINDERED: &[(&str, &str)] =
    &[("GITPROXY_RATE_PER_SECOND", "100000"), ("GITPROXY_RATE_BURST", "100000")];
const PLAN: Plan = Plan {
    gateways: 2,
    instances: 1,
    gateway: &[("DRAIN_SETTLE", "0"), ("DRAIN_GRACE", "5s")],
    agent: UNHINDERED,
    check: Duration::from_millis(200),
};
/// No time limit of ours has run out by then.
const AT_ONCE: Duration = Duration::from_secs(1);
pub(super) const HEALED: Duration = Duration::from_secs(20);
const LONG: Duration = Duration::from_secs(30);
