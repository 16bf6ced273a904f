//! Every process of a fleet is restarted, one after the other, under load. `benches/rolling.rs` does it five times each, with
//! ten times the load, and kills them too.

use std::time::Duration;

use super::fleet::{Fleet, Part, Plan};
use super::line::Line;
use super::load::{self, Load};
use super::watches::Watches;

#[tokio::test]
async fn no_call_fails_while_every_part_of_a_fleet_is_restarted() {
    let Some(mut fleet) = Fleet::start(PLAN).await else { return };
    let lines: Vec<_> = (0..4).map(|_| Line::new(fleet.way())).collect();
    let mut places = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        places.push(load::place(&fleet.site.sim, line, &format!("r{number}")).await);
    }
    let (watched, written) = places.split_at(2);
    let load = Load::start("w", 20, lines.clone(), written.to_vec());
    let watches = Watches::start(&lines, watched, &load.seen);
    let mut outages = Vec::new();
    for part in fleet.parts() {
        outages.push(fleet.restart(part).await);
    }
    let told = watches.end().await;
    let seen = load.end().await;
    let (seen, told) = (seen.log(), told.log());
    assert!(seen.failures.is_empty(), "{:#?}\n{:#?}", seen.failures, outages);
    assert_eq!(seen.judge(&fleet.site.sim), Vec::<String>::new());
    assert_eq!(told.problems, Vec::<String>::new());
    assert!(seen.answered.len() > 100 && told.changes > 4, "{} and {}", seen.answered.len(), told.changes);
    for end in &told.ends {
        let at_the_end_of_grace = outages.iter().any(|outage| {
            let grace = if matches!(outage.part, Part::Gateway(_)) { SETTLE + GRACE } else { GRACE };
            end.at >= outage.began + grace && end.at <= outage.ended + Duration::from_secs(1)
        });
        assert!(end.in_order && at_the_end_of_grace, "{end:?}\n{outages:#?}");
    }
}

#[tokio::test]
async fn a_gateway_that_comes_back_is_found_by_every_instance() {
    let Some(mut fleet) = Fleet::start(PLAN).await else { return };
    let instances = [0, 1].map(Part::Instance);
    for (instance, gateway) in
        instances.iter().flat_map(|it| ["gateway-0", "gateway-1"].map(|name| (it, name)))
    {
        fleet.says(*instance, &format!("attached gateway=\"{gateway}\""), 1).await;
    }
    let found = instances.map(|instance| fleet.said(instance, FOUND));
    fleet.restart(Part::Gateway(0)).await;
    for (instance, times) in instances.into_iter().zip(found) {
        fleet.says(instance, FOUND, times + 1).await;
    }
}

/// A line of an instance.
const FOUND: &str = "attached gateway=\"gateway-0\"";
/// The balancer notices within half a second.
const PLAN: Plan = Plan {
    gateways: 2,
    instances: 2,
    gateway: &[("DRAIN_SETTLE", "1s"), ("DRAIN_GRACE", "2s")],
    agent: &[
        ("GITPROXY_DRAIN_GRACE", "2s"),
        ("GITPROXY_RATE_PER_SECOND", "100000"),
        ("GITPROXY_RATE_BURST", "100000"),
    ],
    check: Duration::from_millis(200),
};
const SETTLE: Duration = Duration::from_secs(1);
const GRACE: Duration = Duration::from_secs(2);
