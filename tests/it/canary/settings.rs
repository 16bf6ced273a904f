//! Settings that cannot be used, and questions that cannot be answered, with secrets in them: what is wrong is told without.

use secrecy::ExposeSecret as _;

use super::forms::Secret;
use super::scene::{Login, Scene};
use crate::tools::Nginx;
use crate::tools::nginx::Block;
use crate::world::new_key;
use crate::world::program::{self, Program};
use crate::world::tls::{Ca, Oddity};

#[tokio::test]
async fn settings_that_cannot_be_used_are_told_without_the_secrets_in_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let secret = Secret::new("secret", CANARY);
    let files = [
        format!("[gateway]\naccess_key = '{CANARY}"),
        format!("[gateway]\naccess_key = '{CANARY}'"),
        format!("[gateway]\naccess_key = ['{CANARY}']"),
        format!("gateway = '{CANARY}'"),
        format!("[connections.main]\ntoken = '{CANARY}'"),
        format!("[connections.main]\nurl = 'https://user:{CANARY}@git.example.com'"),
        format!("[gateway]\nurl = 'https://user:{CANARY}@gateway.example.com'"),
    ];
    for text in files {
        let path = folder.path().join("agent.toml");
        std::fs::write(&path, &text).expect("written");
        let ended = Program::start(program::agent().arg("run").arg("--config").arg(&path)).end().await;
        assert_eq!(ended.status.code(), Some(3), "{}", ended.text());
        assert!(secret.hits(&ended.text()).is_empty(), "{text}\n{}", ended.text());
    }
    let rows = [
        format!("[tenants.acme.agents.site.connections.main]\ntoken = '{CANARY}"),
        format!("[tenants.acme.agents.site.connections.main]\ntoken = ['{CANARY}']"),
        format!("[tenants.acme.agents.site.connections.main]\npassword = '{CANARY}'"),
        format!(
            "[tenants.acme.agents.site.connections.main]\nurl = 'https://user:{CANARY}@git.example.com'\ntoken = 'x'"
        ),
        format!("[tenants.acme.agents.site.connections.main]\nauth = '{CANARY}'\ntoken = '{CANARY}'"),
        format!(
            "[tenants.acme.agents.site.connections.main]\nurl = 'https://git.test'\nprojects = ['X']\ntoken_file = '{CANARY}'"
        ),
        format!("[tenants.acme.agents.site]\nkeys = ['{CANARY}']"),
        format!("[tenants.acme.callers.x]\nrole = 'read'\ntokens = [{{ id = 'x', sha256 = '{CANARY}' }}]"),
    ];
    let ca = Ca::new("gitproxy test");
    let (certificate, key) = ca.write(folder.path(), "gateway");
    for text in rows {
        let path = folder.path().join("store.toml");
        std::fs::write(&path, &text).expect("written");
        let mut command = program::gateway();
        command.arg("run").env("STORE_FILE", &path);
        command.env("AGENTS_TLS_CERT", &certificate).env("AGENTS_TLS_KEY", &key);
        command.env("CALLERS_TLS_CERT", &certificate).env("CALLERS_TLS_KEY", &key);
        let ended = Program::start(&mut command).end().await;
        assert_eq!(ended.status.code(), Some(2), "{text}\n{}", ended.text());
        assert!(secret.hits(&ended.text()).is_empty(), "{text}\n{}", ended.text());
    }
}

#[tokio::test]
async fn proxies_that_cannot_be_used_are_told_without_their_credentials() {
    let bad = [
        format!("socks5://robot:{PASSWORD}@proxy.test"),
        format!("http://robot:{PASSWORD}@proxy.test:99999"),
        format!("http://robot:{PASSWORD}@proxy.test:0"),
        format!("http://robot:{PASSWORD}@proxy.test/path"),
        format!("http://robot:{PASSWORD}@[::1"),
        format!("http://robot:{PASSWORD}@"),
        format!("http://robot:{PASSWORD}"),
        format!("http://robot:{PASSWORD}/x@proxy.test"),
        format!("http://robot:{PASSWORD}%ff@proxy.test"),
        format!("http://robot:{PASSWORD}\t@proxy.test"),
        format!("http://ro%3Abot:{PASSWORD}@proxy.test"),
        format!("robot:{PASSWORD}"),
        format!("//robot:{PASSWORD}@proxy.test"),
    ];
    for value in &bad {
        for name in ["HTTPS_PROXY", "http_proxy", "GATEWAY_PROXY", "BITBUCKET_PROXY"] {
            refused(name, value).await;
        }
    }
}

#[tokio::test]
async fn other_settings_that_cannot_be_used_are_told_without_the_passwords_in_them() {
    let bad = [
        ("NO_PROXY", format!("corp.test,http://robot:{PASSWORD}@proxy.test:3128")),
        ("NO_PROXY", format!("http://robot:{PASSWORD},x@proxy.test:3128")),
        ("no_proxy", format!("robot:{PASSWORD},x@proxy.test")),
        ("no_proxy", format!("robot:x,{PASSWORD}@proxy.test")),
        ("GATEWAY_URL", format!("https://robot:{PASSWORD}@gateway.test")),
        ("GATEWAY_URL", format!("https://robot:{PASSWORD}@gateway.test:99999")),
        ("BITBUCKET_URL", format!("https://robot:{PASSWORD}@git.test/bitbucket")),
        ("BITBUCKET_URL", format!("https://git.test/bitbucket?token={PASSWORD}")),
        ("ACCESS_KEY", PASSWORD.to_owned()),
        ("ACCESS_KEY", format!("gpk_MqLNHz2nmE_{PASSWORD}")),
    ];
    for (name, value) in &bad {
        refused(name, value).await;
    }
}

#[tokio::test]
async fn credentials_in_a_file_that_cannot_be_used_are_told_without_them() {
    for text in [PASSWORD.to_owned(), format!("\u{1}robot:{PASSWORD}"), format!("robot\n:{PASSWORD}")] {
        let scene = Scene::new();
        let file = scene.write("login", &text);
        let scene = scene.set("HTTPS_PROXY", "http://proxy.test:3128").set("PROXY_CREDENTIALS_FILE", &file);
        tells_what_is_wrong(scene.secret(Secret::new("password", PASSWORD)), "proxy.credentials_file").await;
    }
}

#[tokio::test]
async fn files_of_certificates_that_hold_private_keys_are_told_without_them() {
    let (ca, stranger) = (Ca::new("clients"), Ca::new("strangers"));
    let [client, other] = [&ca, &stranger].map(|ca| ca.issue(&["site"], &Oddity::Client));
    let cut = &client.key[..client.key.len() - 60];
    let cases = [
        (&*client.key, &*client.key),
        (&*client.key, &*client.chain),
        (&*client.chain, &*other.key),
        (&*client.chain, cut),
        (&*client.chain, &client.key.replace("PRIVATE KEY", "GOLD")),
    ];
    for (certificate, key) in cases {
        let scene =
            Scene::new().secret(Secret::pem("key", &client.key)).secret(Secret::pem("other key", &other.key));
        let (certificate, key) = (scene.write("client.crt", certificate), scene.write("client.key", key));
        let scene = scene.set("GATEWAY_CLIENT_CERT_FILE", &certificate).set("GATEWAY_CLIENT_KEY_FILE", &key);
        tells_what_is_wrong(scene, "gateway.client_").await;
    }
    for name in ["CUSTOM_CA_CERT", "CUSTOM_CA_CERT_FILE", "SSL_CERT_FILE"] {
        let scene = Scene::new().secret(Secret::pem("key", &client.key));
        let value =
            if name == "CUSTOM_CA_CERT" { client.key.clone() } else { scene.write("wrong.pem", &client.key) };
        let scene = scene.set(name, &value);
        for form in FORMS {
            scene.to_the_end(form).await;
        }
    }
}

#[tokio::test]
async fn a_client_certificate_is_shown_without_its_key_in_the_log() {
    let ca = Ca::new("Internal root");
    let identity = ca.issue(&["localhost"], &Oddity::None);
    let page = "location / { default_type text/html; return 404 '<html>$http_authorization</html>'; }";
    let block = Block::tls("ssl http2", &identity).client_ca(ca.pem()).lines(page);
    let Some(nginx) = Nginx::start(&block).await else { return };
    let client = ca.issue(&["site"], &Oddity::Client);
    let url = nginx.url();
    let scene = Scene::to(&format!("{url}/bitbucket"), &url).secret(Secret::pem("key", &client.key));
    let roots = scene.write("internal.pem", ca.pem());
    let (certificate, key) =
        (scene.write("client.crt", &client.chain), scene.write("client.key", &client.key));
    let token = scene.write("default", PASSWORD);
    let scene =
        scene.set("SSL_CERT_FILE", &roots).set("GATEWAY_URL", &url).secret(Secret::new("token", PASSWORD));
    let scene = scene.set("GATEWAY_CLIENT_CERT_FILE", &certificate).set("GATEWAY_CLIENT_KEY_FILE", &key);
    let scene = scene.set("BITBUCKET_CLIENT_CERT_FILE", &certificate).set("BITBUCKET_CLIENT_KEY_FILE", &key);
    let scene = scene.set("BITBUCKET_URL", &format!("{url}/bitbucket")).set("BITBUCKET_TOKEN_FILE", &token);
    for told in scene.set("BITBUCKET_PROJECTS", "SHOP").all().await {
        told.heard(&["TRACE", "rustls::", "h2::", "404 Not Found"]);
    }
}

#[tokio::test]
async fn explain_answers_and_refuses_without_the_password_of_the_url_that_it_is_asked_about() {
    let login = Login { user: "robot", password: PASSWORD };
    let scene = Scene::new().secret(login.secret("password"));
    let scene = scene.set("HTTPS_PROXY", &format!("http://{}proxy.test", login.in_url()));
    for (url, word) in [
        (
            format!("https://robot:{PASSWORD}@git.test/x?y={PASSWORD}#{PASSWORD}"),
            "through http://proxy.test:80",
        ),
        (format!("https://robot:{PASSWORD}@git.test:99999"), "is not a URL"),
        (format!("ftp://robot:{PASSWORD}@git.test"), "is not an http:// or https:// URL"),
        (format!("robot:{PASSWORD}@git.test"), "the URL"),
        (PASSWORD.to_owned(), "is not a URL"),
    ] {
        scene.to_the_end(&["egress", "explain", &url]).await.heard(&[word]);
    }
    let url = format!("https://robot:{PASSWORD}@git.test");
    for form in [&["doctor", &url][..], &["run", &url], &[&url], &["health", &url]] {
        scene.to_the_end(form).await.heard(&["git.test"]);
    }
    let flag = format!("--https-proxy=http://robot:{PASSWORD}@proxy.test");
    for form in [&["doctor", &flag][..], &["run", &flag], &["egress", "explain", &flag, "https://git.test"]] {
        scene.to_the_end(form).await.heard(&["unexpected argument"]);
    }
}

#[tokio::test]
async fn a_secret_in_place_of_its_files_path_is_told_without_it() {
    let key = new_key();
    let text = key.secret().expose_secret().to_owned();
    let scene = Scene::new().secret(Secret::key("misplaced key", &key)).set("ACCESS_KEY", "");
    tells_what_is_wrong(scene.set("ACCESS_KEY_FILE", &text), "ACCESS_KEY_FILE").await;
    for token in [PASSWORD.to_owned(), format!("NjM3OTgx/{PASSWORD}+x="), format!("/{PASSWORD}")] {
        refused("BITBUCKET_TOKEN_FILE", &token).await;
    }
    let scene =
        Scene::new().set("HTTPS_PROXY", "http://proxy.test").secret(Secret::new("password", PASSWORD));
    let scene = scene.set("PROXY_CREDENTIALS_FILE", &format!("robot:{PASSWORD}"));
    tells_what_is_wrong(scene, "proxy.credentials_file").await;
    let client = Ca::new("clients").issue(&["site"], &Oddity::Client);
    for leg in ["GATEWAY", "BITBUCKET"] {
        let scene = Scene::new().secret(Secret::pem("key", &client.key));
        let certificate = scene.write("client.crt", &client.chain);
        let scene = scene.set(&format!("{leg}_CLIENT_CERT_FILE"), &certificate);
        tells_what_is_wrong(scene.set(&format!("{leg}_CLIENT_KEY_FILE"), &client.key), "client_key_file")
            .await;
        let scene = Scene::new().secret(Secret::pem("key", &client.key));
        let both = format!("{}{}", client.key, client.chain);
        let scene = scene.set(&format!("{leg}_CLIENT_CERT_FILE"), &both);
        tells_what_is_wrong(scene.set(&format!("{leg}_CLIENT_KEY_FILE"), &both), "client_cert_file").await;
    }
}

/// Sets a variable to something bad with the password in it.
async fn refused(name: &str, value: &str) {
    let scene = Scene::new().secret(Secret::new("password", PASSWORD));
    let token = scene.write("default", "token");
    // So that the connection `default` is whole but for what is tested.
    let scene = match name {
        "BITBUCKET_URL" => scene.set("BITBUCKET_TOKEN_FILE", &token).set("BITBUCKET_PROJECTS", "SHOP"),
        _ => scene,
    };
    tells_what_is_wrong(scene.set(name, value), name).await;
}

async fn tells_what_is_wrong(scene: Scene, word: &str) {
    for form in FORMS {
        scene.to_the_end(form).await.heard(&[word]);
    }
    scene.to_the_end(&["egress", "explain", "https://git.test"]).await;
}

const FORMS: [&[&str]; 3] =
    [&["doctor", "--json"], &["run"], &["run", "--preflight", "--log-format", "json"]];
const CANARY: &str = "c4nary/in+a file";
/// Nothing in it means anything in a URL.
const PASSWORD: &str = "c4nary-passw0rd";
