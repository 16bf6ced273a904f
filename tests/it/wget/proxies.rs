//! Through a real squid, or past it, as the agent's settings say.

use super::Scene;
use super::codes::has;
use super::server::Server;
use crate::tools::{Rules, Squid};

#[tokio::test]
async fn it_goes_through_the_proxy_of_the_scheme() {
    let Some(mut squid) = Squid::start(&Rules::open()).await else { return };
    let scene = Scene::new();
    let (server, plain) = (scene.server().await, Server::start(None).await);
    let (url, proxy) = (server.beyond("/health"), squid.url());
    // The name is known to squid alone.
    has(&scene.trusting(&["--spider", &url], &[]).await, 4, &["resolve failed"]);
    for name in ["HTTPS_PROXY", "https_proxy"] {
        has(
            &scene.trusting(&["--spider", &url], &[(name, &proxy)]).await,
            0,
            &["through http://127.0.0.1", "200 OK"],
        );
    }
    assert_eq!(squid.asked().await.len(), 2, "{:?}", squid.log());
    let done = scene.trusting(&["-O", "-", &plain.beyond("/health")], &[("HTTP_PROXY", &proxy)]).await;
    has(&done, 0, &["through http://127.0.0.1"]);
    assert_eq!(done.out, "ok");
}

#[tokio::test]
async fn it_heeds_no_proxy() {
    let Some(mut squid) = Squid::start(&Rules::open()).await else { return };
    let scene = Scene::new();
    let server = scene.server().await;
    let settings = [("HTTPS_PROXY", &*squid.url()), ("NO_PROXY", ".test")];
    let done = scene.trusting(&["--spider", &server.beyond("/health")], &settings).await;
    has(&done, 4, &["direct: the entry `.test` of NO_PROXY matches git.test", "resolve failed"]);
    assert!(squid.asked().await.is_empty());
}

#[tokio::test]
async fn it_goes_to_the_gateway_and_to_a_bitbucket_as_the_agent_does() {
    let Some(mut squid) = Squid::start(&Rules::open()).await else { return };
    let scene = Scene::new();
    let server = scene.server().await;
    let (url, proxy) = (server.beyond("/health"), squid.url());
    let gateway = url.strip_suffix("/health").expect("its path");
    let own = [("GATEWAY_URL", gateway), ("GATEWAY_PROXY", &proxy), ("NO_PROXY", "*")];
    has(&scene.trusting(&["--spider", &url], &own).await, 0, &["a proxy is set for this leg alone"]);
    // The same settings, and another server.
    let other = scene.server().await;
    has(&scene.trusting(&["--spider", &other.beyond("/health")], &own).await, 4, &["direct: "]);
    let token = scene.path("token");
    std::fs::write(&token, "a-token").expect("written");
    let bitbucket = [
        ("BITBUCKET_URL", gateway),
        ("BITBUCKET_PROXY", "none"),
        ("BITBUCKET_TOKEN_FILE", token.to_str().expect("UTF-8")),
        ("BITBUCKET_PROJECTS", "SHOP"),
        ("HTTPS_PROXY", &proxy),
    ];
    has(
        &scene.trusting(&["--spider", &url], &bitbucket).await,
        4,
        &["direct: `none` is set for this leg alone"],
    );
    assert_eq!(squid.asked().await.len(), 1);
}

#[tokio::test]
async fn a_proxy_that_wants_a_login_is_6() {
    let Some(squid) = Squid::start(&Rules::login("robot", "s3cret")).await else { return };
    let scene = Scene::new();
    let (server, plain) = (scene.server().await, Server::start(None).await);
    for (name, url) in [("HTTPS_PROXY", server.beyond("/health")), ("HTTP_PROXY", plain.beyond("/health"))] {
        let none = scene.trusting(&["--spider", &url], &[(name, &squid.url())]).await;
        has(&none, 6, &["407 Proxy Authentication Required", "give the proxy's user and password"]);
        let wrong = scene.trusting(&["--spider", &url], &[(name, &squid.url_as("robot:gu3ss"))]).await;
        has(&wrong, 6, &["407 Proxy Authentication Required", "the user or password is wrong"]);
        let right = scene.trusting(&["--spider", &url], &[(name, &squid.url_as("robot:s3cret"))]).await;
        has(&right, 0, &["200 OK"]);
        for done in [wrong, right] {
            assert!(!done.err.contains("gu3ss") && !done.err.contains("s3cret"), "{done:?}");
        }
    }
}

#[tokio::test]
async fn a_proxy_that_refuses_is_named_4_for_a_tunnel_and_8_for_a_request() {
    let Some(squid) = Squid::start(&Rules::closed()).await else { return };
    let scene = Scene::new();
    let (server, plain) = (scene.server().await, Server::start(None).await);
    let proxy = squid.url();
    let done = scene.trusting(&["--spider", &server.beyond("/health")], &[("HTTPS_PROXY", &proxy)]).await;
    has(
        &done,
        4,
        &["tunnel through the proxy failed", "refused a tunnel to https://git.test", "403 Forbidden"],
    );
    let done = scene.trusting(&["--spider", &plain.beyond("/health")], &[("HTTP_PROXY", &proxy)]).await;
    has(&done, 8, &["refused a request to http://git.test", "403 Forbidden"]);
    assert!(server.asked().is_empty() && plain.asked().is_empty());
}
