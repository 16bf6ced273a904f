//! The order of the layers: each test fails when two of them change places.

use std::sync::Arc;

use http_body_util::Full;
use tonic::Status;
use tower::ServiceExt as _;

use super::*;
use crate::proto::{Fault, Reason};
use crate::scm::connections::{Connections, HeldBackends};
use crate::scm::held::Settings;
use crate::scm::policy::{Decision, Policy};
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

fn limited(unary: usize, policy: impl Policy) -> Service {
    let core = Core::new(Connections::new([], Arc::new(NoHeld))).with_policy(policy);
    let limits = Limits { unary, ..Limits::default() };
    stack(scm::routes(&Arc::new(core)), limits, &Tasks::new())
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
