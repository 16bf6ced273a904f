use std::fs;
use std::path::Path;

use base64::Engine as _;
use secrecy::ExposeSecret as _;

use super::*;
use crate::agent::settings::TABLE;
use crate::bitbucket::Credential;
use crate::egress::Way;
use crate::egress::fixture::{Ca, Files};
use crate::ops::Key;
use crate::ops::settings::args;

/// Reads the settings from a file, an environment and flags.
fn read(file: &str, env: &[(&str, &str)], flags: &[&str]) -> Result<Config, Problems> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("gitproxy.toml");
    fs::write(&path, file).expect("written");
    let flags = [&["gitproxy"], flags].concat();
    let flags = clap::Command::new("gitproxy").args(args(TABLE)).try_get_matches_from(flags).expect("flags");
    let env = |name: &str| env.iter().find(|(given, _)| *given == name).map(|(_, value)| (*value).to_owned());
    let mut problems = Problems::new();
    let layers = Layers::read(TABLE, &flags, Some(&path), &env, &mut problems);
    Config::read(&layers, problems)
}

fn lines(outcome: Result<Config, Problems>) -> Vec<String> {
    outcome.expect_err("bad settings").iter().map(ToString::to_string).collect()
}

fn key() -> String {
    Key::generate().expect("entropy").secret().expose_secret().to_owned()
}

fn token(folder: &Path) -> String {
    let path = folder.join("token");
    fs::write(&path, "t0ken\n").expect("written");
    path.display().to_string()
}

const GATEWAY: (&str, &str) = ("GATEWAY_URL", "https://gateway.example.com");

#[test]
fn url_and_key_are_enough() {
    let config = read("", &[GATEWAY, ("ACCESS_KEY", &key())], &[]).expect("usable");
    assert_eq!(config.gateway.to_string(), "https://gateway.example.com:443");
    assert_eq!(config.link, tunnel::Options::default());
    assert_eq!(config.limits, Limits::default());
    assert_eq!(config.drain_grace, Duration::from_secs(30));
    assert!(config.debug.is_none() && config.status_socket.is_none() && config.connections.is_empty());
}

#[test]
fn a_hop_and_the_whole_have_a_time_each() {
    let file = "[egress]\nhop_timeout = \"200ms\"\nconnect_timeout = \"3s\"\n";
    let config = read(file, &[GATEWAY, ("ACCESS_KEY", &key())], &[]).expect("usable");
    let expected = Patience { hop: Duration::from_millis(200), whole: Duration::from_secs(3) };
    assert_eq!(config.patience, expected);
}

#[test]
fn every_bad_setting_is_told_at_once_with_its_name_and_where_it_came_from() {
    let file = "[link]\nwindow = \"1KiB\"\n[limits]\nbulk = 0\n[gatway]\nurl = \"x\"\n";
    let env = [("GATEWAY_URL", "ftp://gateway"), ("ACCESS_KEY", "c4nary"), ("GITPROXY_LABELS", "a=1,b")];
    let told = lines(read(file, &env, &["--debug-listen", "0.0.0.0:7000", "--drain-grace", "soon"]));
    for expected in [
        "gatway",
        "gateway.url (environment GATEWAY_URL): ",
        "gateway.access_key (environment ACCESS_KEY): the access key does not begin with",
        "link.window (file ",
        "limits.bulk (file ",
        "debug.listen (flag --debug-listen): `0.0.0.0:7000` is not a loopback address",
        "drain.grace (flag --drain-grace): ",
        "labels (environment GITPROXY_LABELS): `b` is not of the form NAME=VALUE",
    ] {
        assert!(told.iter().any(|line| line.contains(expected)), "{expected} is not in {told:#?}");
    }
    assert_eq!(told.len(), 8, "{told:#?}");
}

#[test]
fn a_missing_key_and_a_missing_url_are_required() {
    let told = lines(read("", &[], &[]));
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(told[0].starts_with("gateway.url (not set): is required"), "{told:#?}");
    assert!(told[1].contains("ACCESS_KEY"), "{told:#?}");
}

#[test]
fn the_word_none_is_never_taken_for_a_host() {
    let proxy = ("HTTPS_PROXY", "http://proxy.example.com:3128");
    for none in ["none", "None", "NONE", " none "] {
        let key = key();
        let env = [GATEWAY, ("ACCESS_KEY", &key), proxy, ("GATEWAY_PROXY", none)];
        let config = read("", &env, &[]).expect("usable");
        let route = config.gateway_proxies.expect("an override").route(config.gateway.origin());
        assert!(matches!(route.way, Way::Direct), "{none}: {route:?}");
    }
    for (name, word, remedy) in [
        ("HTTPS_PROXY", "None", "is `none`, which is no proxy: leave it unset"),
        ("HTTP_PROXY", "direct", "is `direct`, which is no proxy: leave it unset"),
        ("GATEWAY_PROXY", "OFF", "is `off`, which is no proxy: the word for none is `none`"),
    ] {
        let told = lines(read("", &[GATEWAY, ("ACCESS_KEY", &key()), (name, word)], &[]));
        assert!(told.len() == 1 && told[0].contains(remedy), "{told:#?}");
    }
}

#[test]
fn a_bad_key_is_never_shown_wherever_it_stands() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("key");
    let good = key();
    let typo = format!("{}{}", &good[..good.len() - 1], if good.ends_with('a') { 'b' } else { 'a' });
    fs::write(&path, &typo).expect("written");
    let path = path.display().to_string();
    let in_file = format!("[gateway]\naccess_key = \"{typo}\"\n");
    let cases = [
        read("", &[GATEWAY, ("ACCESS_KEY", &typo)], &[]),
        read("", &[GATEWAY, ("ACCESS_KEY_FILE", &path)], &[]),
        read(&in_file, &[GATEWAY], &[]),
        read("", &[GATEWAY, ("ACCESS_KEY", &typo), ("ACCESS_KEY_FILE", &path)], &[]),
    ];
    for case in cases {
        let shown = format!("{case:?} {}", lines(case.clone()).join("\n"));
        assert!(!shown.contains(&good[15..40]), "{shown}");
        assert!(shown.contains("checksum") || shown.contains("remove one"), "{shown}");
    }
}

#[test]
fn a_gateway_is_https_or_on_loopback_and_nothing_more() {
    for good in [
        "https://g.example.com",
        "https://g:8443",
        "http://127.0.0.1:80",
        "http://[::1]:1",
        "http://localhost:2",
    ] {
        good.parse::<GatewayUrl>().expect(good);
    }
    for bad in [
        "g.example.com",
        "http://g.example.com",
        "https://u:p@g",
        "https://g/path",
        "https://g?x",
        "ftp://g",
        "",
    ] {
        assert!(bad.parse::<GatewayUrl>().is_err(), "{bad}");
    }
}

#[test]
fn one_connection_needs_no_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let (key, token) = (key(), token(folder.path()));
    let env = [
        GATEWAY,
        ("ACCESS_KEY", &key),
        ("BITBUCKET_URL", "https://git.example.com/bitbucket"),
        ("BITBUCKET_TOKEN_FILE", &token),
        ("BITBUCKET_PROJECTS", "SHOP, ~jane"),
    ];
    let config = read("", &env, &[]).expect("usable");
    let [Connection { account: only, client: None, .. }] = &config.connections[..] else {
        panic!("{:?}", config.connections)
    };
    assert_eq!((only.name.as_str(), only.base.as_str()), ("default", "https://git.example.com/bitbucket"));
    assert!(matches!(only.credential, Credential::Bearer(_)));
    assert!(
        only.projects.contains("shop") && only.projects.contains("~jane") && !only.projects.contains("OPS")
    );
}

#[test]
fn connections_in_the_file_are_read_by_name_and_the_environment_wins_for_default() {
    let folder = tempfile::tempdir().expect("a folder");
    let (key, token) = (key(), token(folder.path()));
    let file = format!(
        "[connections.main]\nurl = \"https://a\"\nuser = \"ci\"\nauth = \"basic\"\ntoken_file = \"{token}\"\nprojects = [\"A\", \"B\"]\n\
         [connections.default]\nurl = \"https://b\"\ntoken_file = \"{token}\"\nprojects = [\"C\"]\n"
    );
    let env = [GATEWAY, ("ACCESS_KEY", key.as_str()), ("BITBUCKET_URL", "https://c/")];
    let config = read(&file, &env, &[]).expect("usable");
    let bases: Vec<_> =
        config.connections.iter().map(|it| (it.account.name.as_str(), it.account.base.as_str())).collect();
    assert_eq!(bases, [("default", "https://c/"), ("main", "https://a/")]);
    assert!(
        matches!(&config.connections[1].account.credential, Credential::Basic { user, .. } if user == "ci")
    );
}

#[test]
fn the_user_of_a_bearer_token_is_kept_to_be_checked() {
    let folder = tempfile::tempdir().expect("a folder");
    let (key, token) = (key(), token(folder.path()));
    let connection = |name: &str, user: &str| {
        format!(
            "[connections.{name}]\nurl = \"https://a\"\ntoken_file = \"{token}\"\nprojects = [\"A\"]\n{user}\n"
        )
    };
    let file = connection("a", "user = \"ci\"") + &connection("b", "");
    let config = read(&file, &[GATEWAY, ("ACCESS_KEY", key.as_str())], &[]).expect("usable");
    let users: Vec<_> = config.connections.iter().map(|it| it.account.user.as_deref()).collect();
    assert_eq!(users, [Some("ci"), None]);
    assert!(matches!(config.connections[0].account.credential, Credential::Bearer(_)));
}

#[test]
fn a_bad_connection_is_told_with_its_name() {
    let file = "[connections.main]\nurl = \"http://git.example.com\"\nauth = \"basic\"\ntoken_file = \"/nowhere/token\"\n\
                [connections.\"no good\"]\nurl = \"https://a\"\n";
    let told = lines(read(file, &[GATEWAY, ("ACCESS_KEY", &key())], &[])).join("\n");
    for expected in [
        "connections.main.url",
        "connections.main.token_file",
        "connections.main.user",
        "connections.main.projects",
        "connections.no good",
    ] {
        assert!(told.contains(expected), "{expected} is not in {told}");
    }
}

#[test]
fn where_held_connections_may_go_is_read_with_what_kubernetes_sets() {
    let key = key();
    let env = [
        GATEWAY,
        ("ACCESS_KEY", &key),
        ("GITPROXY_ALLOWED_SERVERS", "https://git.example.com, 10.1.0.0/16"),
        ("GITPROXY_ALLOWED_ADDRESSES", "127.0.0.0/8, ::1"),
        ("KUBERNETES_SERVICE_HOST", "10.96.0.1"),
    ];
    let config = read("", &env, &[]).expect("usable");
    let servers = ["https://git.example.com", "10.1.0.0/16"].map(|text| text.parse().expect(text));
    let addresses = ["127.0.0.0/8", "::1/128"].map(|text| text.parse().expect(text));
    let kubernetes = vec!["10.96.0.1".parse().expect("an address")];
    assert_eq!(config.guard, Guard::new(servers.into(), addresses.into(), kubernetes));
    let bare = read("", &[GATEWAY, ("ACCESS_KEY", &key)], &[]).expect("usable");
    assert_eq!(bare.guard, Guard::default());
}

#[test]
fn an_entry_that_is_no_server_or_network_is_told_with_its_setting() {
    let file = "[held]\nallowed_servers = [\"git.example.com\", \"https://git.example.com/bitbucket\"]\n\
                allowed_addresses = [\"localhost\"]\n";
    let told = lines(read(file, &[GATEWAY, ("ACCESS_KEY", &key())], &[]));
    for expected in [
        "`git.example.com` is neither an origin such as https://git.example.com nor a network",
        "`https://git.example.com/bitbucket` has more than scheme, host and port",
        "`localhost` is no network such as",
    ] {
        assert!(
            told.iter().any(|line| line.contains(expected) && line.contains("held.")),
            "{expected}: {told:#?}"
        );
    }
    assert_eq!(told.len(), 3, "{told:#?}");
}

#[test]
fn the_customers_ca_is_taken_as_text_as_base64_as_a_file_and_as_a_folder() {
    let (folder, key, ca) = (tempfile::tempdir().expect("a folder"), key(), Ca::new("customer"));
    let file = folder.path().join("ca.crt");
    fs::write(&file, ca.pem()).expect("written");
    let both = format!("{}, {}", file.display(), folder.path().display());
    let base64 = base64::prelude::BASE64_STANDARD.encode(ca.pem());
    for text in [ca.pem(), base64] {
        let env = [GATEWAY, ("ACCESS_KEY", &key), ("CUSTOM_CA_CERT", &text), ("CUSTOM_CA_CERT_FILE", &both)];
        let config = read("", &env, &[]).expect("usable");
        let [CaSource::Pem { name, pem }, CaSource::File(first), CaSource::Folder(second)] =
            &config.extra_ca[..]
        else {
            panic!("{:?}", config.extra_ca)
        };
        assert_eq!((name.as_str(), pem.as_slice()), ("trust.ca", text.as_bytes()));
        assert_eq!((first, second.as_path()), (&file, folder.path()));
    }
    let empty = tempfile::tempdir().expect("a folder");
    let empty = empty.path().display().to_string();
    let env =
        [GATEWAY, ("ACCESS_KEY", &key), ("CUSTOM_CA_CERT", "/etc/ca.pem"), ("CUSTOM_CA_CERT_FILE", &empty)];
    let told = lines(read("", &env, &[]));
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(
        told[0].starts_with("trust.ca (environment CUSTOM_CA_CERT): trust.ca holds no certificate"),
        "{told:#?}"
    );
    assert!(told[1].contains("CUSTOM_CA_CERT_FILE") && told[1].contains(&empty), "{told:#?}");
}

#[test]
fn client_certificates_are_read_for_either_leg() {
    let (folder, key, ca) = (tempfile::tempdir().expect("a folder"), key(), Ca::new("clients"));
    let (one, two) = (Files::write(&ca.issue("gateway")), Files::write(&ca.issue("bitbucket")));
    let text = |path: &Path| path.display().to_string();
    let file = format!(
        "[gateway]\nclient_cert_file = '{}'\nclient_key_file = '{}'\n[connections.default]\nurl = 'https://a'\n\
         token_file = '{}'\nprojects = ['A']\n",
        text(&one.certificate),
        text(&one.key),
        token(folder.path())
    );
    let (certificate, private) = (text(&two.certificate), text(&two.key));
    let env = [
        GATEWAY,
        ("ACCESS_KEY", key.as_str()),
        ("BITBUCKET_CLIENT_CERT_FILE", &certificate),
        ("BITBUCKET_CLIENT_KEY_FILE", &private),
    ];
    let config = read(&file, &env, &[]).expect("usable");
    let files =
        |files: &Files| ClientFiles { certificate: files.certificate.clone(), key: files.key.clone() };
    assert_eq!(config.gateway_client, Some(files(&one)));
    assert_eq!(config.connections[0].client, Some(files(&two)));
}

#[test]
fn a_client_certificate_without_its_key_or_with_another_is_told_with_its_setting() {
    let (key, ca) = (key(), Ca::new("clients"));
    let (one, two) = (Files::write(&ca.issue("one")), Files::write(&ca.issue("two")));
    let text = |path: &Path| path.display().to_string();
    let certificate = text(&one.certificate);
    let told = |private: &str| {
        let env = [
            GATEWAY,
            ("ACCESS_KEY", key.as_str()),
            ("GATEWAY_CLIENT_CERT_FILE", &certificate),
            ("GATEWAY_CLIENT_KEY_FILE", private),
        ];
        lines(read("", &env, &[])).join("\n")
    };
    let none = told("");
    assert!(
        none.starts_with(
            "gateway.client_key_file (not set): is required, since gateway.client_cert_file is set"
        ),
        "{none}"
    );
    let other = told(&text(&two.key));
    assert!(
        other.starts_with("gateway.client_cert_file (environment GATEWAY_CLIENT_CERT_FILE): "),
        "{other}"
    );
    let gone = told("/nowhere/tls.key");
    assert!(
        gone.starts_with(
            "gateway.client_key_file (environment GATEWAY_CLIENT_KEY_FILE): /nowhere/tls.key cannot be read"
        ),
        "{gone}"
    );
}

#[test]
fn a_token_travels_in_the_clear_only_by_somebodys_decision() {
    let (folder, key) = (tempfile::tempdir().expect("a folder"), key());
    let file = |more: &str| {
        let token = token(folder.path());
        format!(
            "[connections.main]\nurl = 'http://git.corp:7990'\ntoken_file = '{token}'\nprojects = ['A']\n{more}"
        )
    };
    let env = [GATEWAY, ("ACCESS_KEY", key.as_str())];
    let told = lines(read(&file(""), &env, &[])).join("\n");
    assert!(told.starts_with("connections.main.url (") && told.contains("could read the token"), "{told}");
    let config = read(&file("allow_http = true\n"), &env, &[]).expect("usable");
    assert_eq!(config.connections[0].plaintext, egress::Plaintext::Anywhere);
}

#[test]
fn limits_of_time_and_a_collector_are_checked() {
    let key = key();
    let env = |name: &'static str, value: &'static str| {
        let env = [GATEWAY, ("ACCESS_KEY", key.as_str()), (name, value)];
        lines(read("", &env, &[])).join("\n")
    };
    assert!(env("GITPROXY_HOP_TIMEOUT", "1h").contains("is not between 100ms and 25s"));
    assert!(env("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318").contains("http:// or https://"));
    let told = env("OTEL_EXPORTER_OTLP_ENDPOINT", "https://me:c4nary@collector");
    assert!(told.contains("has a user") && !told.contains("c4nary"), "{told}");
}
