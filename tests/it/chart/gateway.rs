//! What the chart `gitproxy-gateway` makes of its values.

use serde_json::json;

use super::objects::{Objects, at, list, text, variable};
use super::{Chart, Helm};

#[test]
fn one_gateway_is_a_deployment_that_is_replaced_without_a_gap() {
    let Some(helm) = Helm::newest() else { return };
    let objects = set(&helm, "one");
    let expected = [
        "Deployment backline-gitproxy-gateway",
        "Secret backline-gitproxy-gateway-store",
        "Service backline-gitproxy-gateway-agents",
        "Service backline-gitproxy-gateway-callers",
        "ServiceAccount backline-gitproxy-gateway",
    ];
    assert_eq!(objects.names(), expected);
    let strategy = at(objects.get("Deployment", NAME), "/spec/strategy/rollingUpdate");
    assert_eq!(strategy, &json!({ "maxUnavailable": 0, "maxSurge": 1 }));
}

#[test]
fn several_gateways_call_each_other_by_name() {
    let Some(helm) = Helm::newest() else { return };
    let objects = set(&helm, "several");
    let gateways = objects.get("StatefulSet", NAME);
    let peers = objects.get("Service", "backline-gitproxy-gateway-peers");
    assert_eq!(text(gateways, "/spec/serviceName"), text(peers, "/metadata/name"));
    assert_eq!(text(peers, "/spec/clusterIP"), "None");
    let container = at(gateways, "/spec/template/spec/containers/0");
    let expected = "$(POD_NAME).backline-gitproxy-gateway-peers.cloud.svc:7443";
    assert_eq!(variable(container, "PEERS_ADVERTISE").as_deref(), Some(expected));
    // Kubernetes replaces a name only by variables before it.
    assert_eq!(text(container, "/env/0/name"), "POD_NAME");
    assert!(gateways.pointer("/spec/replicas").is_none(), "the autoscaler's");
    assert_eq!(at(objects.get("HorizontalPodAutoscaler", NAME), "/spec/minReplicas"), 2);
    assert_eq!(
        text(objects.get("HorizontalPodAutoscaler", NAME), "/spec/scaleTargetRef/kind"),
        "StatefulSet"
    );
    assert!(objects.find("PodDisruptionBudget", NAME).is_some());
}

#[test]
fn kubernetes_waits_for_settling_and_draining() {
    let Some(helm) = Helm::newest() else { return };
    let grace = |objects: &Objects, kind: &str| {
        at(objects.get(kind, NAME), "/spec/template/spec/terminationGracePeriodSeconds").as_u64()
    };
    assert_eq!(grace(&set(&helm, "one"), "Deployment"), Some(5 + 20 + 10));
    assert_eq!(grace(&set(&helm, "several"), "StatefulSet"), Some(10 + 120 + 10));
}

#[test]
fn it_is_ready_by_its_health_over_tls_and_lives_while_it_drains() {
    let Some(helm) = Helm::newest() else { return };
    let objects = set(&helm, "one");
    let container = at(objects.get("Deployment", NAME), "/spec/template/spec/containers/0");
    let expected = json!({ "scheme": "HTTPS", "port": "agents", "path": "/health" });
    assert_eq!(at(container, "/readinessProbe/httpGet"), &expected);
    assert_eq!(at(container, "/livenessProbe/tcpSocket"), &json!({ "port": "callers" }));
    let ports: Vec<_> = list(container, "/ports").iter().map(|port| text(port, "/name")).collect();
    assert_eq!(ports, ["agents", "callers"]);
}

#[test]
fn an_ingress_bounds_neither_size_nor_time_of_a_stream() {
    let Some(helm) = Helm::newest() else { return };
    let objects = set(&helm, "ingress");
    for (name, host, secret) in [
        ("backline-gitproxy-gateway-agents", "gateway.example.com", "gateway-tls"),
        ("backline-gitproxy-gateway-callers", "api.example.com", "api-tls"),
    ] {
        let ingress = objects.get("Ingress", name);
        let note =
            |name: &str| text(ingress, &format!("/metadata/annotations/nginx.ingress.kubernetes.io~1{name}"));
        assert_eq!((note("backend-protocol"), note("proxy-body-size")), ("GRPCS".to_owned(), "0".to_owned()));
        assert_eq!(
            (note("proxy-read-timeout"), note("proxy-send-timeout")),
            ("3600".to_owned(), "3600".to_owned())
        );
        assert_eq!(at(ingress, "/spec/tls"), &json!([{ "hosts": [host], "secretName": secret }]));
        assert_eq!(text(ingress, "/spec/rules/0/http/paths/0/backend/service/name"), name);
    }
    let test = objects.get("Pod", "backline-gitproxy-gateway-health");
    assert_eq!(at(test, "/spec/containers/0/args/2"), "https://gateway.example.com/health");
}

#[test]
fn a_route_of_the_gateway_api_has_no_timeout_and_speaks_tls_behind() {
    let Some(helm) = Helm::newest() else { return };
    let objects = set(&helm, "gateway-api");
    for name in ["backline-gitproxy-gateway-agents", "backline-gitproxy-gateway-callers"] {
        let route = objects.get("HTTPRoute", name);
        assert_eq!(at(route, "/spec/rules/0/timeouts"), &json!({ "request": "0s", "backendRequest": "0s" }));
        let service = objects.get("Service", name);
        let backend = at(route, "/spec/rules/0/backendRefs/0");
        assert_eq!((&backend["name"], &backend["port"]), (&json!(name), at(service, "/spec/ports/0/port")));
        let policy = objects.get("BackendTLSPolicy", name);
        assert_eq!(text(policy, "/spec/validation/hostname"), "gateway.internal");
        assert_eq!(text(policy, "/spec/targetRefs/0/name"), name);
    }
}

#[test]
fn a_store_that_changes_leaves_the_pods_alone() {
    let Some(helm) = Helm::newest() else { return };
    let pods = |store: &str| {
        let objects = helm.renders(Chart::Gateway, &["--set", &format!("tls.secretName=t,store={store}")]);
        at(objects.get("Deployment", NAME), "/spec/template").clone()
    };
    assert_eq!(pods("one"), pods("two"), "it is read again when it changes, and sessions go on");
}

/// The objects of a value set.
fn set(helm: &Helm, name: &str) -> Objects {
    let file = Chart::Gateway.folder().join(format!("ci/{name}-values.yaml"));
    helm.renders(Chart::Gateway, &["--values", file.to_str().expect("UTF-8")])
}

const NAME: &str = "backline-gitproxy-gateway";
