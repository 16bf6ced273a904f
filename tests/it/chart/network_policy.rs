//! The NetworkPolicy of the agent's pods.

use serde_json::{Value, json};

use super::objects::{at, list};
use super::{Chart, ENABLED, Helm, enabled};

#[test]
fn there_is_none_unless_it_is_asked_for() {
    let Some(helm) = Helm::newest() else { return };
    assert!(helm.renders(Chart::Agent, ENABLED).find("NetworkPolicy", "gitproxy").is_none());
}

#[test]
fn nothing_comes_in_and_the_ports_of_the_urls_go_out() {
    let Some(helm) = Helm::newest() else { return };
    let set =
        "networkPolicy.enabled=true,proxy.httpsProxy=http://u:p#a%@proxy:3128,proxy.httpProxy=proxy:3129";
    let servers = "gitproxy.allowedServers={https://[fd00::1]:8443/git,10.0.0.0/8,http://git.example.com}";
    let rules = rules(&helm, &["--set", set, "--set", servers]);
    assert_eq!(rules["ingress"], json!([]));
    assert_eq!(rules["policyTypes"], json!(["Ingress", "Egress"]));
    assert_eq!(rules["egress"].as_array().map(Vec::len), Some(2));
    assert_eq!(ports(&rules["egress"][0]), [53, 53]);
    assert_eq!(ports(&rules["egress"][1]), [443, 7990, 3129, 3128, 8443, 80]);
    assert!(rules["egress"][1].get("to").is_none(), "to anywhere");
}

#[test]
fn it_covers_the_agents_pods_and_the_doctors() {
    let Some(helm) = Helm::newest() else { return };
    let objects = helm.renders(Chart::Agent, &enabled(&["--set", "networkPolicy.enabled=true"]));
    let wanted = at(objects.get("NetworkPolicy", "gitproxy"), "/spec/podSelector/matchLabels").as_object();
    let wanted = wanted.expect("labels");
    let agent = at(objects.agent(), "/spec/template/metadata/labels");
    let doctor = at(objects.get("Pod", "gitproxy-doctor"), "/metadata/labels");
    for labels in [agent, doctor] {
        assert!(wanted.iter().all(|(name, value)| labels.get(name) == Some(value)), "{labels}");
    }
}

#[test]
fn a_list_of_ones_own_takes_the_place_of_anywhere() {
    let Some(helm) = Helm::newest() else { return };
    let set = Chart::Agent.folder().join("ci/network-policy-cidr-values.yaml");
    let rules = rules(&helm, &["--values", set.to_str().expect("UTF-8")]);
    let expected = json!([
        { "ports": [{ "port": 5353, "protocol": "UDP" }, { "port": 5353, "protocol": "TCP" }] },
        {
            "to": [{ "ipBlock": { "cidr": "10.20.0.0/16", "except": ["10.20.30.0/24"] } }],
            "ports": [{ "port": 443, "protocol": "TCP" }, { "port": 7990, "protocol": "TCP" }],
        },
        { "to": [{ "ipBlock": { "cidr": "fd00::/8" } }], "ports": [{ "port": 9999, "protocol": "UDP" }] },
    ]);
    assert_eq!(rules["egress"], expected);
}

fn rules(helm: &Helm, more: &[&str]) -> Value {
    let objects = helm.renders(Chart::Agent, &enabled(more));
    at(objects.get("NetworkPolicy", "gitproxy"), "/spec").clone()
}

fn ports(rule: &Value) -> Vec<u64> {
    list(rule, "/ports").iter().map(|port| port["port"].as_u64().expect("a number")).collect()
}
