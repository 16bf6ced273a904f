//! A real mitmproxy in between, which opens TLS and speaks no HTTP/2.

use crate::processes::house::House;
use crate::tools::Mitm;

use super::{doctor, has, pairs, remote, through};

#[tokio::test]
async fn a_tls_inspecting_proxy_that_strips_http2_is_named_by_the_issuer_of_its_certificates() {
    let house = House::new().await;
    let upstream =
        ["ca.pem", "sim.pem"].map(|name| std::fs::read_to_string(house.file(name)).expect("there"));
    let Some(mitm) = Mitm::start(&upstream.concat()).await else { return };
    let trusted = house.write("mitm.pem", mitm.ca());
    let settings = remote(&house, &mitm.url());
    let settings = pairs(&settings);
    let report = doctor(&house, &[&settings[..], &[("CUSTOM_CA_CERT_FILE", &trusted)]].concat()).await;
    report.blames(
        "gateway",
        "alpn",
        "no-http2",
        &["does not speak HTTP/2", "issued by: CN=mitmproxy", "TLS-inspecting"],
    );
    let agent = through(&house, &mitm.url(), &[("CUSTOM_CA_CERT_FILE", &trusted)]);
    let line = agent.says("not attached").await;
    has(&line, &["does not speak HTTP/2", "mitmproxy", "a TLS-inspecting proxy may be in between"]);
}

#[tokio::test]
async fn one_whose_authority_is_not_trusted_is_named_with_the_phrase_that_people_search_for() {
    let house = House::new().await;
    let upstream =
        ["ca.pem", "sim.pem"].map(|name| std::fs::read_to_string(house.file(name)).expect("there"));
    let Some(mitm) = Mitm::start(&upstream.concat()).await else { return };
    let line = through(&house, &mitm.url(), &[]).says("not attached").await;
    has(&line, &["x509: certificate signed by unknown authority", "mitmproxy", "customCaCert"]);
}
