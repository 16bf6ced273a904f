//! `deploy/systemd/gitproxy.service`: systemd takes it, and calls it safe.

use std::fs;
use std::process::Command;

use gitproxy::agent;
use gitproxy::ops::Key;
use secrecy::ExposeSecret as _;

use super::file;
use crate::tools::need;
use crate::{chart, tree};

#[test]
fn systemd_takes_the_unit() {
    let Some(analyze) = need::program("systemd-analyze") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join("gitproxy.service");
    // The program is installed elsewhere here.
    fs::write(&copy, unit().replace("/usr/local/bin/gitproxy", env!("CARGO_BIN_EXE_gitproxy")))
        .expect("written");
    let output = Command::new(&analyze).args(["verify", "--man=no"]).arg(&copy).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains("gitproxy.service:"), "{said}");
}

#[test]
fn systemd_calls_the_unit_safe() {
    let Some(analyze) = need::program("systemd-analyze") else { return };
    let mut command = Command::new(&analyze);
    // In tenths: 0 is a unit that may do nothing, 100 one that is not confined.
    command.args(["security", "--offline=true", "--no-pager", "--threshold=15"]);
    let output = command.arg(file("systemd/gitproxy.service")).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn the_unit_sets_what_the_agent_reads() {
    let unit = unit();
    let set =
        unit.lines().filter_map(|line| line.strip_prefix("Environment=")).filter_map(|it| it.split_once('='));
    let strange: Vec<_> = set.clone().filter(|(name, _)| !is_read(name)).collect();
    assert!(set.count() == 2 && strange.is_empty(), "nothing reads {strange:?}");
}

#[test]
fn the_settings_file_of_the_documents_goes_with_the_unit() {
    let page = fs::read_to_string(tree::root().join("docs/install.md")).expect("install.md");
    let (_, rest) = page.split_once("```toml\n").expect("a settings file");
    let (text, _) = rest.split_once("```").expect("its end");
    let folder = tempfile::tempdir().expect("a folder");
    let key = Key::generate().expect("a key");
    for (name, text) in [("access.key", key.secret().expose_secret()), ("tokens_main", "a token")] {
        fs::write(folder.path().join(name), text).expect("written");
    }
    let credentials = folder.path().display().to_string();
    let text = text.replace("/run/credentials/gitproxy.service", &credentials);
    let variables = unit();
    let variables = variables.lines().filter_map(|line| line.strip_prefix("Environment=")?.split_once('='));
    let variables = variables.map(|(name, value)| (name.to_owned(), value.replace("%d", &credentials)));
    let config = chart::read(folder.path(), &text, &variables.collect::<Vec<_>>());
    assert_eq!(config.unwrap_or_else(|said| panic!("{said}")).connections.len(), 1);
}

#[test]
fn systemd_waits_ten_seconds_longer_than_the_drain() {
    let grace =
        agent::settings::TABLE.iter().find(|setting| setting.key == "drain.grace").expect("a setting");
    assert_eq!(grace.default, "30s");
    assert!(unit().contains("\nTimeoutStopSec=40\n"));
}

fn is_read(name: &str) -> bool {
    agent::settings::TABLE.iter().any(|setting| setting.env.contains(&name))
}

fn unit() -> String {
    fs::read_to_string(file("systemd/gitproxy.service")).expect("the unit")
}
