//! Certificates of either end that are refused, each for its own reason.

use std::sync::Arc;

use gitproxy::ops::Tasks;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, crypto};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::tools::Nginx;
use crate::tools::nginx::Block;
use crate::world::tls::{Ca, Identity, Oddity};

use super::super::visit::Visit;
use super::{BITBUCKET, Diagnosis, GATEWAY};

#[tokio::test]
async fn an_unknown_authority_at_the_gateway() {
    Diagnosis {
        code: 4,
        leg: GATEWAY,
        check: "tls",
        section: "certificate-unknown-authority",
        cause: &["x509: certificate signed by unknown authority", "gitproxy test"],
        remedy: "customCaCert",
    }
    .of(&Visit::new().await.without_the_gateways_authority())
    .await;
}

#[tokio::test]
async fn an_expired_one_at_bitbucket() {
    let root = Ca::new("Internal root");
    let identity = root.issue(&["localhost"], &Oddity::Expired);
    refused(&root, &identity, "certificate-expired", &["has expired", "localhost"], "renewed").await;
}

#[tokio::test]
async fn one_of_tomorrow_at_bitbucket() {
    let root = Ca::new("Internal root");
    let identity = root.issue(&["localhost"], &Oddity::NotYetValid);
    refused(&root, &identity, "certificate-not-yet-valid", &["not valid yet"], "clock").await;
}

#[tokio::test]
async fn one_for_another_host_at_bitbucket() {
    let root = Ca::new("Internal root");
    let identity = root.issue(&["elsewhere.test"], &Oddity::None);
    let cause = &["is for another host", "elsewhere.test"];
    refused(&root, &identity, "certificate-wrong-host", cause, "subjectAltName").await;
}

#[tokio::test]
async fn one_without_its_intermediate_at_bitbucket() {
    let root = Ca::new("Internal root");
    let identity = root.intermediate("Internal issuer").issue(&["localhost"], &Oddity::Alone);
    let cause = &["only the server's own certificate was sent", "Internal issuer"];
    refused(&root, &identity, "certificate-unknown-authority", cause, "intermediate certificates").await;
}

#[tokio::test]
async fn a_self_signed_one_at_bitbucket() {
    let identity = Identity::self_signed(&["localhost"]);
    let cause = &["signed by unknown authority, namely by itself"];
    refused(&Ca::new("Internal root"), &identity, "certificate-unknown-authority", cause, "customCaCert")
        .await;
}

#[tokio::test]
async fn none_of_ours_for_an_nginx_before_bitbucket_that_wants_one() {
    let root = Ca::new("Internal root");
    let block = Block::tls("ssl", &root.issue(&["localhost"], &Oddity::None)).client_ca(root.pem());
    let Some((visit, _nginx)) = behind(&root, block).await else { return };
    Diagnosis {
        code: 5,
        leg: BITBUCKET,
        check: "status",
        section: "client-certificate",
        cause: &["client certificate"],
        remedy: "client_cert_file",
    }
    .of(&visit)
    .await;
}

#[tokio::test]
async fn none_of_ours_for_a_gateway_that_ends_the_connection_for_want_of_one() {
    let (root, visit) = (Ca::new("Internal root"), Visit::new().await);
    let guarded = Guarded::start(&root, b"h2").await;
    Diagnosis {
        code: 4,
        leg: GATEWAY,
        check: "attach",
        section: "client-certificate",
        cause: &["the connection ended before the gateway answered", "wants a client certificate"],
        remedy: "gateway.client_cert_file",
    }
    .of(&visit.trusting(root.pem()).set("GATEWAY_URL", &guarded.url))
    .await;
}

#[tokio::test]
async fn none_of_ours_for_a_bitbucket_that_ends_the_connection_for_want_of_one() {
    unwelcome_at_bitbucket(b"http/1.1").await;
}

#[tokio::test]
async fn none_of_ours_for_such_a_bitbucket_by_http_2() {
    unwelcome_at_bitbucket(b"h2").await;
}

async fn unwelcome_at_bitbucket(alpn: &[u8]) {
    let (root, visit) = (Ca::new("Internal root"), Visit::new().await);
    let guarded = Guarded::start(&root, alpn).await;
    Diagnosis {
        code: 5,
        leg: BITBUCKET,
        check: "tls",
        section: "client-certificate",
        cause: &["wants a client certificate"],
        remedy: "client_cert_file",
    }
    .of(&visit.trusting(root.pem()).bitbucket_at(&format!("{}/bitbucket", guarded.url)))
    .await;
}

/// A server that lets in only clients of its authority. By TLS 1.3 it says so after the handshake, as Envoy and HAProxy do.
struct Guarded {
    url: String,
    tasks: Tasks,
}

impl Guarded {
    async fn start(root: &Ca, alpn: &[u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let url = format!("https://localhost:{}", listener.local_addr().expect("bound").port());
        let (tls, tasks) = (TlsAcceptor::from(guarding(root, alpn)), Tasks::new());
        let each = tasks.clone();
        tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let handshake = tls.accept(stream);
                each.spawn(async move {
                    if let Err((_, mut stream)) = handshake.into_fallible().await {
                        // Until the client goes: closing at once would overtake the alert.
                        let _ = stream.read_to_end(&mut Vec::new()).await;
                    }
                });
            }
        });
        Self { url, tasks }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.tasks.cut();
    }
}

fn guarding(root: &Ca, alpn: &[u8]) -> Arc<ServerConfig> {
    let provider = Arc::new(crypto::aws_lc_rs::default_provider());
    let mut clients = RootCertStore::empty();
    clients.add(CertificateDer::from_pem_slice(root.pem().as_bytes()).expect("PEM")).expect("an authority");
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(clients), Arc::clone(&provider));
    let identity = root.issue(&["localhost"], &Oddity::None);
    let chain =
        CertificateDer::pem_slice_iter(identity.chain.as_bytes()).collect::<Result<_, _>>().expect("PEM");
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).expect("PEM");
    let config =
        ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&rustls::version::TLS13]);
    let config =
        config.expect("a version").with_client_cert_verifier(verifier.build().expect("an authority"));
    let mut config = config.with_single_cert(chain, key).expect("a pair");
    config.alpn_protocols = vec![alpn.to_vec()];
    Arc::new(config)
}

/// Examines a Bitbucket behind an nginx with this certificate, which the agent must refuse.
async fn refused(
    root: &Ca,
    identity: &Identity,
    section: &'static str,
    cause: &'static [&'static str],
    remedy: &'static str,
) {
    let Some((visit, _nginx)) = behind(root, Block::tls("ssl", identity)).await else { return };
    Diagnosis { code: 5, leg: BITBUCKET, check: "tls", section, cause, remedy }.of(&visit).await;
}

/// A visit whose Bitbucket is behind this nginx; the root is trusted.
async fn behind(root: &Ca, block: Block) -> Option<(Visit, Nginx)> {
    let visit = Visit::new().await;
    let upstream = visit.world.sim.url().trim_end_matches("/bitbucket").to_owned();
    let nginx = Nginx::start(&block.pass(&upstream)).await?;
    let url = format!("{}/bitbucket", nginx.url());
    Some((visit.trusting(root.pem()).bitbucket_at(&url), nginx))
}
