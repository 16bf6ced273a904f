//! The rate budget against a simulator with a limiter: what is sent is what Bitbucket takes.
//!
//! The limiter has Bitbucket's burst and ten times its rate, where somebody waits for it.

use std::time::Duration;

use bitbucket_sim::RateLimit;
use futures_util::future::{join, join_all};
use gitproxy::bitbucket::Rate;
use gitproxy::proto::Reason;
use gitproxy::proto::scm::v1 as pb;
use tonic::Status;
use tonic_types::StatusExt as _;

use crate::world::{Caller, World};

#[tokio::test]
async fn a_burst_waits_for_its_turn_and_nobody_is_refused() {
    let world = limited(1, 50).await;
    let outcomes = burst(&world.caller().await, 200, Duration::from_secs(50)).await;
    let failed: Vec<_> = outcomes.into_iter().filter_map(Result::err).collect();
    assert!(failed.is_empty(), "{} failed: {:?}", failed.len(), failed[0]);
    assert_eq!(refusals(&world), 0);
}

#[tokio::test]
async fn two_instances_of_an_agent_together_keep_to_one_budget() {
    let world = limited(2, 50).await;
    let outcomes = burst(&world.caller().await, 200, Duration::from_secs(50)).await;
    let failed: Vec<_> = outcomes.into_iter().filter_map(Result::err).collect();
    assert!(failed.is_empty(), "{} failed: {:?}", failed.len(), failed[0]);
    assert_eq!(refusals(&world), 0);
}

#[tokio::test]
async fn two_tokens_of_one_user_keep_to_one_budget_once_bitbucket_has_said_whose_they_are() {
    let rate = Rate { burst: 60, per_second: 50 };
    let world = World::with(|plan| plan.rate(rate).local("main").held("own").token_of("alice")).await;
    limit(&world, rate);
    let caller = world.caller().await;
    let [one, other] = ["main", "own"].map(|connection| caller.clone().on(connection));
    for first in [&one, &other] {
        assert!(burst(first, 1, Duration::from_secs(50)).await.iter().all(Result::is_ok));
    }
    let limit = Duration::from_secs(50);
    let outcomes = join(burst(&one, 100, limit), burst(&other, 100, limit)).await;
    let failed: Vec<_> = outcomes.0.into_iter().chain(outcomes.1).filter_map(Result::err).collect();
    assert!(failed.is_empty(), "{} failed: {:?}", failed.len(), failed[0]);
    assert_eq!(refusals(&world), 0);
}

#[tokio::test]
async fn a_call_that_cannot_wait_is_told_at_once_when_to_come_back() {
    let world = limited(1, 1).await;
    let caller = world.caller().await;
    assert!(burst(&caller, 54, Duration::from_secs(30)).await.iter().all(Result::is_ok));
    let outcomes = burst(&caller, 20, Duration::from_secs(2)).await;
    let failed: Vec<_> = outcomes.into_iter().filter_map(Result::err).collect();
    // A token comes each second, and a few came while the first burst was answered.
    assert!(failed.len() >= 10, "only {} failed", failed.len());
    for status in failed {
        assert_eq!(Reason::of(&status), Some(Reason::RateLimited), "{status:?}");
        let delay = status.get_details_retry_info().and_then(|info| info.retry_delay);
        assert!(delay.is_some_and(|delay| delay > Duration::from_secs(1)), "{delay:?}");
    }
    assert_eq!(refusals(&world), 0);
}

/// So many calls of one request each, all at once.
async fn burst(caller: &Caller, count: usize, limit: Duration) -> Vec<Result<(), Status>> {
    let call = |_| async move {
        let repo = Some(pb::RepoRef { project: "SHOP".into(), slug: "web".into() });
        let mut request = caller.ask(pb::GetRepoRequest { repo });
        request.set_timeout(limit);
        caller.repos().get_repo(request).await.map(drop)
    };
    join_all((0..count).map(call)).await
}

async fn limited(instances: usize, per_second: u32) -> World {
    let rate = Rate { burst: 60, per_second };
    let world = World::with(|plan| plan.rate(rate).instances(instances).local("main")).await;
    limit(&world, rate);
    world
}

/// Lets the simulator refuse what goes beyond.
fn limit(world: &World, rate: Rate) {
    let limit = RateLimit { capacity: rate.burst, per_second: rate.per_second.into(), retry_after: true };
    world.sim.knobs().rate_limit(Some(limit));
}

/// How often the simulator's limiter refused.
fn refusals(world: &World) -> usize {
    world.sim.requests().iter().filter(|request| request.status == Some(429)).count()
}
