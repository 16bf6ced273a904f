use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http_body_util::BodyExt as _;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::{Code, Request, Status};
use tower::{ServiceBuilder, ServiceExt as _};

use super::*;
use crate::ops::call::{Call, Deadline, Urgency};
use crate::proto::Reason;
use crate::proto::methods::{METHODS, SCM_PACKAGE};
use crate::proto::scm::v1 as pb;
use crate::proto::scm::v1::files_client::FilesClient;
use crate::proto::scm::v1::pull_requests_client::PullRequestsClient;
use crate::proto::scm::v1::refs_client::RefsClient;
use crate::scm::testing::{NoHeld, Recorder, connection};
use crate::scm::{Caller, DenyAll, idempotency, routes};

fn core(recorder: &Recorder) -> Core {
    let connections = Connections::new([connection("main", recorder)], Arc::new(NoHeld));
    Core::new(connections).with_policy(recorder.clone()).with_audit(recorder.clone())
}

fn repo(project: &str) -> Option<pb::RepoRef> {
    Some(pb::RepoRef { project: project.into(), slug: "web".into() })
}

fn new_branch(project: &str) -> pb::CreateBranchRequest {
    pb::CreateBranchRequest { repo: repo(project), name: "x".into(), start_point: "main".into() }
}

fn file(path: &str) -> pb::GetFileRequest {
    pb::GetFileRequest { repo: repo("SHOP"), path: path.into(), ..Default::default() }
}

async fn create(core: Core, request: Request<pb::CreateBranchRequest>) -> Result<(), Status> {
    RefsClient::new(routes(&Arc::new(core))).create_branch(request).await.map(drop)
}

fn refusal<T>(outcome: Result<T, Status>) -> (Code, Option<Reason>) {
    let status = outcome.err().expect("refused");
    (status.code(), Reason::of(&status))
}

#[tokio::test]
async fn a_command_passes_the_hooks_in_order() {
    let recorder = Recorder::new();
    create(core(&recorder), Request::new(new_branch("shop"))).await.expect("allowed");
    assert_eq!(recorder.take(), ["policy main", "begin", "create_branch", "end shop/web Ok -"]);
}

#[tokio::test]
async fn the_backend_is_told_when_the_call_ends_and_when_its_key_was_made() {
    let recorder = Recorder::new();
    let ends = Instant::now() + Duration::from_secs(7);
    let mut request = Request::new(new_branch("SHOP"));
    let key = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f".parse().unwrap();
    request.metadata_mut().insert(idempotency::METADATA, key);
    // As the stack does, below tonic's client.
    let services = ServiceBuilder::new()
        .map_request(move |mut request: http::Request<Body>| {
            request.extensions_mut().insert(Deadline(ends));
            request
        })
        .service(routes(&Arc::new(core(&recorder))));
    RefsClient::new(services).create_branch(request).await.expect("allowed");
    let key_made = Some(SystemTime::UNIX_EPOCH + Duration::from_millis(1_645_557_742_000));
    let told = recorder.told().expect("told");
    assert!(told.key.is_some());
    let (urgency, key) = (Urgency::Interactive, told.key);
    assert_eq!(told, Call { deadline: Some(ends), urgency, trace: None, key_made, key });
}

#[tokio::test]
async fn the_backend_tells_the_keys_of_two_callers_apart_though_they_are_the_same_number() {
    let told = async |tenant: &str, caller: &str, key: &str| {
        let recorder = Recorder::new();
        let mut request = Request::new(new_branch("SHOP"));
        request.metadata_mut().insert(idempotency::METADATA, key.parse().unwrap());
        request.extensions_mut().insert(Caller { tenant: tenant.into(), caller: caller.into() });
        create(core(&recorder), request).await.expect("allowed");
        recorder.told().expect("told").key.expect("a key")
    };
    let (one, two) = ("017f22e2-79b0-7cc3-98c4-dc0c0c07398f", "017f22e2-79b0-7cc3-98c4-dc0c0c073990");
    let first = told("acme", "bot", one).await;
    assert_eq!(told("acme", "bot", one).await, first);
    for (tenant, caller, key) in
        [("acme", "bat", one), ("acne", "bot", one), ("acmeb", "ot", one), ("acme", "bot", two)]
    {
        assert_ne!(told(tenant, caller, key).await, first, "{tenant} {caller} {key}");
    }
}

#[tokio::test]
async fn a_download_without_a_deadline_tells_of_none() {
    let recorder = Recorder::new();
    FilesClient::new(routes(&Arc::new(core(&recorder)))).get_file(file("a")).await.expect("begins");
    assert_eq!(recorder.told(), Some(Call::default()));
}

#[tokio::test]
async fn a_refused_connection_is_not_put_to_policy_but_audited() {
    let recorder = Recorder::new();
    let mut request = Request::new(new_branch("SHOP"));
    request.metadata_mut().insert("gitproxy-connection", "other".parse().unwrap());
    let refused = create(core(&recorder), request).await;
    assert_eq!(refusal(refused), (Code::NotFound, Some(Reason::ConnectionUnknown)));
    assert_eq!(recorder.take(), ["end SHOP/web NotFound CONNECTION_UNKNOWN"]);
}

#[tokio::test]
async fn a_pause_comes_before_policy() {
    let recorder = Recorder::new();
    let core = core(&recorder);
    core.pause().pause();
    let refused = create(core, Request::new(new_branch("SHOP"))).await;
    assert_eq!(refusal(refused), (Code::Unavailable, Some(Reason::Paused)));
    assert_eq!(recorder.take(), ["end SHOP/web Unavailable PAUSED"]);
}

#[tokio::test]
async fn a_project_outside_the_connection_is_refused_before_the_backend() {
    let recorder = Recorder::new();
    let refused = create(core(&recorder), Request::new(new_branch("HR"))).await;
    assert_eq!(refusal(refused), (Code::PermissionDenied, Some(Reason::OutsideProject)));
    assert_eq!(recorder.take(), ["policy main", "end HR/web PermissionDenied OUTSIDE_PROJECT"]);
}

#[tokio::test]
async fn a_fork_outside_the_connection_is_refused_before_the_backend() {
    let recorder = Recorder::new();
    let request = pb::OpenPrRequest {
        repo: repo("SHOP"),
        from_repo: repo("~mallory"),
        title: "t".into(),
        from_branch: "x".into(),
        to_branch: "main".into(),
        ..Default::default()
    };
    let refused = PullRequestsClient::new(routes(&Arc::new(core(&recorder)))).open_pr(request).await;
    let status = refused.expect_err("refused");
    assert_eq!(Reason::of(&status), Some(Reason::OutsideProject));
    assert!(status.message().contains("~mallory"), "{status:?}");
    assert_eq!(recorder.take(), ["policy main", "end SHOP/web PermissionDenied OUTSIDE_PROJECT"]);
}

#[tokio::test]
async fn a_malformed_field_is_refused_before_audit_begins() {
    let recorder = Recorder::new();
    let request = pb::CreateBranchRequest { name: String::new(), ..new_branch("SHOP") };
    let refused = create(core(&recorder), Request::new(request)).await;
    assert_eq!(refusal(refused), (Code::InvalidArgument, Some(Reason::InvalidField)));
    assert_eq!(recorder.take(), ["policy main", "end SHOP/web InvalidArgument INVALID_FIELD"]);
}

#[tokio::test]
async fn a_malformed_idempotency_key_is_refused_after_audit_has_begun() {
    let recorder = Recorder::new();
    let mut request = Request::new(new_branch("SHOP"));
    request.metadata_mut().insert(idempotency::METADATA, "mine".parse().unwrap());
    let refused = create(core(&recorder), request).await;
    assert_eq!(refusal(refused), (Code::InvalidArgument, Some(Reason::IdempotencyKeyInvalid)));
    assert_eq!(
        recorder.take(),
        ["policy main", "begin", "end SHOP/web InvalidArgument IDEMPOTENCY_KEY_INVALID"]
    );
}

#[tokio::test]
async fn deny_all_stops_every_method_whatever_its_body() {
    let recorder = Recorder::new();
    let routes = routes(&Arc::new(core(&recorder).with_policy(DenyAll)));
    let mut asked = 0;
    for method in METHODS.iter().filter(|method| method.package == SCM_PACKAGE) {
        let response = routes.clone().oneshot(empty_message(method.path)).await.unwrap_or_else(never);
        let status = Status::from_header_map(response.headers()).expect("a refusal has no body");
        assert_eq!(
            refusal::<()>(Err(status)),
            (Code::PermissionDenied, Some(Reason::PolicyDenied)),
            "{method:?}"
        );
        assert_eq!(recorder.take(), ["end - PermissionDenied POLICY_DENIED"], "{method:?}");
        asked += 1;
    }
    assert!(asked > 15, "{asked}");
}

#[tokio::test]
async fn every_method_of_the_contract_is_served() {
    let recorder = Recorder::new();
    let routes = routes(&Arc::new(core(&recorder)));
    for method in METHODS.iter().filter(|method| method.package == SCM_PACKAGE) {
        let response = routes.clone().oneshot(empty_message(method.path)).await.unwrap_or_else(never);
        let code = Status::from_header_map(response.headers()).map(|status| status.code());
        let body = response.into_body().collect().await.expect("a body");
        assert_ne!(code, Some(Code::Unimplemented), "{method:?}");
        assert!(code.is_some() || body.trailers().is_some(), "{method:?}");
    }
}

#[tokio::test]
async fn a_download_ends_in_audit_when_its_last_message_is_out() {
    let recorder = Recorder::new();
    let mut client = FilesClient::new(routes(&Arc::new(core(&recorder))));
    let mut messages = client.get_file(file("a")).await.expect("begins").into_inner();
    assert_eq!(recorder.take(), ["policy main", "begin", "get_file"]);
    let mut lengths = Vec::new();
    while let Some(message) = messages.message().await.expect("a message") {
        lengths.push(message.data.len());
    }
    assert_eq!(lengths, [65_536, 1]);
    assert_eq!(recorder.take(), ["end SHOP/web Ok -"]);
}

#[tokio::test]
async fn a_download_that_fails_midway_ends_with_its_fault() {
    let recorder = Recorder::new();
    let mut client = FilesClient::new(routes(&Arc::new(core(&recorder))));
    let mut messages = client.get_file(file("cut")).await.expect("begins").into_inner();
    messages.message().await.expect("the first");
    messages.message().await.expect("the second");
    assert_eq!(refusal(messages.message().await), (Code::Internal, Some(Reason::Internal)));
    assert_eq!(recorder.take().last().unwrap(), "end SHOP/web Internal INTERNAL");
}

#[tokio::test]
async fn a_download_that_the_caller_leaves_is_cancelled_in_audit() {
    let recorder = Recorder::new();
    let mut client = FilesClient::new(routes(&Arc::new(core(&recorder))));
    let mut messages = client.get_file(file("endless")).await.expect("begins").into_inner();
    messages.message().await.expect("the first");
    drop(messages);
    assert_eq!(recorder.take().last().unwrap(), "end SHOP/web Cancelled -");
}

/// A call with one message in which every field has its default.
fn empty_message(path: &str) -> http::Request<Body> {
    let framed = http_body_util::Full::new(bytes::Bytes::from_static(&[0; 5]));
    let request = http::Request::post(path).header("content-type", "application/grpc");
    request.body(Body::new(framed)).unwrap()
}

fn never<T>(never: Infallible) -> T {
    match never {}
}
