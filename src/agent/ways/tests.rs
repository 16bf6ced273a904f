use std::time::Duration;

use rustls_pki_types::CertificateDer;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::*;
use crate::agent::tests::config;
use crate::bitbucket::{Account, Credential};
use crate::egress::fixture::{Ca, Files, Identity, asking_without_insisting};
use crate::egress::{Alpn, CaSource, Guard, Hop, Origin, Proxies, Way};
use crate::ops::secret::Source;

#[tokio::test]
async fn gateway_and_bitbuckets_may_have_proxies_of_their_own() {
    let common = Config { proxies: always("common"), connections: vec![connection("main", None)], ..plain() };
    let own = Config {
        gateway_proxies: Some(always("gateway")),
        bitbucket_proxies: Some(always("bitbucket")),
        ..common.clone()
    };
    assert_eq!(taken(&common), ["common", "common", "common", "common"]);
    assert_eq!(taken(&own), ["gateway", "bitbucket", "bitbucket", "common"]);
    let nothing = Config { gateway_proxies: Some(Proxies::none()), ..common };
    assert_eq!(taken(&nothing), ["", "common", "common", "common"]);
}

#[tokio::test]
async fn each_end_is_shown_the_certificate_that_is_set_for_it_and_no_other() {
    let ca = Ca::new("customer");
    let (mut server, tasks) = (Asking::start(&ca).await, Tasks::new());
    let (for_gateway, for_main) = (ca.issue("gateway client"), ca.issue("main client"));
    let (gateway, main) = (Files::write(&for_gateway), Files::write(&for_main));
    let loopback = ["127.0.0.0/8", "::1/128"].map(|net| net.parse().unwrap());
    let config = Config {
        extra_ca: vec![CaSource::Pem { name: "test".to_owned(), pem: ca.pem().into_bytes() }],
        gateway_client: Some(client(&gateway)),
        connections: vec![connection("main", Some(client(&main))), connection("other", None)],
        guard: Guard::new(Vec::new(), loopback.into(), Vec::new()),
        ..plain()
    };
    let ways = Ways::open(&config, config.patience, &tasks).unwrap();
    let shown = |identity: &Identity| Some(identity.der());
    for (egress, expected) in [
        (&ways.gateway, shown(&for_gateway)),
        (&ways.bitbuckets[0], shown(&for_main)),
        (&ways.bitbuckets[1], None),
        (&ways.held, None),
        (&ways.telemetry, None),
    ] {
        let connector = egress.connector(server.origin.clone(), Alpn::Http2Only);
        let _stream = connector.connect().await.unwrap();
        assert_eq!(server.shown.recv().await, Some(expected));
    }
    let whose: Vec<_> = ways.identities.iter().map(|(whose, _)| whose.as_str()).collect();
    assert_eq!(whose, ["the client certificate of connection main", "the client certificate of the gateway"]);
}

#[tokio::test]
async fn a_hop_and_the_whole_take_no_longer_than_set() {
    // It listens and never answers.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin: Origin =
        format!("https://127.0.0.1:{}", listener.local_addr().unwrap().port()).parse().unwrap();
    let (short, long) = (Duration::from_millis(100), Duration::from_secs(20));
    for patience in [Patience { hop: short, whole: long }, Patience { hop: long, whole: short }] {
        let config = Config { connections: vec![connection("main", None)], ..plain() };
        let ways = Ways::open(&config, patience, &Tasks::new()).unwrap();
        for egress in [&ways.gateway, &ways.bitbuckets[0]] {
            let error = egress.connector(origin.clone(), Alpn::Http2Only).connect().await.unwrap_err();
            assert!(
                matches!(error, egress::Error::Timeout { hop: Hop::Tls, limit, .. } if limit <= short),
                "{patience:?}: {error:?}"
            );
        }
    }
}

/// The proxies' names on the way from each leg to a server far away; empty where there is none.
fn taken(config: &Config) -> [String; 4] {
    let ways = Ways::open(config, config.patience, &Tasks::new()).unwrap();
    let far: Origin = "https://git.example.com".parse().unwrap();
    [&ways.gateway, &ways.bitbuckets[0], &ways.held, &ways.telemetry].map(|egress| {
        match egress.route(&far).way {
            Way::Direct => String::new(),
            Way::Through(proxy) => proxy.origin().host().trim_end_matches(".proxy").to_owned(),
        }
    })
}

fn always(name: &str) -> Proxies {
    Proxies::always(format!("http://{name}.proxy:3128").parse().unwrap())
}

/// Settings with nothing in them but what is required.
fn plain() -> Config {
    config(tempfile::tempdir().unwrap().path())
}

fn connection(name: &str, client: Option<ClientFiles>) -> Connection {
    let account = Account {
        name: name.to_owned(),
        base: "https://git.example.com".parse().unwrap(),
        credential: Credential::Bearer(Source::Fixed("t0ken".into())),
        user: None,
        projects: std::iter::empty().collect(),
    };
    Connection { client, ..account.into() }
}

fn client(files: &Files) -> ClientFiles {
    ClientFiles { certificate: files.certificate.clone(), key: files.key.clone() }
}

/// A server that asks for a certificate and tells which one it was shown.
struct Asking {
    origin: Origin,
    shown: mpsc::Receiver<Option<Vec<u8>>>,
    tasks: Tasks,
}

impl Asking {
    async fn start(ca: &Ca) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("https://localhost:{}", listener.local_addr().unwrap().port()).parse().unwrap();
        let tls = asking_without_insisting(ca, &ca.issue("localhost"), b"h2");
        let (tell, shown) = mpsc::channel(1);
        let tasks = Tasks::new();
        tasks.spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let stream = tls.accept(tcp).await.unwrap();
                let chain = stream.get_ref().1.peer_certificates();
                let leaf = chain.and_then(<[CertificateDer<'_>]>::first).map(|leaf| leaf.to_vec());
                tell.send(leaf).await.unwrap();
            }
        });
        Self { origin, shown, tasks }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.tasks.cut();
    }
}
