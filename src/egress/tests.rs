mod guarded;
mod proxied;
mod server;

use std::error::Error as _;
use std::time::SystemTime;

use bytes::Bytes;
use http_body_util::Empty;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use self::server::{Server, server_tls};
use super::fixture::{Ca, Identity, asking_for_certificates};
use super::serve::ServerTls;
use super::*;
use crate::ops::Tasks;

#[tokio::test]
async fn a_server_of_the_customers_ca_is_reached_over_http2() {
    let ca = Ca::new("customer");
    let server = Server::start(&ca.issue("localhost"), &[b"h2", b"http/1.1"]).await;
    let mut stream = egress(&ca).connector(server.origin(), Alpn::Http2Only).connect().await.unwrap();
    assert!(stream.alpn_h2());
    stream.write_all(b"ping").await.unwrap();
    let mut echoed = [0; 4];
    stream.read_exact(&mut echoed).await.unwrap();
    assert_eq!(&echoed, b"ping");
}

#[tokio::test]
async fn an_intermediate_that_ends_before_the_servers_own_is_named() {
    let ca = Ca::new("customer");
    for (days, warned) in [(10, true), (100, false)] {
        let below = ca.intermediate_for("Issuing Authority", days);
        let leaf = below.issue("localhost");
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
        std::fs::write(&certificate, leaf.pem() + &below.pem() + &ca.pem()).unwrap();
        std::fs::write(&key, leaf.key_pem()).unwrap();
        let tls = ServerTls::new(&certificate, &key, &[b"h2"], &Tasks::new()).unwrap();
        let server = Server::raw(move |tcp| {
            let tls = tls.clone();
            async move {
                let Ok(mut tls) = tls.acceptor().accept(tcp).await else { return };
                let _peer_gone = tls.read_to_end(&mut Vec::new()).await;
            }
        });
        let (server, egress) = (server.await, egress(&ca));
        let (checks, outcome) = egress.connector(server.origin(), Alpn::Http2Only).probe().await;
        outcome.unwrap();
        let cause = checks[3].advice().map(|advice| advice.cause.clone()).unwrap_or_default();
        assert_eq!(
            cause.contains("intermediate certificate of CN=Issuing Authority expires in"),
            warned,
            "{checks:?}"
        );
        let (whose, end) = egress.expiries().all().remove(0);
        assert_eq!(whose, server.origin().to_string());
        let left = end.duration_since(SystemTime::now()).unwrap();
        assert!(left < Duration::from_secs(days * 24 * 60 * 60), "the chain's soonest: {left:?}");
    }
}

#[tokio::test]
async fn an_address_is_reached_by_a_certificate_for_it() {
    let ca = Ca::new("customer");
    let server = Server::start(&ca.issue("127.0.0.1"), &[b"h2"]).await;
    let origin = format!("https://127.0.0.1:{}", server.port).parse().unwrap();
    egress(&ca).connector(origin, Alpn::Http2Only).connect().await.unwrap();
}

#[tokio::test]
async fn a_certificate_that_was_accepted_is_kept_with_whose_it_is() {
    let ca = Ca::new("customer");
    let server = Server::start(&ca.issue_for_days("localhost", 100), &[b"h2"]).await;
    let egress = egress(&ca);
    egress.connector(server.origin(), Alpn::Http2Only).connect().await.unwrap();
    let [(whose, end)] = &egress.expiries().all()[..] else { panic!("{:?}", egress.expiries()) };
    assert_eq!(*whose, server.origin().to_string());
    let left = end.duration_since(SystemTime::now()).unwrap();
    assert!((99 * DAY..=100 * DAY).contains(&left.as_secs()), "{left:?}");
}

#[tokio::test]
async fn a_probe_warns_of_a_certificate_that_ends_within_thirty_days() {
    let ca = Ca::new("customer");
    for (days, warned) in [(31, false), (29, true), (10, true)] {
        let server = Server::start(&ca.issue_for_days("localhost", days), &[b"h2"]).await;
        let (checks, outcome) = egress(&ca).connector(server.origin(), Alpn::Http2Only).probe().await;
        assert!(outcome.is_ok(), "{outcome:?}");
        let tls = checks.iter().find(|check| check.name == "tls").unwrap();
        assert_eq!(tls.outcome.to_string(), if warned { "warned" } else { "passed" }, "{days} days: {tls:?}");
        let section = tls.advice().map(|advice| advice.section);
        assert_eq!(section, warned.then_some("certificate-expired"));
    }
}

#[tokio::test]
async fn an_untrusted_issuer_is_named_in_words_that_people_search_for() {
    let server = Server::start(&Ca::new("stranger").issue("localhost"), &[b"h2"]).await;
    let error = refused(&Ca::new("customer"), &server).await;
    assert!(
        matches!(
            error,
            Error::Tls { fault: TlsFault::Certificate(Kind::UnknownIssuerOrMissingIntermediate), .. }
        ),
        "{error:?}"
    );
    assert!(error.to_string().contains("x509: certificate signed by unknown authority"), "{error}");
    assert_eq!(error.hop(), Hop::Tls);
    let (detail, causes) = (error.detail(), crate::ops::causes(&error));
    assert!(detail.starts_with("UnknownIssuer; presented: 1. ") && causes.ends_with(&detail), "{causes}");
    let (why, advice) = (error.why(), error.advice());
    assert!(why.starts_with(&advice.cause) && why.ends_with(&detail), "{why}");
    assert!(!why.contains(&advice.remedy), "the remedy stands beside it: {why}");
    assert!(!causes.contains("OtherError") && !causes.contains("Rejected"), "no dump of our types: {causes}");
}

#[tokio::test]
async fn a_certificate_for_another_host_is_refused() {
    let ca = Ca::new("customer");
    let server = Server::start(&ca.issue("git.example.com"), &[b"h2"]).await;
    let error = refused(&ca, &server).await;
    assert!(matches!(error, Error::Tls { fault: TlsFault::Certificate(Kind::WrongHost), .. }), "{error:?}");
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let ca = Ca::new("customer");
    let server = Server::start(&ca.issue_expired("localhost"), &[b"h2"]).await;
    let error = refused(&ca, &server).await;
    assert!(matches!(error, Error::Tls { fault: TlsFault::Certificate(Kind::Expired), .. }), "{error:?}");
}

#[tokio::test]
async fn a_server_that_strips_http2_is_told_by_its_issuer() {
    let ca = Ca::new("Inspecting Proxy");
    let server = Server::start(&ca.issue("localhost"), &[]).await;
    let error = refused(&ca, &server).await;
    assert!(
        matches!(&error, Error::NoHttp2 { issuer: Some(name), .. } if name.contains("CN=Inspecting Proxy")),
        "{error:?}"
    );
    assert!(error.to_string().contains("TLS-inspecting proxy"), "{error}");
    assert_eq!(error.hop(), Hop::Alpn);
    let either = egress(&ca).connector(server.origin(), Alpn::Http1OrHttp2).connect().await.unwrap();
    assert!(!either.alpn_h2(), "where HTTP/1.1 will do, it does");
}

#[tokio::test]
async fn a_server_that_refuses_http2_by_alert_is_the_same() {
    let ca = Ca::new("customer");
    let server = Server::start(&ca.issue("localhost"), &[b"http/1.1"]).await;
    let connector = egress(&ca).connector(server.origin(), Alpn::Http2Only);
    let (checks, outcome) = connector.probe().await;
    let error = outcome.unwrap_err();
    assert!(
        matches!(&error, Error::NoHttp2 { issuer: Some(name), .. } if name == "CN=customer"),
        "{error:?}"
    );
    let told: Vec<_> = checks.iter().map(|check| format!("{} {}", check.name, check.outcome)).collect();
    assert_eq!(told, ["proxy passed", "dns passed", "tcp passed", "tls passed", "alpn failed"]);
    assert_eq!(checks[4].found, "no HTTP/2");
    assert!(checks[3].detail.contains("issued by CN=customer"), "{:?}", checks[3]);
}

#[tokio::test]
async fn a_certificate_behind_the_alert_is_the_first_to_be_told() {
    let ca = Ca::new("customer");
    let cases = [
        (ca.issue_expired("localhost"), Kind::Expired, "certificate refused: expired"),
        (
            Ca::new("stranger").issue("localhost"),
            Kind::UnknownIssuerOrMissingIntermediate,
            "certificate refused: unknown authority",
        ),
    ];
    for (identity, kind, found) in cases {
        let server = Server::start(&identity, &[b"http/1.1"]).await;
        let connector = egress(&ca).connector(server.origin(), Alpn::Http2Only);
        let (checks, outcome) = connector.probe().await;
        let error = outcome.unwrap_err();
        assert!(
            matches!(error, Error::Tls { fault: TlsFault::Certificate(told), .. } if told == kind),
            "{error:?}"
        );
        let told: Vec<_> = checks.iter().map(|check| format!("{} {}", check.name, check.outcome)).collect();
        assert_eq!(told, ["proxy passed", "dns passed", "tcp passed", "tls failed", "alpn skipped"]);
        assert_eq!(checks[3].found, found);
    }
}

#[tokio::test]
async fn the_look_behind_the_alert_is_one_connection_that_sends_nothing() {
    let ca = Ca::new("customer");
    let tls = server_tls(&ca.issue("localhost"), &[b"http/1.1"]);
    let (count, mut seen) = tokio::sync::mpsc::channel(8);
    let server = Server::raw(move |tcp| {
        let (tls, count) = (tls.clone(), count.clone());
        async move {
            let mut bytes = Vec::new();
            if let Ok(mut tls) = tls.acceptor().accept(tcp).await {
                let _peer_gone = tls.read_to_end(&mut bytes).await;
            }
            count.send(bytes.len()).await.unwrap();
        }
    });
    let server = server.await;
    refused(&ca, &server).await;
    let both = async { (seen.recv().await, seen.recv().await) };
    let both = tokio::time::timeout(Duration::from_secs(5), both).await.expect("two connections");
    assert_eq!(both, (Some(0), Some(0)), "how much each brought");
    assert!(seen.try_recv().is_err(), "and no third");
}

#[tokio::test]
async fn where_nothing_more_can_be_seen_the_alert_is_told() {
    let ca = Ca::new("customer");
    let tls = server_tls(&ca.issue("localhost"), &[b"http/1.1"]);
    let first = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let server = Server::raw(move |tcp| {
        let first = first.swap(false, std::sync::atomic::Ordering::SeqCst);
        let tls = tls.clone();
        async move {
            if first {
                assert!(tls.acceptor().accept(tcp).await.is_err(), "it was offered h2 alone");
            }
        }
    });
    let error = refused(&ca, &server.await).await;
    assert!(matches!(error, Error::NoHttp2 { issuer: None, .. }), "{error:?}");
}

#[tokio::test]
async fn a_server_that_wants_a_certificate_after_the_handshake_says_so_to_whoever_reads() {
    let ca = Ca::new("customer");
    let tls = asking_for_certificates(&ca, &ca.issue("localhost"));
    let server = Server::raw(move |tcp| {
        let tls = tls.clone();
        async move {
            assert!(tls.accept(tcp).await.is_err(), "nobody showed a certificate");
        }
    });
    let server = server.await;
    let connector = egress(&ca).connector(server.origin(), Alpn::Http1OrHttp2);
    // TLS 1.3: our side of the handshake is over before the server looks at our certificate.
    let mut stream = connector.connect().await.unwrap();
    let read = stream.read_u8().await.unwrap_err();
    let told = Error::among(&read).expect("ours");
    assert!(matches!(told, Error::Tls { fault: TlsFault::ClientCertificate, .. }), "{told:?}");
    assert_eq!(told.advice().section, "client-certificate");
}

#[tokio::test]
async fn what_does_not_speak_tls_is_told_so() {
    let server = Server::raw(|mut tcp| async move {
        let _peer_gone = tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        let _peer_gone = tcp.read_to_end(&mut Vec::new()).await;
    });
    let error = refused(&Ca::new("customer"), &server.await).await;
    assert!(matches!(error, Error::Tls { fault: TlsFault::NotTls, .. }), "{error:?}");
}

#[tokio::test]
async fn a_server_that_hangs_up_is_told_so() {
    let server = Server::raw(|tcp| async move { drop(tcp) });
    let error = refused(&Ca::new("customer"), &server.await).await;
    assert!(matches!(error, Error::Tls { fault: TlsFault::Closed, .. }), "{error:?}");
}

#[tokio::test]
async fn a_stalled_handshake_is_cut_and_named() {
    let server = Server::raw(|mut tcp| async move {
        let _peer_gone = tcp.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let limit = Duration::from_millis(100);
    let egress = patient(&Ca::new("customer"), limit);
    let error = egress.connector(server.origin(), Alpn::Http2Only).connect().await.unwrap_err();
    assert!(matches!(error, Error::Timeout { hop: Hop::Tls, limit: told, .. } if told <= limit), "{error:?}");
    assert!(error.to_string().contains("(stuck at: TLS)"), "{error}");
}

#[tokio::test]
async fn a_name_that_does_not_exist_fails_at_resolve() {
    let origin = "https://nowhere.invalid".parse().unwrap();
    let error = egress(&Ca::new("customer")).connector(origin, Alpn::Http2Only).connect().await.unwrap_err();
    assert_eq!(error.hop(), Hop::Resolve, "{error:?}");
    assert!(error.to_string().contains("https://nowhere.invalid:443"), "{error}");
}

#[tokio::test]
async fn without_tls_it_goes_to_this_machine_only() {
    let server = Server::raw(|mut tcp| async move {
        let _peer_gone = tcp.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let egress = egress(&Ca::new("customer"));
    let local = format!("http://127.0.0.1:{}", server.port).parse().unwrap();
    let stream = egress.connector(local, Alpn::Http2Only).connect().await.unwrap();
    assert!(stream.alpn_h2(), "HTTP/2 by prior knowledge");
    let far = "http://git.example.com".parse().unwrap();
    let error = egress.connector(far, Alpn::Http1OrHttp2).connect().await.unwrap_err();
    assert!(matches!(error, Error::PlainHttp { .. }) && !error.is_transient(), "{error:?}");
    let far = "http://git.example.com".parse().unwrap();
    let (checks, _) = egress.connector(far, Alpn::Http1OrHttp2).probe().await;
    let told: Vec<_> = checks.iter().map(|check| format!("{} {}", check.name, check.outcome)).collect();
    assert_eq!(told, ["address failed", "proxy skipped", "dns skipped", "tcp skipped"]);
}

#[tokio::test]
async fn a_pooled_client_cannot_leave_the_origin() {
    let ca = Ca::new("customer");
    let server = Server::start(&ca.issue("localhost"), &[b"h2"]).await;
    let connector = egress(&ca).connector(server.origin(), Alpn::Http2Only);
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
    for url in ["https://localhost:1/", "https://user:secret@git.example.com/", "http://localhost/"] {
        let error = client.get(url.parse().unwrap()).await.unwrap_err();
        let cause = error.source().and_then(|cause| cause.downcast_ref::<Error>());
        assert!(matches!(cause, Some(Error::OtherOrigin { .. })), "{error:?}");
        assert!(!format!("{cause:?}").contains("secret"), "{cause:?}");
    }
}

/// Why a client that trusts `ca` only is not served.
async fn refused(ca: &Ca, server: &Server) -> Error {
    egress(ca).connector(server.origin(), Alpn::Http2Only).connect().await.expect_err("a refusal")
}

fn egress(ca: &Ca) -> Egress {
    patient(ca, Settings::default().hop_timeout)
}

/// One that trusts `ca` only, and waits so long for a hop.
fn patient(ca: &Ca, hop_timeout: Duration) -> Egress {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("root.pem");
    // Not the platform's roots: what this machine trusts must not matter to a test.
    std::fs::write(&file, Ca::new("unrelated").pem()).unwrap();
    let roots = Roots::Named { file: Some(file), folders: Vec::new() };
    let extra = CaSource::Pem { name: "test".to_owned(), pem: ca.pem().into_bytes() };
    let settings = Settings { roots, extra_ca: vec![extra], hop_timeout, ..Settings::default() };
    Egress::new(&settings, &Tasks::new()).unwrap()
}

/// In seconds.
const DAY: u64 = 24 * 60 * 60;
