//! The order of the layers: each test fails when two of them change places.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use http_body_util::Full;
use tokio::sync::Semaphore;
use tonic::Status;
use tower::ServiceExt as _;

use super::*;
use crate::ops::tasks::Drained;
use crate::proto::scm::v1 as pb;
use crate::proto::scm::v1::refs_client::RefsClient;
use crate::proto::{Fault, Reason};
use crate::scm::connections::{Connections, HeldBackends};
use crate::scm::held::Settings;
use crate::scm::idempotency::METADATA;
use crate::scm::policy::{Decision, Policy};
use crate::scm::testing::{self, Recorder};
use crate::scm::{self, Command, Core, DenyAll, Scm};

const PATH: &str = "/gitproxy.scm.v1.Connections/ListConnections";

#[tokio::test]
async fn secrets_are_taken_before_anything_observes() {
    let stack = limited(1, DenyAll);
    let (reason, id) = call(&stack, &[("gitproxy-connection-bin", "!")]).await;
    assert_eq!((reason, id), (Reason::HeaderReserved, None));
}

#[tokio::test]
async fn a_rescued_panic_has_its_id() {
    let stack = limited(1, Panics);
    let (reason, id) = call(&stack, &[]).await;
    assert_eq!((reason, id.is_some()), (Reason::Internal, true));
    assert_eq!(call(&stack, &[]).await.0, Reason::Internal, "the panic gave its place back");
}

#[tokio::test]
async fn the_deadline_is_asked_before_a_place_is_taken() {
    let full = limited(0, DenyAll);
    assert_eq!(call(&full, &[("grpc-timeout", "soon")]).await.0, Reason::InvalidField);
    assert_eq!(call(&full, &[("grpc-timeout", "5S")]).await.0, Reason::Busy);
}

#[tokio::test]
async fn what_passes_every_layer_reaches_policy() {
    let stack = limited(1, DenyAll);
    let (reason, id) = call(&stack, &[]).await;
    assert_eq!((reason, id.is_some()), (Reason::PolicyDenied, true));
}

#[tokio::test]
async fn writes_whose_callers_have_left_keep_their_places_until_they_end() {
    let (gate, tasks) = (Arc::new(Semaphore::new(0)), Tasks::new());
    let recorder = Recorder::behind(&gate);
    let connections = Connections::new([testing::connection("main", &recorder)], Arc::new(NoHeld));
    let core = Core::new(connections).with_audit(recorder.clone()).with_tasks(&tasks);
    let limits = Limits { unary: 3, ..Limits::default() };
    let stack = stack(scm::routes(&Arc::new(core)), limits, &Observer::default(), &tasks);
    let mut busy = Vec::new();
    for number in 0..9 {
        busy.push(is_busy(&stack, number));
    }
    assert_eq!(busy, [false, false, false, true, true, true, true, true, true]);
    gate.add_permits(1);
    while !recorder.take().iter().any(|what| what.starts_with("end")) {
        tokio::task::yield_now().await;
    }
    assert_eq!([is_busy(&stack, 9), is_busy(&stack, 10)], [false, true], "one has ended");
    gate.add_permits(3);
    assert_eq!(tasks.finish(Duration::from_secs(5)).await, Drained::Clean);
    assert!(!is_busy(&stack, 11), "all have ended");
}

/// Whether there is no place for a write with a key; its caller leaves as soon as it would have to wait.
fn is_busy(stack: &Service, number: u8) -> bool {
    match create(stack, number).now_or_never() {
        Some(answer) => Reason::of(&answer.expect_err("nobody lets it through")) == Some(Reason::Busy),
        None => false,
    }
}

async fn create(stack: &Service, number: u8) -> Result<(), Status> {
    let repo = Some(pb::RepoRef { project: "SHOP".into(), slug: "web".into() });
    let message = pb::CreateBranchRequest { repo, name: "x".into(), start_point: "main".into() };
    let mut request = tonic::Request::new(message);
    let key = format!("017f22e2-79b0-7cc3-98c4-dc0c0c0739{number:02x}");
    request.metadata_mut().insert(METADATA, key.parse().expect("ascii"));
    RefsClient::new(stack.clone()).create_branch(request).await.map(drop)
}

fn limited(unary: usize, policy: impl Policy) -> Service {
    let core = Core::new(Connections::new([], Arc::new(NoHeld))).with_policy(policy);
    let limits = Limits { unary, ..Limits::default() };
    stack(scm::routes(&Arc::new(core)), limits, &Observer::default(), &Tasks::new())
}

/// Why the call was refused, and the id that came with the refusal.
async fn call(stack: &Service, headers: &[(&str, &str)]) -> (Reason, Option<String>) {
    let mut request = http::Request::post(PATH).header("content-type", "application/grpc");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let empty = Body::new(Full::from(&[0_u8; 5][..]));
    let Ok(response) = stack.clone().oneshot(request.body(empty).expect("a request")).await;
    let status = Status::from_header_map(response.headers()).expect("a refusal");
    let id = response.headers().get(observe::REQUEST_ID);
    (Reason::of(&status).expect("one of ours"), id.map(|id| id.to_str().expect("ascii").to_owned()))
}

struct Panics;

impl Policy for Panics {
    fn decide(&self, _: &Command) -> Decision {
        panic!("for the test")
    }
}

struct NoHeld;

impl HeldBackends for NoHeld {
    fn backend(&self, _: &Settings) -> Result<Arc<dyn Scm>, Fault> {
        Err(Fault::internal("not in this test"))
    }
}
