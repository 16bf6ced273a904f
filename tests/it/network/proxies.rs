//! What no real proxy can be made to do in a test: to stall, to be slow, to offer only what we have not.

use std::time::Duration;

use bitbucket_sim::{Config, Sim};
use gitproxy::egress::{Alpn, CaSource, Egress, Error, Hop, Proxies, Settings, Stream};
use gitproxy::ops::Tasks;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::interval;

use crate::world::simulator;

use super::{authority, has};

#[tokio::test]
async fn a_proxy_that_offers_ntlm_and_negotiate_only_is_named_with_the_way_out() {
    let head =
        "HTTP/1.1 407 Who are you\r\nProxy-Authenticate: NTLM\r\nProxy-Authenticate: Negotiate\r\n\r\n";
    let error = Fake::start(head, AT_ONCE).await.dial(LONG).await.expect_err("refused").to_string();
    has(
        &error,
        &[": 407 Who are you", "schemes offered: NTLM, Negotiate", "only Basic is supported", "cntlm"],
    );
}

#[tokio::test]
async fn a_proxy_that_takes_the_request_and_stalls_is_told_from_one_that_is_slow_and_in_time() {
    let stalled = Fake::start("", AT_ONCE).await;
    let error = stalled.dial(SHORT).await.expect_err("it never answers");
    assert_eq!(error.hop(), Hop::ProxyTunnel, "{error}");
    has(
        &error.to_string(),
        &["took longer than 500.0ms", "stuck at: tunnel through the proxy", "did not answer"],
    );
    let slow = Fake::start("HTTP/1.1 200 ok\r\n\r\n", Duration::from_millis(50)).await;
    slow.dial(LONG).await.expect("slow is not too slow");
    let error = slow.dial(SHORT).await.expect_err("now it is");
    assert_eq!(error.hop(), Hop::ProxyTunnel, "{error}");
}

/// A proxy that answers every CONNECT with the same head, and tunnels to the simulator if that says 200.
struct Fake {
    sim: Sim,
    url: String,
    tasks: Tasks,
}

impl Fake {
    /// Starts one that takes so long for each letter of its head; without a head it never answers.
    async fn start(head: &'static str, pause: Duration) -> Self {
        let config = Config { names: vec!["git.test".to_owned()], ..Config::default() };
        let sim = simulator(config).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let (url, tasks) = (format!("http://{}", listener.local_addr().expect("bound")), Tasks::new());
        let (each, target) = (tasks.clone(), authority(sim.url()).to_owned());
        tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                each.spawn(answer(stream, head, pause, target.clone()));
            }
        });
        Self { sim, url, tasks }
    }

    async fn dial(&self, limit: Duration) -> Result<Stream, Error> {
        let proxies = Proxies::always(self.url.parse().expect("a proxy"));
        let ca = self.sim.ca_pem().as_bytes().to_vec();
        let extra_ca = vec![CaSource::Pem { name: "sim".to_owned(), pem: ca }];
        let (hop_timeout, connect_timeout) = (limit, 2 * limit);
        let settings = Settings { extra_ca, proxies, hop_timeout, connect_timeout, ..Settings::default() };
        let egress = Egress::new(&settings, &self.tasks).expect("trust");
        egress.connector("https://git.test".parse().expect("an origin"), Alpn::Http1OrHttp2).connect().await
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
    let mut letters = interval(pause);
    for letter in head.bytes() {
        letters.tick().await;
        if stream.write_u8(letter).await.is_err() {
            return;
        }
    }
    if head.contains(" 200 ") {
        let mut upstream = TcpStream::connect(target).await.expect("the simulator");
        let _ = copy_bidirectional(&mut stream, &mut upstream).await;
    } else if head.is_empty() {
        // Until the client goes.
        let _ = stream.read_u8().await;
    }
}

const AT_ONCE: Duration = Duration::from_micros(1);
const SHORT: Duration = Duration::from_millis(500);
const LONG: Duration = Duration::from_secs(10);
