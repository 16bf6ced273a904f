//! An agent in a network namespace, where each packet that leaves is counted by where it goes.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::processes::house::House;
use crate::processes::program::Program;
use crate::tools::nginx::Block;
use crate::tools::resolver::Resolver;
use crate::tools::{Netns, Nginx, Rules, Squid};
use crate::world::tls::{Ca, Oddity};

use super::authority;

#[tokio::test]
async fn with_a_proxy_nothing_leaves_for_anything_else_and_no_name_is_asked_for() {
    let Some(site) = Site::new().await else { return };
    let _agent = site.agent(&[]);
    site.house.caller().await.get_repo_soon().await;
    assert!(site.netns.sent_to(PROXY).await > 0);
    for (what, count) in [
        ("the gateway", site.netns.sent_to(GATEWAY).await),
        ("Bitbucket", site.netns.sent_to(GIT).await),
        ("the name server", site.netns.sent_to(DNS).await),
        ("any name server", site.netns.names_asked().await),
    ] {
        assert_eq!(count, 0, "packets for {what}; names: {:?}", site.resolver.asked());
    }
}

#[tokio::test]
async fn a_host_of_no_proxy_is_reached_directly_and_the_proxy_hears_nothing_of_it() {
    let Some(mut site) = Site::new().await else { return };
    let agent = site.agent(&[("NO_PROXY", ".test"), ("GATEWAY_URL", "https://gateway.test:1")]);
    timeout(PATIENCE, site.netns.sends_to(GATEWAY)).await.expect("it tries the gateway itself");
    // Nor once the gateway has refused.
    timeout(PATIENCE, agent.says("not attached")).await.expect("it is refused");
    assert!(site.resolver.asked().iter().any(|name| name == "gateway.test"), "{:?}", site.resolver.asked());
    assert_eq!(site.netns.sent_to(PROXY).await, 0, "{:?}", site.squid.asked().await);
}

#[tokio::test]
async fn no_proxy_for_bitbucket_alone_keeps_bitbucket_alone_from_the_proxy() {
    let Some(mut site) = Site::new().await else { return };
    let _agent = site.agent(&[("NO_PROXY", "git.test")]);
    site.house.caller().await.get_repo_soon().await;
    assert!(site.netns.sent_to(GIT).await > 0);
    assert_eq!(site.netns.sent_to(GATEWAY).await, 0);
    let gateway = site.house.gateway_at("gateway.test");
    assert!(site.squid.asked().await.iter().all(|target| target == authority(&gateway)));
    assert!(site.resolver.asked().iter().all(|name| name == "git.test"), "{:?}", site.resolver.asked());
}

#[tokio::test]
async fn a_name_server_that_never_answers_does_not_hold_up_the_doctor_nor_its_end() {
    let Some(netns) = Netns::new().await else { return };
    // It takes every question.
    let _silent = UdpSocket::bind((netns.outside(DNS), 53)).await.expect("bound");
    let house = House::new().await;
    let urls = [house.gateway_at("gateway.test"), house.git_at("git.test")];
    let settings = house.settings(&[("GATEWAY_URL", &urls[0]), ("BITBUCKET_URL", &urls[1])]);
    let hosts = house.write("hosts", "127.0.0.1 localhost\n");
    // The system waits for much longer than the doctor may.
    let agent = env!("CARGO_BIN_EXE_gitproxy").as_ref();
    let mut command = netns.asking(agent, Path::new(&hosts), DNS, "timeout:20 attempts:2");
    command.args(["run", "--preflight"]);
    let mut doctor = Program::run(command, settings);
    let status = timeout(Duration::from_secs(15), doctor.ended()).await.expect("it ends in time");
    assert_eq!(status.code(), Some(6), "{}", doctor.log());
    assert!(doctor.log().contains("stuck at: resolve"), "{}", doctor.log());
}

/// A company's site: a namespace for the agent, and around it a proxy, a name server and Bitbucket behind an nginx.
struct Site {
    house: House,
    netns: Netns,
    squid: Squid,
    resolver: Resolver,
    git: Nginx,
    trusted: String,
}

impl Site {
    async fn new() -> Option<Self> {
        let netns = Netns::new().await?;
        let squid =
            Squid::start(&Rules::open().at(netns.outside(PROXY)).leading("git.test", netns.outside(GIT)))
                .await?;
        let (root, house) = (Ca::new("Internal root"), House::new().await);
        let upstream = house.sim.url().trim_end_matches("/bitbucket").to_owned();
        let identity = root.issue(&["git.test"], &Oddity::None);
        let git = Nginx::start(&Block::tls("ssl", &identity).at(netns.outside(GIT)).pass(&upstream)).await?;
        let names = [("gateway.test", v4(netns.outside(GATEWAY))), ("git.test", v4(netns.outside(GIT)))];
        let resolver = Resolver::start(netns.outside(DNS), &names).await;
        let trusted = format!("{}, {}", house.file("ca.pem"), house.write("internal.pem", root.pem()));
        Some(Self { house, netns, squid, resolver, git, trusted })
    }

    /// An agent inside, with the proxy for everything that `more` does not except.
    fn agent(&self, more: &[(&str, &str)]) -> Program {
        let gateway = self.house.gateway_at("gateway.test");
        let git = format!("https://git.test:{}/bitbucket", self.git.addr().port());
        let proxy = self.squid.url();
        let settings = [
            ("GATEWAY_URL", gateway.as_str()),
            ("BITBUCKET_URL", &git),
            ("HTTPS_PROXY", &proxy),
            ("CUSTOM_CA_CERT_FILE", &self.trusted),
        ];
        let settings = self.house.settings(&[&settings, more].concat());
        let hosts = self.house.write("hosts", "127.0.0.1 localhost\n");
        let mut command = self.netns.command(env!("CARGO_BIN_EXE_gitproxy").as_ref(), Path::new(&hosts), DNS);
        command.arg("run");
        Program::run(command, settings)
    }
}

fn v4(ip: IpAddr) -> Ipv4Addr {
    let IpAddr::V4(ip) = ip else { panic!("{ip} is IPv6") };
    ip
}

/// Much more than an agent takes to dial.
const PATIENCE: Duration = Duration::from_secs(30);
const PROXY: u8 = 1;
const GATEWAY: u8 = 3;
const GIT: u8 = 4;
const DNS: u8 = 5;
