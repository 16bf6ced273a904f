//! A way to the gateway that swallows everything, in real time and with both programs: what the kernel's sockets do then is
//! part of it.

use std::time::{Duration, Instant};

use bitbucket_sim::{Fault, Rule};
use gitproxy::proto::Reason;
use tokio::time::timeout;
use tonic::Code;

use crate::processes::house::House;
use crate::world::relay::Relay;

#[tokio::test]
async fn it_is_bypassed_in_two_to_three_seconds_and_its_calls_fail_by_the_tenth() {
    let house = House::new().await;
    let relay = Relay::to(house.gateway_addr()).await;
    let agent = house.start_agent(&[("GATEWAY_URL", &crate::world::url(relay.addr))]);
    let caller = house.caller().await;
    caller.get_repo_soon().await;
    house.sim.knobs().add(Rule::new(Fault::Stall).path("/archive"));
    let seen = house.sim.request_count();
    let (failed, ()) = tokio::join!(caller.archive(), async {
        while house.sim.request_count() == seen {
            tokio::task::yield_now().await;
        }
        relay.swallow();
        let start = Instant::now();
        agent.says_times("life: attached", 2).await;
        let took = start.elapsed();
        assert!((Duration::from_secs(1)..Duration::from_secs(4)).contains(&took), "{took:?}");
        // It is the newest, so what comes now goes there.
        house.gateway.says_times("agent attached", 2).await;
        let answer = timeout(Duration::from_secs(2), caller.get_repo()).await.expect("no wait");
        assert!(answer.expect("an answer").repo.is_some());
        house.gateway.says("agent left").await;
        assert!(start.elapsed() < Duration::from_secs(12), "{:?}", start.elapsed());
    });
    let failed = failed.expect_err("its session is dead");
    assert_eq!((failed.code(), Reason::of(&failed)), (Code::Unavailable, Some(Reason::TunnelLost)));
    let ended = agent.says("the session ended").await;
    assert!(ended.contains("the peer sent nothing for 10s"), "{ended}");
    assert!(!agent.log().contains("not attached"), "{}", agent.log());
}
