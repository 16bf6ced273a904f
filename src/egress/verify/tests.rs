use std::fs;
use std::io;
use std::time::Duration;

use rcgen::{BasicConstraints, IsCa};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{HandshakeKind, RootCertStore, ServerConfig, SupportedProtocolVersion, version};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;
use crate::egress::fixture::{Ca, Files, Identity};
use crate::egress::{ClientFiles, ClientIdentity};

const BOTH: [&SupportedProtocolVersion; 2] = [&version::TLS12, &version::TLS13];

#[tokio::test]
async fn what_the_library_takes_is_taken_in_both_versions() {
    let ca = Ca::new("ours");
    let below = ca.intermediate("below");
    for version in BOTH {
        handshake(&ca, &[], &ca.issue("localhost"), version).await.unwrap();
        handshake(&ca, &[&below], &below.issue("localhost"), version).await.unwrap();
    }
    let own = Identity::self_signed("localhost", IsCa::ExplicitNoCa);
    let verifier = trusting(&[&own.pem()]);
    tls(verifier, None, server(&[own.der()], &own, &version::TLS13)).await.unwrap();
}

#[tokio::test]
async fn what_the_library_refuses_is_refused_with_its_kind_in_both_versions() {
    let (ours, stranger) = (Ca::new("ours"), Ca::new("stranger"));
    let (below, strange_below) = (ours.intermediate("below"), stranger.intermediate("below"));
    let authority = IsCa::Ca(BasicConstraints::Unconstrained);
    let cases: [(&str, &[&Ca], Identity, Kind); 15] = [
        ("expired", &[], ours.issue_expired("localhost"), Kind::Expired),
        ("not yet", &[], ours.issue_not_yet_valid("localhost"), Kind::NotYetValid),
        ("host", &[], ours.issue("git.example.com"), Kind::WrongHost),
        ("common name", &[], ours.issue_for_common_name("localhost"), Kind::NoHosts),
        ("leaf alone", &[], stranger.issue("localhost"), Kind::UnknownIssuerOrMissingIntermediate),
        ("no intermediate", &[], below.issue("localhost"), Kind::UnknownIssuerOrMissingIntermediate),
        (
            "wrong intermediate",
            &[&ours.intermediate("other")],
            below.issue("localhost"),
            Kind::UnknownIssuerOrMissingIntermediate,
        ),
        ("root of a stranger", &[&stranger], stranger.issue("localhost"), Kind::UnknownIssuer),
        ("chain of a stranger", &[&strange_below], strange_below.issue("localhost"), Kind::UnknownIssuer),
        ("same name", &[], Ca::new("ours").issue("localhost"), Kind::OtherKeyOfSameName),
        ("same name, another kind", &[], Ca::of_ed25519("ours").issue("localhost"), Kind::OtherKeyOfSameName),
        (
            "same name, whole chain",
            &[&Ca::new("ours")],
            Ca::new("ours").issue("localhost"),
            Kind::OtherKeyOfSameName,
        ),
        ("self-signed", &[], Identity::self_signed("localhost", IsCa::ExplicitNoCa), Kind::SelfSigned),
        (
            "self-signed authority",
            &[],
            Identity::self_signed("localhost", authority.clone()),
            Kind::SelfSignedAuthority,
        ),
        ("authority", &[], ours.issue_as("localhost", authority), Kind::Authority),
    ];
    for (what, chain, identity, kind) in cases {
        for version in BOTH {
            let error = handshake(&ours, chain, &identity, version).await.expect_err(what);
            let rejected = rejected(&error).unwrap_or_else(|| panic!("{what}: {error:?}"));
            assert_eq!(rejected.kind(), kind, "{what}: {rejected}");
            assert_eq!(rejected.chain.len(), chain.len() + 1, "{what}");
            assert!(
                !rejected.trusted.is_empty() && rejected.to_string().contains(&rejected.trusted),
                "{rejected}"
            );
        }
    }
}

#[tokio::test]
async fn a_self_signed_authority_is_refused_even_where_it_is_trusted() {
    let own = Identity::self_signed("localhost", IsCa::Ca(BasicConstraints::Unconstrained));
    let verifier = trusting(&[&own.pem()]);
    let error = tls(verifier, None, server(&[own.der()], &own, &version::TLS13)).await.unwrap_err();
    assert_eq!(rejected(&error).unwrap().kind(), Kind::SelfSignedAuthority, "{error:?}");
}

#[tokio::test]
async fn who_has_the_certificate_but_not_its_key_is_refused_in_both_versions() {
    let ca = Ca::new("ours");
    let (shown, held) = (ca.issue("localhost"), ca.issue("localhost"));
    for version in BOTH {
        let error =
            tls(trusting(&[&ca.pem()]), None, server(&[shown.der()], &held, version)).await.unwrap_err();
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
        assert_eq!(inner, Some(&Error::InvalidCertificate(CertificateError::BadSignature)), "{error:?}");
    }
}

#[tokio::test]
async fn a_refusal_names_what_was_presented_and_what_is_trusted() {
    let stranger = Ca::new("Stranger Root");
    let below = stranger.intermediate("Stranger Below");
    let error =
        handshake(&Ca::new("ours"), &[&below], &below.issue("localhost"), &version::TLS13).await.unwrap_err();
    let rejected = rejected(&error).unwrap();
    let text = rejected.to_string();
    for part in [
        "UnknownIssuer; presented: 1. ",
        "(issued by CN=Stranger Below, valid from ",
        " 2. CN=Stranger Below (issued by CN=Stranger Root",
        "for localhost)",
        "; trusted: 1 of ",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert_eq!(rejected.unknown_issuer(), Some("CN=Stranger Root"));
}

#[tokio::test(start_paused = true)]
async fn a_replaced_ca_counts_from_the_next_handshake_and_a_bad_one_does_not() {
    let (old, new, tasks) = (Ca::new("old"), Ca::new("new"), Tasks::new());
    let folder = tempfile::tempdir().unwrap();
    let (file, mounted) = (folder.path().join("ca.crt"), folder.path().join("mounted"));
    fs::create_dir(&mounted).unwrap();
    fs::write(&file, old.pem()).unwrap();
    fs::write(mounted.join("other.crt"), Ca::new("other").pem()).unwrap();
    let roots = Roots::Named { file: Some(file.clone()), folders: Vec::new() };
    let verifier = Verifier::open(&roots, &[CaSource::Folder(mounted.clone())], &tasks).unwrap();
    let config = crypto::client(Arc::clone(&verifier), None, &[]).unwrap();
    let is_trusted = async |ca: &Ca| {
        let identity = ca.issue("localhost");
        connect(Arc::clone(&config), server(&[identity.der()], &identity, &version::TLS13)).await.is_ok()
    };
    assert!(is_trusted(&old).await && !is_trusted(&new).await);

    fs::write(&file, "no certificate").unwrap();
    time::sleep(watch::EVERY * 2).await;
    assert!(is_trusted(&old).await, "a bad state leaves the old in force");

    fs::write(&file, old.pem()).unwrap();
    fs::write(mounted.join("new.crt"), new.pem()).unwrap();
    time::sleep(watch::EVERY * 2).await;
    assert!(
        is_trusted(&old).await && is_trusted(&new).await,
        "a file more in the folder: {}",
        verifier.summary()
    );

    fs::write(&file, Ca::new("third").pem()).unwrap();
    time::sleep(watch::EVERY * 2).await;
    assert!(!is_trusted(&old).await, "what was taken away counts no more, for the same configuration");
    tasks.finish(Duration::from_secs(60)).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_asks_for_a_client_certificate_gets_ours_and_the_new_one_after_a_reload() {
    let (ca, clients, tasks) = (Ca::new("ours"), Ca::new("clients"), Tasks::new());
    let first = clients.issue("agent");
    let files = Files::write(&first);
    let paths = ClientFiles { certificate: files.certificate.clone(), key: files.key.clone() };
    paths.check().unwrap();
    let identity = ClientIdentity::open(&paths, &tasks).unwrap();
    assert_eq!(identity.certificate().unwrap().names, ["agent"]);
    for version in BOTH {
        let ask = || asking(&ca.issue("localhost"), &clients, version);
        assert!(tls(trusting(&[&ca.pem()]), None, ask()).await.is_err(), "nothing shown");
        assert_eq!(tls(trusting(&[&ca.pem()]), Some(&identity), ask()).await.unwrap(), Some(first.der()));
    }
    let config = crypto::client(trusting(&[&ca.pem()]), Some(&identity), &[]).unwrap();
    let second = clients.issue("agent");
    fs::write(&files.key, second.key_pem()).unwrap();
    fs::write(&files.certificate, second.pem()).unwrap();
    time::sleep(watch::EVERY * 2).await;
    let shown = connect(config, asking(&ca.issue("localhost"), &clients, &version::TLS13)).await.unwrap();
    assert_eq!(shown, Some(second.der()));
    tasks.finish(Duration::from_secs(60)).await;
}

#[tokio::test]
async fn no_session_is_resumed() {
    let ca = Ca::new("ours");
    let identity = ca.issue("localhost");
    let server = server(&[identity.der()], &identity, &version::TLS13);
    let config = crypto::client(trusting(&[&ca.pem()]), None, &[]).unwrap();
    for _ in 0..2 {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let connector = TlsConnector::from(Arc::clone(&config));
        let client = connector.connect("localhost".try_into().unwrap(), near);
        let (client, far) = tokio::join!(client, TlsAcceptor::from(Arc::clone(&server)).accept(far));
        let (mut client, mut far) = (client.unwrap(), far.unwrap());
        // The ticket for a later session comes before the first byte, and is taken up with it.
        far.write_all(b"x").await.unwrap();
        far.flush().await.unwrap();
        client.read_u8().await.unwrap();
        assert_eq!(client.get_ref().1.handshake_kind(), Some(HandshakeKind::Full));
    }
}

/// A handshake of a client that trusts `ca` with a server that has this identity and sends this chain along.
async fn handshake(
    ca: &Ca,
    chain: &[&Ca],
    identity: &Identity,
    version: &'static SupportedProtocolVersion,
) -> io::Result<Option<Vec<u8>>> {
    let shown: Vec<Vec<u8>> =
        std::iter::once(identity.der()).chain(chain.iter().map(|ca| ca.der())).collect();
    tls(trusting(&[&ca.pem()]), None, server(&shown, identity, version)).await
}

async fn tls(
    verifier: Arc<Verifier>,
    identity: Option<&ClientIdentity>,
    server: Arc<ServerConfig>,
) -> io::Result<Option<Vec<u8>>> {
    connect(crypto::client(verifier, identity, &[]).unwrap(), server).await
}

/// A handshake with `localhost`, and what the client has shown of itself in it.
async fn connect(
    config: Arc<rustls::ClientConfig>,
    server: Arc<ServerConfig>,
) -> io::Result<Option<Vec<u8>>> {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let client = TlsConnector::from(config).connect("localhost".try_into().unwrap(), near);
    let server = TlsAcceptor::from(server).accept(far);
    let (client, server) = tokio::join!(client, server);
    // In TLS 1.3 the client is done before the server has looked at the client's certificate.
    let (_client, server) = (client?, server?);
    Ok(server.get_ref().1.peer_certificates().and_then(|chain| chain.first()).map(|leaf| leaf.to_vec()))
}

/// One that trusts these, and whatever is on this machine does not matter.
fn trusting(authorities: &[&str]) -> Arc<Verifier> {
    let platform = tempfile::NamedTempFile::new().unwrap();
    let extra: Vec<_> = authorities
        .iter()
        .enumerate()
        .map(|(at, pem)| CaSource::Pem { name: format!("test {at}"), pem: pem.as_bytes().to_vec() })
        .collect();
    fs::write(platform.path(), Ca::new("unrelated").pem()).unwrap();
    let roots = Roots::Named { file: Some(platform.path().to_owned()), folders: Vec::new() };
    Verifier::open(&roots, &extra, &Tasks::new()).unwrap()
}

fn rejected(error: &io::Error) -> Option<&Rejected> {
    error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()).and_then(Rejected::of)
}

/// A server that shows this chain and signs with the key of `identity`, whether or not that is the chain's.
fn server(
    chain: &[Vec<u8>],
    identity: &Identity,
    version: &'static SupportedProtocolVersion,
) -> Arc<ServerConfig> {
    let config =
        ServerConfig::builder_with_provider(crypto::provider()).with_protocol_versions(&[version]).unwrap();
    Arc::new(config.with_no_client_auth().with_cert_resolver(Arc::new(Shown(certified(chain, identity)))))
}

/// One that lets in only clients of this authority.
fn asking(
    identity: &Identity,
    clients: &Ca,
    version: &'static SupportedProtocolVersion,
) -> Arc<ServerConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(clients.der().into()).unwrap();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), crypto::provider()).build().unwrap();
    let config =
        ServerConfig::builder_with_provider(crypto::provider()).with_protocol_versions(&[version]).unwrap();
    let shown = Shown(certified(&[identity.der()], identity));
    Arc::new(config.with_client_cert_verifier(verifier).with_cert_resolver(Arc::new(shown)))
}

fn certified(chain: &[Vec<u8>], identity: &Identity) -> Arc<CertifiedKey> {
    let key = PrivateKeyDer::try_from(identity.key_der()).unwrap();
    let key = crypto::provider().key_provider.load_private_key(key).unwrap();
    Arc::new(CertifiedKey::new(chain.iter().map(|der| der.clone().into()).collect(), key))
}

#[derive(Debug)]
struct Shown(Arc<CertifiedKey>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}
