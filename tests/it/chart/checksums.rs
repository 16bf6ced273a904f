//! Pods are replaced when what they read at their start changes, and only then.

use serde_json::Value;

use super::objects::at;
use super::{Chart, Helm, enabled};

#[test]
fn settings_key_ca_and_proxy_each_roll_the_pods() {
    let Some(helm) = Helm::newest() else { return };
    let before = template(&helm, &[]);
    for (set, sum) in [
        ("accessKey=gpk_other", "access-key"),
        (CA, "custom-ca"),
        ("customCaCert=LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg==", "custom-ca"),
        ("proxy.httpsProxy=http://u:other@proxy:1", "proxy"),
        ("gateway.url=https://other.example.com", "settings"),
        ("gitproxy.drainGraceSeconds=31", "settings"),
        ("gitproxy.log.filter=debug", "settings"),
        ("gitproxy.otel.endpoint=http://collector:4318", "settings"),
        ("gitproxy.debug.enabled=true", "settings"),
        ("gitproxy.allowedServers={10.0.0.0/8}", "settings"),
    ] {
        assert_eq!(changed(&before, &template(&helm, &["--set", set])), [sum], "{set}");
    }
}

#[test]
fn a_ca_that_changes_rolls_the_pods() {
    let Some(helm) = Helm::newest() else { return };
    let other = "customCaCert=LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg==";
    let before = template(&helm, &["--set", CA]);
    let after = template(&helm, &["--set", other]);
    assert_eq!(changed(&before, &after), ["custom-ca"]);
    let spaced = template(&helm, &["--set", "customCaCert=LS0tLS1CRUdJTiBDRVJU SUZJQ0FURS0tLS0t"]);
    assert_eq!(before, spaced, "white space is no change");
}

#[test]
fn what_the_pods_do_not_read_leaves_them_alone() {
    let Some(helm) = Helm::newest() else { return };
    let before = template(&helm, &[]);
    for set in [
        "gitproxy.replicaCount=1",
        "networkPolicy.enabled=true",
        "worker.enabled=true",
        "gitproxy.adapter.port=1",
        "proxy.credentialsSecret.key=unused",
        "externalSecrets.refreshInterval=2h",
    ] {
        assert_eq!(before, template(&helm, &["--set", set]), "{set}");
    }
}

#[test]
fn a_new_version_of_the_chart_alone_leaves_the_pods_alone() {
    let Some(helm) = Helm::newest() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let chart = folder.path().join("backline");
    super::copy(&Chart::Agent.folder(), &chart);
    let file = chart.join("Chart.yaml");
    let text = std::fs::read_to_string(&file).expect("Chart.yaml");
    std::fs::write(&file, text.replace("\nversion: ", "\nversion: 9")).expect("written");
    let after = helm.renders_folder(&chart, &enabled(&[]));
    assert_eq!(&template(&helm, &[]), at(after.agent(), "/spec/template"));
}

/// The pods of an installation.
fn template(helm: &Helm, more: &[&str]) -> Value {
    let objects = helm.renders(Chart::Agent, &enabled(more));
    at(objects.agent(), "/spec/template").clone()
}

/// Which checksums differ.
fn changed(before: &Value, after: &Value) -> Vec<String> {
    let of = |template: &Value| at(template, "/metadata/annotations").as_object().expect("a map").clone();
    let (before, after) = (of(before), of(after));
    let sums = before.keys().chain(after.keys()).filter_map(|key| key.strip_prefix("checksum/"));
    let mut sums: Vec<_> = sums.map(str::to_owned).collect();
    sums.sort();
    sums.dedup();
    sums.retain(|sum| before.get(&format!("checksum/{sum}")) != after.get(&format!("checksum/{sum}")));
    sums
}

const CA: &str = "customCaCert=LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t";
