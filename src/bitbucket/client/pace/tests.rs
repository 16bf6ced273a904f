use std::sync::{Arc, Mutex};

use futures_util::future::join_all;
use http::Response;
use http_body_util::{BodyExt as _, Full};
use tower::util::BoxCloneSyncService;

use super::*;
use crate::bitbucket::account::tests::account;
use crate::bitbucket::client::Lost;
use crate::bitbucket::request::{Draft, Path, Permission};
use crate::ops::Call;

const SECOND: Duration = Duration::from_secs(1);

/// A Bitbucket that answers 429 as often as it is told to, and keeps when it was asked.
#[derive(Clone, Default)]
struct FarEnd {
    refusals: Arc<Mutex<usize>>,
    retry_after: Option<&'static str>,
    asked: Arc<Mutex<Vec<Instant>>>,
}

impl FarEnd {
    fn refusing(times: usize, retry_after: Option<&'static str>) -> Self {
        Self { refusals: Arc::new(Mutex::new(times)), retry_after, ..Self::default() }
    }

    fn client(&self) -> Client {
        let far = self.clone();
        let transport = BoxCloneSyncService::new(tower::service_fn(move |_: Request<Full<Bytes>>| {
            let answer = far.answer();
            async move { Ok::<_, Lost>(answer) }
        }));
        Client::with(account("https://git.example/bitbucket"), transport).expect("a client")
    }

    fn answer(&self) -> Response<crate::bitbucket::transport::Body> {
        self.asked.lock().unwrap().push(Instant::now());
        let mut refusals = self.refusals.lock().unwrap();
        let status = if *refusals > 0 { 429 } else { 200 };
        *refusals = refusals.saturating_sub(1);
        let mut response = Response::builder().status(status).header("content-type", "application/json");
        if let Some(delay) = self.retry_after.filter(|_| status == 429) {
            response = response.header("retry-after", delay);
        }
        let body = Full::from("{}").map_err(|never| match never {}).boxed_unsync();
        response.body(body).expect("an answer")
    }

    fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

fn read() -> Request<Bytes> {
    Draft::get(Path::rest("api").segment("projects"), Permission::ProjectRead).empty()
}

fn write() -> Request<Bytes> {
    Draft::new(http::Method::POST, Path::rest("api").segment("projects"), Permission::RepoWrite).json(&1)
}

fn within(limit: Duration) -> Call {
    Call { deadline: Some(Instant::now() + limit), ..Call::default() }
}

#[tokio::test(start_paused = true)]
async fn a_429_is_waited_out_for_reads_and_writes_alike() {
    for request in [read(), write()] {
        let far = FarEnd::refusing(2, Some("3"));
        let started = Instant::now();
        far.client().during(within(60 * SECOND)).send(request).await.expect("in the end");
        assert_eq!(far.count(), 3);
        let waited = started.elapsed();
        assert!(waited >= 6 * SECOND && waited < 8 * SECOND, "{waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_429_beyond_the_deadline_fails_at_once_and_says_when_to_come_back() {
    let far = FarEnd::refusing(9, Some("30"));
    let client = far.client();
    let started = Instant::now();
    let refused = client.during(within(10 * SECOND)).send(read()).await.expect_err("30 s");
    let Error::RateLimited { limiter: Limiter::Agent, retry_after: Some(delay), .. } = refused else {
        panic!("{refused:?}")
    };
    assert!(started.elapsed().is_zero() && delay >= 30 * SECOND && delay < 31 * SECOND, "{delay:?}");
    // Nor is Bitbucket asked in vain by the next one.
    client.during(within(10 * SECOND)).send(read()).await.expect_err("still");
    assert_eq!(far.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn refusals_without_end_and_without_a_time_end_with_bitbuckets_own() {
    let far = FarEnd::refusing(99, None);
    let started = Instant::now();
    let refused = far.client().during(within(600 * SECOND)).send(read()).await.expect_err("always");
    assert!(matches!(refused, Error::RateLimited { limiter: Limiter::Bitbucket, .. }), "{refused:?}");
    assert_eq!(far.count(), 9);
    assert!(started.elapsed() > 10 * SECOND, "ever slower: {:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_call_without_a_deadline_does_not_wait_for_ever_and_a_watch_does() {
    let far = FarEnd::refusing(1, Some("300"));
    let client = far.client();
    client.send(read()).await.expect_err("300 s");
    let watch = Call { urgency: Urgency::Watch, ..Call::default() };
    client.during(watch).send(read()).await.expect("in the end");
}

#[tokio::test(start_paused = true)]
async fn two_connections_of_one_user_are_paced_together() {
    let far = FarEnd::default();
    let (budgets, started) = (crate::bitbucket::Budgets::default(), Instant::now());
    let client = |_| {
        let mut client = far.client();
        let account = account("https://git.example");
        Arc::get_mut(&mut client.inner).expect("alone").budget = budgets.of(&account);
        client
    };
    let clients: Vec<_> = (0..2).map(client).collect();
    let calls = clients.iter().cycle().take(64).map(|client| client.send(read()));
    assert!(join_all(calls).await.iter().all(Result::is_ok));
    let took = started.elapsed();
    assert!(took.abs_diff(2 * SECOND) < SECOND / 10, "54 at once and ten at 5 a second: {took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_probes_request_does_not_wait_and_is_paid_for() {
    let far = FarEnd::refusing(1, Some("30"));
    let client = far.client();
    client.ask(&read()).await.expect("a 429 is an answer");
    client.ask(&read()).await.expect("an answer");
    assert_eq!(far.count(), 2);
    client.during(within(SECOND)).send(read()).await.expect_err("closed by the first");
}
