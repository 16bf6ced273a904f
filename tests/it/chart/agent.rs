//! What the chart `backline` makes of its values for the agent.

use serde_json::{Value, json};

use super::objects::{at, list, named, text, variable};
use super::{Chart, ENABLED, Helm, enabled};

#[test]
fn the_key_alone_installs_the_secret_and_nothing_that_runs() {
    let Some(helm) = Helm::newest() else { return };
    let objects = helm.renders(Chart::Agent, &["--set", "accessKey=gpk_c4nary"]);
    assert_eq!(objects.names(), ["Secret accesskey"]);
}

#[test]
fn an_agent_that_runs_is_these_objects() {
    let Some(helm) = Helm::newest() else { return };
    let objects = helm.renders(Chart::Agent, ENABLED);
    let expected = [
        "ConfigMap gitproxy",
        "Deployment gitproxy",
        "Pod gitproxy-doctor",
        "Secret accesskey",
        "ServiceAccount gitproxy",
    ];
    assert_eq!(objects.names(), expected);
    assert_eq!(at(objects.get("ServiceAccount", "gitproxy"), "/automountServiceAccountToken"), false);
}

#[test]
fn the_pods_are_found_by_the_label_app_gitproxy() {
    let Some(helm) = Helm::newest() else { return };
    let labels = "gitproxy.podLabels.app=other,gitproxy.podLabels.team=platform";
    let objects = helm.renders(Chart::Agent, &enabled(&["--set", labels]));
    let agent = objects.agent();
    assert_eq!(at(agent, "/spec/selector"), &json!({ "matchLabels": { "app": "gitproxy" } }));
    assert_eq!(text(agent, "/metadata/labels/app"), "gitproxy");
    let expected = json!({
        "app": "gitproxy",
        "app.kubernetes.io/name": "gitproxy",
        "app.kubernetes.io/instance": "backline",
        "team": "platform",
    });
    assert_eq!(at(agent, "/spec/template/metadata/labels"), &expected);
    let doctor = objects.get("Pod", "gitproxy-doctor");
    assert_eq!(text(doctor, "/metadata/labels/app"), "gitproxy-doctor", "`-l app=gitproxy` must not list it");
}

#[test]
fn a_rollout_never_goes_below_the_number_of_replicas() {
    let Some(helm) = Helm::newest() else { return };
    let objects = helm.renders(Chart::Agent, &enabled(&["--set", "gitproxy.replicaCount=2"]));
    let expected =
        json!({ "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": 0, "maxSurge": 1 } });
    assert_eq!(at(objects.agent(), "/spec/strategy"), &expected);
    assert_eq!(at(objects.agent(), "/spec/replicas"), 2);
}

#[test]
fn a_disruption_budget_comes_with_the_second_replica() {
    let Some(helm) = Helm::newest() else { return };
    let one = helm.renders(Chart::Agent, ENABLED);
    assert!(one.find("PodDisruptionBudget", "gitproxy").is_none(), "it would keep a node from being drained");
    let two = helm.renders(Chart::Agent, &enabled(&["--set", "gitproxy.replicaCount=2"]));
    let budget = two.get("PodDisruptionBudget", "gitproxy");
    assert_eq!(at(budget, "/spec/maxUnavailable"), 1);
    assert_eq!(text(budget, "/spec/unhealthyPodEvictionPolicy"), "AlwaysAllow");
}

#[test]
fn all_probes_ask_the_socket_and_only_readiness_depends_on_the_gateway() {
    let Some(helm) = Helm::newest() else { return };
    let objects = helm.renders(Chart::Agent, ENABLED);
    let container = objects.container();
    let asks = |probe: &str| at(container, &format!("/{probe}/exec/command")).clone();
    assert_eq!(asks("startupProbe"), json!(["gitproxy", "health", "live"]));
    assert_eq!(asks("livenessProbe"), json!(["gitproxy", "health", "live"]));
    assert_eq!(asks("readinessProbe"), json!(["gitproxy", "health", "ready"]));
    let ready = at(container, "/readinessProbe");
    let within = ready["periodSeconds"].as_u64().unwrap() * ready["failureThreshold"].as_u64().unwrap();
    assert!(within <= 5, "a silent gateway is given up after 10 s, and must show within 15");
}

#[test]
fn kubernetes_waits_ten_seconds_longer_than_the_drain() {
    let Some(helm) = Helm::newest() else { return };
    for (set, grace) in [("gitproxy.drainGraceSeconds=30", 30), ("gitproxy.drainGraceSeconds=600", 600)] {
        let objects = helm.renders(Chart::Agent, &enabled(&["--set", set]));
        let file = text(objects.get("ConfigMap", "gitproxy"), "/data/gitproxy.toml");
        assert!(file.contains(&format!("[drain]\ngrace = \"{grace}s\"\n")), "{file}");
        let waits = at(objects.agent(), "/spec/template/spec/terminationGracePeriodSeconds");
        assert_eq!(waits, grace + 10);
    }
}

#[test]
fn proxies_are_given_in_both_cases() {
    let Some(helm) = Helm::newest() else { return };
    let set =
        "proxy.httpProxy=http://a:1,proxy.httpsProxy=http://b:2,proxy.noProxy=.example.com\\,10.0.0.0/8";
    let objects = helm.renders(Chart::Agent, &enabled(&["--set", set]));
    let doctor = at(objects.get("Pod", "gitproxy-doctor"), "/spec/containers/0");
    for container in [objects.container(), doctor] {
        for (name, value) in [
            ("HTTP_PROXY", "http://a:1"),
            ("HTTPS_PROXY", "http://b:2"),
            ("NO_PROXY", ".example.com,10.0.0.0/8"),
        ] {
            assert_eq!(variable(container, name).as_deref(), Some(value));
            assert_eq!(variable(container, &name.to_lowercase()).as_deref(), Some(value));
        }
    }
    let without = helm.renders(Chart::Agent, ENABLED);
    assert_eq!(variable(without.container(), "HTTPS_PROXY"), None);
}

#[test]
fn the_doctor_has_the_agents_settings_and_is_no_agent() {
    let Some(helm) = Helm::newest() else { return };
    let set = Chart::Agent.folder().join("ci/connections-values.yaml");
    let objects = helm.renders(Chart::Agent, &["--values", set.to_str().expect("UTF-8")]);
    let doctor = objects.get("Pod", "gitproxy-doctor");
    let container = at(doctor, "/spec/containers/0");
    assert_eq!(text(doctor, "/metadata/annotations/helm.sh~1hook"), "test");
    assert_eq!((&container["command"], &container["args"]), (&json!(["gitproxy"]), &json!(["doctor"])));
    for same in ["env", "volumeMounts", "image", "securityContext"] {
        assert_eq!(container[same], objects.container()[same], "{same}");
    }
    assert_eq!(at(doctor, "/spec/volumes"), at(objects.agent(), "/spec/template/spec/volumes"));
}

#[test]
fn every_mount_has_its_volume_and_only_the_sockets_folder_is_writable() {
    let Some(helm) = Helm::newest() else { return };
    for set in Chart::Agent.sets() {
        let objects = helm.renders(Chart::Agent, &["--values", set.to_str().expect("UTF-8")]);
        for pod in objects.pods() {
            let mounts = list(pod, "/containers/0/volumeMounts");
            let of = |list: &[Value]| -> Vec<_> { list.iter().map(|it| text(it, "/name")).collect() };
            assert_eq!(of(mounts), of(list(pod, "/volumes")), "{set:?}");
            let writable = mounts.iter().filter(|mount| mount.get("readOnly") != Some(&json!(true)));
            let writable: Vec<_> = writable.map(|mount| text(mount, "/mountPath")).collect();
            assert_eq!(writable, ["/run/gitproxy"], "{set:?}");
        }
    }
}

#[test]
fn the_sockets_live_in_memory() {
    let Some(helm) = Helm::newest() else { return };
    let objects = helm.renders(Chart::Agent, &enabled(&["--set", "gitproxy.debug.enabled=true"]));
    let run = named(objects.agent(), "/spec/template/spec/volumes", "run").expect("a volume");
    assert_eq!(run["emptyDir"]["medium"], "Memory");
    let file = text(objects.get("ConfigMap", "gitproxy"), "/data/gitproxy.toml");
    assert!(file.contains("socket = \"/run/gitproxy/status.sock\""), "{file}");
    assert!(file.contains("listen = \"unix:/run/gitproxy/debug/debug.sock\""), "{file}");
}

#[test]
fn debugging_and_telemetry_are_off_unless_asked_for() {
    let Some(helm) = Helm::newest() else { return };
    let off = helm.renders(Chart::Agent, ENABLED);
    let file = text(off.get("ConfigMap", "gitproxy"), "/data/gitproxy.toml");
    assert!(!file.contains("[debug]") && !file.contains("[metrics]") && !file.contains("[traces]"), "{file}");
    assert!(file.contains("url = \"https://app.backline.ai\""), "{file}");
    let on = helm.renders(Chart::Agent, &enabled(&["--set", "gitproxy.otel.endpoint=http://collector:4318"]));
    let file = text(on.get("ConfigMap", "gitproxy"), "/data/gitproxy.toml");
    assert_eq!(file.matches("endpoint = \"http://collector:4318\"").count(), 2, "{file}");
}

#[test]
fn a_limit_that_is_taken_away_stays_away() {
    let Some(helm) = Helm::newest() else { return };
    let objects = helm.renders(Chart::Agent, &enabled(&["--set", "gitproxy.resources.limits=null"]));
    let resources = at(objects.container(), "/resources");
    assert!(resources.get("limits").is_none() && resources.get("requests").is_some(), "{resources}");
}

#[test]
fn a_digest_wins_over_the_tag_and_the_tag_is_the_programs_version() {
    let Some(helm) = Helm::newest() else { return };
    let image = |more: &[&str]| text(helm.renders(Chart::Agent, &enabled(more)).container(), "/image");
    assert_eq!(image(&[]), format!("gitproxy:{}", env!("CARGO_PKG_VERSION")));
    assert_eq!(image(&["--set-string", "gitproxy.image.repository=r/g,gitproxy.image.tag=9"]), "r/g:9");
    let digest = format!("sha256:{}", "0f".repeat(32));
    let set = format!("gitproxy.image.tag=nine,gitproxy.image.digest={digest}");
    assert_eq!(image(&["--set", &set]), format!("gitproxy@{digest}"));
}
