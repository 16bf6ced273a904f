//! What no real proxy can be made to do in a test: to stall, to be slow, to offer only what we have not.

use std::time::Duration;

use gitproxy::egress::{Alpn, CaSource, Egress, Error, Hop, Proxies, Proxy, Settings, Stream};
use gitproxy::ops::Tasks;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::interval;

use crate::world::simulator;

use super::has;

#[tokio::test]
async fn a_proxy_that_offers_ntlm_and_negotiate_only_is_named_with_the_way_out() {
    let fake = Fake::start(
        "HTTP/1.1 407 Who are you\r\nProxy-Authenticate: NTLM\r\nProxy-Authenticate: Negotiate\r\n",
        0,
    )
    .await;
    let error = fake.dial(LONG).await.expect_err("refused").to_string();
    has(
        &error,
        &[": 407 Who are you", "schemes offered: NTLM, Negotiate", "only Basic is supported", "cntlm"],
    );
}

#[tokio::test]
async fn a_proxy_that_takes_the_request_and_stalls_is_told_from_one_that_is_slow_and_in_time() {
    let stalled = Fake::start("", 0).await;
    let error = stalled.dial(SHORT).await.expect_err("it never answers");
    assert_eq!(error.hop(), Hop::ProxyTunnel, "{error}");
    has(
        &error.to_string(),
        &["took longer than 300.0ms", "stuck at: tunnel through the proxy", "did not answer"],
    );
    // It takes a twentieth of a second for each of the head's letters.
    let slow = Fake::start("HTTP/1.1 200 ok\r\n", 50).await;
    slow.dial(LONG).await.expect("slow is not too slow");
    let error = slow.dial(SHORT).await.expect_err("now it is");
    assert_eq!(error.hop(), Hop::ProxyTunnel, "{error}");
}

/// A proxy that answers every CONNECT with the same head, and tunnels to the simulator if that begins with a 200.
struct Fake {
    sim: bitbucket_sim::Sim,
    url: String,
    tasks: Tasks,
}

impl Fake {
    /// Starts one that writes a letter of `head` each `pause` milliseconds; it never ends an empty one.
    async fn start(head: &'static str, pause: u64) -> Self {
        let sim = simulator(bitbucket_sim::Config::default()).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let (url, tasks) = (format!("http://{}", listener.local_addr().expect("bound")), Tasks::new());
        let (each, target) = (tasks.clone(), sim.url().to_owned());
        tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                each.spawn(answer(stream, head, Duration::from_millis(pause), target.clone()));
            }
        });
        Self { sim, url, tasks }
    }

    async fn dial(&self, limit: Duration) -> Result<Stream, Error> {
        let proxy: Proxy = self.url.parse().expect("a proxy");
        let extra_ca =
            vec![CaSource::Pem { name: "sim".to_owned(), pem: self.sim.ca_pem().as_bytes().to_vec() }];
        let proxies = Proxies::always(proxy);
        let settings = Settings {
            extra_ca,
            proxies,
            hop_timeout: limit,
            connect_timeout: 2 * limit,
            ..Settings::default()
        };
        let egress = Egress::new(&settings, &self.tasks).expect("trust");
        let origin = "https://git.test:7990".parse().expect("an origin");
        egress.connector(origin, Alpn::Http1OrHttp2).connect().await
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.tasks.cut();
    }
}

#[expect(clippy::disallowed_methods, reason = "a proxy that is not ours")]
async fn answer(mut stream: TcpStream, head: &str, pause: Duration, target: String) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        request.push(byte);
    }
    let mut letters = interval(pause.max(Duration::from_millis(1)));
    for letter in head.bytes() {
        letters.tick().await;
        let _ = stream.write_u8(letter).await;
    }
    if head.is_empty() {
        // Until the client goes.
        let _ = stream.read_u8().await;
        return;
    }
    let _ = stream
        .write_all(
            b"Content-Length: 0\r\n\r\n"
                .get(if head.contains(" 200 ") { 19.. } else { 0.. })
                .unwrap_or_default(),
        )
        .await;
    if head.contains(" 200 ") {
        let port = target.rsplit_once(':').expect("a port").1.split('/').next().expect("a first");
        let upstream = TcpStream::connect(format!("127.0.0.1:{port}")).await;
        let _ = copy_bidirectional(&mut stream, &mut upstream.expect("the simulator")).await;
    }
}

const LONG: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(300);
