//! Where redirects lead to, and what goes with them.

use super::Scene;
use super::codes::has;
use super::server::Server;

#[tokio::test]
async fn a_redirect_is_followed_also_to_another_origin() {
    let scene = Scene::new();
    let (server, other) = (scene.server().await, scene.server().await);
    let url = server.at(&format!("/to?{}", other.at("/health")));
    let done = scene.trusting(&["-O", "-", &url], &[]).await;
    has(&done, 0, &["302 Found", "redirected to", "200 OK"]);
    assert_eq!(done.out, "ok");
    has(&scene.trusting(&["-q", "--spider", &server.at("/to?/health")], &[]).await, 0, &[]);
}

#[tokio::test]
async fn a_login_goes_with_a_redirect_of_its_own_origin_only() {
    let scene = Scene::new();
    let (server, other, plain) = (scene.server().await, scene.server().await, Server::start(None).await);
    let login = |url: String| url.replacen("https://", "https://me:secret@", 1);
    let own = login(server.at("/to?/health"));
    has(&scene.trusting(&["-q", "--spider", &own], &[]).await, 0, &[]);
    assert!(server.asked().iter().all(|head| head.contains("authorization: Basic ")), "{:?}", server.asked());
    // Neither to another server, nor out of TLS, nor with a login that the answer brings along.
    for stranger in [&other, &plain] {
        let there = stranger.at("/health").replacen("://", "://you:guess@", 1);
        let url = login(server.at(&format!("/to?{there}")));
        has(&scene.trusting(&["-q", "--spider", &url], &[]).await, 0, &[]);
        let asked = stranger.asked();
        assert!(asked.len() == 1 && !asked[0].contains("authorization"), "{asked:?}");
    }
}

#[tokio::test]
async fn redirects_without_end_or_aim_are_8() {
    let scene = Scene::new();
    let server = scene.server().await;
    // Each leads to itself.
    let url = server.at("/to?/to");
    let endless = format!("{url}?{}", "/to?".repeat(30));
    let done = scene.trusting(&["--spider", &endless], &[]).await;
    has(&done, 8, &["more than 20 redirects"]);
    assert_eq!(server.asked().len(), 21);
    has(&scene.trusting(&["--spider", &server.at("/nowhere")], &[]).await, 8, &["without a Location"]);
    has(&scene.trusting(&["--spider", &server.at("/to?http://[")], &[]).await, 8, &["to what is no URL"]);
    has(
        &scene.trusting(&["--spider", &server.at("/to?ftp://h/")], &[]).await,
        1,
        &["is not an http:// or https://"],
    );
}
