use std::sync::{Arc, Mutex};

use futures_util::future::join_all;
use http::Response;
use http_body_util::{BodyExt as _, Full};
use tower::util::BoxCloneSyncService;

use super::*;
use crate::bitbucket::account::tests::account;
use crate::bitbucket::account::{Account, Credential};
use crate::bitbucket::client::Lost;
use crate::bitbucket::request::{Draft, Path, Permission};
use crate::bitbucket::transport::Transport;
use crate::ops::Call;
use crate::ops::secret::Source;

const SECOND: Duration = Duration::from_secs(1);

/// Status, headers and body of an answer.
type Says = (u16, &'static [(&'static str, &'static str)], &'static str);

/// A Bitbucket that answers 429 as often as it is told to, and keeps when it was asked.
#[derive(Clone, Default)]
struct FarEnd {
    refusals: Arc<Mutex<usize>>,
    retry_after: Option<&'static str>,
    /// In place of a good answer.
    says: Option<Says>,
    asked: Arc<Mutex<Vec<Instant>>>,
}

impl FarEnd {
    fn refusing(times: usize, retry_after: Option<&'static str>) -> Self {
        Self { refusals: Arc::new(Mutex::new(times)), retry_after, ..Self::default() }
    }

    fn transport(&self) -> Transport {
        let far = self.clone();
        BoxCloneSyncService::new(tower::service_fn(move |_: Request<Full<Bytes>>| {
            let answer = far.answer();
            async move { Ok::<_, Lost>(answer) }
        }))
    }

    fn client(&self) -> Client {
        Client::with(account("https://git.example/bitbucket"), self.transport()).expect("a client")
    }

    fn answer(&self) -> Response<crate::bitbucket::transport::Body> {
        self.asked.lock().unwrap().push(Instant::now());
        let mut refusals = self.refusals.lock().unwrap();
        let (status, headers, body) = match self.says {
            _ if *refusals > 0 => (429, JSON, "{}"),
            Some(says) => says,
            None => (200, JSON, "{}"),
        };
        *refusals = refusals.saturating_sub(1);
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        if let Some(delay) = self.retry_after.filter(|_| status == 429) {
            response = response.header("retry-after", delay);
        }
        let body = Full::from(body).map_err(|never| match never {}).boxed_unsync();
        response.body(body).expect("an answer")
    }

    fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];
/// What Bitbucket says that took the token for Jane's.
const JANES: &[(&str, &str)] =
    &[("content-type", "application/json"), ("x-arequestid", "@1x1x1x0"), ("x-ausername", "jane")];

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
    let client =
        |_| Client::build(account("https://git.example"), far.transport(), None, &budgets).expect("a client");
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

/// How many tokens there are after a refusal, 40 answers and a long pause.
async fn restored(says: Says) -> f64 {
    let far = FarEnd { says: Some(says), ..FarEnd::refusing(1, None) };
    let client = far.client();
    client.ask(&read()).await.expect("a 429 is an answer");
    for _ in 0..40 {
        let _whatever = client.during(within(600 * SECOND)).send(write()).await;
    }
    tokio::time::advance(3600 * SECOND).await;
    client.inner.purse.budget().level(Instant::now())
}

#[tokio::test(start_paused = true)]
async fn whatever_bitbucket_answers_behind_its_limiter_restores_the_rate() {
    const EXCEPTION: &str = r#"{"errors":[{"message":"no","exceptionName":"com.atlassian.X"}]}"#;
    for status in [200, 400, 401, 403, 404, 409, 500, 503] {
        let level = restored((status, JANES, EXCEPTION)).await;
        assert!((level - 54.0).abs() < 1e-9, "{status}: {level}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_stranger_answers_restores_nothing() {
    const HTML: &[(&str, &str)] = &[("content-type", "text/html")];
    const NOBODY: &[(&str, &str)] = &[("content-type", "application/json"), ("x-arequestid", "@1x1x1x0")];
    for says in
        [(200, HTML, "log in"), (404, HTML, "no"), (403, HTML, "no"), (502, HTML, "no"), (401, NOBODY, "{}")]
    {
        let level = restored(says).await;
        assert!((level - 27.0).abs() < 1e-9, "{says:?}: {level}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_stranger_answers_a_probe_restores_nothing_either() {
    let far =
        FarEnd { says: Some((200, &[("content-type", "text/html")], "log in")), ..FarEnd::refusing(1, None) };
    let client = far.client();
    for _ in 0..41 {
        client.ask(&read()).await.expect("an answer");
        tokio::time::advance(SECOND).await;
    }
    tokio::time::advance(3600 * SECOND).await;
    assert!((client.inner.purse.budget().level(Instant::now()) - 27.0).abs() < 1e-9);
}

#[tokio::test(start_paused = true)]
async fn two_tokens_of_one_user_are_paced_together_once_bitbucket_has_said_whose_they_are() {
    let far = FarEnd { says: Some((200, JANES, "{}")), ..FarEnd::default() };
    let (budgets, started) = (crate::bitbucket::Budgets::default(), Instant::now());
    let clients = ["a", "b"].map(|token| {
        let credential = Credential::Bearer(Source::Fixed(token.into()));
        let account = Account { credential, ..account("https://git.example") };
        Client::build(account, far.transport(), None, &budgets).expect("a client")
    });
    for client in &clients {
        client.send(read()).await.expect("an answer");
    }
    let calls = clients.iter().cycle().take(62).map(|client| client.send(read()));
    assert!(join_all(calls).await.iter().all(Result::is_ok));
    let took = started.elapsed();
    assert!(took.abs_diff(2 * SECOND) < SECOND / 10, "54 at once and ten at 5 a second: {took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_name_counts_in_any_answer_and_a_lost_one_only_in_bitbuckets_401() {
    const NOBODY: &[(&str, &str)] = &[("content-type", "application/json"), ("x-arequestid", "@1x1x1x0")];
    let budgets = crate::bitbucket::Budgets::default().for_held();
    let jane = budgets.purse(&account("https://git.example"));
    jane.named("jane");
    let after = async |says: Says| {
        let far = FarEnd { says: Some(says), ..FarEnd::default() };
        let credential = Credential::Bearer(Source::Fixed("other".into()));
        let account = Account { credential, ..account("https://git.example") };
        let client = Client::build(account, far.transport(), None, &budgets).expect("a client");
        let _whatever = client.send(write()).await;
        Arc::ptr_eq(&jane.budget(), &client.inner.purse.budget())
    };
    assert!(!after((200, JSON, "{}")).await);
    assert!(after((404, JANES, "{}")).await);
    assert!(after((200, JSON, "{}")).await, "a name that is lost on the way says nothing");
    assert!(after((401, JSON, "{}")).await, "nor does a proxy's 401");
    assert!(!after((401, NOBODY, "{}")).await);
}
