use std::time::Duration;

use super::*;
use crate::bitbucket::account::tests::account;
use crate::ops::Urgency;
use crate::ops::secret::Source;

const BASE: &str = "https://git.example/bitbucket";

fn purse(budgets: &Budgets, base: &str, user: Option<&str>, token: &str) -> Purse {
    let credential = Credential::Bearer(Source::Fixed(token.into()));
    budgets.purse(&Account { user: user.map(str::to_owned), credential, ..account(base) })
}

fn of(budgets: &Budgets, base: &str, user: Option<&str>, token: &str) -> Arc<Budget> {
    purse(budgets, base, user, token).budget()
}

/// What is left after `count` requests.
async fn spend(budget: &Arc<Budget>, count: usize) -> f64 {
    for _ in 0..count {
        budget.take(Urgency::Interactive, None).await.expect("a token").passed();
    }
    level(budget)
}

fn level(budget: &Arc<Budget>) -> f64 {
    budget.level(Instant::now())
}

#[tokio::test]
async fn a_user_of_a_server_has_one_budget_whichever_connection_asks() {
    let budgets = Budgets::default();
    let jane = of(&budgets, BASE, Some("jane"), "a");
    let same = |base, user, token| Arc::ptr_eq(&jane, &of(&budgets, base, user, token));
    assert!(same("https://GIT.example:443/", Some("Jane"), "b"), "another token of the same user");
    assert!(!same(BASE, Some("bob"), "a"));
    assert!(!same("https://git.example:8443/bitbucket", Some("jane"), "a"));
    assert!(!same(BASE, None, "a"), "nobody has said yet whose token it is");
    let password = Source::Fixed("x".into());
    let basic = Credential::Basic { user: "jane".into(), password };
    let basic = Account { credential: basic, ..account("https://git.example") };
    assert!(Arc::ptr_eq(&jane, &budgets.purse(&basic).budget()));
}

#[tokio::test(start_paused = true)]
async fn the_tokens_of_one_user_share_a_budget_once_bitbucket_has_named_the_user() {
    let budgets = Budgets::default();
    let [one, other] = ["a", "b"].map(|token| purse(&budgets, BASE, None, token));
    spend(&one.budget(), 10).await;
    let before = other.budget();
    spend(&before, 4).await;
    one.named("Jane");
    other.named("jane");
    assert!(Arc::ptr_eq(&one.budget(), &other.budget()));
    assert!((level(&one.budget()) - 40.0).abs() < 1e-9, "{}", level(&one.budget()));
    assert!((level(&before) - 40.0).abs() < 1e-9, "who holds the old one has the new one");
    let claimed = of(&budgets, BASE, Some("jane"), "c");
    assert!(Arc::ptr_eq(&one.budget(), &claimed), "and so has a connection that names her");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_named_is_known_to_the_next_connection() {
    let budgets = Budgets::default();
    let first = purse(&budgets, BASE, None, "a");
    first.named("jane");
    spend(&first.budget(), 10).await;
    for user in [None, Some("bob")] {
        assert!(Arc::ptr_eq(&first.budget(), &of(&budgets, BASE, user, "a")), "{user:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_of_another_user_than_was_thought_goes_over_to_that_ones() {
    let budgets = Budgets::default();
    let jane = purse(&budgets, BASE, Some("jane"), "a");
    spend(&jane.budget(), 10).await;
    let mistaken = purse(&budgets, BASE, Some("jane"), "b");
    mistaken.named("bob");
    assert!(!Arc::ptr_eq(&jane.budget(), &mistaken.budget()));
    assert!((level(&jane.budget()) - 44.0).abs() < 1e-9);
    mistaken.named("jane");
    assert!(Arc::ptr_eq(&jane.budget(), &mistaken.budget()), "a renewed token may be another's again");
    assert!((level(&jane.budget()) - 44.0).abs() < 1e-9, "bob's are his own");
}

#[tokio::test(start_paused = true)]
async fn what_a_held_connection_says_of_its_user_counts_for_nothing() {
    let budgets = Budgets::default();
    let jane = purse(&budgets, BASE, Some("jane"), "a");
    let held = budgets.for_held();
    let liar = purse(&held, BASE, Some("jane"), "b");
    spend(&liar.budget(), 10).await;
    liar.budget().charge().refused(Some(Duration::from_secs(3600)));
    assert!((level(&jane.budget()) - 54.0).abs() < 1e-9);
    assert!(jane.budget().is_full(Instant::now()));
    liar.named("mallory");
    assert!(jane.budget().is_full(Instant::now()));
    let password = Source::Fixed("guess".into());
    let basic = Credential::Basic { user: "jane".into(), password };
    let guesser = held.purse(&Account { credential: basic, ..account(BASE) });
    assert!(!Arc::ptr_eq(&jane.budget(), &guesser.budget()));
    let elsewhere = purse(&held, "https://evil.example", None, "c");
    elsewhere.named("jane");
    assert!(!Arc::ptr_eq(&jane.budget(), &elsewhere.budget()), "another server's jane");
    let own = purse(&held, BASE, None, "d");
    own.named("jane");
    assert!(Arc::ptr_eq(&jane.budget(), &own.budget()), "who has her token shares her bucket");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_bitbucket_refuses_spends_nothing_of_the_users() {
    let budgets = Budgets::default();
    let jane = purse(&budgets, BASE, Some("jane"), "a");
    let held = budgets.for_held();
    let revoked = purse(&held, BASE, None, "b");
    revoked.named("jane");
    assert!(Arc::ptr_eq(&jane.budget(), &revoked.budget()));
    revoked.disowned();
    assert!(!Arc::ptr_eq(&jane.budget(), &revoked.budget()));
    let next = of(&held, BASE, None, "b");
    assert!(Arc::ptr_eq(&revoked.budget(), &next), "nor does the next connection that has it");
    jane.disowned();
    let claimed = of(&budgets, BASE, Some("jane"), "a");
    assert!(Arc::ptr_eq(&jane.budget(), &claimed), "the operator's word stands");
}

#[tokio::test(start_paused = true)]
async fn a_halved_rate_and_who_waits_go_over_with_a_token() {
    let budgets = Budgets::default();
    let (jane, unnamed) = (purse(&budgets, BASE, Some("jane"), "a"), purse(&budgets, BASE, None, "b"));
    spend(&unnamed.budget(), 54).await;
    let waiting = unnamed.budget();
    let (granted, ()) = futures_util::future::join(
        futures_util::future::join_all((0..10).map(|_| waiting.take(Urgency::Interactive, None))),
        async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            unnamed.budget().charge().refused(None);
            unnamed.named("jane");
        },
    )
    .await;
    assert!(granted.iter().all(Result::is_ok));
    granted.into_iter().flatten().for_each(Ticket::passed);
    tokio::time::advance(Duration::from_secs(3600)).await;
    let level = level(&jane.budget());
    assert!(level > 27.0 && level < 40.0, "a half, and ten steps back: {level}");
}

#[tokio::test(start_paused = true)]
async fn tokens_that_rotate_and_names_that_change_are_forgotten() {
    let budgets = Budgets::default();
    let held = purse(&budgets, BASE, None, "held");
    held.named("jane");
    for token in 0..2000 {
        let token = purse(&budgets, BASE, None, &format!("t{token}"));
        spend(&token.budget(), 1).await;
        token.named("jane");
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    let stranger = purse(&budgets, "https://evil.example", None, "x");
    for name in 0..2000 {
        stranger.named(&format!("n{name}"));
    }
    stranger.named(&"long".repeat(1000));
    let shared = budgets.lock();
    assert!(shared.known.len() <= 3, "{}", shared.known.len());
    assert!(shared.names.len() <= MOST, "{}", shared.names.len());
    let longest = shared.known.keys().filter_map(|owner| match &owner.who {
        Who::User(name) => Some(name.len()),
        Who::Token(_) => None,
    });
    assert!(longest.max() < Some(1024));
}

#[tokio::test]
async fn no_token_is_kept() {
    let budgets = Budgets::default();
    let _budget = of(&budgets, "https://git.example", None, "c4nary-token");
    assert!(!format!("{budgets:?}").contains("c4nary"));
}

#[tokio::test(start_paused = true)]
async fn a_share_counts_for_what_is_there_and_for_what_comes() {
    let budgets = Budgets::new(Rate { burst: 100, per_second: 5 });
    let level = |user: &str| level(&of(&budgets, "https://git.example", Some(user), "a"));
    assert!((level("jane") - 90.0).abs() < 1e-9);
    budgets.share(500);
    assert!((level("jane") - 45.0).abs() < 1e-9);
    assert!((level("bob") - 45.0).abs() < 1e-9);
    budgets.share(0);
    tokio::time::advance(Duration::from_secs(3600)).await;
    assert!((level("jane") - 90.0).abs() < 1e-9, "a gateway that does not know shares nothing out");
}

#[tokio::test(start_paused = true)]
async fn idle_budgets_are_forgotten_when_they_are_full_or_too_many() {
    let budgets = Budgets::default();
    let count = || budgets.lock().known.len();
    let held = of(&budgets, "https://git.example", Some("held"), "a");
    for user in 0..2000 {
        let spent = of(&budgets, "https://git.example", Some(&format!("spent{user}")), "a");
        let _ticket = spent.take(Urgency::Interactive, None).await.expect("full");
    }
    assert_eq!(count(), MOST);
    tokio::time::advance(Duration::from_secs(3600)).await;
    of(&budgets, "https://git.example", Some("one"), "a");
    assert_eq!(count(), 2);
    assert!(Arc::ptr_eq(&held, &of(&budgets, "https://git.example", Some("held"), "a")));
}
