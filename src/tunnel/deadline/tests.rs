use std::sync::atomic::{AtomicBool, Ordering};

use http_body_util::{BodyExt as _, StreamBody};
use tokio_stream::StreamExt as _;
use tower::{ServiceExt as _, service_fn};

use super::*;

const UNARY: &str = "/gitproxy.scm.v1.Repos/GetRepo";
const BULK: &str = "/gitproxy.scm.v1.Files/GetFile";
const SECOND: Duration = Duration::from_secs(1);

type Answer = Result<http::Response<Body>, Status>;

async fn call<F>(path: &str, timeout: Option<&str>, answer: impl Fn() -> F) -> http::Response<Body>
where
    F: Future<Output = Answer> + Send + 'static,
{
    let mut request = http::Request::get(path);
    if let Some(timeout) = timeout {
        request = request.header("grpc-timeout", timeout);
    }
    let request = request.body(Body::empty()).expect("a request");
    let layer = DeadlineLayer::new(Defaults::default(), &Tasks::new());
    layer.layer(service_fn(|_| answer())).oneshot(request).await.expect("an answer")
}

/// A body that gives a byte each second, for ever.
fn ticking() -> Body {
    let ticks = tokio_stream::iter(std::iter::repeat(())).then(|()| async {
        tokio::time::sleep(SECOND).await;
        Ok::<_, Status>(http_body::Frame::data(bytes::Bytes::from_static(b".")))
    });
    Body::new(StreamBody::new(ticks))
}

async fn ending(body: Body) -> (usize, Option<Code>) {
    let mut body = body;
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.expect("no error, but trailers");
        bytes += frame.data_ref().map_or(0, bytes::Bytes::len);
        if let Some(trailers) = frame.trailers_ref() {
            return (bytes, Status::from_header_map(trailers).map(|status| status.code()));
        }
    }
    (bytes, None)
}

#[tokio::test(start_paused = true)]
async fn a_call_without_an_answer_ends_at_its_deadline() {
    let start = Instant::now();
    let response = call(UNARY, Some("2S"), std::future::pending::<Answer>).await;
    assert_eq!(start.elapsed().as_secs(), 2);
    let status = Status::from_header_map(response.headers()).expect("a status");
    assert_eq!((status.code(), Reason::of(&status)), (Code::DeadlineExceeded, Some(Reason::Deadline)));
}

#[tokio::test(start_paused = true)]
async fn a_small_call_without_a_deadline_has_a_minute() {
    let start = Instant::now();
    call(UNARY, None, std::future::pending::<Answer>).await;
    assert_eq!(start.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn a_streaming_body_is_cut_at_the_deadline() {
    let response = call(BULK, Some("3500m"), || async { Ok(http::Response::new(ticking())) }).await;
    assert_eq!(ending(response.into_body()).await, (3, Some(Code::DeadlineExceeded)));
}

#[tokio::test(start_paused = true)]
async fn a_transfer_that_moves_lives_beyond_any_limit_and_one_that_stops_does_not() {
    let moving = call(BULK, None, || async { Ok(http::Response::new(ticking())) }).await.into_body();
    let mut moving = moving;
    for _ in 0..200 {
        moving.frame().await.expect("a frame").expect("data");
    }
    let stopped = || async {
        let first =
            tokio_stream::once(Ok::<_, Status>(http_body::Frame::data(bytes::Bytes::from_static(b"."))));
        Ok(http::Response::new(Body::new(StreamBody::new(first.chain(tokio_stream::pending())))))
    };
    let start = Instant::now();
    let stopped = call(BULK, None, stopped).await;
    assert_eq!(ending(stopped.into_body()).await, (1, Some(Code::DeadlineExceeded)));
    assert_eq!(start.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_nobody_reads_is_dropped_at_the_deadline() {
    struct Flag(Arc<AtomicBool>);
    impl Drop for Flag {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    use std::sync::Arc;
    let dropped = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&dropped);
    let answer = move || {
        let flag = Flag(Arc::clone(&seen));
        let never =
            tokio_stream::pending::<Result<http_body::Frame<bytes::Bytes>, Status>>().map(move |frame| {
                let _kept = &flag;
                frame
            });
        async { Ok(http::Response::new(Body::new(StreamBody::new(never)))) }
    };
    let _unread = call(BULK, Some("1S"), answer).await;
    tokio::time::sleep(2 * SECOND).await;
    assert!(dropped.load(Ordering::SeqCst));
}

#[tokio::test(start_paused = true)]
async fn a_malformed_timeout_is_refused_before_the_call() {
    let response = call(UNARY, Some("soon"), || async { panic!("must not be called") }).await;
    let status = Status::from_header_map(response.headers()).expect("a status");
    assert_eq!(status.code(), Code::InvalidArgument);
}

#[tokio::test(start_paused = true)]
async fn a_watch_without_a_deadline_lives_for_ever() {
    let request =
        http::Request::get("/gitproxy.tunnel.v1.Tunnel/Attach").body(Body::empty()).expect("a request");
    assert_eq!(Bound::of(&request, Defaults::default()).expect("no timeout"), Bound::Never);
}
