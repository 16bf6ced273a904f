//! A far end with prepared answers for commands that ask more than once.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use tower::util::BoxCloneSyncService;

use crate::bitbucket::account::tests::account;
use crate::bitbucket::transport::{Body, Lost};
use crate::bitbucket::{Client, Error};
use crate::proto::scm::v1 as pb;
use crate::proto::{Fault, Reason};

/// What the far end does with a request.
#[derive(Debug)]
pub(in crate::bitbucket::pull_requests) enum Answer {
    Json(u16, Value),
    /// The request arrives, and its answer never does.
    Lost,
}

/// A far end that gives its answers in their order and keeps what it got.
#[derive(Debug, Clone, Default)]
pub(in crate::bitbucket::pull_requests) struct FarEnd {
    answers: Arc<Mutex<Vec<(&'static str, Answer)>>>,
    got: Arc<Mutex<Vec<(String, Value)>>>,
    user: Option<&'static str>,
}

impl FarEnd {
    pub(in crate::bitbucket::pull_requests) fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::routed(answers.into_iter().map(|answer| ("", answer)))
    }

    /// Gives each answer to the first request whose path ends so, since concurrent requests have no order.
    pub(in crate::bitbucket::pull_requests) fn routed(
        answers: impl IntoIterator<Item = (&'static str, Answer)>,
    ) -> Self {
        let answers = Arc::new(Mutex::new(answers.into_iter().collect()));
        Self { answers, got: Arc::default(), user: Some("jane") }
    }

    /// Takes every token for one of nobody.
    pub(in crate::bitbucket::pull_requests) fn without_user(self) -> Self {
        Self { user: None, ..self }
    }

    pub(in crate::bitbucket::pull_requests) fn client(&self) -> Client {
        let far = self.clone();
        let transport = BoxCloneSyncService::new(tower::service_fn(move |request| {
            let far = far.clone();
            async move { far.answer(request).await }
        }));
        Client::with(account("https://git.example"), transport).expect("a client")
    }

    async fn answer(&self, request: Request<Full<Bytes>>) -> Result<Response<Body>, Lost> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes();
        let path = head.uri.path_and_query().expect("a path").as_str().to_owned();
        let short =
            path.rsplit_once("/web/pull-requests/").map_or(path.clone(), |(_, short)| short.to_owned());
        let got = (format!("{} {short}", head.method), serde_json::from_slice(&body).unwrap_or(Value::Null));
        self.got.lock().unwrap().push(got);
        match self
            .next(head.uri.path())
            .unwrap_or_else(|| panic!("one request too many: {} {path}", head.method))
        {
            Answer::Lost => Err(Lost::Underway { source: "reset".into() }),
            Answer::Json(status, json) => {
                let body = Full::from(json.to_string()).map_err(|never| match never {}).boxed_unsync();
                let mut response = Response::new(body);
                *response.status_mut() = StatusCode::from_u16(status).expect("a status");
                let headers = response.headers_mut();
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                headers.insert("x-arequestid", HeaderValue::from_static("@1x1x1x0"));
                if let Some(user) = self.user {
                    headers.insert("x-ausername", HeaderValue::from_static(user));
                }
                Ok(response)
            }
        }
    }

    fn next(&self, path: &str) -> Option<Answer> {
        let mut answers = self.answers.lock().unwrap();
        let at = answers.iter().position(|(end, _)| path.ends_with(end))?;
        Some(answers.remove(at).1)
    }

    /// Method and path of each request, from the pull request's number on where it has one.
    pub(in crate::bitbucket::pull_requests) fn lines(&self) -> Vec<String> {
        self.got.lock().unwrap().iter().map(|(line, _)| line.clone()).collect()
    }

    /// The bodies of the requests that are no GET.
    pub(in crate::bitbucket::pull_requests) fn bodies(&self) -> Vec<Value> {
        let got = self.got.lock().unwrap();
        got.iter().filter(|(line, _)| !line.starts_with("GET")).map(|(_, body)| body.clone()).collect()
    }
}

/// The pull request 7 of `jane` with two reviewers, as Bitbucket gives it in this state and version.
pub(in crate::bitbucket::pull_requests) fn pr(state: &str, version: i32) -> Value {
    json!({
        "id": 7, "version": version, "title": "Bump", "description": "Why", "state": state,
        "fromRef": {"id": "refs/heads/fix", "latestCommit": HEAD,
            "repository": {"slug": "web", "project": {"key": "SHOP"}}},
        "toRef": {"id": "refs/heads/main", "repository": {"slug": "web", "project": {"key": "SHOP"}}},
        "author": {"user": {"name": "ann", "slug": "ann"}},
        "reviewers": [{"user": {"name": "bob", "slug": "bob"}, "status": "APPROVED", "lastReviewedCommit": HEAD},
            {"user": {"name": "eve@x", "slug": "eve_x"}, "status": "UNAPPROVED"}],
    })
}

/// An answer of 200.
pub(in crate::bitbucket::pull_requests) fn ok(json: Value) -> Answer {
    Answer::Json(200, json)
}

/// A refusal by the exception of this name.
pub(in crate::bitbucket::pull_requests) fn refusal(status: u16, name: &str) -> Answer {
    let name = format!("com.atlassian.bitbucket.pull.{name}");
    Answer::Json(status, json!({"errors": [{"context": null, "message": "No.", "exceptionName": name}]}))
}

/// The answer of a Bitbucket of this version to who asks for it.
pub(in crate::bitbucket::pull_requests) fn version(version: &str) -> Answer {
    ok(json!({"version": version, "buildNumber": "1"}))
}

pub(in crate::bitbucket::pull_requests) fn web() -> Option<pb::RepoRef> {
    Some(pb::RepoRef { project: "SHOP".into(), slug: "web".into() })
}

/// The reason of a failure, and its metadata of this name.
pub(in crate::bitbucket::pull_requests) fn why<T: std::fmt::Debug>(
    outcome: Result<T, Error>,
    name: &str,
) -> (Reason, Option<String>) {
    let error = outcome.expect_err("a failure");
    let fact = match &error {
        Error::Refused(refusal) => {
            refusal.facts.iter().find(|(of, _)| *of == name).map(|(_, value)| value.clone())
        }
        _ => None,
    };
    (Fault::from(error).reason(), fact)
}

pub(in crate::bitbucket::pull_requests) const HEAD: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
