//! Our programs in a company's network: behind its proxies, its certificates and its firewall, with the programs that it runs.

mod forwarded;
mod inspect;
mod namespaces;
mod nginx;
mod proxies;
mod reverse;
mod squid;

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::processes::house::House;
use crate::processes::program::Program;
use crate::world::program::agent;

/// Starts an agent that gets at both ends by names that only a proxy knows, through this proxy.
fn through(house: &House, proxy: &str, more: &[(&str, &str)]) -> Program {
    house.start_agent(&[&pairs(&remote(house, proxy)), more].concat())
}

/// The settings for that.
fn remote(house: &House, proxy: &str) -> [(&'static str, String); 3] {
    let (gateway, git) = (house.gateway_at("gateway.test"), house.git_at("git.test"));
    [("GATEWAY_URL", gateway), ("BITBUCKET_URL", git), ("HTTPS_PROXY", proxy.to_owned())]
}

fn pairs<'a>(settings: &'a [(&'a str, String)]) -> Vec<(&'a str, &'a str)> {
    settings.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

/// What `gitproxy doctor --json` finds with these settings.
async fn doctor(house: &House, more: &[(&str, &str)]) -> Report {
    let mut command = agent();
    command.args(["doctor", "--json"]).envs(house.settings(more)).kill_on_drop(true);
    let began = Instant::now();
    let done = command.output().await.expect("it runs");
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    Report { all: serde_json::from_slice(&done.stdout).unwrap_or_else(|error| panic!("{error}: {done:?}")) }
}

/// A doctor's report.
struct Report {
    all: Value,
}

impl Report {
    /// Fails unless this is the first check that failed on the leg, with this section and all of these words.
    #[track_caller]
    fn blames(&self, leg: &str, check: &str, section: &str, words: &[&str]) {
        let legs = self.all["legs"].as_array().expect("legs");
        let leg = legs.iter().find(|found| found["name"] == leg).expect("the leg");
        let checks = leg["checks"].as_array().expect("checks");
        let failed = checks.iter().find(|check| check["outcome"] == "failed");
        let failed = failed.unwrap_or_else(|| panic!("nothing failed in {leg:#}"));
        assert_eq!(failed["name"], check, "{failed:#}");
        assert_eq!(failed["docs"], format!("docs/troubleshooting.md#{section}"), "{failed:#}");
        has(&failed.to_string(), words);
    }
}

/// `HOST:PORT` of a URL.
fn authority(url: &str) -> &str {
    let rest = url.split_once("://").expect("a scheme").1;
    rest.split('/').next().expect("there is a first")
}

/// Fails unless the text has all of these.
#[track_caller]
fn has(text: &str, all: &[&str]) {
    for one in all {
        assert!(text.contains(one), "no `{one}` in: {text}");
    }
}
