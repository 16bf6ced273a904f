//! Every way that is broken, with something at the break that gives the credentials back: no form of the program repeats them.

use gitproxy::egress::serve::ServerTls;
use gitproxy::ops::Tasks;

use super::fakes::{Answer, Fake};
use super::scene::{Login, Scene};
use crate::tools::{Rules, Squid, free_port};

#[tokio::test]
async fn a_proxy_that_refuses_with_the_credentials_in_its_words_is_not_quoted() {
    for status in [407, 403, 502] {
        told_by(Answer::Echo(status), &status.to_string()).await;
    }
}

#[tokio::test]
async fn a_proxy_whose_answer_is_garbage_full_of_the_credentials_is_not_quoted() {
    told_by(Answer::Parrot, "HTTP/1").await;
    told_by(Answer::Endless, "longer than").await;
    told_by(Answer::HangUp, "closed the connection").await;
}

#[tokio::test]
async fn a_proxy_that_stalls_is_told_without_its_credentials() {
    told_by(Answer::Stall, "did not answer").await;
}

#[tokio::test]
async fn a_dead_proxy_is_told_without_its_credentials() {
    let url = format!("http://{}127.0.0.1:{}", LOGIN.in_url(), free_port([127, 0, 0, 1].into()));
    let scene = Scene::new().secret(LOGIN.secret("proxy's password"));
    let scene = scene.set("HTTPS_PROXY", &url).set("HTTP_PROXY", &url);
    for told in scene.all().await {
        told.heard(&["gitproxy::", "cannot be connected to"]);
    }
}

#[tokio::test]
async fn an_https_proxy_that_refuses_and_one_that_nobody_vouches_for_are_told_without_its_credentials() {
    let scene = Scene::new().secret(LOGIN.secret("proxy's password"));
    let (certificate, key) = scene.ca.write(scene.file("").as_ref(), "proxy");
    let tasks = Tasks::new();
    let tls = ServerTls::new(&certificate, &key, &[b"http/1.1"], &tasks).expect("a certificate");
    let fake = Fake::start_tls(Answer::Echo(407), tls).await;
    let scene = scene.set("HTTPS_PROXY", &fake.url(&LOGIN.in_url()));
    for told in scene.all().await {
        told.heard(&["TRACE", "rustls::", "407"]);
    }
    assert!(fake.heads().contains("Proxy-Authorization: Basic "), "{}", fake.heads());
    let nobody = scene.write("nobody.pem", crate::world::tls::Ca::new("nobody").pem());
    for told in scene.set("SSL_CERT_FILE", &nobody).all().await {
        told.heard(&["TRACE", "rustls::", "unknown authority"]);
    }
    tasks.cut();
}

#[tokio::test]
async fn each_leg_s_own_proxy_that_refuses_is_told_without_its_credentials() {
    let [common, gateway, bitbucket] =
        [Answer::Echo(407), Answer::Echo(403), Answer::Echo(502)].map(Fake::start);
    let (common, gateway, bitbucket) = tokio::join!(common, gateway, bitbucket);
    let scene = Scene::new().secret(LOGIN.secret("proxy's password"));
    let scene = scene.secret(GATEWAY.secret("gateway's proxy's password"));
    let scene = scene.secret(BITBUCKET.secret("bitbucket's proxy's password"));
    let scene = scene.set("HTTPS_PROXY", &common.url(&LOGIN.in_url()));
    let scene = scene.set("GATEWAY_PROXY", &gateway.url(&GATEWAY.in_url()));
    // The URL of this one has none, so that the file counts.
    let file = scene.write("login", &format!("{}:{}\n", BITBUCKET.user, BITBUCKET.password));
    let scene = scene.set("BITBUCKET_PROXY", &bitbucket.url("")).set("PROXY_CREDENTIALS_FILE", &file);
    for told in scene.all().await {
        told.heard(&["403"]);
    }
    assert_eq!(common.heads(), "");
    for fake in [&gateway, &bitbucket] {
        assert!(fake.heads().contains("Proxy-Authorization: Basic "), "{}", fake.heads());
    }
    assert!(bitbucket.heads().contains("GET http://git.test:7990/bitbucket"), "{}", bitbucket.heads());
    let told = scene.to_the_end(&["egress", "explain", "https://me:c4nary@git.test/x?c4nary"]).await;
    told.heard(&["through http://localhost"]);
}

#[tokio::test]
async fn a_squid_that_takes_another_password_is_told_without_ours() {
    let Some(squid) = Squid::start(&Rules::login(LOGIN.user, "another")).await else { return };
    let proxy = squid.url_as(LOGIN.in_url().trim_end_matches('@'));
    let scene = Scene::new().secret(LOGIN.secret("proxy's password"));
    let scene = scene.set("HTTPS_PROXY", &proxy).set("HTTP_PROXY", &proxy);
    for told in scene.all().await {
        told.heard(&["407", "the user or password is wrong"]);
    }
}

#[tokio::test]
async fn a_squid_that_forbids_is_told_without_our_password() {
    let Some(squid) = Squid::start(&Rules::closed()).await else { return };
    let proxy = squid.url_as(LOGIN.in_url().trim_end_matches('@'));
    let scene = Scene::new().secret(LOGIN.secret("proxy's password"));
    for told in scene.set("HTTPS_PROXY", &proxy).set("HTTP_PROXY", &proxy).all().await {
        told.heard(&["403"]);
    }
}

#[tokio::test]
async fn what_stands_in_the_gateway_s_place_and_gives_the_access_key_back_is_not_quoted() {
    let page: &[(&str, &str)] = &[
        ("content-type", "text/html"),
        ("server", "{said}"),
        ("location", "https://{token}.example.com/{token}"),
        ("x-echo", "{said}"),
    ];
    let kind: &[(&str, &str)] = &[("content-type", "text/html; {token}"), ("server", "{token}")];
    let grpc: &[(&str, &str)] = &[
        ("content-type", "application/grpc"),
        ("grpc-status", "16"),
        ("grpc-message", "who is {said}"),
        ("x-echo", "{said}"),
    ];
    for (status, headers) in [(502, page), (302, page), (413, page), (401, kind), (200, kind), (200, grpc)] {
        let fake = Fake::gateway(status, headers).await;
        let scene = Scene::new().set("GATEWAY_URL", &fake.url(""));
        for told in scene.all().await {
            told.heard(&["TRACE", "h2::", "gitproxy::"]);
        }
        assert!(fake.heads().contains("authorization"), "{}", fake.heads());
    }
}

#[tokio::test]
async fn what_stands_in_bitbucket_s_place_and_gives_the_token_back_is_not_quoted() {
    for (status, kind) in [
        (502, "text/html"),
        (401, "text/html"),
        (302, "text/html"),
        (401, "application/json"),
        (404, "application/json"),
        (409, "application/json"),
        (200, "application/json"),
    ] {
        let fake = Fake::start(Answer::EchoAs(status, kind)).await;
        let url = fake.url("") + "/bitbucket";
        let scene = Scene::to(&url, &url);
        for told in [scene.to_the_end(&["doctor"]).await, scene.to_the_end(&["doctor", "--json"]).await] {
            told.heard(&["TRACE", "hyper_util::", "gitproxy::"]);
        }
        assert!(fake.heads().to_lowercase().contains("authorization: bearer "), "{}", fake.heads());
        assert!(fake.heads().to_lowercase().contains("authorization: basic "), "{}", fake.heads());
    }
}

#[tokio::test]
async fn what_is_forwarded_in_the_clear_and_given_back_is_not_quoted() {
    for (status, kind) in [(407, "text/html"), (502, "text/html"), (404, "application/json")] {
        let fake = Fake::start(Answer::EchoAs(status, kind)).await;
        let proxy = fake.url(&LOGIN.in_url());
        let scene = Scene::to("https://git.test/bitbucket", "http://git.test/bitbucket");
        let scene = scene.secret(LOGIN.secret("proxy's password")).set("HTTP_PROXY", &proxy);
        for form in [&["doctor"][..], &["doctor", "--json"], &["run", "--preflight"]] {
            scene
                .to_the_end(form)
                .await
                .heard(&["TRACE", "hyper_util::", "407"][..if status == 407 { 3 } else { 2 }]);
        }
        assert!(fake.heads().to_lowercase().contains("proxy-authorization: basic "), "{}", fake.heads());
    }
}

/// Runs everything through a proxy with credentials, for all connections and the gateway, that answers so.
async fn told_by(answer: Answer, word: &str) {
    let fake = Fake::start(answer).await;
    let proxy = fake.url(&LOGIN.in_url());
    let scene = Scene::new().secret(LOGIN.secret("proxy's password"));
    let scene = scene.set("HTTPS_PROXY", &proxy).set("HTTP_PROXY", &proxy);
    for told in scene.all().await {
        told.heard(&["gitproxy::", word]);
    }
    let heads = fake.heads();
    assert!(
        heads.contains("CONNECT git.test:7990 ") && heads.contains("CONNECT gateway.test:8443 "),
        "{heads}"
    );
    assert!(heads.contains("Proxy-Authorization: Basic "), "{heads}");
}

const LOGIN: Login = Login { user: "site robot", password: "c4nary+p@ss:wörd%\"1" };
const GATEWAY: Login = Login { user: "gateway robot", password: "c4nary&g@teway/w\\2" };
const BITBUCKET: Login = Login { user: "git robot", password: "c4nary b@tbucket?#3" };
