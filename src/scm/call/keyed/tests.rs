use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt as _;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tonic::Request;

use super::*;
use crate::ops::Tasks;
use crate::ops::call::Deadline;
use crate::proto::scm::v1 as pb;
use crate::scm::call::call;
use crate::scm::connections::Connections;
use crate::scm::testing::{NoHeld, Recorder, connection};
use crate::scm::{Caller, idempotency};

const KEY: &str = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f";

/// A core whose writes wait until they are let, and end as they are told.
struct Scene {
    core: Core,
    recorder: Recorder,
    gate: Arc<Semaphore>,
    tried: Arc<AtomicUsize>,
}

/// How a write ends.
#[derive(Clone, Copy)]
enum End {
    Well,
    Refused(Code, Reason),
    Long,
}

impl Scene {
    fn new() -> Self {
        let recorder = Recorder::new();
        let connections = Connections::new([connection("main", &recorder)], Arc::new(NoHeld));
        let core = Core::new(connections).with_audit(recorder.clone()).with_tasks(&Tasks::new());
        Self { core, recorder, gate: Arc::new(Semaphore::new(0)), tried: Arc::default() }
    }

    /// With the gate open.
    fn open() -> Self {
        let scene = Self::new();
        scene.gate.add_permits(Semaphore::MAX_PERMITS / 2);
        scene
    }

    async fn create(&self, request: Request<pb::CreateBranchRequest>, end: End) -> Result<String, Reason> {
        let (gate, tried) = (Arc::clone(&self.gate), Arc::clone(&self.tried));
        let done = call(&self.core, request, move |_, _| {
            async move {
                gate.acquire().await.expect("open").forget();
                let number = tried.fetch_add(1, Ordering::SeqCst) + 1;
                match end {
                    End::Refused(code, reason) => Err(Fault::new(code, reason, "no")),
                    End::Well => Ok(answer(number.to_string())),
                    End::Long => Ok(answer("x".repeat(20_000))),
                }
            }
            .boxed()
        });
        let done = done.await;
        done.map(|answer| answer.into_inner().branch.unwrap().name)
            .map_err(|status| Reason::of(&status).expect("a reason"))
    }

    fn tried(&self) -> usize {
        self.tried.load(Ordering::SeqCst)
    }
}

fn answer(name: String) -> pb::CreateBranchResponse {
    pb::CreateBranchResponse { branch: Some(pb::Branch { name, ..Default::default() }) }
}

fn keyed(name: &str) -> Request<pb::CreateBranchRequest> {
    let repo = Some(pb::RepoRef { project: "SHOP".into(), slug: "web".into() });
    let message = pb::CreateBranchRequest { repo, name: name.into(), start_point: "main".into() };
    let mut request = Request::new(message);
    request.metadata_mut().insert(idempotency::METADATA, KEY.parse().unwrap());
    request
}

fn of(caller: &str, mut request: Request<pb::CreateBranchRequest>) -> Request<pb::CreateBranchRequest> {
    let caller = Caller { tenant: "acme".into(), caller: caller.into() };
    request.extensions_mut().insert(caller);
    request
}

#[tokio::test]
async fn a_finished_key_is_answered_from_memory() {
    let scene = Scene::open();
    assert_eq!(scene.create(keyed("a"), End::Well).await, Ok("1".into()));
    assert_eq!(scene.create(keyed("a"), End::Well).await, Ok("1".into()));
    assert_eq!(scene.tried(), 1);
    assert_eq!(scene.recorder.take(), ["begin", "end SHOP/web Ok -", "begin", "end SHOP/web Ok -"]);
}

#[tokio::test]
async fn the_same_key_with_another_request_is_refused() {
    let scene = Scene::open();
    scene.create(keyed("a"), End::Refused(Code::Unknown, Reason::WriteUncertain)).await.unwrap_err();
    assert_eq!(scene.create(keyed("b"), End::Well).await, Err(Reason::IdempotencyKeyReused));
    assert_eq!(scene.create(keyed("a"), End::Well).await, Ok("2".into()));
    assert_eq!(scene.create(keyed("b"), End::Well).await, Err(Reason::IdempotencyKeyReused));
}

#[tokio::test]
async fn a_key_is_one_callers() {
    let scene = Scene::open();
    assert_eq!(scene.create(of("x", keyed("a")), End::Well).await, Ok("1".into()));
    assert_eq!(scene.create(of("y", keyed("b")), End::Well).await, Ok("2".into()));
    assert_eq!(scene.create(keyed("c"), End::Well).await, Ok("3".into()));
}

#[tokio::test]
async fn a_twin_waits_for_the_first_and_gets_its_answer() {
    let scene = Scene::new();
    let both =
        futures_util::future::join(scene.create(keyed("a"), End::Well), scene.create(keyed("a"), End::Well));
    tokio::pin!(both);
    assert!(both.as_mut().now_or_never().is_none());
    scene.gate.add_permits(2);
    assert_eq!(both.await, (Ok("1".into()), Ok("1".into())));
    assert_eq!(scene.tried(), 1);
}

#[tokio::test]
async fn a_twin_tries_itself_when_the_first_provably_did_nothing() {
    let scene = Scene::new();
    let first = scene.create(keyed("a"), End::Refused(Code::ResourceExhausted, Reason::RateLimited));
    let both = futures_util::future::join(first, scene.create(keyed("a"), End::Well));
    tokio::pin!(both);
    assert!(both.as_mut().now_or_never().is_none());
    scene.gate.add_permits(2);
    assert_eq!(both.await, (Err(Reason::RateLimited), Ok("2".into())));
}

#[tokio::test]
async fn a_twin_hears_that_nobody_knows() {
    let scene = Scene::new();
    let first = scene.create(keyed("a"), End::Refused(Code::Unknown, Reason::WriteUncertain));
    let both = futures_util::future::join(first, scene.create(keyed("a"), End::Well));
    tokio::pin!(both);
    assert!(both.as_mut().now_or_never().is_none());
    scene.gate.add_permits(2);
    assert_eq!(both.await, (Err(Reason::WriteUncertain), Err(Reason::WriteUncertain)));
}

#[tokio::test]
async fn only_what_stays_true_is_remembered() {
    for (code, reason, tries) in [
        (Code::AlreadyExists, Reason::BranchExists, 1),
        (Code::InvalidArgument, Reason::BranchNameInvalid, 1),
        (Code::Unavailable, Reason::EgressConnect, 2),
        (Code::Unknown, Reason::WriteUncertain, 2),
        (Code::DeadlineExceeded, Reason::Deadline, 2),
        (Code::FailedPrecondition, Reason::TokenInvalid, 2),
        (Code::PermissionDenied, Reason::PermissionMissing, 2),
        (Code::NotFound, Reason::RepoNotFound, 2),
        (Code::Aborted, Reason::FileOutOfDate, 2),
    ] {
        let scene = Scene::open();
        assert_eq!(scene.create(keyed("a"), End::Refused(code, reason)).await, Err(reason));
        assert_eq!(scene.create(keyed("a"), End::Refused(code, reason)).await, Err(reason));
        assert_eq!(scene.tried(), tries, "{reason:?}");
    }
}

#[tokio::test]
async fn an_answer_that_is_too_long_to_keep_is_asked_for_again() {
    let scene = Scene::open();
    assert!(scene.create(keyed("a"), End::Long).await.is_ok());
    assert!(scene.create(keyed("a"), End::Long).await.is_ok());
    assert_eq!(scene.tried(), 2);
}

#[tokio::test]
async fn a_write_goes_on_when_its_caller_leaves() {
    let scene = Scene::new();
    assert!(scene.create(keyed("a"), End::Well).now_or_never().is_none(), "the caller has left");
    let again = scene.create(keyed("a"), End::Well);
    tokio::pin!(again);
    assert!(again.as_mut().now_or_never().is_none());
    scene.gate.add_permits(1);
    assert_eq!(again.await, Ok("1".into()));
    let ends: Vec<_> = scene.recorder.take().into_iter().filter(|it| it.starts_with("end")).collect();
    assert_eq!(ends, ["end SHOP/web Ok -", "end SHOP/web Ok -"], "audit hears what became of the write");
}

#[tokio::test(start_paused = true)]
async fn a_write_that_outlives_the_grace_is_in_doubt() {
    let scene = Scene::new();
    let mut request = keyed("a");
    request.extensions_mut().insert(Deadline(Instant::now() + Duration::from_secs(3)));
    let began = Instant::now();
    assert_eq!(scene.create(request, End::Well).await, Err(Reason::WriteUncertain));
    assert_eq!(began.elapsed(), Duration::from_secs(3) + GRACE);
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_forgotten_after_a_day() {
    let scene = Scene::open();
    assert_eq!(scene.create(keyed("a"), End::Well).await, Ok("1".into()));
    time::advance(Duration::from_secs(24 * 60 * 60)).await;
    assert_eq!(scene.create(keyed("a"), End::Well).await, Ok("2".into()));
}
