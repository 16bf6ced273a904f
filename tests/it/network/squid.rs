//! Both legs through a real squid.

use crate::processes::house::House;
use crate::tools::{Rules, Squid, free_port};

use super::{authority, doctor, has, pairs, remote, through};

#[tokio::test]
async fn an_agent_reaches_gateway_and_bitbucket_through_squid() {
    let Some(mut squid) = Squid::start(&Rules::open()).await else { return };
    let house = House::new().await;
    let _agent = through(&house, &squid.url(), &[]);
    house.caller().await.get_repo_soon().await;
    let asked = squid.asked().await;
    for url in [house.gateway_at("gateway.test"), house.git_at("git.test")] {
        assert!(asked.iter().any(|target| target == authority(&url)), "{url} in {asked:?}");
    }
}

#[tokio::test]
async fn the_password_of_the_url_is_decoded_for_squid_and_not_logged() {
    let Some(squid) = Squid::start(&Rules::login(USER, PASSWORD)).await else { return };
    let house = House::new().await;
    let proxy = squid.url_as("site%20robot:p%40ss%3Aw%C3%B6rd%25");
    let agent = through(&house, &proxy, &[("GITPROXY_LOG", "trace")]);
    house.caller().await.get_repo_soon().await;
    for secret in [PASSWORD, "p%40ss", "c2l0ZSByb2JvdD"] {
        assert!(!agent.log().contains(secret), "{secret} in the log");
    }
}

#[tokio::test]
async fn the_password_may_be_in_a_file() {
    let Some(squid) = Squid::start(&Rules::login(USER, PASSWORD)).await else { return };
    let house = House::new().await;
    let file = house.write("proxy.login", &format!("{USER}:{PASSWORD}\n"));
    let agent =
        through(&house, &squid.url(), &[("PROXY_CREDENTIALS_FILE", &file), ("GITPROXY_LOG", "trace")]);
    house.caller().await.get_repo_soon().await;
    assert!(!agent.log().contains(PASSWORD));
}

#[tokio::test]
async fn a_squid_that_wants_a_password_and_gets_none_is_named_with_the_schemes_that_it_offers() {
    let Some(squid) = Squid::start(&Rules::login(USER, PASSWORD)).await else { return };
    let house = House::new().await;
    let line = through(&house, &squid.url(), &[]).says("not attached").await;
    has(
        &line,
        &[
            "refused a tunnel to https://gateway.test",
            ": 407 Proxy Authentication Required",
            "offered: Basic",
        ],
    );
    has(&line, &[&squid.url(), "give the proxy's user and password"]);
    let settings = remote(&house, &squid.url());
    let report = doctor(&house, &pairs(&settings)).await;
    for leg in ["gateway", "bitbucket default"] {
        report.blames(leg, "tunnel", "proxy-authentication", &["407", "Basic"]);
    }
}

#[tokio::test]
async fn a_wrong_password_is_told_from_none() {
    let Some(squid) = Squid::start(&Rules::login(USER, PASSWORD)).await else { return };
    let house = House::new().await;
    let line = through(&house, &squid.url_as("site%20robot:guess"), &[]).says("not attached").await;
    has(&line, &[": 407 ", "the user or password is wrong"]);
    assert!(!line.contains("guess"), "{line}");
}

#[tokio::test]
async fn a_squid_that_forbids_is_named_with_its_403() {
    let Some(squid) = Squid::start(&Rules::closed()).await else { return };
    let house = House::new().await;
    let line = through(&house, &squid.url(), &[]).says("not attached").await;
    has(&line, &["refused a tunnel to https://gateway.test", ": 403 Forbidden", "allow CONNECT"]);
}

#[tokio::test]
async fn a_proxy_that_forbids_bitbucket_is_named_to_the_caller() {
    let gateway_only = "acl git dstdomain git.test\nhttp_access deny git\nhttp_access allow all";
    let Some(squid) = Squid::start(&Rules::acl(gateway_only)).await else { return };
    let house = House::new().await;
    let agent = through(&house, &squid.url(), &[]);
    agent.says("attached").await;
    let status = house.caller().await.refused_soon().await;
    has(status.message(), &["proxy", "403 Forbidden", "https://git.test"]);
}

#[tokio::test]
async fn a_host_that_squid_cannot_reach_is_told_from_a_squid_that_is_not_there() {
    let Some(squid) = Squid::start(&Rules::open()).await else { return };
    let house = House::new().await;
    let nobody = free_port([127, 0, 0, 1].into());
    let gateway = format!("https://gateway.test:{nobody}");
    let line = through(&house, &squid.url(), &[("GATEWAY_URL", &gateway)]).says("not attached").await;
    has(&line, &[": 503 Service Unavailable", "the proxy cannot reach the host"]);
    let dead = format!("http://127.0.0.1:{nobody}");
    let line = through(&house, &dead, &[]).says("not attached").await;
    has(
        &line,
        &[&format!("the proxy {dead}, which leads to https://gateway.test"), "cannot be connected to"],
    );
}

const USER: &str = "site robot";
const PASSWORD: &str = "p@ss:wörd%";
