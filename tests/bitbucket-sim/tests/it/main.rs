//! Drives the simulator over real TLS, with hyper and with git.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops there")]

mod client;
mod commenting;
mod commits;
mod contents;
mod faults;
mod insights;
mod limits;
mod lost;
mod merging;
mod moving;
mod pulls;
mod reading;
mod refs;
mod reviewing;
mod serving;
mod writing;

use bitbucket_sim::{Commit, Config, Sim, TokenSpec, Version};

use crate::client::Client;

/// A simulator with `SHOP/web`, and a client with alice's token.
struct Shop {
    sim: Sim,
    token: String,
    client: Client,
}

async fn shop_of(version: Version) -> Shop {
    let sim = Sim::start(Config::default().version(version)).await.unwrap();
    sim.add_user("alice", "secret");
    let commits = [
        Commit::new("Start").file("a.txt", "one\ntwo\nthree\n"),
        Commit::new("More").file("src/ü b/c.txt", "c\n").file("bin.dat", vec![0, 159, 255, 10]),
    ];
    sim.add_repo("SHOP", "web", &commits).await.unwrap();
    let token = sim.add_token(TokenSpec::personal("alice"));
    let client = Client::new(&sim, &token);
    Shop { sim, token, client }
}

async fn shop() -> Shop {
    shop_of(Version::V9_4).await
}

/// A path below `SHOP/web`.
fn web(tail: &str) -> String {
    format!("/rest/api/latest/projects/SHOP/repos/web{tail}")
}
