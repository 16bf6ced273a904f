//! The tunnel against a direct tonic client and server: the same service, the same caller, loopback, no TLS.
//!
//! Both run in this process and take turns in short slices, so that whatever else the machine does hits both alike; each
//! figure of merit is a ratio within one run. Writes `target/bench/tunnel.json`.

#[path = "../tests/it/tunnel/echo.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod echo;
#[path = "../tests/it/tunnel/ends.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod ends;
#[expect(dead_code, reason = "the other benchmark uses more of it")]
mod figures;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gitproxy::ops::Tasks;
use gitproxy::tunnel::{Body, Options};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tonic::client::GrpcService;

use self::echo::{Caller, Echo, UNARY, text};
use self::ends::Carrier;
use self::figures::Figures;

#[tokio::main(worker_threads = 2)]
async fn main() -> std::process::ExitCode {
    let tasks = Tasks::new();
    let direct = direct(&tasks).await;
    let tunnel = tunnel(&tasks).await;
    let mut figures = Figures::new("tunnel");
    figures.head("direct", "tunnel");
    for callers in [1, 16, 256] {
        let (mut plain, mut tunnelled) = (Slice::default(), Slice::default());
        for _ in 0..ROUNDS {
            plain.add(&unary(&direct, callers).await);
            tunnelled.add(&unary(&tunnel, callers).await);
        }
        figures.compare(&format!("unary, {callers} callers, calls/s"), plain.rate(), tunnelled.rate());
        figures.at_least(&format!("unary_c{callers}_ratio"), tunnelled.rate() / plain.rate(), LEAST);
        if callers == 16 {
            figures.note("cpu_us_per_call_direct", plain.cpu_us_each());
            figures.note("cpu_us_per_call", tunnelled.cpu_us_each());
        }
    }
    let (mut plain, mut tunnelled) = (Slice::default(), Slice::default());
    for _ in 0..ROUNDS {
        plain.add(&download(&direct).await);
        tunnelled.add(&download(&tunnel).await);
    }
    figures.compare("download, MiB/s", plain.rate(), tunnelled.rate());
    figures.at_least("download_ratio", tunnelled.rate() / plain.rate(), LEAST);
    figures.note("peak_rss_mib", figures::status_mib("self", "VmHWM"));
    figures.finish()
}

/// What was done in some time.
#[derive(Default)]
struct Slice {
    done: f64,
    took: Duration,
    cpu: Duration,
}

impl Slice {
    fn add(&mut self, other: &Self) {
        self.done += other.done;
        self.took += other.took;
        self.cpu += other.cpu;
    }

    fn rate(&self) -> f64 {
        self.done / self.took.as_secs_f64()
    }

    fn cpu_us_each(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.done
    }
}

/// As many small calls as `callers` loops make in one slice.
async fn unary<T>(caller: &Caller<T>, callers: usize) -> Slice
where
    T: GrpcService<Body> + Clone + Send + Sync + 'static,
    T::ResponseBody: http_body::Body<Data = Bytes> + Send + 'static,
    <T::ResponseBody as http_body::Body>::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    T::Future: Send,
{
    let (over, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut loops = JoinSet::new();
    let (start, cpu) = (Instant::now(), figures::cpu("self"));
    for _ in 0..callers {
        let (caller, over, calls) = (caller.clone(), Arc::clone(&over), Arc::clone(&calls));
        loops.spawn(async move {
            while !over.load(Ordering::Relaxed) {
                caller.unary(UNARY, text("a small request")).await.expect("an answer");
                calls.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    tokio::time::sleep(SLICE).await;
    over.store(true, Ordering::Relaxed);
    while loops.join_next().await.is_some() {}
    let done = calls.load(Ordering::Relaxed) as f64;
    Slice { done, took: start.elapsed(), cpu: figures::cpu("self") - cpu }
}

/// One download of a fixed size, counted in MiB.
async fn download<T>(caller: &Caller<T>) -> Slice
where
    T: GrpcService<Body> + Clone,
    T::ResponseBody: http_body::Body<Data = Bytes> + Send + 'static,
    <T::ResponseBody as http_body::Body>::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (start, cpu) = (Instant::now(), figures::cpu("self"));
    let mut messages = caller.download(text(DOWNLOAD_MESSAGES)).await.expect("a stream");
    let mut bytes = 0;
    while let Some(message) = messages.message().await.expect("a whole download") {
        bytes += message.data.len();
    }
    Slice { done: bytes as f64 / MIB, took: start.elapsed(), cpu: figures::cpu("self") - cpu }
}

/// An ordinary tonic client and server.
async fn direct(tasks: &Tasks) -> Caller<tonic::transport::Channel> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let incoming = tonic::transport::server::TcpIncoming::from(listener).with_nodelay(Some(true));
    let server = tonic::transport::Server::builder().add_service(Echo::default());
    tasks.spawn(async move { drop(server.serve_with_incoming(incoming).await) });
    let endpoint = tonic::transport::Endpoint::from_shared(url).expect("a URL").tcp_nodelay(true);
    Caller::new(endpoint.connect().await.expect("a connection"))
}

/// The product's two ends over Attach, with the product's options.
async fn tunnel(tasks: &Tasks) -> Caller {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    #[expect(clippy::disallowed_methods, reason = "a bare socket is what is measured")]
    let (far, near) = tokio::join!(TcpStream::connect(address), listener.accept());
    let (far, near) = (far.expect("a connection"), near.expect("a connection").0);
    far.set_nodelay(true).expect("a socket");
    near.set_nodelay(true).expect("a socket");
    Caller::new(
        ends::join(Carrier::Attach, near, far, Echo::default().stack(), &Options::default(), tasks).await,
    )
}

impl tonic::server::NamedService for Echo {
    const NAME: &'static str = "test.Echo";
}

const ROUNDS: usize = 12;
const SLICE: Duration = Duration::from_millis(400);
const LEAST: f64 = 0.85;
/// Of 64 KiB each: 128 MiB.
const DOWNLOAD_MESSAGES: &str = "2048";
const MIB: f64 = 1024.0 * 1024.0;
