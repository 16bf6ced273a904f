//! A Bitbucket without TLS, to which a real squid forwards each request: what squid answers itself is squid's.

use bitbucket_sim::{Commit, Config, Sim};

use crate::processes::house::House;
use crate::tools::{Rules, Squid};

use super::{authority, doctor, has, pairs};

#[tokio::test]
async fn a_password_that_is_missing_is_told_from_a_wrong_one() {
    let Some(squid) = Squid::start(&Rules::login("robot", "gu3ss3d-r1ght")).await else { return };
    let (house, sim) = (House::new().await, plain().await);
    for (login, remedy) in [
        ("", "give the proxy's user and password"),
        ("robot:gu3ss3d-wr0ng@", "the user or password is wrong"),
    ] {
        let proxy = format!("http://{login}{}", squid.addr());
        let report = doctor(&house, &pairs(&settings(&sim, &proxy))).await;
        let words = ["refused a request to http://git.test", "407 Proxy Authentication Required", remedy];
        report.blames("bitbucket default", "status", "proxy-authentication", &words);
        report.blames("bitbucket default", "status", "proxy-authentication", &["schemes offered: Basic"]);
        assert!(!report.all.to_string().contains("gu3ss3d"), "{:#}", report.all);
    }
}

#[tokio::test]
async fn a_rule_that_forbids_bitbucket_is_told_to_the_operator_and_to_the_caller() {
    let Some(squid) = Squid::start(&Rules::closed()).await else { return };
    let (house, sim) = (House::new().await, plain().await);
    let settings = settings(&sim, &squid.url());
    let report = doctor(&house, &pairs(&settings)).await;
    let words = ["refused a request to http://git.test", "403 Forbidden", "proxy.noProxy"];
    report.blames("bitbucket default", "status", "proxy-refused", &words);
    let agent = house.start_agent(&pairs(&settings));
    agent.says("attached").await;
    let status = house.caller().await.refused_soon().await;
    has(status.message(), &["refused a request to http://git.test", "403 Forbidden"]);
}

#[tokio::test]
async fn a_bitbucket_that_squid_cannot_reach_is_not_said_to_be_starting() {
    let Some(squid) = Squid::start(&Rules::open()).await else { return };
    let (house, sim) = (House::new().await, plain().await);
    let settings = settings(&sim, &squid.url());
    drop(sim);
    let report = doctor(&house, &pairs(&settings)).await;
    let words = ["503 Service Unavailable", "the proxy cannot reach the host"];
    report.blames("bitbucket default", "status", "proxy-refused", &words);
}

#[tokio::test]
async fn what_squid_passes_on_is_bitbuckets() {
    let Some(squid) = Squid::start(&Rules::open()).await else { return };
    let (house, sim) = (House::new().await, plain().await);
    let settings = settings(&sim, &squid.url());
    // The house's token is another simulator's.
    let report = doctor(&house, &pairs(&settings)).await;
    report.blames("bitbucket default", "token", "token", &["Bitbucket refuses the token"]);
}

/// A simulator without TLS, by a name that only squid knows.
async fn plain() -> Sim {
    let sim = Sim::start(Config { tls: false, ..Config::default() }).await.expect("a simulator");
    sim.add_repo("SHOP", "web", &[Commit::new("Start").file("a.txt", "one\n")]).await.expect("a repository");
    sim
}

fn settings(sim: &Sim, proxy: &str) -> [(&'static str, String); 3] {
    let port = authority(sim.url()).rsplit_once(':').expect("a port").1;
    [
        ("BITBUCKET_URL", format!("http://git.test:{port}/bitbucket")),
        ("BITBUCKET_ALLOW_HTTP", "true".to_owned()),
        ("HTTP_PROXY", proxy.to_owned()),
    ]
}
