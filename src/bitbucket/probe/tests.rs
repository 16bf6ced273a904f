use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use tower::util::BoxCloneSyncService;
use tracing_subscriber::layer::SubscriberExt as _;

use super::*;
use crate::bitbucket::account::tests::account;
use crate::bitbucket::{Account, Credential};
use crate::ops::secret::Source;
use crate::ops::telemetry::{self, Format};
use crate::proto::scm::v1 as pb;

/// A far end that answers by the end of the path, or a part of the query; it keeps what it was asked for, and whether a token came along.
#[derive(Clone, Default)]
struct FarEnd {
    answers: Vec<(&'static str, u16, &'static str, &'static str)>,
    asked: Arc<Mutex<Vec<(String, bool)>>>,
}

impl FarEnd {
    fn new(answers: &[(&'static str, u16, &'static str, &'static str)]) -> Self {
        Self { answers: answers.to_vec(), ..Self::default() }
    }

    fn client(&self) -> Client {
        self.client_of(account("https://git.example/bitbucket"))
    }

    fn client_of(&self, account: Account) -> Client {
        let far = self.clone();
        let transport = BoxCloneSyncService::new(tower::service_fn(move |request: Request<Full<Bytes>>| {
            let far = far.clone();
            async move {
                let path = request.uri().path().to_owned();
                far.asked.lock().unwrap().push((path.clone(), request.headers().contains_key(AUTHORIZATION)));
                let query = request.uri().query().unwrap_or_default().to_owned();
                let hits = |part: &str| path.ends_with(part) || (part.contains('=') && query.contains(part));
                let found = far.answers.iter().find(|(part, ..)| hits(part));
                let Some((_, status, kind, body)) = found else { return std::future::pending().await };
                let body = Full::from(*body).map_err(|never| match never {}).boxed_unsync();
                let response = Response::builder().status(*status).header("content-type", *kind);
                Ok(response.header("x-arequestid", "@1").header("x-ausername", "jane").body(body).unwrap())
            }
        }));
        Client::with(account, transport).expect("a client")
    }

    fn asked(&self, path: &str) -> Vec<bool> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|(asked, _)| asked.ends_with(path)).map(|(_, token)| *token).collect()
    }
}

fn outcome(checks: &[Check], name: &str) -> String {
    checks.iter().find(|check| check.name == name).map(|check| check.outcome.to_string()).unwrap_or_default()
}

const JSON: &str = "application/json";
const HTML: &str = "text/html";
const RUNNING: (&str, u16, &str, &str) = ("/status", 200, JSON, r#"{"state":"RUNNING"}"#);
const PROPERTIES: &str = "/application-properties";
const VERSION: (&str, u16, &str, &str) =
    (PROPERTIES, 200, JSON, r#"{"version":"9.4.22","displayName":"Bitbucket"}"#);

#[tokio::test]
async fn every_check_is_there_in_its_order_and_the_token_goes_below_rest_only() {
    let refused = r#"{"errors":[{"exceptionName":"com.atlassian.bitbucket.auth.IncorrectPasswordAuthenticationException"}]}"#;
    let far = FarEnd::new(&[RUNNING, VERSION, ("/projects", 401, JSON, refused)]);
    let checks = far.client().probe().await;
    let names: Vec<_> = checks.iter().map(|check| check.name).collect();
    assert_eq!(names, NAMES);
    assert_eq!(outcome(&checks, "token"), "failed");
    assert_eq!(outcome(&checks, "projects"), "skipped");
    assert_eq!((far.asked("/status"), far.asked(PROPERTIES)), (vec![false], vec![false]));
    assert_eq!(far.asked("/projects"), [true], "one refusal is enough");
    assert_eq!(far.asked.lock().unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_refused_login_is_not_tried_again_at_once_and_one_that_is_let_in_is() {
    let refused = r#"{"errors":[{"exceptionName":"com.atlassian.bitbucket.auth.IncorrectPasswordAuthenticationException"}]}"#;
    let far = FarEnd::new(&[RUNNING, VERSION, ("/projects", 401, JSON, refused)]);
    let client = far.client();
    let token = |checks: Vec<Check>| checks.into_iter().find(|check| check.name == "token").expect("a check");
    let (first, other) = tokio::join!(client.probe(), client.probe());
    assert_eq!((other.len(), far.asked("/projects").len()), (first.len(), 1));
    assert_eq!(token(first).found, "the token is refused");
    assert_eq!(token(other).found, "the token is refused (asked 0 s ago)");
    tokio::time::advance(Duration::from_secs(29)).await;
    let again = client.test_connection(pb::TestConnectionRequest {}).await.expect("tested");
    assert_eq!((again.passed, again.version.as_str(), far.asked("/projects").len()), (false, "9.4.22", 1));
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(token(client.probe().await).found, "the token is refused");
    assert_eq!(far.asked("/projects").len(), 2);
    let far = FarEnd::new(&[RUNNING, VERSION, ("/projects", 429, JSON, "{}")]);
    let client = far.client();
    let (_, _) = (client.probe().await, client.probe().await);
    assert_eq!(far.asked("/projects").len(), 2, "no login was refused");
}

#[tokio::test]
async fn who_wants_a_login_for_the_version_gets_it_once() {
    let far = FarEnd::new(&[RUNNING, (PROPERTIES, 200, HTML, "<h1>Log in</h1>")]);
    let checks = far.client().probe().await;
    assert_eq!(outcome(&checks, "version"), "failed");
    assert_eq!(far.asked(PROPERTIES), [false, true]);
    assert!(far.asked("/projects").is_empty());
}

#[tokio::test]
async fn a_server_that_starts_is_not_said_to_be_no_bitbucket() {
    let far = FarEnd::new(&[
        ("/status", 503, JSON, r#"{"state":"STARTING"}"#),
        (PROPERTIES, 503, JSON, r#"{"errors":[]}"#),
    ]);
    let checks = far.client().probe().await;
    assert_eq!(
        (outcome(&checks, "status"), outcome(&checks, "version")),
        ("failed".into(), "skipped".into())
    );
}

#[tokio::test]
async fn a_connection_test_names_user_version_and_hidden_projects() {
    let far = FarEnd::new(&[
        RUNNING,
        VERSION,
        ("/projects", 200, JSON, r#"{"values":[]}"#),
        ("/projects/SHOP", 200, JSON, r#"{"key":"SHOP","name":"Shop"}"#),
        ("/projects/~jane", 404, JSON, r#"{"errors":[{"exceptionName":"x.NoSuchProjectException"}]}"#),
        ("/latest/repos", 200, JSON, r#"{"values":[{"slug":"web","project":{"key":"SHOP"}}]}"#),
    ]);
    let found = far.client().test_connection(pb::TestConnectionRequest {}).await.expect("tested");
    assert_eq!((found.version.as_str(), found.authenticated_as.as_str()), ("9.4.22", "jane"));
    assert_eq!((found.visible_projects, found.hidden_projects), (vec!["SHOP".into()], vec!["~jane".into()]));
    let warned: Vec<_> = found
        .checks
        .iter()
        .filter(|check| check.outcome() == pb::CheckOutcome::Warned)
        .map(|it| it.kind())
        .collect();
    assert_eq!(warned, [pb::CheckKind::Projects, pb::CheckKind::Excess]);
    assert!(found.passed);
}

#[tokio::test]
async fn where_the_lists_are_longer_than_a_page_each_project_is_asked_for() {
    const MORE: &str =
        r#"{"values":[{"slug":"x","project":{"key":"OTHER"}}],"isLastPage":false,"nextPageStart":250}"#;
    let far = FarEnd::new(&[
        RUNNING,
        VERSION,
        ("/projects", 200, JSON, r#"{"values":[]}"#),
        ("projectkey=SHOP", 200, JSON, r#"{"values":[{"slug":"web","project":{"key":"SHOP"}}]}"#),
        // An old version knows no keys, and this project's name is another's too.
        ("projectkey=~jane", 200, JSON, r#"{"values":[{"slug":"x","project":{"key":"OTHER"}}]}"#),
        ("/projects/SHOP", 200, JSON, r#"{"key":"SHOP","name":"Shop"}"#),
        ("/projects/~jane", 200, JSON, r#"{"key":"~jane","name":"Jane"}"#),
        ("/projects/~jane/repos", 200, JSON, r#"{"values":[{"slug":"y","project":{"key":"~jane"}}]}"#),
        ("/latest/repos", 200, JSON, MORE),
    ]);
    let checks = far.client().probe().await;
    let write = checks.iter().find(|check| check.name == "write").expect("a check");
    assert_eq!((write.outcome.to_string().as_str(), write.found.as_str()), ("warned", "read only: ~jane"));
    assert!(far.asked("/projects/SHOP/repos").is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_does_not_answer_fails_within_the_limit() {
    let started = Instant::now();
    let checks = FarEnd::new(&[RUNNING, VERSION]).client().probe().await;
    assert_eq!(started.elapsed(), LIMIT);
    let token = checks.iter().find(|check| check.name == "token").expect("a check");
    assert_eq!(token.found, "took longer than 13 s");
    assert!(token.is_failed());
}

#[tokio::test(start_paused = true)]
async fn the_log_warns_of_a_token_that_ends_soon() {
    let day = Duration::from_secs(24 * 60 * 60);
    for (days, warned) in [(10, true), (90, false)] {
        let ends = SystemTime::now() + day * days + day / 2;
        let millis = ends.duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
        let tokens = format!(r#"{{"values":[{{"id":"25","expiryDate":{millis}}}]}}"#);
        let far = FarEnd::new(&[
            RUNNING,
            VERSION,
            ("/projects", 200, JSON, r#"{"values":[]}"#),
            ("/access-tokens/latest/users/jane", 200, JSON, tokens.leak()),
        ]);
        // `25:random`, in the form that Bitbucket gives its tokens.
        let credential = Credential::Bearer(Source::Fixed("MjU6cmFuZG9t".into()));
        let account = Account { credential, ..account("https://git.example/bitbucket") };
        let log = tempfile::NamedTempFile::new().expect("a file");
        let layer = telemetry::layer(Format::Human, log.reopen().expect("a file"));
        let subscriber = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
        let client = far.client_of(account);
        let checks = client.probe().await;
        drop(subscriber);
        assert_eq!(outcome(&checks, "expiry"), if warned { "warned" } else { "passed" }, "{checks:?}");
        let told = std::fs::read_to_string(log.path()).expect("read");
        let says = ["WARN", "the Bitbucket token ends soon", "connection=\"main\"", "days=10"];
        let line = |line: &str| says.iter().all(|part| line.contains(part));
        assert_eq!(told.lines().filter(|it| line(it)).count(), usize::from(warned), "{told}");
        assert!(client.token_expires().is_some());
    }
}
