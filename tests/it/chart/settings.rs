//! What the charts tell the programs is what the programs understand.

use std::fs;
use std::path::Path;

use gitproxy::ops::Key;
use gitproxy::ops::settings::{self, Layers, Problems, Setting};
use gitproxy::{agent, gateway};
use secrecy::ExposeSecret as _;
use serde_json::Value;

use super::objects::{list, text};
use super::{Chart, Helm};

#[test]
fn every_variable_is_one_that_the_program_reads() {
    let Some(helm) = Helm::newest() else { return };
    for (chart, tables) in [
        (Chart::Agent, [agent::settings::TABLE, agent::settings::FILE].as_slice()),
        (Chart::Gateway, [gateway::settings::TABLE].as_slice()),
    ] {
        for set in chart.sets() {
            let objects = helm.renders(chart, &["--values", set.to_str().expect("UTF-8")]);
            for variable in objects.pods().into_iter().flat_map(|pod| list(pod, "/containers/0/env")) {
                let name = text(variable, "/name");
                assert!(name == "POD_NAME" || is_read(tables, &name), "{set:?}: nothing reads {name}");
            }
        }
    }
}

#[test]
fn the_agent_takes_the_settings_of_every_set() {
    let Some(helm) = Helm::newest() else { return };
    for set in Chart::Agent.sets() {
        let objects = helm.renders(Chart::Agent, &["--values", set.to_str().expect("UTF-8")]);
        let Some(map) = objects.find("ConfigMap", "gitproxy") else { continue };
        let folder = tempfile::tempdir().expect("a folder");
        let environment = objects.container().get("env").expect("variables").clone();
        let file = text(map, "/data/gitproxy.toml");
        let config =
            read_here(folder.path(), &file, &environment).unwrap_or_else(|said| panic!("{set:?}: {said}"));
        let expected = if set.ends_with("connections-values.yaml") { 2 } else { 0 };
        assert_eq!(config.connections.len(), expected, "{set:?}");
    }
}

fn is_read(tables: &[&[Setting]], name: &str) -> bool {
    tables.iter().copied().flatten().any(|setting| setting.env.contains(&name))
}

/// Reads settings of a pod as its agent does, with each Secret's files in a folder of ours.
fn read_here(folder: &Path, file: &str, environment: &Value) -> Result<agent::Config, Problems> {
    let moved = |text: &str| text.replace("/etc/backline", &folder.display().to_string());
    papers(folder);
    let variables = list(environment, "").iter();
    let variables = variables.map(|variable| (text(variable, "/name"), moved(&text(variable, "/value"))));
    read(folder, &moved(file), &variables.collect::<Vec<_>>())
}

/// Reads a settings file, and variables, as the agent does.
pub(crate) fn read(
    folder: &Path,
    file: &str,
    variables: &[(String, String)],
) -> Result<agent::Config, Problems> {
    let path = folder.join("gitproxy.toml");
    fs::write(&path, file).expect("written");
    let find = |name: &str| {
        let found = variables.iter().find(|(own, value)| own == name && !value.is_empty());
        found.map(|(_, value)| value.clone())
    };
    let flags = clap::Command::new("gitproxy").args(settings::args(agent::settings::TABLE));
    let flags = flags.get_matches_from(["gitproxy"]);
    let mut problems = Problems::new();
    let layers = Layers::read(agent::settings::TABLE, &flags, Some(&path), &find, &mut problems);
    agent::Config::read(&layers, problems)
}

/// The files that Secrets of the value sets would hold.
fn papers(folder: &Path) {
    let key = Key::generate().expect("a key");
    let pair = rcgen::generate_simple_self_signed(["example.com".to_owned()]).expect("a certificate");
    let (certificate, private) = (pair.cert.pem(), pair.signing_key.serialize_pem());
    for (path, text) in [
        ("accesskey/ACCESS_KEY", key.secret().expose_secret()),
        ("accesskey/key", key.secret().expose_secret()),
        ("ca/ca.crt", certificate.as_str()),
        ("ca/bundle.pem", &certificate),
        ("proxy/credentials", "user:password"),
        ("connections/main/token", "a token"),
        ("connections/old_one/password", "a password"),
        ("certificates/old_one/tls.crt", &certificate),
        ("certificates/old_one/tls.key", &private),
        ("gateway/tls.crt", &certificate),
        ("gateway/tls.key", &private),
    ] {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("written");
    }
}
