//! What says nothing: packets that are dropped, listeners that never answer, names that nobody knows.
//!
//! These are the cases that try the limit of the whole examination.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use gitproxy::ops::Tasks;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::tools::nginx::Block;
use crate::tools::resolver::Resolver;
use crate::tools::{Netns, Nginx};
use crate::world::tls::{Ca, Oddity};

use super::super::visit::{Told, Visit};
use super::{BITBUCKET, Diagnosis, GATEWAY, in_time};

#[tokio::test]
async fn a_gateway_that_accepts_and_answers_nothing() {
    let hole = Hole::listening().await;
    Diagnosis {
        code: 4,
        leg: GATEWAY,
        check: "tls",
        section: "tls",
        cause: &["took longer than 10.0s", "stuck at: TLS"],
        remedy: "firewall",
    }
    .of(&Visit::new().await.set("GATEWAY_URL", &hole.url("https", "localhost")))
    .await;
}

#[tokio::test]
async fn a_bitbucket_that_accepts_and_answers_nothing() {
    let hole = Hole::listening().await;
    Diagnosis {
        code: 5,
        leg: BITBUCKET,
        check: "tls",
        section: "tls",
        cause: &["took longer than 10.0s", "stuck at: TLS"],
        remedy: "firewall",
    }
    .of(&Visit::new().await.bitbucket_at(&hole.url("https", "localhost")))
    .await;
}

#[tokio::test]
async fn a_firewall_that_drops_every_packet_to_the_gateway() {
    let full = Full::start().await;
    Diagnosis {
        code: 4,
        leg: GATEWAY,
        check: "tcp",
        section: "tcp",
        cause: &["took longer than", "stuck at: connect"],
        remedy: "a firewall may drop the packets",
    }
    .of(&Visit::new().await.set("GATEWAY_URL", &format!("https://127.0.0.1:{}", full.addr.port())))
    .await;
}

#[tokio::test]
async fn a_proxy_that_takes_the_request_and_stalls() {
    let hole = Hole::listening().await;
    let visit = Visit::new().await.by_names_of_the_proxy().set("HTTPS_PROXY", &hole.url("http", "127.0.0.1"));
    let told = visit.doctor(&["--json"]).await;
    for leg in [GATEWAY, BITBUCKET] {
        Diagnosis {
            code: 6,
            leg,
            check: "tunnel",
            section: "proxy-stalled",
            cause: &["through the proxy http://127.0.0.1", "stuck at: tunnel through the proxy"],
            remedy: "the proxy's log",
        }
        .is_told_by(&told);
    }
}

#[tokio::test]
async fn a_hop_that_the_agent_would_wait_longer_for_is_a_warning() {
    let hole = Hole::listening().await;
    let visit = Visit::new().await.by_names_of_the_proxy().set("HTTPS_PROXY", &hole.url("http", "127.0.0.1"));
    let visit = visit.set("GITPROXY_HOP_TIMEOUT", "20s").set("GITPROXY_CONNECT_TIMEOUT", "25s");
    let told = visit.doctor(&["--json"]).await;
    assert_eq!(told.code, 0, "the agent may attach: {}", told.all());
    for leg in [GATEWAY, BITBUCKET] {
        let tunnel = told.check(leg, "tunnel");
        assert_eq!(tunnel["outcome"], "warned", "{}", told.all());
        assert_eq!(tunnel["docs"], "docs/troubleshooting.md#proxy-stalled");
        assert!(
            tunnel["cause"].as_str().expect("a sentence").contains("the agent waits 2"),
            "{}",
            told.all()
        );
    }
    for (leg, next) in [(GATEWAY, "attach"), (BITBUCKET, "status")] {
        assert_eq!(told.check(leg, next)["outcome"], "skipped", "{}", told.all());
    }
    in_time(&told);
}

#[tokio::test]
async fn a_proxy_that_takes_a_request_to_forward_and_stalls() {
    let hole = Hole::listening().await;
    let visit = Visit::new().await.set("BITBUCKET_PROXY", &hole.url("http", "127.0.0.1"));
    Diagnosis {
        code: 5,
        leg: BITBUCKET,
        check: "status",
        section: "proxy-stalled",
        cause: &["through the proxy http://127.0.0.1", "no answer after 10.0s"],
        remedy: "the proxy's log",
    }
    .of(&visit.bitbucket_at("http://git.test:7990").connection("allow_http = true"))
    .await;
}

#[tokio::test]
async fn an_nginx_whose_gateway_hangs() {
    let (root, hole) = (Ca::new("Internal root"), Hole::listening().await);
    let pass = format!("location / {{ grpc_pass grpc://{}; }}", hole.addr);
    let block = Block::tls("ssl http2", &root.issue(&["localhost"], &Oddity::None)).lines(&pass);
    let Some(nginx) = Nginx::start(&block).await else { return };
    Diagnosis {
        code: 4,
        leg: GATEWAY,
        check: "attach",
        section: "slow-link",
        cause: &["took the greeting and gave no Welcome within 10s"],
        remedy: "whether the gateway is alive",
    }
    .of(&Visit::new().await.trusting(root.pem()).set("GATEWAY_URL", &nginx.url()))
    .await;
}

#[tokio::test]
async fn a_bitbucket_that_takes_the_request_and_hangs() {
    let visit = Visit::new().await;
    visit.world.sim.knobs().add(bitbucket_sim::Rule::new(bitbucket_sim::Fault::Stall).path("/rest/"));
    Diagnosis {
        code: 5,
        leg: BITBUCKET,
        check: "version",
        section: "bitbucket-unavailable",
        cause: &["did not answer in time"],
        remedy: "the load of Bitbucket",
    }
    .of(&visit)
    .await;
}

#[tokio::test]
async fn a_name_that_nobody_knows() {
    let Some(netns) = Netns::new().await else { return };
    let _resolver = Resolver::start(netns.outside(DNS), &[]).await;
    let told = told_inside(&netns).await;
    Diagnosis {
        code: 4,
        leg: GATEWAY,
        check: "dns",
        section: "dns",
        cause: &["https://gateway.test:443 cannot be resolved (no such host)"],
        remedy: "the DNS of the agent's host",
    }
    .is_told_by(&told);
}

#[tokio::test]
async fn a_name_server_that_is_gone() {
    let Some(netns) = Netns::new().await else { return };
    let told = told_inside(&netns).await;
    Diagnosis {
        code: 4,
        leg: GATEWAY,
        check: "dns",
        section: "dns",
        cause: &["https://gateway.test"],
        remedy: "the DNS of the agent's host",
    }
    .is_told_by(&told);
}

/// What the doctor finds in a namespace where `gateway.test` is a name for its resolver.
async fn told_inside(netns: &Netns) -> Told {
    let visit = Visit::new().await.without_connection().set("GATEWAY_URL", "https://gateway.test");
    let hosts = visit.file("hosts", "127.0.0.1 localhost\n");
    let program = Path::new(env!("CARGO_BIN_EXE_gitproxy"));
    visit.doctor_by(netns.command(program, Path::new(&hosts), DNS), &["--json"]).await
}

/// A listener that takes every connection, and never says a word.
struct Hole {
    addr: SocketAddr,
    tasks: Tasks,
}

impl Hole {
    async fn listening() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let (addr, tasks) = (listener.local_addr().expect("bound"), Tasks::new());
        let each = tasks.clone();
        tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                each.spawn(swallow(stream));
            }
        });
        Self { addr, tasks }
    }

    fn url(&self, scheme: &str, host: &str) -> String {
        format!("{scheme}://{host}:{}", self.addr.port())
    }
}

impl Drop for Hole {
    fn drop(&mut self) {
        self.tasks.cut();
    }
}

async fn swallow(mut stream: TcpStream) {
    let mut bytes = [0; 4096];
    while stream.read(&mut bytes).await.is_ok_and(|read| read > 0) {}
}

/// A listener whose queue is full: the kernel drops every further request for a connection.
struct Full {
    addr: SocketAddr,
    _listener: TcpListener,
    _queued: Vec<TcpStream>,
}

impl Full {
    #[expect(clippy::disallowed_methods, reason = "clients that are not the agent")]
    async fn start() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("bound");
        let listener = socket.listen(1).expect("it listens");
        let addr = listener.local_addr().expect("bound");
        let mut queued = Vec::new();
        while let Ok(stream) = timeout(Duration::from_millis(200), TcpStream::connect(addr)).await {
            queued.push(stream.expect("connected"));
        }
        Self { addr, _listener: listener, _queued: queued }
    }
}

const DNS: u8 = 5;
