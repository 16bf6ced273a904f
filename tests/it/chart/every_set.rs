//! What holds for every value set of both charts.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use super::objects::{at, list, text};
use super::{Chart, Helm};
use crate::tools::need;

#[test]
fn there_are_a_dozen_ways_to_install_the_agent() {
    assert!(Chart::Agent.sets().len() >= 12);
    assert!(Chart::Gateway.sets().len() >= 4);
}

#[test]
fn both_helms_lint_every_set_without_a_warning() {
    let Some(helms) = Helm::both() else { return };
    for (helm, (chart, set)) in helms.iter().flat_map(|helm| sets().into_iter().map(move |set| (helm, set))) {
        let folder = chart.folder();
        let said = helm.does(&["lint", "--strict", folder.to_str().expect("UTF-8"), "--values", &set]);
        assert!(!said.contains("WARNING") && !said.contains("ERROR"), "{set}: {said}");
    }
}

#[test]
fn both_helms_render_the_same() {
    let Some([three, four]) = Helm::both() else { return };
    for (chart, set) in sets() {
        let arguments = ["--values", set.as_str()];
        assert_eq!(three.renders(chart, &arguments), four.renders(chart, &arguments), "{set}");
    }
}

#[test]
fn kubernetes_takes_what_is_rendered() {
    let Some(helm) = Helm::newest() else { return };
    let Some(validate) = need::program("kubernetes-validate") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    for version in ["1.29", "1.37"] {
        for (number, (chart, set)) in sets().into_iter().enumerate() {
            let file = folder.path().join(format!("{number}.yaml"));
            fs::write(&file, helm.yaml(&chart.folder(), &["--values", &set])).expect("written");
            let mut command = Command::new(&validate);
            let output =
                command.args(["-k", version, "--strict", "--quiet"]).arg(&file).output().expect("it runs");
            let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
            let strange: Vec<_> = said.lines().filter(|line| !is_of_others(line)).collect();
            assert!(output.status.success() && strange.is_empty(), "{version}, {set}: {said}");
        }
    }
}

#[test]
fn a_linter_finds_nothing_but_what_is_argued_here() {
    let Some(helm) = Helm::newest() else { return };
    let Some(score) = need::program("kube-score") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let mut judged = 0;
    for (chart, set) in sets() {
        let file = folder.path().join("objects.yaml");
        fs::write(&file, helm.yaml(&chart.folder(), &["--values", &set])).expect("written");
        let mut command = Command::new(&score);
        command.args(["score", "--kubernetes-version", "v1.29", "--output-format", "ci"]).arg(&file);
        let said = command.output().expect("it runs").stdout;
        let said = String::from_utf8(said).expect("UTF-8");
        let found: Vec<_> = said
            .lines()
            .filter(|line| !line.starts_with("[OK]") && !line.starts_with("[SKIPPED]") && !line.is_empty())
            .filter(|line| !ARGUED.iter().any(|(finding, _)| line.ends_with(finding)))
            .collect();
        assert!(found.is_empty(), "{set}: {found:#?}");
        judged += said.matches("[OK]").count();
    }
    assert!(judged > 100, "only {judged} checks were made");
}

#[test]
fn every_pod_is_restricted() {
    let Some(helm) = Helm::newest() else { return };
    for (chart, set) in sets() {
        let objects = helm.renders(chart, &["--values", &set]);
        for pod in objects.pods() {
            assert_restricted(pod, &set);
        }
    }
}

#[test]
fn nothing_of_the_agent_listens() {
    let Some(helm) = Helm::newest() else { return };
    for set in Chart::Agent.sets() {
        let objects = helm.renders(Chart::Agent, &["--values", set.to_str().expect("UTF-8")]);
        for kind in ["Service", "Ingress"] {
            assert!(!objects.names().iter().any(|name| name.starts_with(&format!("{kind} "))), "{set:?}");
        }
        for pod in objects.pods() {
            let containers = list(pod, "/containers");
            assert!(
                !containers.is_empty() && containers.iter().all(|it| it.get("ports").is_none()),
                "{set:?}"
            );
        }
    }
}

#[test]
fn every_object_is_in_the_namespace_that_is_asked_for() {
    let Some(helm) = Helm::newest() else { return };
    for (chart, set) in sets() {
        let objects = helm.renders(chart, &["--values", &set, "--set", "namespaceOverride=elsewhere"]);
        let spaces: Vec<_> = objects.all().iter().map(|it| text(it, "/metadata/namespace")).collect();
        assert!(spaces.iter().all(|space| space == "elsewhere"), "{set}: {spaces:?}");
    }
}

#[test]
fn names_that_look_like_numbers_stay_names() {
    let Some(helm) = Helm::newest() else { return };
    for (chart, set) in sets() {
        let arguments = ["--values", &set, "--set-string", "namespaceOverride=123"];
        let objects = helm.release(chart, ["1e3", "backline"], &arguments);
        for object in objects.all() {
            assert_eq!(at(object, "/metadata/namespace"), "123", "{set}");
            assert_eq!(at(object, "/metadata/labels/app.kubernetes.io~1instance"), "1e3", "{set}");
        }
    }
}

#[test]
fn a_package_has_what_an_installation_needs_and_no_value_set() {
    let Some(helms) = Helm::both() else { return };
    for helm in &helms {
        for chart in Chart::ALL {
            let folder = tempfile::tempdir().expect("a folder");
            let target = folder.path().to_str().expect("UTF-8");
            helm.does(&["package", chart.folder().to_str().expect("UTF-8"), "--destination", target]);
            let archive = folder.path().join(format!("{}-{}.tgz", chart.name(), env!("CARGO_PKG_VERSION")));
            let listed = Command::new("tar").arg("tzf").arg(&archive).output().expect("tar").stdout;
            let listed = String::from_utf8(listed).expect("UTF-8");
            for file in ["Chart.yaml", "values.yaml", "values.schema.json", "templates/NOTES.txt"] {
                assert!(listed.lines().any(|line| line == format!("{}/{file}", chart.name())), "{listed}");
            }
            assert!(!listed.contains("/ci/"), "{listed}");
        }
    }
}

#[test]
fn the_charts_have_the_version_of_the_programs() {
    for chart in Chart::ALL {
        let text = fs::read_to_string(chart.folder().join("Chart.yaml")).expect("Chart.yaml");
        assert!(text.contains(&format!("\nappVersion: \"{}\"\n", env!("CARGO_PKG_VERSION"))), "{text}");
    }
}

/// Every value set with its chart.
fn sets() -> Vec<(Chart, String)> {
    let sets = Chart::ALL.into_iter().flat_map(|chart| chart.sets().into_iter().map(move |set| (chart, set)));
    sets.map(|(chart, set)| (chart, set.to_str().expect("UTF-8").to_owned())).collect()
}

/// Whether a line says that a kind is unknown which is not Kubernetes' own.
fn is_of_others(line: &str) -> bool {
    ["ExternalSecret", "HTTPRoute", "BackendTLSPolicy"]
        .iter()
        .any(|kind| line.contains(&format!("Couldn't find schema for kind {kind} ")))
}

/// What the standard "restricted" of Pod Security demands, and a root that nobody writes to.
fn assert_restricted(pod: &Value, set: &str) {
    assert_eq!(at(pod, "/automountServiceAccountToken"), false, "{set}");
    let own = at(pod, "/securityContext");
    assert_eq!(own["runAsNonRoot"], true, "{set}");
    assert_eq!(own["seccompProfile"], json!({ "type": "RuntimeDefault" }), "{set}");
    if !set.contains("openshift") {
        assert_eq!((&own["runAsUser"], &own["runAsGroup"]), (&json!(1020), &json!(1010)), "{set}");
    }
    for open in ["hostNetwork", "hostPID", "hostIPC", "initContainers"] {
        assert!(pod.get(open).is_none(), "{set}: {open}");
    }
    for volume in list(pod, "/volumes") {
        assert!(volume.get("hostPath").is_none(), "{set}: {volume}");
    }
    for container in list(pod, "/containers") {
        let expected = json!({
            "runAsNonRoot": true,
            "readOnlyRootFilesystem": true,
            "allowPrivilegeEscalation": false,
            "capabilities": { "drop": ["ALL"] },
        });
        assert_eq!(container["securityContext"], expected, "{set}");
    }
}

/// What kube-score finds and we leave, with the reason.
const ARGUED: &[(&str, &str)] = &[
    ("ImagePullPolicy is not set to Always", "a tag of ours is never moved, and a digest can be given"),
    ("CPU limit is not set", "throttling makes a link miss its signs of life; requests are set"),
    ("The container is running with a low user ID", "1020 is the image's documented user"),
    ("The container running with a low group ID", "1010 is the image's documented group"),
    ("The pod does not have a matching NetworkPolicy", "it is made on request: it cannot express names"),
    ("Deployment few replicas", "a gateway that is alone keeps its directory in memory"),
];
