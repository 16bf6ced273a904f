//! A real nginx before Bitbucket, with the certificates that are found in companies.

use bitbucket_sim::{Config, Sim};
use gitproxy::egress::{Alpn, CaSource, Egress, Settings};
use gitproxy::ops::Tasks;

use crate::processes::house::House;
use crate::processes::program::Program;
use crate::tools::Nginx;
use crate::tools::nginx::Block;
use crate::world::simulator;
use crate::world::tls::{Ca, Identity, Oddity};

use super::{doctor, has, pairs};

#[tokio::test]
async fn an_agent_trusts_the_internal_root_where_the_intermediate_is_sent_and_tls_1_2_is_all_there_is() {
    let (root, house) = (Ca::new("Internal root"), House::new().await);
    let identity = root.intermediate("Internal issuer").issue(&["localhost"], &Oddity::None);
    let block = Block::tls("ssl", &identity).lines("ssl_protocols TLSv1.2;").pass(&origin(&house.sim));
    let Some(nginx) = Nginx::start(&block).await else { return };
    let _agent = behind(&house, &nginx, &root, &[]);
    house.caller().await.get_repo_soon().await;
}

#[tokio::test]
async fn each_certificate_that_is_refused_is_refused_for_what_it_is() {
    let (root, sim) = (Ca::new("Internal root"), simulator(Config::default()).await);
    let issuer = root.intermediate("Internal issuer");
    let odd = [
        (issuer.issue(&["localhost"], &Oddity::Alone), "only the server's own certificate was sent"),
        (issuer.issue(&["localhost"], &Oddity::Expired), "has expired"),
        (issuer.issue(&["localhost"], &Oddity::NotYetValid), "is not valid yet"),
        (issuer.issue(&["elsewhere.test"], &Oddity::None), "is for another host"),
        (issuer.issue(&["localhost"], &Oddity::Client), "is not for servers"),
        (Identity::self_signed(&["localhost"]), "signed by unknown authority, namely by itself"),
        (Ca::new("Another root").issue(&["localhost"], &Oddity::None), "signed by unknown authority"),
    ];
    for (identity, why) in &odd {
        let block = Block::tls("ssl", identity).pass(&origin(&sim));
        let Some(nginx) = Nginx::start(&block).await else { return };
        let error = dial(&root, &nginx).await.expect_err(why);
        let error = format!("{error} ({})", error.detail());
        has(&error, &["TLS with https://localhost", why]);
    }
}

#[tokio::test]
async fn a_certificate_that_the_server_wants_is_asked_for_and_then_shown() {
    let (root, house) = (Ca::new("Internal root"), House::new().await);
    let identity = root.issue(&["localhost"], &Oddity::None);
    let block = Block::tls("ssl", &identity).client_ca(root.pem()).pass(&origin(&house.sim));
    let Some(nginx) = Nginx::start(&block).await else { return };
    let mut agent = behind(&house, &nginx, &root, &[]);
    agent.says("attached").await;
    let refused = house.caller().await.refused_soon().await;
    has(refused.message(), &["wants a client certificate"]);
    let report = doctor(&house, &pairs(&settings(&house, &nginx, &root))).await;
    report.blames("bitbucket default", "status", "client-certificate", &["wants a client certificate"]);
    agent.kill();
    agent.ended().await;
    let client = root.issue(&["site"], &Oddity::Client);
    let (certificate, key) =
        (house.write("client.crt", &client.chain), house.write("client.key", &client.key));
    let shown = [("BITBUCKET_CLIENT_CERT_FILE", certificate.as_str()), ("BITBUCKET_CLIENT_KEY_FILE", &key)];
    let _agent = behind(&house, &nginx, &root, &shown);
    house.caller().await.get_repo_soon().await;
}

/// An agent whose Bitbucket is behind this nginx.
fn behind(house: &House, nginx: &Nginx, root: &Ca, more: &[(&str, &str)]) -> Program {
    house.start_agent(&[&pairs(&settings(house, nginx, root)), more].concat())
}

fn settings(house: &House, nginx: &Nginx, root: &Ca) -> [(&'static str, String); 2] {
    let trusted = format!("{}, {}", house.file("ca.pem"), house.write("internal.pem", root.pem()));
    [("BITBUCKET_URL", format!("{}/bitbucket", nginx.url())), ("CUSTOM_CA_CERT_FILE", trusted)]
}

async fn dial(root: &Ca, nginx: &Nginx) -> Result<(), gitproxy::egress::Error> {
    let extra_ca = vec![CaSource::Pem { name: "internal".to_owned(), pem: root.pem().as_bytes().to_vec() }];
    let egress = Egress::new(&Settings { extra_ca, ..Settings::default() }, &Tasks::new()).expect("trust");
    egress.connector(nginx.url().parse().expect("an origin"), Alpn::Http1OrHttp2).connect().await.map(drop)
}

/// The simulator without its path, so that nginx keeps that of the request.
fn origin(sim: &Sim) -> String {
    sim.url().trim_end_matches("/bitbucket").to_owned()
}
