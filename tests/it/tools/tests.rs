//! That the programs do what the tests that use them take for granted.

use std::net::Ipv4Addr;

use bitbucket_sim::Config;
use gitproxy::egress::{Alpn, CaSource, Egress, Settings, Stream};
use gitproxy::ops::Tasks;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UdpSocket;

use crate::world::simulator;
use crate::world::tls::{Ca, Identity, Oddity};

use super::nginx::Block;
use super::resolver::Resolver;
use super::{Mitm, Netns, Nginx, Rules, Squid, connect, need, write};

#[tokio::test]
async fn squid_opens_a_tunnel_to_a_name_that_only_it_knows() {
    let Some(mut squid) = Squid::start(&Rules::open()).await else { return };
    let sim = simulator(git_test()).await;
    let target = format!("git.test:{}", port(sim.url()));
    assert_eq!(connect(squid.addr(), &target, "").await, "HTTP/1.1 200 Connection established");
    assert_eq!(squid.asked().await, [target]);
}

#[tokio::test]
async fn squid_asks_for_a_password_where_it_shall_and_takes_the_right_one() {
    let Some(squid) = Squid::start(&Rules::login("us er", "p@ss:wörd%")).await else { return };
    let sim = simulator(git_test()).await;
    let target = format!("git.test:{}", port(sim.url()));
    assert_eq!(connect(squid.addr(), &target, "").await, "HTTP/1.1 407 Proxy Authentication Required");
    // printf '%s' 'us er:p@ss:wörd%' | base64
    let known = "Proxy-Authorization: Basic dXMgZXI6cEBzczp3w7ZyZCU=\r\n";
    assert_eq!(connect(squid.addr(), &target, known).await, "HTTP/1.1 200 Connection established");
}

#[tokio::test]
async fn a_closed_squid_forbids() {
    let Some(squid) = Squid::start(&Rules::closed()).await else { return };
    assert_eq!(connect(squid.addr(), "git.test:443", "").await, "HTTP/1.1 403 Forbidden");
}

#[tokio::test]
async fn nginx_serves_the_certificate_of_an_internal_authority_and_passes_on_to_the_simulator() {
    let ca = Ca::new("Internal root");
    let identity = ca.intermediate("Internal issuer").issue(&["localhost"], &Oddity::None);
    let sim = simulator(git_test()).await;
    let block = Block::tls("ssl", &identity).pass(&origin(sim.url()));
    let Some(nginx) = Nginx::start(&block).await else { return };
    let mut stream = dial(&ca, &nginx).await.expect("trusted");
    let request = "GET /bitbucket/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("RUNNING"), "{answer}");
}

#[tokio::test]
async fn each_odd_certificate_of_nginx_is_refused() {
    let ca = Ca::new("Internal root");
    let issuer = ca.intermediate("Internal issuer");
    let odd = [
        issuer.issue(&["localhost"], &Oddity::Alone),
        issuer.issue(&["localhost"], &Oddity::Expired),
        issuer.issue(&["localhost"], &Oddity::NotYetValid),
        issuer.issue(&["elsewhere.test"], &Oddity::None),
        Identity::self_signed(&["localhost"]),
    ];
    for (number, identity) in odd.iter().enumerate() {
        let Some(nginx) = Nginx::start(&Block::tls("ssl", identity)).await else { return };
        assert!(dial(&ca, &nginx).await.is_err(), "{number}");
    }
}

#[tokio::test]
async fn mitmproxy_opens_tunnels_and_has_an_authority_of_its_own() {
    let sim = simulator(git_test()).await;
    let Some(mitm) = Mitm::start(sim.ca_pem()).await else { return };
    let target = format!("git.test:{}", port(sim.url()));
    let answer = connect(mitm.addr(), &target, "").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(mitm.ca().starts_with("-----BEGIN CERTIFICATE-----"), "{}", mitm.ca());
}

#[tokio::test]
async fn a_namespace_counts_what_leaves_it_by_where_it_goes() {
    let Some(netns) = Netns::new().await else { return };
    let Some(getent) = need::program("getent") else { return };
    let resolver = Resolver::start(netns.outside(5), &[("git.test", Ipv4Addr::new(10, 0, 0, 1))]).await;
    let folder = tempfile::tempdir().expect("a folder");
    let hosts = write(folder.path(), "hosts", "10.9.9.9 known.test\n");
    let ask = |name| netns.command(&getent, hosts.as_ref(), 5).args(["ahostsv4", name]).output();
    let known = ask("known.test").await.expect("it runs");
    assert!(String::from_utf8_lossy(&known.stdout).contains("10.9.9.9"), "{known:?}");
    assert_eq!((netns.names_asked().await, netns.sent_to(5).await), (0, 0));
    let asked = ask("git.test").await.expect("it runs");
    assert!(String::from_utf8_lossy(&asked.stdout).contains("10.0.0.1"), "{asked:?}");
    assert!(resolver.asked().iter().any(|name| name == "git.test"), "{:?}", resolver.asked());
    assert!(netns.names_asked().await > 0 && netns.sent_to(5).await > 0);
    assert_eq!((netns.sent_to(1).await, netns.sent_to(3).await), (0, 0));
}

#[tokio::test]
async fn the_resolver_says_which_names_there_are_not() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("bound");
    let addr = socket.local_addr().expect("bound");
    let _resolver = Resolver::bound(socket, &[("git.test", Ipv4Addr::new(10, 0, 0, 1))]);
    let client = UdpSocket::bind("127.0.0.1:0").await.expect("bound");
    let question = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x04none\x04test\0\0\x01\0\x01";
    client.send_to(question, addr).await.expect("sent");
    let mut answer = [0; 512];
    client.recv(&mut answer).await.expect("answered");
    assert_eq!((&answer[..2], answer[3] & 0xf), (&b"\x12\x34"[..], 3));
}

async fn dial(ca: &Ca, nginx: &Nginx) -> Result<Stream, gitproxy::egress::Error> {
    let extra_ca = vec![CaSource::Pem { name: "test".to_owned(), pem: ca.pem().as_bytes().to_vec() }];
    let egress = Egress::new(&Settings { extra_ca, ..Settings::default() }, &Tasks::new()).expect("trust");
    egress.connector(nginx.url().parse().expect("an origin"), Alpn::Http1OrHttp2).connect().await
}

/// The port of a URL with one.
fn port(url: &str) -> &str {
    let rest = url.rsplit_once(':').expect("a port").1;
    rest.split('/').next().expect("there is a first")
}

/// A URL without its path.
fn origin(url: &str) -> String {
    format!("https://localhost:{}", port(url))
}

/// A simulator with a name that only proxies know.
fn git_test() -> Config {
    Config { names: vec!["git.test".to_owned()], ..Config::default() }
}
