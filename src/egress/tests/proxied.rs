//! Connections through a proxy, over real TCP and TLS.

use std::sync::{Arc, Mutex};

use http::{Request, StatusCode};
use http_body_util::Full;
use tokio::io::AsyncBufReadExt as _;
use tokio::io::BufReader;
use tokio::sync::mpsc;

use super::*;
use crate::egress::fixture::{Files, asking_without_insisting};
use crate::ops::Outcome;

#[tokio::test]
async fn an_origin_is_reached_through_a_tunnel_and_its_name_is_left_to_the_proxy() {
    let ca = Ca::new("customer");
    let server = Server::start(&ca.issue("git.corp.example"), &[b"h2"]).await;
    let proxy = FakeProxy::start(Answer::Tunnel(server.port)).await;
    let egress = through(&ca, &proxy.url("user:p%40ss%3A1@"), "");
    let stream = connector(&egress, "https://git.corp.example:8443").connect().await.unwrap();
    assert!(stream.alpn_h2());
    let head = proxy.head();
    assert!(head.starts_with("CONNECT git.corp.example:8443 HTTP/1.1\r\n"), "{head}");
    assert!(head.to_ascii_lowercase().contains("proxy-authorization: basic dxnlcjpwqhnzoje="), "{head}");
}

#[tokio::test]
async fn who_refuses_http2_by_alert_is_looked_at_through_the_proxy_too() {
    let ca = Ca::new("customer");
    let server = Server::start(&ca.issue("git.corp.example"), &[b"http/1.1"]).await;
    let proxy = FakeProxy::start(Answer::Tunnel(server.port)).await;
    let egress = through(&ca, &proxy.url(""), "");
    let error = connector(&egress, "https://git.corp.example").connect().await.unwrap_err();
    assert!(
        matches!(&error, Error::NoHttp2 { issuer: Some(name), .. } if name == "CN=customer"),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_host_of_no_proxy_is_reached_directly() {
    let ca = Ca::new("customer");
    let server = Server::start(&ca.issue("git.corp.example"), &[b"h2"]).await;
    let proxy = FakeProxy::start(Answer::Tunnel(server.port)).await;
    let egress = with(&ca, &proxy.url(""), "corp.example", resolving_to("127.0.0.1"));
    let origin = format!("https://git.corp.example:{}", server.port);
    connector(&egress, &origin).connect().await.unwrap();
    assert_eq!(proxy.head(), "", "nobody spoke to the proxy");
}

#[tokio::test]
async fn a_proxy_that_is_spoken_to_by_tls_is_checked_like_a_server() {
    let ca = Ca::new("customer");
    let server = Server::start(&ca.issue("git.corp.example"), &[b"h2"]).await;
    for (host, works) in [("localhost", true), ("proxy.corp.example", false)] {
        let proxy = FakeProxy::start_tls(Answer::Tunnel(server.port), &ca.issue(host)).await;
        let egress = through(&ca, &proxy.url(""), "");
        let outcome = connector(&egress, "https://git.corp.example").connect().await;
        match outcome {
            Ok(stream) => assert!(works && stream.alpn_h2()),
            Err(error) => {
                assert!(!works && error.hop() == Hop::ProxyTls, "{error:?}");
                assert!(error.to_string().contains("is for another host"), "{error}");
                assert!(error.advice().remedy.contains("the host of the proxy's URL"), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn a_plain_proxy_with_an_https_url_is_told_by_its_url() {
    let answers = "HTTP/1.1 400 Bad Request\r\n\r\n";
    let proxy = Server::raw(move |mut tcp| async move {
        let _peer_gone = tcp.write_all(answers.as_bytes()).await;
        let _peer_gone = tcp.read_to_end(&mut Vec::new()).await;
    });
    let proxy = proxy.await;
    let egress = through(&Ca::new("customer"), &proxy.origin().to_string(), "");
    let error = connector(&egress, "https://git.corp.example").connect().await.unwrap_err();
    assert!(matches!(error, Error::ProxyTls { fault: TlsFault::NotTls, .. }), "{error:?}");
    let advice = error.advice();
    assert_eq!(advice.section, "proxy-tls");
    assert!(advice.remedy.contains("whether the proxy's URL"), "{}", advice.remedy);
    assert!(advice.remedy.contains("should begin with http://"), "{}", advice.remedy);
}

#[tokio::test]
async fn our_certificate_is_shown_to_the_server_that_asks_and_never_to_the_proxy() {
    let ca = Ca::new("customer");
    let (tell, mut told) = mpsc::channel(2);
    let tls = asking_without_insisting(&ca, &ca.issue("git.corp.example"), b"h2");
    let own = tell.clone();
    let server = Server::raw(move |tcp| {
        let (tls, tell) = (tls.clone(), own.clone());
        async move {
            let stream = tls.accept(tcp).await.unwrap();
            tell.send(("server", stream.get_ref().1.peer_certificates().is_some())).await.unwrap();
        }
    })
    .await;
    let (tls, port) = (asking_without_insisting(&ca, &ca.issue("localhost"), b"http/1.1"), server.port);
    let proxy = Server::raw(move |tcp| {
        let (tls, tell) = (tls.clone(), tell.clone());
        async move {
            let stream = tls.accept(tcp).await.unwrap();
            tell.send(("proxy", stream.get_ref().1.peer_certificates().is_some())).await.unwrap();
            serve(stream, Answer::Tunnel(port), Arc::default()).await;
        }
    })
    .await;
    let egress = through(&ca, &format!("https://localhost:{}", proxy.port), "");
    let kept = Files::write(&ca.issue("agent"));
    let files = ClientFiles { certificate: kept.certificate.clone(), key: kept.key.clone() };
    let identity = ClientIdentity::open(&files, &Tasks::new()).unwrap();
    let egress = egress.leg(Leg { identity: Some(identity), ..Leg::default() }).unwrap();
    let _stream = connector(&egress, "https://git.corp.example").connect().await.unwrap();
    assert_eq!([told.recv().await, told.recv().await], [Some(("proxy", false)), Some(("server", true))]);
}

#[tokio::test]
async fn plain_http_is_forwarded_with_the_whole_url_and_who_we_are() {
    let proxy = FakeProxy::start(Answer::Forward).await;
    let egress = through(&Ca::new("customer"), &proxy.url("me:secret@"), "");
    let egress = egress.leg(Leg { plaintext: Plaintext::Anywhere, ..Leg::default() }).unwrap();
    let connector = egress.connector("http://git.corp.example:7990".parse().unwrap(), Alpn::Http1OrHttp2);
    assert!(connector.forwarder().unwrap().authorization().unwrap().is_sensitive());
    let client = crate::egress::Client::new(connector);
    let request = Request::get("http://git.corp.example:7990/rest/x?y=1").body(Full::default()).unwrap();
    assert_eq!(client.send(request).await.unwrap().status(), StatusCode::NO_CONTENT);
    let head = proxy.head();
    assert!(head.starts_with("GET http://git.corp.example:7990/rest/x?y=1 HTTP/1.1\r\n"), "{head}");
    assert!(head.to_ascii_lowercase().contains("\r\nproxy-authorization: basic bwu6c2vjcmv0\r\n"), "{head}");
}

#[tokio::test]
async fn a_refusal_keeps_status_reason_and_schemes() {
    let cases = [
        ("HTTP/1.1 403 Blocked by policy", "", "403 Blocked by policy", "have the proxy allow CONNECT"),
        ("HTTP/1.1 502 Bad Gateway", "", "502 Bad Gateway", "proxy.noProxy"),
        (
            "HTTP/1.1 407 Auth",
            "Proxy-Authenticate: Basic realm=\"x\"\r\n",
            "(schemes offered: Basic)",
            "percent-encode",
        ),
        (
            "HTTP/1.1 407 Auth",
            "Proxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM\r\n",
            "(schemes offered: Negotiate, NTLM)",
            "neither NTLM nor Negotiate",
        ),
    ];
    for (line, header, cause, remedy) in cases {
        let proxy =
            FakeProxy::start(Answer::Refuse(format!("{line}\r\n{header}Content-Length: 0\r\n\r\n"))).await;
        let egress = through(&Ca::new("customer"), &proxy.url("me:c4nary@"), "");
        let error = connector(&egress, "https://git.corp.example").connect().await.unwrap_err();
        assert_eq!(error.hop(), Hop::ProxyTunnel);
        assert!(error.to_string().contains(cause) && error.to_string().contains(remedy), "{error}");
        assert!(!format!("{error:?} {error}").contains("c4nary"), "{error:?}");
    }
}

#[tokio::test]
async fn a_proxy_that_stalls_and_one_that_is_no_proxy_are_told_apart() {
    let stalls = FakeProxy::start(Answer::Stall).await;
    let egress = limited(&Ca::new("customer"), &stalls.url(""), Duration::from_millis(200));
    let error = connector(&egress, "https://git.corp.example").connect().await.unwrap_err();
    assert!(matches!(error, Error::Timeout { hop: Hop::ProxyTunnel, proxy: Some(_), .. }), "{error:?}");
    assert_eq!(error.advice().section, "proxy-stalled");
    let garbage = FakeProxy::start(Answer::Refuse("SSH-2.0-OpenSSH\r\n\r\n".to_owned())).await;
    let egress = through(&Ca::new("customer"), &garbage.url(""), "");
    let error = connector(&egress, "https://git.corp.example").connect().await.unwrap_err();
    assert!(matches!(error, Error::ProxyBroken { .. }), "{error:?}");
}

#[tokio::test]
async fn a_proxy_that_answers_slowly_is_told_from_one_that_does_not_answer() {
    let cases = [
        (Answer::Stall, "took the request and did not answer"),
        (Answer::Drip, "began to answer and did not finish"),
    ];
    for (answer, words) in cases {
        let proxy = FakeProxy::start(answer).await;
        let egress = limited(&Ca::new("customer"), &proxy.url(""), Duration::from_millis(200));
        let error = connector(&egress, "https://git.corp.example").connect().await.unwrap_err();
        assert!(error.advice().remedy.contains(words), "{error}");
        assert_eq!(error.advice().section, "proxy-stalled");
    }
}

#[tokio::test]
async fn a_dead_proxy_is_told_as_the_proxy_and_not_as_the_host() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let egress = through(&Ca::new("customer"), &format!("http://127.0.0.1:{port}"), "");
    let (checks, outcome) = connector(&egress, "https://git.corp.example").probe().await;
    assert!(matches!(outcome, Err(Error::ProxyConnect { .. })), "{outcome:?}");
    let told: Vec<_> = checks.iter().map(|check| format!("{} {}", check.name, check.outcome)).collect();
    let expected = [
        "proxy passed",
        "proxy-dns passed",
        "proxy-tcp failed",
        "tunnel skipped",
        "tls skipped",
        "alpn skipped",
    ];
    assert_eq!(told, expected);
    assert_eq!(checks[2].found, "refused");
}

#[tokio::test]
async fn what_a_proxy_did_is_found_in_a_few_words() {
    let refusal = |line: &str| Answer::Refuse(format!("{line}\r\nContent-Length: 0\r\n\r\n"));
    let cases = [
        (refusal("HTTP/1.1 407 Proxy Authentication Required"), "407 Proxy Authentication Required"),
        (refusal("HTTP/1.1 403"), "403"),
        (refusal("SSH-2.0-OpenSSH"), "what it answered to CONNECT is not HTTP/1"),
        (Answer::Stall, "no answer within 0.2 s"),
        (Answer::Drip, "no whole answer within 0.2 s"),
    ];
    for (answer, found) in cases {
        let proxy = FakeProxy::start(answer).await;
        let egress = limited(&Ca::new("customer"), &proxy.url(""), Duration::from_millis(200));
        let (checks, _) = connector(&egress, "https://git.corp.example").probe().await;
        let told: Vec<_> =
            checks.iter().filter(|check| check.is_failed()).map(|it| it.found.as_str()).collect();
        assert_eq!(told, [found]);
    }
}

#[tokio::test]
async fn a_probe_tells_each_hop_and_leaves_a_connection_that_works() {
    let ca = Ca::new("customer");
    let server = Server::start(&ca.issue("localhost"), &[b"h2"]).await;
    let egress = egress(&ca);
    let (checks, outcome) = egress.connector(server.origin(), Alpn::Http2Only).probe().await;
    assert!(outcome.unwrap().alpn_h2());
    let names: Vec<_> = checks.iter().map(|check| check.name).collect();
    assert_eq!(names, ["proxy", "dns", "tcp", "tls", "alpn"]);
    assert!(checks.iter().all(|check| check.outcome == Outcome::Passed), "{checks:?}");
    let shown: String = checks.iter().map(|check| check.found.as_str()).collect();
    assert!(!shown.contains("127.0.0.1") && shown.contains("TLS 1.3"), "{shown}");
}

fn connector(egress: &Egress, origin: &str) -> Connector {
    egress.connector(origin.parse().unwrap(), Alpn::Http2Only)
}

/// One whose every name but the proxy's leads nowhere.
fn through(ca: &Ca, proxy: &str, no_proxy: &str) -> Egress {
    with(ca, proxy, no_proxy, Resolver::default())
}

fn with(ca: &Ca, proxy: &str, no_proxy: &str, resolver: Resolver) -> Egress {
    build(ca, proxy, no_proxy, resolver, Settings::default().hop_timeout)
}

fn limited(ca: &Ca, proxy: &str, hop_timeout: Duration) -> Egress {
    build(ca, proxy, "", Resolver::default(), hop_timeout)
}

fn build(ca: &Ca, proxy: &str, no_proxy: &str, resolver: Resolver, hop_timeout: Duration) -> Egress {
    let proxy: Proxy = proxy.parse().unwrap();
    let proxies = Proxies::new(Some(proxy.clone()), Some(proxy), no_proxy.parse().unwrap());
    let extra = CaSource::Pem { name: "test".to_owned(), pem: ca.pem().into_bytes() };
    let settings = Settings { extra_ca: vec![extra], proxies, resolver, hop_timeout, ..Settings::default() };
    Egress::new(&settings, &Tasks::new()).unwrap()
}

fn resolving_to(ip: &'static str) -> Resolver {
    Resolver::from_fn(move |_, port| {
        Box::pin(async move { Ok(vec![(ip.parse::<std::net::IpAddr>().unwrap(), port).into()]) })
    })
}

/// What a fake proxy does with a request.
#[derive(Clone)]
enum Answer {
    /// It opens a tunnel to this port, whatever was asked for.
    Tunnel(u16),
    Refuse(String),
    Stall,
    /// It begins to answer, and stalls then.
    Drip,
    /// It answers a plain request itself.
    Forward,
}

/// A proxy that remembers the head of the request.
struct FakeProxy {
    server: Server,
    head: Arc<Mutex<String>>,
    scheme: &'static str,
}

impl FakeProxy {
    async fn start(answer: Answer) -> Self {
        let head = Arc::default();
        let seen = Arc::clone(&head);
        let server = Server::raw(move |tcp| serve(tcp, answer.clone(), Arc::clone(&seen))).await;
        Self { server, head, scheme: "http" }
    }

    async fn start_tls(answer: Answer, identity: &Identity) -> Self {
        let head = Arc::default();
        let (seen, tls) = (Arc::clone(&head), server_tls(identity, &[b"http/1.1"]));
        let server = Server::raw(move |tcp| {
            let (answer, seen, tls) = (answer.clone(), Arc::clone(&seen), tls.clone());
            async move {
                if let Ok(tls) = tls.acceptor().accept(tcp).await {
                    serve(tls, answer, seen).await;
                }
            }
        });
        Self { server: server.await, head, scheme: "https" }
    }

    fn url(&self, user: &str) -> String {
        format!("{}://{user}localhost:{}", self.scheme, self.server.port)
    }

    fn head(&self) -> String {
        self.head.lock().unwrap().clone()
    }
}

async fn serve<S>(stream: S, answer: Answer, seen: Arc<Mutex<String>>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin,
{
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).await.is_ok_and(|read| read > 0) {}
    *seen.lock().unwrap() = head;
    match answer {
        Answer::Tunnel(port) => {
            stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
            let mut origin = connect(port).await;
            let _peer_gone = tokio::io::copy_bidirectional(&mut stream, &mut origin).await;
        }
        Answer::Refuse(text) => {
            let _peer_gone = stream.write_all(text.as_bytes()).await;
        }
        Answer::Drip => {
            let _peer_gone = stream.write_all(b"HTTP/1.1 200").await;
            let _peer_gone = stream.read_to_end(&mut Vec::new()).await;
        }
        Answer::Stall => {
            let _peer_gone = stream.read_to_end(&mut Vec::new()).await;
        }
        Answer::Forward => {
            let _peer_gone = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "it plays a proxy, which is somebody else's way out")]
async fn connect(port: u16) -> TcpStream {
    TcpStream::connect(("127.0.0.1", port)).await.unwrap()
}
