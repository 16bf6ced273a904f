//! What helm says to values that cannot be used.

use super::{Chart, Helm, enabled};

#[test]
fn without_an_access_key_one_sentence_says_how_to_set_it() {
    let Some(helms) = Helm::both() else { return };
    for helm in &helms {
        for arguments in [&[] as &[&str], &["--set", "gitproxy.enabled=true"], &["--set", "accessKey= "]] {
            let said = helm.refuses(Chart::Agent, arguments);
            let sentence = "accessKey is missing: add `--set accessKey=gpk_…` with the agent's access key (or name a Secret \
                            that holds it with `existingSecret.accessKey.name`, or set `externalSecrets`)";
            assert!(said.contains(sentence), "{said}");
        }
    }
}

#[test]
fn the_schema_refuses_with_the_place_and_what_is_wanted() {
    let Some(helms) = Helm::both() else { return };
    for helm in &helms {
        for (set, refusal) in REFUSALS {
            let said = helm.refuses(Chart::Agent, &enabled(&["--set", set]));
            assert!(said.contains(refusal), "{set}: {said}");
        }
    }
}

#[test]
fn a_policy_is_refused_whatever_it_is_with_the_sentence_that_says_so() {
    let Some(helms) = Helm::both() else { return };
    let sentence = "not supported by this version";
    for helm in &helms {
        for policy in [
            &format!("{sentence:?}"),
            "\"deny\"",
            "\"\"",
            "true",
            "1",
            "0.5",
            "[]",
            "{\"rules\": []}",
            "null",
        ] {
            let argument = format!("gitproxy.policy={policy}");
            let said = helm.refuses(Chart::Agent, &enabled(&["--set-json", &argument]));
            assert!(said.contains("at '/gitproxy/policy': ") && said.contains(sentence), "{policy}: {said}");
        }
    }
}

#[test]
fn a_connection_is_refused_that_lacks_what_it_needs() {
    let Some(helm) = Helm::newest() else { return };
    for (connection, refusal) in [
        (
            r#"{"name": "main"}"#,
            "at '/gitproxy/connections/0': missing properties 'url', 'projects', 'secret'",
        ),
        (
            r#"{"name": "a b", "url": "https://g", "projects": ["P"], "secret": {"name": "s"}}"#,
            "'a b' does not match",
        ),
        (
            r#"{"name": "a", "url": "https://g", "projects": [], "secret": {"name": "s"}}"#,
            "minItems: got 0, want 1",
        ),
        (
            r#"{"name": "a", "url": "https://g", "projects": ["P"], "secret": {"name": "s"}, "token": "c4nary"}"#,
            "additional properties 'token' not allowed",
        ),
        (
            r#"{"name": "a", "url": "https://g", "projects": ["P"], "secret": {"name": "s"}, "auth": "basic"}"#,
            "missing property 'user'",
        ),
        (
            r#"{"name": "a", "url": "http://g", "projects": ["P"], "secret": {"name": "s"}}"#,
            "missing property 'allowHttp'",
        ),
    ] {
        let argument = format!("gitproxy.connections=[{connection}]");
        let said = helm.refuses(Chart::Agent, &enabled(&["--set-json", &argument]));
        assert!(said.contains(refusal) && !said.contains("c4nary"), "{connection}: {said}");
    }
}

#[test]
fn two_connections_of_one_name_are_refused() {
    let Some(helm) = Helm::newest() else { return };
    let one = r#"{"name": "main", "url": "https://g", "projects": ["P"], "secret": {"name": "s"}}"#;
    let argument = format!("gitproxy.connections=[{one},{one}]");
    let said = helm.refuses(Chart::Agent, &enabled(&["--set-json", &argument]));
    assert!(said.contains("gitproxy.connections has two with the name main"), "{said}");
}

#[test]
fn an_empty_list_of_ports_is_refused_since_a_policy_takes_it_for_all() {
    let Some(helm) = Helm::newest() else { return };
    let said = helm.refuses(Chart::Agent, &enabled(&["--set-json", "networkPolicy.dnsPorts=[]"]));
    assert!(said.contains("at '/networkPolicy/dnsPorts': minItems: got 0, want 1"), "{said}");
    let rule = r#"networkPolicy.egress=[{"cidr": "10.0.0.0/8", "ports": []}]"#;
    let said = helm.refuses(Chart::Agent, &enabled(&["--set-json", rule]));
    assert!(said.contains("at '/networkPolicy/egress/0/ports': minItems: got 0, want 1"), "{said}");
}

#[test]
fn a_ca_that_is_none_is_refused() {
    let Some(helm) = Helm::newest() else { return };
    for ca in ["not-base64!", "aGVsbG8="] {
        let said = helm.refuses(Chart::Agent, &enabled(&["--set", &format!("customCaCert={ca}")]));
        assert!(said.contains("customCaCert holds no certificate: give base64 of PEM"), "{said}");
    }
}

#[test]
fn a_gateway_is_refused_that_could_not_work() {
    let Some(helms) = Helm::both() else { return };
    for helm in &helms {
        for (set, refusal) in [
            ("tls.secretName=t", "store is missing: add `--set-file store=store.toml`"),
            ("store=x", "tls.secretName is missing: name the Secret"),
            ("store=x,tls.secretName=t,replicaCount=2", "several gateways need NATS"),
            ("store=x,tls.secretName=t,autoscaling.enabled=true", "several gateways need NATS"),
            ("store=x,tls.secretName=t,cluster.nats={tls://n:1}", "cluster.peersTlsSecret is missing"),
            ("store=x,tls.secretName=t,replicas=2", "additional properties 'replicas' not allowed"),
        ] {
            let said = helm.refuses(Chart::Gateway, &["--set", set]);
            assert!(said.contains(refusal), "{set}: {said}");
        }
    }
}

const REFUSALS: &[(&str, &str)] = &[
    ("gitproxy.policy.rules=x", "at '/gitproxy/policy': value must be 'not supported by this version'"),
    ("gitproxy.policy=", "at '/gitproxy/policy': value must be 'not supported by this version'"),
    ("gitproxy.nodeSelector.gpu=true", "at '/gitproxy/nodeSelector/gpu': got boolean, want null or string"),
    ("gitproxy.replicaCount=two", "at '/gitproxy/replicaCount': got string, want integer"),
    ("gitproxy.enabled=yes", "at '/gitproxy/enabled': got string, want boolean"),
    ("accessKey=12", "at '/accessKey': got number, want null or string"),
    ("gateway.url=http://gateway", "at '/gateway/url': 'http://gateway' does not match pattern '^https://'"),
    ("gateway.uri=https://gateway", "at '/gateway': additional properties 'uri' not allowed"),
    ("gitproxy.image.pullPolicy=Sometimes", "at '/gitproxy/image/pullPolicy': value must be one of"),
    ("gitproxy.drainGraceSeconds=0", "at '/gitproxy/drainGraceSeconds': minimum: got 0, want 1"),
    ("networkPolicy.enable=true", "at '/networkPolicy': additional properties 'enable' not allowed"),
    ("networkPolicy.egress[0].cidr=git.example.com", "'git.example.com' does not match pattern"),
    ("existingSecret.accessKey=mine", "at '/existingSecret/accessKey': got string, want object"),
    ("gitproxy.otel.endpoint=collector:4318", "'collector:4318' does not match pattern"),
];
