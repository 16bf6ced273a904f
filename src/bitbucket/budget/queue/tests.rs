use std::pin::pin;

use futures_util::future::{self, join_all};
use futures_util::poll;

use super::*;
use crate::bitbucket::budget::WHOLE;

const SECOND: Duration = Duration::from_secs(1);

/// 18 at once and 10 a second.
fn budget() -> Arc<Budget> {
    Arc::new(Budget::new(Rate { burst: 20, per_second: 10 }, WHOLE))
}

async fn empty(budget: &Arc<Budget>) {
    for _ in 0..18 {
        take(budget).await.passed();
    }
}

async fn take(budget: &Arc<Budget>) -> Ticket {
    budget.take(Urgency::Interactive, None).await.expect("no deadline")
}

/// How long it took to get a token.
async fn timed(budget: &Arc<Budget>, urgency: Urgency) -> Duration {
    let asked = Instant::now();
    budget.take(urgency, None).await.expect("no deadline").passed();
    asked.elapsed()
}

/// Whether two times are the same but for the resolution of timers, 1 ms each time that somebody waits.
fn about(took: Duration, expected: Duration) -> bool {
    took.abs_diff(expected) < Duration::from_millis(60)
}

#[tokio::test(start_paused = true)]
async fn a_burst_goes_at_once_and_the_rest_at_the_rate_in_the_order_of_arrival() {
    let budget = budget();
    let took = join_all((0..38).map(|_| timed(&budget, Urgency::Interactive))).await;
    assert_eq!(took.iter().filter(|took| took.is_zero()).count(), 18);
    assert!(about(took[37], 2 * SECOND), "{took:?}");
    assert!(took.is_sorted(), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn an_interactive_call_goes_before_the_watches_that_came_earlier() {
    let budget = budget();
    empty(&budget).await;
    let watches = join_all((0..5).map(|_| timed(&budget, Urgency::Watch)));
    let mut watches = pin!(watches);
    assert!(poll!(watches.as_mut()).is_pending());
    let (watches, call) = future::join(watches, timed(&budget, Urgency::Interactive)).await;
    assert!(about(call, SECOND / 10), "{call:?}");
    assert!(watches.iter().all(|watch| *watch > call), "{watches:?}");
}

#[tokio::test(start_paused = true)]
async fn watches_beside_interactive_calls_below_the_rate_do_not_slow_them() {
    let budget = budget();
    let watch = async || loop {
        take_as_watch(&budget).await;
    };
    let calls = async {
        let mut slowest = Duration::ZERO;
        for _ in 0..100 {
            time::sleep(SECOND / 6).await;
            slowest = slowest.max(timed(&budget, Urgency::Interactive).await);
        }
        slowest
    };
    let watches = join_all((0..20).map(|_| watch()));
    // Whoever would wait for ever fails here.
    let calls = time::timeout(60 * SECOND, calls);
    tokio::select! {
        slowest = calls => assert!(slowest.as_ref().is_ok_and(|slowest| *slowest < SECOND / 10), "{slowest:?}"),
        _ = watches => unreachable!("watches do not end"),
    }
}

async fn take_as_watch(budget: &Arc<Budget>) {
    budget.take(Urgency::Watch, None).await.expect("no deadline").passed();
}

#[tokio::test(start_paused = true)]
async fn a_watch_does_not_starve_beside_more_calls_than_the_rate() {
    let budget = budget();
    let crowd = join_all((0..200).map(|_| timed(&budget, Urgency::Interactive)));
    let mut crowd = pin!(crowd);
    assert!(poll!(crowd.as_mut()).is_pending());
    let watches = async {
        let mut took = Vec::new();
        for _ in 0..5 {
            took.push(timed(&budget, Urgency::Watch).await);
        }
        took
    };
    tokio::select! {
        took = watches => assert!(took.iter().all(|took| about(*took, SECOND)), "{took:?}"),
        _ = crowd => unreachable!("18 s of calls end after 5 s of watches"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_beyond_the_deadline_fails_at_once_and_says_when() {
    let budget = budget();
    empty(&budget).await;
    let crowd = join_all((0..50).map(|_| timed(&budget, Urgency::Interactive)));
    let mut crowd = pin!(crowd);
    assert!(poll!(crowd.as_mut()).is_pending());
    let asked = Instant::now();
    let refused = budget.take(Urgency::Interactive, Some(asked + 3 * SECOND)).await.expect_err("5.1 s");
    assert!(asked.elapsed().is_zero());
    assert!(about(refused.retry_after, SECOND * 51 / 10), "{refused:?}");
    let granted = budget.take(Urgency::Interactive, Some(asked + 6 * SECOND));
    let (granted, _) = future::join(granted, crowd).await;
    granted.expect("5.1 s are less than 6").passed();
}

#[tokio::test(start_paused = true)]
async fn who_waits_hears_at_once_when_bitbucket_closes_beyond_the_deadline() {
    let budget = budget();
    empty(&budget).await;
    let ticket = budget.charge();
    let asked = Instant::now();
    let waiting = budget.take(Urgency::Interactive, Some(asked + 5 * SECOND));
    let (outcome, ()) = future::join(waiting, async {
        time::sleep(SECOND / 20).await;
        ticket.refused(Some(20 * SECOND));
    })
    .await;
    let exhausted = outcome.expect_err("closed");
    assert!(about(asked.elapsed(), SECOND / 20), "{:?}", asked.elapsed());
    let named = 20 * SECOND..21 * SECOND;
    assert!(named.contains(&exhausted.retry_after), "{exhausted:?}");
}

#[tokio::test(start_paused = true)]
async fn nothing_goes_before_the_time_that_bitbucket_named() {
    let budget = budget();
    let ticket = take(&budget).await;
    ticket.refused(Some(7 * SECOND));
    let took = timed(&budget, Urgency::Interactive).await;
    assert!(took >= 7 * SECOND && took < 8 * SECOND, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn who_goes_away_leaves_the_place_and_the_token() {
    let budget = budget();
    empty(&budget).await;
    {
        let leaving = join_all((0..50).map(|_| take(&budget)));
        let mut leaving = pin!(leaving);
        assert!(poll!(leaving.as_mut()).is_pending());
    }
    let took = timed(&budget, Urgency::Interactive).await;
    assert!(about(took, SECOND / 10), "{took:?}");
    // One that was granted a token which it never saw.
    let mut granted = Box::pin(take(&budget));
    assert!(poll!(granted.as_mut()).is_pending());
    time::advance(SECOND / 10).await;
    budget.lock().serve(Instant::now());
    drop(granted);
    assert!(timed(&budget, Urgency::Interactive).await.is_zero());
}

#[tokio::test(start_paused = true)]
async fn who_was_refused_by_bitbucket_keeps_its_turn() {
    let budget = budget();
    empty(&budget).await;
    let crowd = join_all((0..20).map(|_| timed(&budget, Urgency::Interactive)));
    let mut crowd = pin!(crowd);
    assert!(poll!(crowd.as_mut()).is_pending());
    let again = async {
        let asked = Instant::now();
        budget.take_at(Place::First, Urgency::Interactive, None).await.expect("no deadline").passed();
        asked.elapsed()
    };
    let (again, crowd) = future::join(again, crowd).await;
    assert!(again <= crowd[0], "{again:?} {crowd:?}");
}

#[tokio::test(start_paused = true)]
async fn a_larger_share_is_used_by_who_waits_already() {
    let budget = budget();
    budget.share(100);
    take(&budget).await.passed();
    let waiting = join_all((0..10).map(|_| timed(&budget, Urgency::Interactive)));
    let (took, ()) = future::join(waiting, async {
        time::sleep(SECOND).await;
        budget.share(WHOLE);
    })
    .await;
    assert!(took[9] < 3 * SECOND, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn who_waits_in_two_budgets_that_become_one_gets_a_token_in_the_order_of_arrival() {
    let (one, other) = (budget(), budget());
    empty(&one).await;
    empty(&other).await;
    let crowd = join_all((0..20_usize).map(async |number| {
        let budget = if number % 2 == 0 { &one } else { &other };
        // Each comes after the one before it.
        time::sleep(Duration::from_millis(number as u64)).await;
        take(budget).await.passed();
        Instant::now()
    }));
    let began = Instant::now();
    let (granted, ()) = future::join(crowd, async {
        time::sleep(SECOND / 20).await;
        one.absorb(&other);
    })
    .await;
    assert!(granted.is_sorted(), "{granted:?}");
    let last = granted[19] - began;
    assert!(about(last, 2 * SECOND), "20 at 10 a second, as one bucket has them: {last:?}");
}

#[tokio::test(start_paused = true)]
async fn a_place_in_front_stays_in_front_when_budgets_become_one() {
    let (one, other) = (budget(), budget());
    empty(&one).await;
    empty(&other).await;
    let crowd = join_all((0..10).map(|_| timed(&one, Urgency::Interactive)));
    let second = timed(&other, Urgency::Interactive);
    let (mut crowd, mut second) = (pin!(crowd), pin!(second));
    assert!(poll!(crowd.as_mut()).is_pending() && poll!(second.as_mut()).is_pending());
    time::sleep(SECOND / 20).await;
    let first = async {
        other.take_at(Place::First, Urgency::Interactive, None).await.expect("no deadline").passed();
        Instant::now()
    };
    let mut first = pin!(first);
    assert!(poll!(first.as_mut()).is_pending());
    one.absorb(&other);
    let second = async {
        second.await;
        Instant::now()
    };
    let (first, second, _) = future::join3(first, second, crowd).await;
    assert!(first < second);
}

#[tokio::test(start_paused = true)]
async fn who_holds_a_budget_that_was_taken_over_spends_from_the_other() {
    let (one, other) = (budget(), budget());
    let (sent, unsent) = (take(&other).await, take(&other).await);
    {
        let mut waiting = pin!(take(&other));
        // It is granted a token at once and leaves with it.
        assert!(poll!(waiting.as_mut()).is_ready());
    }
    one.absorb(&other);
    one.absorb(&other);
    one.absorb(&one);
    assert!((one.level(Instant::now()) - 15.0).abs() < 1e-9, "{}", one.level(Instant::now()));
    drop(unsent);
    take(&other).await.passed();
    assert!((one.level(Instant::now()) - 14.0).abs() < 1e-9, "{}", one.level(Instant::now()));
    sent.refused(Some(7 * SECOND));
    for budget in [&one, &other] {
        let refused = budget.take(Urgency::Interactive, Some(Instant::now() + SECOND)).await;
        assert!(refused.is_err(), "closed for both");
    }
}

#[tokio::test(start_paused = true)]
async fn who_leaves_a_budget_that_was_taken_over_leaves_place_and_token_there() {
    let (one, other) = (budget(), budget());
    empty(&one).await;
    let mut crowd = Box::pin(join_all((0..50).map(|_| take(&other))));
    assert!(poll!(crowd.as_mut()).is_pending());
    one.absorb(&other);
    drop(crowd);
    assert!(one.lock().interactive.is_empty());
    let took = timed(&one, Urgency::Interactive).await;
    assert!(took < SECOND * 2, "{took:?}");
}
