//! The program with settings that it cannot use, and with those that a gateway does not like.

use std::fs;

use gitproxy::egress::Roots;
use secrecy::ExposeSecret as _;
use tokio::process::Command;

use crate::world::program::{self, Ended, Program};
use crate::world::{World, new_key};

#[tokio::test]
async fn no_access_key_ends_the_program_with_the_settings_name() {
    let ended = run(&[("GATEWAY_URL", "https://gateway.example.com")]).await;
    unusable(&ended, &[&["gateway.access_key", "not set", "ACCESS_KEY"]]);
}

#[tokio::test]
async fn a_malformed_access_key_is_told_with_its_source_and_without_its_text() {
    let key = new_key().secret().expose_secret().to_owned();
    let typo = format!("{}{}", &key[..key.len() - 1], if key.ends_with('a') { 'b' } else { 'a' });
    for (text, what) in [(typo.as_str(), "mistyped or cut"), ("hunter2hunter2", "gpk_"), (&key[..30], "form")]
    {
        let ended = run(&[("GATEWAY_URL", "https://gateway.example.com"), ("ACCESS_KEY", text)]).await;
        unusable(&ended, &[&["gateway.access_key", "environment ACCESS_KEY", what]]);
        assert!(!ended.text().contains(text), "{}", ended.text());
    }
}

#[tokio::test]
async fn all_that_is_wrong_is_told_at_once_each_on_a_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let ca = folder.path().join("ca.crt");
    fs::write(&ca, "this is not a certificate\n").expect("written");
    let ca = ca.to_str().expect("UTF-8");
    let ended = run(&[
        ("GATEWAY_URL", "ftp://gateway"),
        ("ACCESS_KEY", "gpk_short"),
        ("CUSTOM_CA_CERT_FILE", ca),
        ("SSL_CERT_DIR", "/nowhere/at/all"),
        ("GITPROXY_LINK_WINDOW", "1"),
    ])
    .await;
    unusable(
        &ended,
        &[
            &["gateway.url", "environment GATEWAY_URL"],
            &["gateway.access_key", "environment ACCESS_KEY"],
            &["trust.ca_files", "environment CUSTOM_CA_CERT_FILE", ca, "no certificate in PEM"],
            &["trust.root_folders", "environment SSL_CERT_DIR", "/nowhere/at/all"],
            &["link.window", "environment GITPROXY_LINK_WINDOW"],
        ],
    );
}

#[tokio::test]
async fn a_ca_that_is_not_pem_ends_the_program_with_setting_and_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let ca = folder.path().join("ca.crt");
    fs::write(&ca, b"0\x82 DER").expect("written");
    let key = new_key();
    let ca = ca.to_str().expect("UTF-8");
    let ended = run(&[
        ("GATEWAY_URL", "https://gateway.example.com"),
        ("ACCESS_KEY", key.secret().expose_secret()),
        ("CUSTOM_CA_CERT_FILE", ca),
    ])
    .await;
    unusable(&ended, &[&["trust.ca_files", "environment CUSTOM_CA_CERT_FILE", ca, "not PEM"]]);
}

#[tokio::test]
async fn a_gateway_with_unusable_settings_tells_all_of_them() {
    let ended = Program::start(program::gateway().arg("run")).end().await;
    assert_eq!(ended.status.code(), Some(2), "{}", ended.text());
    for setting in ["store", "agents.tls_cert", "agents.tls_key", "callers.tls_cert", "callers.tls_key"] {
        assert!(ended.lines.iter().any(|line| line.contains(setting)), "{setting}: {}", ended.text());
    }
}

#[tokio::test]
async fn a_wrong_access_key_is_a_warning_with_the_remedy_and_the_agent_stays() {
    let world = World::with(|plan| plan.away()).await;
    let (key, url) = (new_key(), world.agents_url());
    let mut agent = attach(&world, &url, key.secret().expose_secret());
    let line = agent.line("not attached").await;
    for part in ["WARN", "the access key is refused", "put a valid access key into ACCESS_KEY", &url] {
        assert!(line.contains(part), "`{part}` is not in: {line}");
    }
    assert!(agent.is_running());
    let ended = agent.kill().await;
    assert!(!ended.text().contains(key.secret().expose_secret()));
}

#[tokio::test]
async fn a_gateway_that_is_not_ours_is_a_warning_that_says_so_and_the_agent_stays() {
    let world = World::with(|plan| plan.away()).await;
    let key = new_key();
    let url = world.sim.url().strip_suffix("/bitbucket").expect("a context path");
    let mut agent = attach(&world, url, key.secret().expose_secret());
    let line = agent.line("not attached").await;
    for part in ["WARN", "gateway.url", "what answers there is not a gitproxy gateway", url] {
        assert!(line.contains(part), "`{part}` is not in: {line}");
    }
    assert!(agent.is_running());
}

#[tokio::test]
async fn the_callers_door_of_a_gateway_is_not_the_agents() {
    let world = World::with(|plan| plan.away()).await;
    let key = world.access_key("acme/site").clone();
    let url = crate::world::url(world.gateway.callers_addr());
    let mut agent = attach(&world, &url, key.secret().expose_secret());
    let line = agent.line("not attached").await;
    assert!(line.contains("WARN") && line.contains("remedy"), "{line}");
    assert!(agent.is_running());
}

/// `gitproxy run` with these in its environment, until it ends by itself.
async fn run(environment: &[(&str, &str)]) -> Ended {
    Program::start(command().envs(environment.iter().copied())).end().await
}

fn attach(world: &World, url: &str, key: &str) -> Program {
    let Roots::Named { file: Some(roots), .. } = &world.roots else { panic!("the world has a bundle") };
    let mut command = command();
    Program::start(command.env("GATEWAY_URL", url).env("ACCESS_KEY", key).env("SSL_CERT_FILE", roots))
}

fn command() -> Command {
    let mut command = program::agent();
    command.arg("run");
    command
}

/// The exit code for settings, and for each problem a line with all its parts; no other line.
#[track_caller]
fn unusable(ended: &Ended, problems: &[&[&str]]) {
    assert_eq!(ended.status.code(), Some(3), "{}", ended.text());
    assert_eq!(ended.lines.len(), problems.len(), "{}", ended.text());
    for parts in problems {
        let told = ended.lines.iter().any(|line| parts.iter().all(|part| line.contains(part)));
        assert!(told, "no line has {parts:?}:\n{}", ended.text());
    }
}
