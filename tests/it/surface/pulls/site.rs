//! A simulator with pull requests, and what its administrator sets.

use std::sync::atomic::{AtomicU32, Ordering};

use bitbucket_sim::{Fault, Rule, TokenSpec, Version, WriteKind};
use bytes::Bytes;
use gitproxy::bitbucket::{Client, Error};
use gitproxy::egress::{self, Alpn, CaSource, Egress, Settings};
use gitproxy::ops::Tasks;
use gitproxy::proto::scm::v1 as pb;
use gitproxy::proto::{Fault as Failure, Reason};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Method, Request, Uri};
use http_body_util::Full;
use serde_json::Value;

use crate::adapter::{World, web};

/// The world of `alice`, who opens, and `bob`, who reviews.
pub(super) struct Site {
    pub(super) world: World,
    pub(super) alice: Client,
    pub(super) bob: Client,
    branches: AtomicU32,
}

impl Site {
    pub(super) async fn new(version: Version) -> Self {
        let world = World::new(version).await;
        let bob = world.sim.add_token(TokenSpec::personal("bob"));
        world.sim.add_user("carol", "x");
        Self { alice: world.client(), bob: world.client_as(&bob), world, branches: AtomicU32::new(0) }
    }

    /// Opens a pull request from a new branch that changes the second line of `a.txt`; `bob` shall review it.
    pub(super) async fn open(&self) -> pb::PullRequest {
        let number = self.branches.fetch_add(1, Ordering::Relaxed);
        let name = format!("fix-{number}");
        self.commit(&name, "master", &format!("one\nTWO {number}\n")).await;
        let asked = pb::OpenPrRequest {
            repo: web(),
            title: "Bump".into(),
            description: "Why".into(),
            from_branch: name,
            to_branch: "master".into(),
            reviewers: vec!["bob".into()],
            ..Default::default()
        };
        self.alice.open_pr(asked).await.expect("opened").pull_request.expect("one")
    }

    /// Writes `a.txt` on a branch, which begins at another if there is none of the name.
    pub(super) async fn commit(&self, branch: &str, from: &str, content: &str) {
        let head = self.world.sim.commit_of("SHOP", "web", branch).await.ok();
        let source_branch = if head.is_some() { String::new() } else { from.to_owned() };
        let source_commit_id = match head {
            Some(head) => head,
            None => self.world.sim.commit_of("SHOP", "web", from).await.expect("a commit"),
        };
        let asked = pb::EditFileRequest {
            repo: web(),
            branch: branch.into(),
            path: "a.txt".into(),
            content: Bytes::copy_from_slice(content.as_bytes()),
            message: "Bump".into(),
            source_commit_id,
            source_branch,
        };
        self.alice.edit_file(asked).await.expect("an edit");
    }

    pub(super) async fn get(&self, id: i64) -> pb::PullRequest {
        let asked = pb::GetPrRequest { repo: web(), id };
        self.alice.get_pr(asked).await.expect("read").pull_request.expect("one")
    }

    pub(super) async fn merge(&self, asked: pb::MergePrRequest) -> Result<pb::MergePrResponse, Error> {
        self.alice.merge_pr(asked).await
    }

    /// Loses the next answers to requests whose path has this part, after the requests are performed.
    pub(super) fn lose(&self, method: &str, part: &str, times: u32) {
        self.world.trouble(Rule::new(Fault::DropAnswer).method(method).path(part).times(times));
    }

    /// How many writes of this kind the simulator performed.
    pub(super) fn writes(&self, kind: WriteKind) -> usize {
        self.world.sim.writes().iter().filter(|write| write.kind == kind).count()
    }

    /// Sends what an administrator sends, below the repository of the `api`.
    pub(super) async fn set(&self, method: Method, below: &str, body: &Value) {
        let pem = self.world.sim.ca_pem().as_bytes().to_vec();
        let extra_ca = vec![CaSource::Pem { name: "simulator".into(), pem }];
        let egress =
            Egress::new(&Settings { extra_ca, ..Settings::default() }, &Tasks::new()).expect("trust");
        let url: Uri = format!("{}/rest/api/latest/projects/SHOP/repos/web/{below}", self.world.sim.url())
            .parse()
            .expect("a URL");
        let origin = format!("https://{}", url.authority().expect("a host"));
        let connector = egress.connector(origin.parse().expect("an origin"), Alpn::Http1OrHttp2);
        let request = Request::builder()
            .method(method)
            .uri(url)
            .header(AUTHORIZATION, format!("Bearer {}", self.world.token))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::from(body.to_string()))
            .expect("a request");
        let answer = egress::Client::new(connector).send(request).await.expect("answered");
        assert!(answer.status().is_success(), "{below}: {}", answer.status());
    }
}

/// The pull request of this number.
pub(super) fn merging(id: i64) -> pb::MergePrRequest {
    pb::MergePrRequest { repo: web(), id, ..Default::default() }
}

/// Why a command failed.
pub(super) fn reason<T: std::fmt::Debug>(outcome: Result<T, Error>) -> Reason {
    Failure::from(outcome.expect_err("a failure")).reason()
}
