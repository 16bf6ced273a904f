//! A real nginx before the gateway: with the lines of docs/reverse-proxies.md, and with its own defaults.

use std::time::Duration;

use bitbucket_sim::Commit;
use tokio::time::timeout;

use crate::processes::house::House;
use crate::processes::program::Program;
use crate::tools::Nginx;
use crate::tools::nginx::Block;
use crate::world::tls::{Ca, Oddity};

use super::{authority, doctor, has, pairs};

#[tokio::test]
async fn with_the_documented_lines_a_session_outlives_the_idle_timeouts_and_carries_100_mib() {
    let (root, house) = (Ca::new("Internal root"), House::new().await);
    let zeros = Commit::new("Large").zeros("large.bin", LARGE);
    house.sim.add_commits("SHOP", "web", &[zeros]).await.expect("committed");
    // An idle hour in four seconds, with signs of life each second.
    let Some(nginx) = nginx(&root, &house, &documented().replace(" 1h;", " 4s;")).await else { return };
    let mut agent = behind(&house, &nginx, &root, &[]);
    let caller = house.caller().await;
    caller.get_repo_soon().await;
    let over = timeout(Duration::from_secs(10), agent.ended()).await;
    assert!(over.is_err(), "the agent ended");
    assert_eq!(caller.download("large.bin").await.expect("it comes through"), LARGE as usize);
    let log = agent.log();
    assert!(!log.contains("the session ended") && !log.contains("not attached"), "{log}");
}

#[tokio::test]
async fn without_signs_of_life_in_time_the_same_session_is_cut() {
    let (root, house) = (Ca::new("Internal root"), House::new().await);
    let Some(nginx) = nginx(&root, &house, &documented().replace(" 1h;", " 600ms;")).await else { return };
    let agent = behind(&house, &nginx, &root, &[]);
    agent.says("attached").await;
    let line = agent.says("the session ended").await;
    has(&line, &["time limit", "each second", "docs/troubleshooting.md#idle-timeout"]);
}

#[tokio::test]
async fn with_nginx_s_own_defaults_the_agent_names_the_body_limit() {
    let (root, house) = (Ca::new("Internal root"), House::new().await);
    let zeros = Commit::new("Large").zeros("large.bin", LARGE);
    house.sim.add_commits("SHOP", "web", &[zeros]).await.expect("committed");
    let pass = "grpc_pass grpcs://gitproxy_agents;\n";
    let Some(mut nginx) = nginx(&root, &house, pass).await else { return };
    let agent = behind(&house, &nginx, &root, &[]);
    let caller = house.caller().await;
    caller.get_repo_soon().await;
    caller.download("large.bin").await.expect_err("it is cut");
    nginx.line("intended to send too large").await;
    let line = agent.says("the session ended").await;
    has(&line, &["client_max_body_size 0", "about 1 MiB"]);
    let settings = settings(&house, &nginx, &root);
    let report = doctor(&house, &pairs(&settings)).await;
    report.blames("gateway", "transfer", "body-limit", &["client_max_body_size"]);
}

/// The lines of `location /` in the first example for nginx, as an operator would copy them.
fn documented() -> String {
    let page = std::fs::read_to_string("docs/reverse-proxies.md").expect("the page");
    let example = page.split("```nginx").nth(1).expect("an example").split("```").next().expect("its end");
    let location = example.split("location / {").nth(1).expect("a location");
    location.split('}').next().expect("its end").to_owned()
}

/// Starts one with these lines, which know the gateway by the names of the page.
async fn nginx(root: &Ca, house: &House, lines: &str) -> Option<Nginx> {
    let gateway = house.gateway_at("127.0.0.1");
    let lines =
        lines.replace("gitproxy_agents", authority(&gateway)).replace("gateway.internal", "localhost");
    let lines = lines.replace("/etc/nginx/tls/ca.pem", &house.file("ca.pem"));
    let identity = root.issue(&["localhost"], &Oddity::None);
    Nginx::start(&Block::tls("ssl http2", &identity).lines(&format!("location / {{\n{lines}\n}}"))).await
}

/// An agent whose gateway is behind this nginx.
fn behind(house: &House, nginx: &Nginx, root: &Ca, more: &[(&str, &str)]) -> Program {
    let settings = settings(house, nginx, root);
    house.start_agent(&[&pairs(&settings), more].concat())
}

fn settings(house: &House, nginx: &Nginx, root: &Ca) -> [(&'static str, String); 2] {
    let trusted = format!("{}, {}", house.file("sim.pem"), house.write("internal.pem", root.pem()));
    [("GATEWAY_URL", nginx.url()), ("CUSTOM_CA_CERT_FILE", trusted)]
}

const LARGE: u64 = 100 << 20;
