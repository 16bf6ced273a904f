//! Our programs in a company's network: behind its proxies, its certificates and its firewall, with the programs that it runs.

mod inspect;
mod namespaces;
mod nginx;
mod proxies;
mod reverse;
mod squid;

use crate::processes::house::House;
use crate::processes::program::Program;

/// Starts an agent that gets at both ends by names that only a proxy knows, through this proxy.
fn through(house: &House, proxy: &str, more: &[(&str, &str)]) -> Program {
    let (gateway, git) = (house.gateway_at("gateway.test"), house.git_at("git.test"));
    let settings = [("GATEWAY_URL", gateway.as_str()), ("BITBUCKET_URL", &git), ("HTTPS_PROXY", proxy)];
    house.start_agent(&[&settings, more].concat())
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
