//! Certificates of either end that are refused, each for its own reason.

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
