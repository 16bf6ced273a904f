//! What a site begins with: the simulator with its repository, certificates, and the gateway's store.

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use bitbucket_sim::{Commit, Config, Sim, TokenSpec};
use gitproxy::ops::Key;

use crate::world::tls::Ca;

pub(super) async fn simulator(folder: &Path, address: IpAddr) -> Sim {
    let sim = Sim::start(Config { address, names: vec!["git.test".to_owned()], ..Config::default() })
        .await
        .expect("a simulator");
    sim.add_repo("SHOP", "web", &[Commit::new("Start").file("a.txt", "one\n")]).await.expect("a repository");
    write(folder, "sim.pem", sim.ca_pem());
    write(folder, "sim.token", &sim.add_token(TokenSpec::personal("alice")));
    sim
}

/// Writes the gateway's certificate, for `localhost` and `gateway.test`, and its CA, and gives the latter.
pub(super) fn certificates(folder: &Path) -> String {
    let ca = Ca::new("gitproxy test");
    ca.write(folder, "gateway");
    write(folder, "ca.pem", ca.pem());
    ca.pem().to_owned()
}

/// The tenant `acme` with the agent `office` and a caller that may write.
pub(super) fn store(agent: &Key, caller: &Key) -> String {
    let row = |key: &Key| format!("[{{ id = \"{}\", sha256 = \"{}\" }}]", key.id(), key.digest());
    format!(
        "[tenants.acme.agents.office]\nkeys = {}\n[tenants.acme.callers.scanner]\nrole = \"write\"\ntokens = {}\n",
        row(agent),
        row(caller)
    )
}

pub(super) fn write(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(name), text).expect("a file is written");
}
