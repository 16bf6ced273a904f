//! Proxies that refuse, are gone, or look into what they carry. One proxy for both legs breaks both.

use std::time::Duration;

use gitproxy::ops::Tasks;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::tools::{Mitm, Rules, Squid, free_port};

use super::super::visit::Visit;
use super::{BITBUCKET, Diagnosis, GATEWAY, in_time};

#[tokio::test]
async fn one_that_wants_a_password() {
    let Some(squid) = Squid::start(&Rules::login(USER, PASSWORD)).await else { return };
    let told =
        Visit::new().await.by_names_of_the_proxy().set("HTTPS_PROXY", &squid.url()).doctor(&["--json"]).await;
    for leg in [GATEWAY, BITBUCKET] {
        Diagnosis {
            code: 6,
            leg,
            check: "tunnel",
            section: "proxy-authentication",
            cause: &["407 Proxy Authentication Required", "schemes offered: Basic"],
            remedy: "user and password",
        }
        .is_told_by(&told);
    }
}

#[tokio::test]
async fn one_that_gets_a_wrong_password() {
    let Some(squid) = Squid::start(&Rules::login(USER, PASSWORD)).await else { return };
    let visit = Visit::new().await.by_names_of_the_proxy().secret("gu3ss3d-wr0ng");
    Diagnosis {
        code: 6,
        leg: GATEWAY,
        check: "tunnel",
        section: "proxy-authentication",
        cause: &["407 Proxy Authentication Required"],
        remedy: "the user or password is wrong",
    }
    .of(&visit.set("HTTPS_PROXY", &squid.url_as("robot:gu3ss3d-wr0ng")))
    .await;
}

#[tokio::test]
async fn one_that_forbids_bitbucket_alone() {
    let rules = Rules::acl("acl git dstdomain git.test\nhttp_access deny git\nhttp_access allow all");
    let Some(squid) = Squid::start(&rules).await else { return };
    Diagnosis {
        code: 5,
        leg: BITBUCKET,
        check: "tunnel",
        section: "proxy-refused",
        cause: &["refused a tunnel to https://git.test", "403 Forbidden"],
        remedy: "proxy.noProxy",
    }
    .of(&Visit::new().await.by_names_of_the_proxy().set("HTTPS_PROXY", &squid.url()))
    .await;
}

#[tokio::test]
async fn one_that_cannot_reach_the_gateway() {
    let Some(squid) = Squid::start(&Rules::open()).await else { return };
    let visit = Visit::new().await.by_names_of_the_proxy().set("HTTPS_PROXY", &squid.url());
    let nobody = format!("https://gateway.test:{}", free_port([127, 0, 0, 1].into()));
    Diagnosis {
        code: 4,
        leg: GATEWAY,
        check: "tunnel",
        section: "proxy-refused",
        cause: &["503 Service Unavailable"],
        remedy: "the proxy cannot reach the host",
    }
    .of(&visit.set("GATEWAY_URL", &nobody))
    .await;
}

#[tokio::test]
async fn a_dead_one_before_the_gateway() {
    let dead = format!("http://127.0.0.1:{}", free_port([127, 0, 0, 1].into()));
    let visit = Visit::new().await;
    let gateway = visit.world.agents_url().replace("localhost", "gateway.test");
    Diagnosis {
        code: 4,
        leg: GATEWAY,
        check: "proxy-tcp",
        section: "proxy-tcp",
        cause: &["the proxy http://127.0.0.1", "cannot be connected to"],
        remedy: "proxy.noProxy",
    }
    .of(&visit.set("GATEWAY_PROXY", &dead).set("GATEWAY_URL", &gateway))
    .await;
}

#[tokio::test]
async fn one_that_opens_tls_and_has_no_http2() {
    let visit = Visit::new().await.by_names_of_the_proxy();
    let upstream = std::fs::read_to_string(visit.roots()).expect("the bundle");
    let Some(mitm) = Mitm::start(&upstream).await else { return };
    Diagnosis {
        code: 4,
        leg: GATEWAY,
        check: "alpn",
        section: "no-http2",
        cause: &["does not speak HTTP/2", "issued by: ", "mitmproxy", "TLS-inspecting proxy"],
        remedy: "leave this host alone",
    }
    .of(&visit.set("HTTPS_PROXY", &mitm.url()).trusting(mitm.ca()))
    .await;
}

#[tokio::test]
async fn one_that_opens_tls_and_is_not_trusted() {
    let visit = Visit::new().await.by_names_of_the_proxy();
    let upstream = std::fs::read_to_string(visit.roots()).expect("the bundle");
    let Some(mitm) = Mitm::start(&upstream).await else { return };
    Diagnosis {
        code: 6,
        leg: BITBUCKET,
        check: "tls",
        section: "certificate-unknown-authority",
        cause: &["x509: certificate signed by unknown authority", "mitmproxy"],
        remedy: "customCaCert",
    }
    .of(&visit.set("HTTPS_PROXY", &mitm.url()))
    .await;
}

#[tokio::test]
async fn one_that_answers_late_is_a_warning() {
    let (url, _tasks) = late_proxy().await;
    let visit = Visit::new().await.by_names_of_the_proxy().set("HTTPS_PROXY", &url);
    let told = visit.doctor(&["--json"]).await;
    assert_eq!(told.code, 0, "the agent would attach: {}", told.all());
    for leg in [GATEWAY, BITBUCKET] {
        let tunnel = told.check(leg, "tunnel");
        assert_eq!(tunnel["outcome"], "warned", "{}", told.all());
        let cause = tunnel["cause"].as_str().expect("a sentence");
        assert!(cause.contains("only after 5."), "{cause}");
    }
    in_time(&told);
}

/// A proxy that answers CONNECT after 5 s, and takes every name for this machine's.
async fn late_proxy() -> (String, Tasks) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let (tasks, each) = (Tasks::new(), Tasks::new());
    tasks.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            each.spawn(answer_late(stream));
        }
    });
    (url, tasks)
}

#[expect(clippy::disallowed_methods, reason = "it plays a proxy, which is somebody else's way out")]
async fn answer_late(stream: TcpStream) {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).await.is_ok_and(|read| read > 0) {}
    let port = head.split([':', ' ']).nth(2).and_then(|port| port.parse().ok()).unwrap_or(0_u16);
    // The agent says nothing before it has its answer.
    let _silence = timeout(LATE, stream.read_u8()).await;
    let Ok(mut origin) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    let _peer_gone = stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await;
    let _peer_gone = copy_bidirectional(&mut stream, &mut origin).await;
}

/// Longer than half of what a hop has by default.
const LATE: Duration = Duration::from_secs(5);
const USER: &str = "robot";
const PASSWORD: &str = "squ1d-c4nary";
