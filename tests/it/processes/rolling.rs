//! Every process of a fleet is restarted, one after the other.

use std::time::Duration;

use super::fleet::{Fleet, Plan};

#[tokio::test]
async fn every_part_of_a_fleet_comes_back_and_is_called_again() {
    let Some(mut fleet) = Fleet::start(PLAN).await else { return };
    for part in fleet.parts() {
        fleet.restart(part).await;
        fleet.caller().await.get_repo_soon().await;
        fleet.kill(part).await;
        fleet.start_again(part).await;
        fleet.caller().await.get_repo_soon().await;
    }
}

/// The balancer notices within half a second.
const PLAN: Plan = Plan {
    gateways: 2,
    instances: 2,
    gateway: &[("DRAIN_SETTLE", "1s")],
    agent: &[],
    check: Duration::from_millis(200),
};
