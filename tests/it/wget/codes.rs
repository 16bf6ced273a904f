//! Each exit code of GNU Wget's manual, and the words beside it.

use std::net::Ipv4Addr;

use super::{Done, Scene};
use crate::tools::free_port;
use crate::world::tls::Ca;

#[tokio::test]
async fn a_url_that_is_none_is_1() {
    let scene = Scene::new();
    for (url, why) in [
        ("ssh://git.example.com", "is not an http:// or https:// URL"),
        ("git.example.com/health", "is not a URL"),
        ("https://", "is not a URL"),
    ] {
        has(
            &scene.run(&["--spider", url], &[]).await,
            1,
            &["wget: the URL ", why, "https://gateway.example.com/health"],
        );
    }
}

#[tokio::test]
async fn what_cannot_be_understood_is_2() {
    let scene = Scene::new();
    let url = "https://localhost:1/";
    has(&scene.run(&["--spider", "--no-proxy", url], &[]).await, 2, &["--no-proxy"]);
    has(&scene.run(&["--spider"], &[]).await, 2, &["<URL>"]);
    has(&scene.run(&["-q", url], &[]).await, 2, &["--spider to keep nothing"]);
    has(&scene.run(&["--spider", "-T", "0", url], &[]).await, 2, &["from 0.1 to 86400"]);
}

#[tokio::test]
async fn settings_that_the_agent_cannot_use_are_2_and_others_do_not_matter() {
    let scene = Scene::new();
    let server = scene.server().await;
    let ca = scene.path("empty.crt");
    std::fs::write(&ca, "no certificate").expect("written");
    let ca = [("CUSTOM_CA_CERT_FILE", ca.to_str().expect("UTF-8"))];
    let done = scene.run(&["-q", "--spider", &server.at("/health")], &ca).await;
    has(&done, 2, &["trust.ca_files", "environment CUSTOM_CA_CERT_FILE"]);
    let others =
        [("GITPROXY_LINK_WINDOW", "huge"), ("ACCESS_KEY", "none"), ("BITBUCKET_URL", "https://git.test")];
    has(&scene.trusting(&["-q", "--spider", &server.at("/health")], &others).await, 0, &[]);
}

#[tokio::test]
async fn verification_is_never_turned_off() {
    let scene = Scene::new();
    let server = scene.server().await;
    for args in [vec!["-q", "--no-check-certificate", "--spider"], vec!["--no-check-certificate"]] {
        let url = server.at("/health");
        let args: Vec<&str> = args.into_iter().chain([url.as_str()]).collect();
        let done = scene.trusting(&args, &[]).await;
        has(&done, 2, &["--no-check-certificate is refused: certificates are always verified"]);
    }
    assert!(server.asked().is_empty(), "it was asked");
}

#[tokio::test]
async fn an_answer_that_cannot_be_written_is_3() {
    let scene = Scene::new();
    let server = scene.server().await;
    let file = scene.path("no/such/folder");
    let done = scene.trusting(&["-O", file.to_str().expect("UTF-8"), &server.at("/health")], &[]).await;
    has(&done, 3, &["the answer cannot be written: No such file"]);
    has(&scene.trusting(&["-O", "/dev/full", &server.at("/health")], &[]).await, 3, &["No space left"]);
}

#[tokio::test]
async fn a_way_that_breaks_is_4_and_names_the_hop() {
    let scene = Scene::new();
    let nobody = format!("https://localhost:{}/", free_port(Ipv4Addr::LOCALHOST.into()));
    has(
        &scene.run(&["--spider", &nobody], &[]).await,
        4,
        &["connect failed: ", "docs/troubleshooting.md#tcp"],
    );
    let unknown = scene.run(&["--spider", "https://nobody.invalid/"], &[]).await;
    has(&unknown, 4, &["resolve failed: https://nobody.invalid:443 cannot be resolved (no such host)"]);
    let server = scene.server().await;
    let late = scene.trusting(&["--spider", "-T", "0.3", &server.at("/silent")], &[]).await;
    has(&late, 4, &["an answer did not come within 0.6 s"]);
    let half = scene.trusting(&["-O", "-", &server.at("/half")], &[]).await;
    has(&half, 4, &["the answer ended in the middle"]);
    let quiet = scene.run(&["-q", "--spider", &nobody], &[]).await;
    assert_eq!((quiet.code, &*quiet.err), (4, ""));
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_5_and_the_customers_authority_makes_it_0() {
    let scene = Scene::new();
    let server = scene.server().await;
    let (args, folder) = (["--spider", &*server.at("/health")], tempfile::tempdir().expect("a folder"));
    let done = scene.run(&args, &[]).await;
    has(&done, 5, &["TLS failed: ", "x509: certificate signed by unknown authority", "customCaCert"]);
    assert!(server.asked().is_empty(), "it was asked");
    // Another's certificate is none either.
    std::fs::write(folder.path().join("other.crt"), Ca::new("another's").pem()).expect("written");
    let other = folder.path().to_str().expect("UTF-8");
    has(&scene.run(&args, &[("SSL_CERT_DIR", other)]).await, 5, &["unknown authority"]);
    // Each of the ways in which the agent's settings name it.
    std::fs::write(folder.path().join("own.crt"), scene.ca.pem()).expect("written");
    let file = scene.path("ca.crt");
    for (name, value) in [
        ("SSL_CERT_DIR", format!("/nowhere:{other}")),
        ("SSL_CERT_FILE", file.display().to_string()),
        ("CUSTOM_CA_CERT_FILE", file.display().to_string()),
        ("CUSTOM_CA_CERT", scene.ca.pem().to_owned()),
    ] {
        has(&scene.run(&args, &[(name, &value)]).await, 0, &["200 OK"]);
    }
}

#[tokio::test]
async fn the_settings_file_counts_too() {
    let scene = Scene::new();
    let server = scene.server().await;
    let file = scene.path("gitproxy.toml");
    let text = format!("[trust]\nca_files = [\"{}\"]\n", scene.path("ca.crt").display());
    std::fs::write(&file, text).expect("written");
    let settings = [("GITPROXY_CONFIG", file.to_str().expect("UTF-8"))];
    has(&scene.run(&["-q", "--spider", &server.at("/health")], &settings).await, 0, &[]);
}

#[tokio::test]
async fn a_login_that_is_wanted_is_6_and_other_refusals_are_8() {
    let scene = Scene::new();
    let server = scene.server().await;
    has(&scene.trusting(&["--spider", &server.at("/locked")], &[]).await, 6, &["answers 401 Unauthorized"]);
    for (path, words) in
        [("/missing", "answers 404 Not Found"), ("/broken", "answers 503 Service Unavailable")]
    {
        has(&scene.trusting(&["--spider", &server.at(path)], &[]).await, 8, &[words]);
    }
}

#[tokio::test]
async fn what_speaks_no_http_is_7() {
    let scene = Scene::new();
    let server = scene.server().await;
    has(&scene.trusting(&["--spider", &server.at("/garbage")], &[]).await, 7, &["gave no answer"]);
    // TLS where none was expected.
    let plain = server.at("/health").replacen("https", "http", 1);
    has(&scene.trusting(&["--spider", &plain], &[]).await, 7, &["speaks TLS, and was asked without it"]);
}

/// Fails unless it ended so, with all of these words.
#[track_caller]
pub(super) fn has(done: &Done, code: i32, words: &[&str]) {
    assert_eq!(done.code, code, "{done:?}");
    for word in words {
        assert!(done.err.contains(word), "no `{word}` in: {}", done.err);
    }
}
