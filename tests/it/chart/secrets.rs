//! Where keys, tokens and certificates are, and where they are not.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::objects::{Objects, at, list, named, text, variable};
use super::{Chart, ENABLED, Helm, enabled};

#[test]
fn the_access_key_is_in_its_secret_and_nowhere_else() {
    let Some(helm) = Helm::newest() else { return };
    let objects =
        helm.renders(Chart::Agent, &["--set", "accessKey= gpk_c4nary ", "--set", "gitproxy.enabled=true"]);
    assert_eq!(decoded(&objects, "accesskey", "/data/ACCESS_KEY"), "gpk_c4nary");
    let elsewhere = objects.all().iter().filter(|object| object["kind"] != "Secret");
    assert!(elsewhere.into_iter().all(|object| !object.to_string().contains("c4nary")));
    assert_eq!(
        variable(objects.container(), "ACCESS_KEY_FILE").as_deref(),
        Some("/etc/backline/accesskey/ACCESS_KEY")
    );
}

#[test]
fn secrets_outlive_an_uninstall() {
    let Some(helm) = Helm::newest() else { return };
    let more =
        ["--set", "customCaCert=LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t,proxy.httpsProxy=http://u:p@proxy:1"];
    let objects = helm.renders(Chart::Agent, &enabled(&more));
    for name in ["accesskey", "custom-ca", "gitproxy-proxy"] {
        let keep = "/metadata/annotations/helm.sh~1resource-policy";
        assert_eq!(text(objects.get("Secret", name), keep), "keep", "{name}");
    }
}

#[test]
fn the_agent_starts_without_its_secrets_to_say_what_is_missing() {
    let Some(helm) = Helm::newest() else { return };
    let set = Chart::Agent.folder().join("ci/connections-values.yaml");
    let objects = helm.renders(Chart::Agent, &["--values", set.to_str().expect("UTF-8")]);
    let volumes = list(objects.agent(), "/spec/template/spec/volumes");
    let secrets: Vec<_> = volumes.iter().filter_map(|volume| volume.get("secret")).collect();
    assert_eq!(secrets.len(), 5);
    assert!(secrets.iter().all(|secret| secret["optional"] == true && secret["defaultMode"] == 0o440));
}

#[test]
fn a_ca_is_taken_as_base64_with_any_white_space_and_as_pem() {
    let Some(helm) = Helm::newest() else { return };
    let pem =
        rcgen::generate_simple_self_signed(["ca.example.com".to_owned()]).expect("a certificate").cert.pem();
    let packed = STANDARD.encode(&pem);
    let (left, right) = packed.split_at(64);
    let folder = tempfile::tempdir().expect("a folder");
    for given in [packed.clone(), format!("{left}\n  {right}\r\n\n"), pem.clone()] {
        let file = folder.path().join("ca");
        std::fs::write(&file, given).expect("written");
        let argument = format!("customCaCert={}", file.display());
        let objects = helm.renders(Chart::Agent, &enabled(&["--set-file", &argument]));
        assert_eq!(decoded(&objects, "custom-ca", "/data/ca.crt"), pem);
    }
}

#[test]
fn a_ca_is_mounted_where_the_documents_say() {
    let Some(helm) = Helm::newest() else { return };
    let set = Chart::Agent.folder().join("ci/ca-values.yaml");
    let objects = helm.renders(Chart::Agent, &["--values", set.to_str().expect("UTF-8")]);
    let container = objects.container();
    let mount = named(container, "/volumeMounts", "custom-ca").expect("a mount");
    assert_eq!(mount["mountPath"], "/etc/backline/ca");
    assert_eq!(variable(container, "SSL_CERT_DIR").as_deref(), Some("/etc/ssl/certs:/etc/backline/ca"));
    assert_eq!(variable(container, "CUSTOM_CA_CERT_FILE").as_deref(), Some("/etc/backline/ca/ca.crt"));
    let without = helm.renders(Chart::Agent, ENABLED);
    assert_eq!(variable(without.container(), "SSL_CERT_DIR"), None);
    assert!(without.find("Secret", "custom-ca").is_none());
}

#[test]
fn secrets_of_ones_own_are_used_as_they_are() {
    let Some(helm) = Helm::newest() else { return };
    let set = Chart::Agent.folder().join("ci/existing-secrets-values.yaml");
    let objects = helm.renders(Chart::Agent, &["--values", set.to_str().expect("UTF-8")]);
    assert!(!objects.names().iter().any(|name| name.starts_with("Secret ")), "{:?}", objects.names());
    let secret =
        |volume| text(named(objects.agent(), VOLUMES, volume).expect("a volume"), "/secret/secretName");
    assert_eq!(
        (secret("access-key"), secret("custom-ca")),
        ("vault-gitproxy".to_owned(), "vault-ca".to_owned())
    );
    let container = objects.container();
    assert_eq!(variable(container, "ACCESS_KEY_FILE").as_deref(), Some("/etc/backline/accesskey/key"));
    assert_eq!(variable(container, "CUSTOM_CA_CERT_FILE").as_deref(), Some("/etc/backline/ca/bundle.pem"));
}

#[test]
fn an_operator_for_external_secrets_fills_the_same_secrets() {
    let Some(helm) = Helm::newest() else { return };
    let set = Chart::Agent.folder().join("ci/external-secrets-values.yaml");
    let objects = helm.renders(Chart::Agent, &["--values", set.to_str().expect("UTF-8")]);
    assert!(!objects.names().iter().any(|name| name.starts_with("Secret ")), "{:?}", objects.names());
    for (name, key) in [("accesskey", "ACCESS_KEY"), ("custom-ca", "ca.crt")] {
        let external = objects.get("ExternalSecret", name);
        assert_eq!(text(external, "/spec/target/name"), name);
        assert_eq!(text(external, "/spec/data/0/secretKey"), key);
        assert_eq!(text(external, "/spec/secretStoreRef/kind"), "ClusterSecretStore");
    }
    let key = objects.get("ExternalSecret", "accesskey");
    assert_eq!(at(key, "/spec/data/0/remoteRef"), &json!({ "key": "gitproxy/agent", "property": "key" }));
}

#[test]
fn a_proxys_password_is_in_a_secret_alone() {
    let Some(helm) = Helm::newest() else { return };
    let more = ["--set", "proxy.httpProxy=http://a:1,proxy.httpsProxy=http://user:c4nary@b:2"];
    let objects = helm.renders(Chart::Agent, &enabled(&more));
    assert_eq!(decoded(&objects, "gitproxy-proxy", "/data/httpsProxy"), "http://user:c4nary@b:2");
    for name in ["HTTPS_PROXY", "https_proxy"] {
        let variable = named(objects.container(), "/env", name).expect("a variable");
        let expected = json!({ "name": "gitproxy-proxy", "key": "httpsProxy" });
        assert_eq!(at(variable, "/valueFrom/secretKeyRef"), &expected);
    }
    let elsewhere = objects.all().iter().filter(|object| object["kind"] != "Secret");
    assert!(elsewhere.into_iter().all(|object| !object.to_string().contains("user:c4nary")));
}

#[test]
fn the_token_of_a_connection_is_named_and_never_rendered() {
    let Some(helm) = Helm::newest() else { return };
    let set = Chart::Agent.folder().join("ci/connections-values.yaml");
    let objects = helm.renders(Chart::Agent, &["--values", set.to_str().expect("UTF-8")]);
    assert!(objects.find("Secret", "bitbucket-token").is_none(), "it is the user's own");
    let volume = named(objects.agent(), VOLUMES, "connection-0").expect("a volume");
    assert_eq!(text(volume, "/secret/secretName"), "bitbucket-token");
    let mount = named(objects.container(), "/volumeMounts", "connection-0").expect("a mount");
    assert_eq!(mount["mountPath"], "/etc/backline/connections/main");
    let file = text(objects.get("ConfigMap", "gitproxy"), "/data/gitproxy.toml");
    assert!(file.contains("token_file = \"/etc/backline/connections/main/token\""), "{file}");
}

fn decoded(objects: &Objects, secret: &str, pointer: &str) -> String {
    let data = text(objects.get("Secret", secret), pointer);
    String::from_utf8(STANDARD.decode(data).expect("base64")).expect("UTF-8")
}

const VOLUMES: &str = "/spec/template/spec/volumes";
