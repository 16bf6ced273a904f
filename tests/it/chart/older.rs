//! An upgrade from an older chart with `--reuse-values`, and what the notes say of it.
//!
//! Helm then puts the *defaults* of the older chart in the place of ours, so that no key which is new here exists.

use std::fs;

use super::{Chart, ENABLED, Helm, copy, enabled};

#[test]
fn values_without_any_of_our_defaults_render_the_same() {
    let Some(helms) = Helm::both() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let chart = folder.path().join("backline");
    copy(&Chart::Agent.folder(), &chart);
    fs::write(chart.join("values.yaml"), "{}\n").expect("written");
    for helm in &helms {
        let bare = helm.renders_folder(&chart, ENABLED);
        assert_eq!(bare, helm.renders(Chart::Agent, ENABLED));
    }
}

#[test]
fn nulls_of_an_older_charts_defaults_count_as_not_set() {
    let Some(helms) = Helm::both() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let chart = folder.path().join("backline");
    copy(&Chart::Agent.folder(), &chart);
    fs::write(chart.join("values.yaml"), NULLS).expect("written");
    for helm in &helms {
        let bare = helm.renders_folder(&chart, ENABLED);
        assert_eq!(bare, helm.renders(Chart::Agent, ENABLED));
    }
}

#[test]
fn older_values_run_the_agent_and_the_notes_name_what_nothing_reads() {
    let Some(helm) = Helm::newest() else { return };
    let set = Chart::Agent.folder().join("ci/older-chart-values.yaml");
    let arguments = ["--values", set.to_str().expect("UTF-8")];
    assert!(helm.renders(Chart::Agent, &arguments).find("Deployment", "gitproxy").is_some());
    let notes = helm.notes(&Chart::Agent.folder(), &arguments);
    let (_, unused) = notes.split_once("Values that nothing reads").expect("a list of unused values");
    let unused: Vec<_> = unused.lines().filter_map(|line| line.trim().strip_prefix("- ")).collect();
    let expected = [
        "environment",
        "gitproxy.adapter",
        "gitproxy.livenessProbe",
        "gitproxy.readinessProbe",
        "gitproxy.service",
        "gitproxy.temporal",
        "janitor",
        "objectStorage",
        "seaweedfs",
        "worker",
    ];
    assert_eq!(unused, expected);
}

#[test]
fn values_that_are_read_are_not_called_unused() {
    let Some(helm) = Helm::newest() else { return };
    for set in Chart::Agent.sets().iter().filter(|set| !set.ends_with("older-chart-values.yaml")) {
        let notes = helm.notes(&Chart::Agent.folder(), &["--values", set.to_str().expect("UTF-8")]);
        assert!(!notes.contains("nothing reads"), "{set:?}: {notes}");
    }
}

#[test]
fn the_notes_say_what_to_do_next() {
    let Some(helm) = Helm::newest() else { return };
    let folder = Chart::Agent.folder();
    let waiting = helm.notes(&folder, &["--set", "accessKey=gpk_c4nary"]);
    assert!(waiting.contains("--reuse-values --set gitproxy.enabled=true"), "{waiting}");
    let running =
        helm.notes(&folder, &enabled(&["--set", "networkPolicy.enabled=true,gitproxy.debug.enabled=true"]));
    for line in [
        "kubectl get pods -n backline -l app=gitproxy",
        "helm test backline -n backline --logs",
        "cannot express names such as app.backline.ai",
        "/run/gitproxy/debug/debug.sock",
    ] {
        assert!(running.contains(line), "{line}: {running}");
    }
    assert!(!running.contains("c4nary") && !waiting.contains("c4nary"));
}

const NULLS: &str = "
accessKey:
customCaCert:
namespaceOverride:
proxy:
externalSecrets:
gitproxy:
  image:
    repository: gitproxy
    tag:
  resources:
  nodeSelector:
  tolerations:
  affinity:
  podAnnotations:
  podLabels:
  priorityClassName:
  topologySpreadConstraints:
";
