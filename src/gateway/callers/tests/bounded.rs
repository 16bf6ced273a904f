//! Bounds of calls in flight, through the stack.

use super::*;

const ONE: admit::Limits = admit::Limits { unary: 1, bulk: 1, watch: 1 };
const MANY: admit::Limits = admit::Limits { unary: 9, bulk: 9, watch: 9 };
const WIDE: Shares = Shares { caller: MANY, tenant: MANY, agent: MANY, session: MANY };

fn house(shares: Shares) -> House {
    House::with(Limits { shares, ..Limits::default() })
}

#[tokio::test]
async fn a_call_holds_its_place_until_its_body_ends() {
    let house = house(Shares { caller: ONE, ..WIDE });
    house.store.agent_key("acme", "a");
    let agent = fake::agent_id("acme", "a");
    house.directory.enter(fake::attached(&agent, "one", fake::diagnosis()), 16).expect("room");
    let first = house.answer(READ, &house.token, &[]).await;
    let status = house.call(READ, &house.token, &[]).await;
    assert_eq!((status.code(), reason(&status)), (Code::ResourceExhausted, Reason::Busy));
    let info = status.get_details_error_info().expect("details").metadata;
    assert_eq!([&info["scope"], &info["class"], &info["limit"]], ["caller", "unary", "1"]);
    assert!(status.get_details_retry_info().is_some());
    first.into_body().collect().await.expect("whole");
    assert_eq!(house.call(READ, &house.token, &[]).await.code(), Code::Ok);
}

#[tokio::test]
async fn a_call_that_waits_for_an_agent_counts() {
    let house = house(Shares { tenant: ONE, ..WIDE });
    house.store.agent_key("acme", "a");
    let mut waits = std::pin::pin!(house.call(READ, &house.token, &[("gitproxy-wait", "true")]));
    assert!(futures_util::poll!(waits.as_mut()).is_pending());
    let status = house.call(READ, &house.token, &[]).await;
    assert_eq!(reason(&status), Reason::Busy);
}

#[tokio::test]
async fn a_full_session_is_passed_over_while_another_has_room() {
    let house = house(Shares { session: ONE, ..WIDE });
    house.store.agent_key("acme", "a");
    let agent = fake::agent_id("acme", "a");
    for instance in ["one", "two"] {
        house.directory.enter(fake::attached(&agent, instance, fake::diagnosis()), 16).expect("room");
    }
    let mut held = Vec::new();
    for _ in 0..2 {
        let answer = house.answer(READ, &house.token, &[]).await;
        assert!(Status::from_header_map(answer.headers()).is_none(), "{answer:?}");
        held.push(answer);
    }
    let status = house.call(READ, &house.token, &[]).await;
    let info = status.get_details_error_info().expect("details").metadata;
    assert_eq!((reason(&status), info["scope"].as_str()), (Reason::Busy, "session"));
}
