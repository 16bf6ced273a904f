//! What falls silent behind another gateway, or is that gateway: calls of the near one pass over it while another would do.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::house::{Caller, Site};
use super::peers::{HEALED, Pair, instances};
use crate::tools::Nats;
use crate::tools::ports::free_port;
use crate::world::relay::Relay;

#[tokio::test]
async fn an_instance_that_its_gateway_doubts_is_passed_over_by_the_other_too() {
    let Some(pair) = Pair::start().await else { return };
    let third = pair.third().await;
    let (frozen, _well) = (pair.agent_at(&pair.far).await, pair.agent_at(&third).await);
    let caller = pair.caller_at(&pair.near).await;
    pair.forwards(&caller).await;
    frozen.signal("STOP").await;
    passed_over(&caller).await;
    assert_eq!(instances(&caller).await.len(), 2, "its session was there all the time");
    frozen.signal("CONT").await;
}

#[tokio::test]
async fn a_frozen_gateway_is_passed_over_and_taken_again_once_it_goes_on() {
    let Some(pair) = Pair::start().await else { return };
    let third = pair.third().await;
    let _agents = [pair.agent_at(&pair.far).await, pair.agent_at(&third).await];
    let caller = pair.caller_at(&pair.near).await;
    pair.forwards(&caller).await;
    pair.far.process.signal("STOP").await;
    passed_over(&caller).await;
    let taken = taken(&pair);
    pair.far.process.signal("CONT").await;
    taken_again(&pair, &caller, taken).await;
}

#[tokio::test]
async fn a_gateway_whose_connection_went_dark_is_passed_over_and_dialled_again() {
    let Some(nats) = Nats::start().await else { return };
    let site = Site::new().await;
    let (listens, relay) = dark_way().await;
    let far =
        [("PEERS_LISTEN", &*listens), ("PEERS_ADVERTISE", &*format!("localhost:{}", relay.addr.port()))];
    let pair = Pair::of(site, nats, &[], &far).await;
    let third = pair.third().await;
    let _agents = [pair.agent_at(&pair.far).await, pair.agent_at(&third).await];
    let caller = pair.caller_at(&pair.near).await;
    pair.forwards(&caller).await;
    relay.swallow();
    passed_over(&caller).await;
    taken_again(&pair, &caller, taken(&pair)).await;
    assert!(!pair.near.process.log().contains("another gateway is gone"), "NATS was there all the time");
}

/// Where a gateway is to listen, and the way there.
async fn dark_way() -> (String, Relay) {
    let ip = Ipv4Addr::LOCALHOST.into();
    let listens = SocketAddr::new(ip, free_port(ip));
    (listens.to_string(), Relay::to(listens).await)
}

/// Calls until what is silent gets none of them. Calls that were sent to it before hang.
async fn passed_over(caller: &Caller) {
    let began = Instant::now();
    let (mut answered, mut hung) = (0, 0);
    // Of two instances, each of so many calls would have found the well one by chance.
    while answered < 40 {
        match timeout(HUNG, caller.get_repo()).await {
            Ok(answer) => {
                answer.expect("answered");
                answered += 1;
            }
            Err(_) => (answered, hung) = (0, hung + 1),
        }
        assert!(began.elapsed() < Duration::from_secs(8), "still {hung} calls went to the silent one");
    }
}

/// Calls until the far gateway has taken more of them than `before`. None fails.
async fn taken_again(pair: &Pair, caller: &Caller, before: usize) {
    let again = async {
        while taken(pair) == before {
            caller.get_repo().await.expect("answered by one of them");
        }
    };
    timeout(HEALED, again).await.expect("it is not taken again");
}

fn taken(pair: &Pair) -> usize {
    pair.far.process.log().matches("taken from a peer").count()
}

/// A call that nobody answers.
const HUNG: Duration = Duration::from_millis(500);
