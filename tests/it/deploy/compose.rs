//! `deploy/compose.yaml`: a validator takes it, and our programs run with what it tells them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use bitbucket_sim::{Config, Sim, seed};
use gitproxy::{agent, gateway};
use serde_json::Value;

use super::file;
use crate::chart::Helm;
use crate::processes::house::addresses;
use crate::processes::program::Program;
use crate::tools::need;

#[test]
fn a_validator_takes_the_file() {
    let Some(validator) = need::program("compose-config") else { return };
    let output = Command::new(&validator).arg(file("compose.yaml")).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let folder = tempfile::tempdir().expect("a folder");
    let wrong = folder.path().join("compose.yaml");
    let text = fs::read_to_string(file("compose.yaml")).expect("compose.yaml");
    fs::write(&wrong, text.replace("read_only:", "readonly:")).expect("written");
    let output = Command::new(&validator).arg(&wrong).output().expect("it runs");
    assert!(!output.status.success(), "it takes everything");
}

#[test]
fn every_variable_is_one_that_the_program_reads() {
    let Some(services) = services() else { return };
    for (name, table) in [("agent", agent::settings::TABLE), ("gateway", gateway::settings::TABLE)] {
        let given = environment(&services, name);
        let strange =
            given.iter().filter(|(name, _)| !table.iter().any(|it| it.env.contains(&name.as_str())));
        let strange: Vec<_> = strange.collect();
        assert!(given.len() >= 5 && strange.is_empty(), "nothing reads {strange:?}");
    }
}

#[test]
fn our_programs_get_nothing_that_they_do_not_need() {
    let Some(services) = services() else { return };
    for name in ["agent", "gateway"] {
        let service = &services[name];
        assert_eq!(service["user"], "1020:1010");
        assert_eq!((&service["read_only"], &service["cap_drop"][0]), (&true.into(), &"ALL".into()));
    }
    assert!(services["agent"].get("ports").is_none(), "nothing of the agent listens");
    assert_eq!(services["gateway"]["ports"][0], "127.0.0.1:9443:9443");
    assert_eq!(
        services["simulator"]["networks"].as_array().map(Vec::len),
        Some(1),
        "the gateway must not reach it"
    );
}

#[test]
fn papers_that_are_there_stay() {
    let Some(papers) = papers() else { return };
    let key = fs::read_to_string(papers.path().join("agent/access.key")).expect("a key");
    prepare(papers.path());
    assert_eq!(fs::read_to_string(papers.path().join("agent/access.key")).expect("a key"), key);
    let mode = fs::metadata(papers.path()).expect("a folder").permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "what is below can be read by the containers' user");
}

#[tokio::test]
async fn the_programs_run_with_what_the_file_tells_them() {
    let (Some(services), Some(papers)) = (services(), papers()) else { return };
    let sim = Sim::start(Config::default()).await.expect("it starts");
    seed::demo(&sim).await.expect("seeded");
    sim.add_user("admin", "admin");
    fs::write(papers.path().join("simulator.crt"), sim.ca_pem()).expect("written");

    // Ports that are free stand in for those of a network of one's own.
    let mut settings = moved(environment(&services, "gateway"), &papers.path().join("gateway"), &[]);
    for listener in ["AGENTS_LISTEN", "CALLERS_LISTEN"] {
        settings.push((listener.to_owned(), "127.0.0.1:0".to_owned()));
    }
    let gateway =
        Program::start(env!("CARGO_BIN_EXE_gitproxy-gateway"), &command(&services, "gateway"), settings);
    let (agents, _) = addresses(&gateway).await;

    let simulator_ca = papers.path().join("simulator.crt").display().to_string();
    let socket = papers.path().join("run/status.sock").display().to_string();
    let here = [
        ("https://gateway:8443", format!("https://localhost:{}", agents.port())),
        ("https://simulator:8443/bitbucket", sim.url().to_owned()),
        ("/simulator/ca.crt", simulator_ca),
        ("/run/gitproxy/status.sock", socket),
    ];
    let settings = moved(environment(&services, "agent"), &papers.path().join("agent"), &here);
    let agent =
        Program::start(env!("CARGO_BIN_EXE_gitproxy"), &command(&services, "agent"), settings.clone());
    agent.says("attached").await;
    let mut ready = Program::start(env!("CARGO_BIN_EXE_gitproxy"), &["health", "ready"], settings.clone());
    assert!(ready.ended().await.success());
    let mut doctor = Program::start(env!("CARGO_BIN_EXE_gitproxy"), &["doctor"], settings);
    let status = doctor.ended().await;
    assert!(status.success(), "the way to the gateway or to Bitbucket is closed: {status}\n{}", agent.log());
}

/// The services of the file.
fn services() -> Option<Value> {
    let text = fs::read_to_string(file("compose.yaml")).expect("compose.yaml");
    Some(Helm::newest()?.values(&text)["services"].clone())
}

fn environment(services: &Value, name: &str) -> Vec<(String, String)> {
    let given = services[name]["environment"].as_object().expect("variables");
    given.iter().map(|(name, value)| (name.clone(), value.as_str().expect("text").to_owned())).collect()
}

fn command<'a>(services: &'a Value, name: &str) -> Vec<&'a str> {
    services[name]["command"].as_array().expect("words").iter().filter_map(Value::as_str).collect()
}

/// What a container is told, for a process on this machine.
fn moved(given: Vec<(String, String)>, folder: &Path, here: &[(&str, String)]) -> Vec<(String, String)> {
    let folder = folder.display().to_string();
    let moved = |value: String| {
        let value = value.replace("/etc/gitproxy", &folder);
        here.iter().fold(value, |value, (from, to)| value.replace(from, to))
    };
    given.into_iter().map(|(name, value)| (name, moved(value))).collect()
}

/// What `prepare` makes.
fn papers() -> Option<tempfile::TempDir> {
    need::program("openssl")?;
    let folder = tempfile::tempdir().expect("a folder");
    prepare(folder.path());
    Some(folder)
}

fn prepare(folder: &Path) {
    let script: PathBuf = file("compose/prepare");
    let mut command = Command::new(script);
    command.arg(folder).env("GITPROXY_GATEWAY", env!("CARGO_BIN_EXE_gitproxy-gateway"));
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
