//! A call ends by its deadline, whichever end is left to see to it.

use std::time::Duration;

use gitproxy::ops::Tasks;
use gitproxy::proto::scm::v1::GetFileResponse as Message;
use gitproxy::tunnel::deadline::{DeadlineLayer, Defaults};
use gitproxy::tunnel::{Options, Service};
use tokio::time::Instant;
use tonic::{Code, Request, Status, Streaming};
use tower::ServiceBuilder;

use super::echo::{Caller, Echo, HANG, text};
use super::ends::{Carrier, Weather, join, wire};

super::over_both! {
    @paused the_agent_ends_a_handler_at_the_deadline
    @paused the_agent_cuts_a_streaming_body_at_the_deadline
    @paused the_gateway_cuts_a_streaming_body_when_the_other_end_is_stopped
}

/// Only the agent's end enforces: the caller's channel is bare.
async fn the_agent_ends_a_handler_at_the_deadline(carrier: Carrier) {
    let (echo, tasks) = (Echo::default(), Tasks::new());
    let (near, far, _weather) = wire(&tasks);
    let channel = join(carrier, near, far, bounded(echo.stack(), &tasks), &Options::default(), &tasks).await;
    let start = Instant::now();
    let status = Caller::new(channel).unary(HANG, request(5 * SECOND)).await.expect_err("it hangs");
    assert_eq!((status.code(), start.elapsed().as_secs()), (Code::DeadlineExceeded, 5));
    echo.dropped.reached(1).await;
}

async fn the_agent_cuts_a_streaming_body_at_the_deadline(carrier: Carrier) {
    let tasks = Tasks::new();
    let (near, far, weather) = wire(&tasks);
    let stack = bounded(Echo::default().stack(), &tasks);
    let channel = join(carrier, near, far, stack, &Options::default(), &tasks).await;
    weather.send_replace(Weather::Slow(1_000_000));
    let start = Instant::now();
    let download = Caller::new(channel).download(request(5 * SECOND)).await.expect("a stream");
    assert_eq!(ending(download).await.code(), Code::DeadlineExceeded);
    // What had left before the deadline still arrives: at most what windows and buffers hold.
    assert!((5..=8).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
}

/// Only the gateway's end enforces: the agent is there, but nothing comes from it any more.
async fn the_gateway_cuts_a_streaming_body_when_the_other_end_is_stopped(carrier: Carrier) {
    let tasks = Tasks::new();
    let (near, far, weather) = wire(&tasks);
    let channel = join(carrier, near, far, Echo::default().stack(), &Options::default(), &tasks).await;
    let caller = Caller::new(ServiceBuilder::new().layer(layer(&tasks)).service(channel));
    let start = Instant::now();
    let mut download = caller.download(request(5 * SECOND)).await.expect("a stream");
    download.message().await.expect("data").expect("data");
    weather.send_replace(Weather::Blackhole);
    assert_eq!(ending(download).await.code(), Code::DeadlineExceeded);
    assert_eq!(start.elapsed().as_secs(), 5);
}

/// Reads an endless download until it fails.
async fn ending(mut download: Streaming<Message>) -> Status {
    loop {
        match download.message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("an endless download ended well"),
            Err(status) => return status,
        }
    }
}

fn request(timeout: Duration) -> Request<Message> {
    let mut request = Request::new(text(""));
    request.set_timeout(timeout);
    request
}

fn bounded(service: Service, tasks: &Tasks) -> Service {
    Service::new(ServiceBuilder::new().layer(layer(tasks)).service(service))
}

fn layer(tasks: &Tasks) -> DeadlineLayer {
    DeadlineLayer::new(Defaults::default(), tasks)
}

const SECOND: Duration = Duration::from_secs(1);
