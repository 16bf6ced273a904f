use std::time::Duration;

use super::*;
use crate::bitbucket::account::tests::account;
use crate::ops::Urgency;
use crate::ops::secret::Source;

fn of(budgets: &Budgets, base: &str, user: Option<&str>, token: &str) -> Arc<Budget> {
    let credential = Credential::Bearer(Source::Fixed(token.into()));
    budgets.of(&Account { user: user.map(str::to_owned), credential, ..account(base) })
}

#[tokio::test]
async fn a_user_of_a_server_has_one_budget_whichever_connection_asks() {
    let budgets = Budgets::default();
    let jane = of(&budgets, "https://git.example/bitbucket", Some("jane"), "a");
    let same = |base, user, token| Arc::ptr_eq(&jane, &of(&budgets, base, user, token));
    assert!(same("https://GIT.example:443/", Some("Jane"), "b"), "another token of the same user");
    assert!(!same("https://git.example/bitbucket", Some("bob"), "a"));
    assert!(!same("https://git.example:8443/bitbucket", Some("jane"), "a"));
    assert!(!same("https://git.example/bitbucket", None, "a"), "nobody knows whose token it is");
    let nameless = of(&budgets, "https://git.example", None, "a");
    assert!(Arc::ptr_eq(&nameless, &of(&budgets, "https://git.example/", None, "a")));
    assert!(!Arc::ptr_eq(&nameless, &of(&budgets, "https://git.example/", None, "b")));
    let password = Source::Fixed("x".into());
    let basic = Credential::Basic { user: "jane".into(), password };
    let basic = Account { credential: basic, ..account("https://git.example") };
    assert!(Arc::ptr_eq(&jane, &budgets.of(&basic)));
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
    let level = |user: &str| of(&budgets, "https://git.example", Some(user), "a").level(Instant::now());
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
