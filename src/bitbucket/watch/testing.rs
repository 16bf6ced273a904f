//! A Bitbucket that says what it is told to, and can be told otherwise meanwhile.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use futures_util::Stream;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use tower::util::BoxCloneSyncService;

use crate::bitbucket::account::tests::account;
use crate::bitbucket::transport::{Body, Lost};
use crate::bitbucket::{Client, Error};
use crate::proto::scm::v1 as pb;

/// The pull request 7 of `SHOP/web`, and the builds of its head.
#[derive(Clone, Default)]
pub(super) struct Bitbucket(Arc<Mutex<Told>>);

pub(super) struct Told {
    /// `OPEN`, `MERGED`, `DECLINED`.
    pub(super) state: &'static str,
    pub(super) title: &'static str,
    pub(super) head: &'static str,
    /// What the builds of every commit say.
    pub(super) builds: Vec<&'static str>,
    pub(super) veto: Option<&'static str>,
    /// `CLEAN`, `UNKNOWN`.
    pub(super) outcome: &'static str,
    pub(super) armed: bool,
    /// The last segment of each path.
    pub(super) asked: Vec<String>,
}

impl Default for Told {
    fn default() -> Self {
        Self {
            state: "OPEN",
            title: "Bump",
            head: HEAD,
            builds: vec!["SUCCESSFUL"],
            veto: None,
            outcome: "CLEAN",
            armed: false,
            asked: Vec::new(),
        }
    }
}

impl Bitbucket {
    pub(super) fn client(&self) -> Client {
        let far = self.clone();
        let transport = BoxCloneSyncService::new(tower::service_fn(move |request: Request<Full<Bytes>>| {
            let answer = far.lock().answer(request.uri().path());
            async move { Ok::<_, Lost>(answer) }
        }));
        Client::with(account("https://git.example"), transport).expect("a client")
    }

    /// What it tells, to be read or changed.
    pub(super) fn lock(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap()
    }

    /// What it was asked since this was called last, in alphabetical order: some of it is asked at once.
    pub(super) fn asked(&self) -> Vec<String> {
        let mut asked = std::mem::take(&mut self.lock().asked);
        asked.sort();
        asked
    }
}

impl Told {
    fn answer(&mut self, path: &str) -> Response<Body> {
        let last = path.rsplit('/').next().unwrap_or_default().to_owned();
        let (status, json) = match last.as_str() {
            "application-properties" => (200, json!({"version": "9.4.1"})),
            "7" => (200, self.pull_request()),
            "merge" => (200, self.check()),
            "auto-merge" if self.armed => (200, json!({"autoMerge": true})),
            "auto-merge" => (404, refusal("NoSuchEntityException")),
            _ if path.contains("/build-status/") => (200, self.list()),
            _ if path.contains("/commits/") => (200, json!({"id": last})),
            _ => (404, refusal("pull.NoSuchPullRequestException")),
        };
        self.asked.push(last);
        let body = Full::from(json.to_string()).map_err(|never| match never {}).boxed_unsync();
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(status).expect("a status");
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response.headers_mut().insert("x-arequestid", HeaderValue::from_static("@1x1x1x0"));
        response
    }

    fn pull_request(&self) -> Value {
        let side = |name: &str, head: &str| {
            json!({"id": format!("refs/heads/{name}"), "latestCommit": head,
                "repository": {"slug": "web", "project": {"key": "SHOP"}}})
        };
        json!({"id": 7, "version": 1, "title": self.title, "state": self.state, "reviewers": [],
            "fromRef": side("fix", self.head), "toRef": side("main", OTHER)})
    }

    fn check(&self) -> Value {
        let vetoes: Vec<_> = self.veto.iter().map(|veto| json!({"summaryMessage": veto})).collect();
        let free = vetoes.is_empty() && self.outcome == "CLEAN";
        json!({"canMerge": free, "conflicted": false, "outcome": self.outcome, "vetoes": vetoes})
    }

    fn list(&self) -> Value {
        let build = |(key, state): (usize, &&str)| json!({"key": key.to_string(), "state": state, "url": "https://ci.example", "dateAdded": 1});
        let builds: Vec<_> = self.builds.iter().enumerate().map(build).collect();
        json!({"values": builds, "isLastPage": true})
    }
}

fn refusal(name: &str) -> Value {
    let name = format!("com.atlassian.bitbucket.{name}");
    json!({"errors": [{"context": null, "message": "No.", "exceptionName": name}]})
}

pub(super) fn web() -> Option<pb::RepoRef> {
    Some(pb::RepoRef { project: "SHOP".into(), slug: "web".into() })
}

/// A watch of the pull request.
pub(super) fn of_pull_request(client: &Client) -> Messages<pb::WatchPrResponse> {
    let asked = pb::WatchPrRequest { repo: web(), id: 7, ..Default::default() };
    Box::pin(client.watch_pr(asked).expect("it begins"))
}

/// A watch of the builds of a target.
pub(super) fn of_builds(
    client: &Client,
    target: pb::watch_build_status_request::Target,
) -> Messages<pb::WatchBuildStatusResponse> {
    let asked = pb::WatchBuildStatusRequest { repo: web(), target: Some(target), ..Default::default() };
    Box::pin(client.watch_build_status(asked).expect("it begins"))
}

pub(super) type Messages<M> = Pin<Box<dyn Stream<Item = Result<M, Error>> + Send>>;

pub(super) const HEAD: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
pub(super) const OTHER: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
