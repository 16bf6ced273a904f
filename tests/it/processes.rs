//! Both programs as processes of their own, and what happens to the others when one of them ends.

mod downloads;
#[expect(dead_code, reason = "the benchmark uses more of it")]
pub(crate) mod fleet;
pub(crate) mod house;
#[expect(dead_code, reason = "the benchmark uses more of it")]
mod line;
#[expect(dead_code, reason = "the benchmark uses more of it")]
mod load;
mod peers;
pub(crate) mod program;
mod rolling;
mod silence;
mod storm;
#[expect(dead_code, reason = "the benchmark uses more of it")]
mod watches;

use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use bitbucket_sim::{Fault, Rule};
use futures_util::future::join_all;
use gitproxy::proto::Reason;
use tokio::time::timeout;
use tonic::Code;

use self::house::{Caller, House};
use self::program::Program;

#[tokio::test]
async fn a_gateway_that_was_killed_and_started_again_is_served_by_the_same_agent() {
    let mut house = House::new().await;
    let agent = house.start_agent(&[]);
    house.caller().await.get_repo_soon().await;
    let first = agent.says("attached").await;
    house.gateway.kill();
    house.gateway.ended().await;
    agent.says("the session ended").await;
    house.start_gateway_again().await;
    let answer = house.caller().await.get_repo_soon().await;
    assert!(answer.repo.is_some());
    let attached = agent.log().lines().filter(|line| line.contains("life: attached")).count();
    assert_eq!(attached, 2, "{first} … {}", agent.log());
}

#[tokio::test]
async fn the_folders_that_the_chart_names_are_trusted_side_by_side_without_hash_links() {
    let house = House::new().await;
    let folders = as_the_chart_mounts_them(&house);
    let agent = house.start_agent(&[("SSL_CERT_DIR", &folders), ("CUSTOM_CA_CERT_FILE", "")]);
    // The gateway is of the authority in the second folder, the simulator of the one in the first.
    assert!(house.caller().await.get_repo_soon().await.repo.is_some());
    for folder in folders.split(':') {
        let counted = |line: &str| line.contains(folder) && line.contains("certificates=1");
        assert!(agent.log().lines().any(counted), "{folder}: {}", agent.log());
    }
}

#[tokio::test]
async fn the_calls_in_flight_of_an_agent_that_was_killed_fail_within_100_ms() {
    let house = House::new().await;
    let mut rounds = Vec::new();
    // The median counts: another test may have the processor in one of the rounds.
    for _ in 0..3 {
        let mut agent = house.start_agent(&[]);
        let caller = house.caller().await;
        caller.get_repo_soon().await;
        rounds.push(killed_in_flight(&house, &mut agent, &caller).await);
    }
    rounds.sort();
    assert!(rounds[1] <= Duration::from_millis(100), "{rounds:?}");
}

#[tokio::test]
async fn sigterm_lets_the_calls_of_an_agent_finish_and_then_exits_0() {
    let house = House::new().await;
    let mut agent = house.start_agent(&[]);
    let caller = house.caller().await;
    caller.get_repo_soon().await;
    house.sim.knobs().add(Rule::new(Fault::Delay(Duration::from_secs(1))).path("/repos/web"));
    let seen = house.sim.request_count();
    let (answer, ()) = tokio::join!(async { (caller.get_repo().await, agent.log()) }, async {
        requested(&house, seen + 1).await;
        agent.terminate().await;
    });
    let (answer, log) = answer;
    assert!(answer.expect("the call finishes").repo.is_some());
    assert!(log.contains("draining"), "it was asked to stop only after the call:\n{log}");
    let status = agent.ended().await;
    assert_eq!(status.code(), Some(0), "{}", agent.log());
    let refused = caller.get_repo().await.expect_err("nobody is there");
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
}

#[tokio::test]
async fn sigterm_of_a_gateway_with_an_agent_exits_0() {
    let mut house = House::new().await;
    let agent = house.start_agent(&[]);
    house.caller().await.get_repo_soon().await;
    house.gateway.terminate().await;
    let status = house.gateway.ended().await;
    assert_eq!(status.code(), Some(0), "{}", house.gateway.log());
    // It was told in time, and did not find out by itself.
    agent.says("attaching elsewhere").await;
}

/// Kills the agent when [`CALLS`] calls hang at the simulator, and says how long the last of them took to fail.
async fn killed_in_flight(house: &House, agent: &mut Program, caller: &Caller) -> Duration {
    house.sim.knobs().add(Rule::new(Fault::Stall).path("/repos/web"));
    let seen = house.sim.request_count();
    let calls = async {
        let failed = join_all((0..CALLS).map(|_| caller.get_repo())).await;
        (failed, Instant::now())
    };
    let kill = async {
        requested(house, seen + CALLS).await;
        agent.kill();
        Instant::now()
    };
    let ((failed, ended), killed) =
        timeout(PATIENCE, async { tokio::join!(calls, kill) }).await.expect("the calls fail");
    for outcome in failed {
        let status = outcome.expect_err("its agent is dead");
        assert_eq!(
            (status.code(), Reason::of(&status)),
            (Code::Unavailable, Some(Reason::TunnelLost)),
            "{status}"
        );
    }
    assert!(!agent.ended().await.success());
    house.sim.knobs().clear();
    ended - killed
}

/// Waits until the simulator has been asked `count` times.
async fn requested(house: &House, count: u64) {
    let asked = async {
        while house.sim.request_count() < count {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, asked).await.expect("the simulator is asked");
}

const CALLS: u64 = 16;
const PATIENCE: Duration = Duration::from_secs(20);

/// `SSL_CERT_DIR` as the chart sets it, `/etc/ssl/certs:/etc/backline/ca`: in the first a public authority as Debian
/// keeps it, in the second `ca.crt` as Kubernetes mounts it.
fn as_the_chart_mounts_them(house: &House) -> String {
    let file = |name: &str| house.folder().join(name);
    let (certs, ca) = (file("ssl/certs"), file("backline/ca"));
    fs::create_dir_all(&certs).expect("a folder");
    fs::create_dir_all(ca.join("..v1")).expect("a folder");
    symlink(file("sim.pem"), certs.join("public.pem")).expect("a link");
    fs::copy(file("sim.pem"), certs.join("ca-certificates.crt")).expect("a copy");
    fs::copy(file("ca.pem"), ca.join("..v1/ca.crt")).expect("a copy");
    symlink("..v1", ca.join("..data")).expect("a link");
    symlink("..data/ca.crt", ca.join("ca.crt")).expect("a link");
    format!("{}:{}", certs.display(), ca.display())
}
