//! Labels, and waiting for an instance.

use std::time::Duration;

use tokio::time::Instant;

use super::*;

#[tokio::test]
async fn a_call_goes_to_the_instance_with_its_label_and_says_so_when_there_is_none() {
    let house = House::new();
    house.store.agent_key("acme", "a");
    let (one, two) = (fake::labelled("one", &[("zone", "a")]), fake::labelled("two", &[("zone", "b")]));
    for session in [&one, &two] {
        house.directory.enter(session.clone(), 16).expect("room");
    }
    assert_eq!(house.call(READ, &house.token, &[("gitproxy-label", "zone=b")]).await.code(), Code::Ok);
    let elsewhere = [("gitproxy-label", "zone=c"), ("gitproxy-label", "disk=big")];
    let status = house.call(READ, &house.token, &elsewhere).await;
    assert_eq!((status.code(), reason(&status)), (Code::Unavailable, Reason::AgentAway));
    let info = status.get_details_error_info().expect("details");
    assert_eq!(info.metadata["label"], "zone=c, disk=big");
    assert!(status.message().contains("with zone=c, disk=big"), "{status:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_is_answered_by_the_agent_that_comes() {
    let house = House::new();
    house.store.agent_key("acme", "a");
    let waits = [("gitproxy-wait", "true"), ("grpc-timeout", "30S")];
    let call = house.call(READ, &house.token, &waits);
    let comes = async {
        tokio::time::sleep(Duration::from_secs(10)).await;
        // Another tenant's agent is none of it.
        house.attach("other", "a");
        tokio::time::sleep(Duration::from_secs(10)).await;
        house.attach("acme", "a")
    };
    let start = Instant::now();
    let (status, agent) = tokio::join!(call, comes);
    assert_eq!((status.code(), start.elapsed().as_secs()), (Code::Ok, 20));
    assert_eq!(agent.seen.lock().expect("lock").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_no_longer_than_its_deadline_and_a_watch_without_one_no_longer_than_a_minute() {
    let house = House::new();
    house.store.agent_key("acme", "a");
    let start = Instant::now();
    let waits = [("gitproxy-wait", "true"), ("grpc-timeout", "5S")];
    assert_eq!(house.call(READ, &house.token, &waits).await.code(), Code::DeadlineExceeded);
    assert_eq!(start.elapsed().as_secs(), 5);
    let status = house.call(WATCH, &house.token, &waits[..1]).await;
    assert_eq!((reason(&status), start.elapsed().as_secs()), (Reason::AgentAway, 65));
}

const WATCH: &str = "/gitproxy.scm.v1.PullRequests/WatchPR";
