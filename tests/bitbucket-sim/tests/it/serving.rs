//! Where it listens, what it says of itself, and what it says of tokens.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bitbucket_sim::{Config, Permission, Sim, State, TokenSpec, Version};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::client::Client;
use crate::{Shop, shop, shop_of, web};

#[tokio::test]
async fn the_state_is_told_and_rest_waits_for_running() {
    let Shop { sim, client, .. } = shop().await;
    for (state, word, code) in [
        (State::Starting, "STARTING", 503),
        (State::Maintenance, "MAINTENANCE", 503),
        (State::Error, "ERROR", 500),
        (State::FirstRun, "FIRST_RUN", 200),
    ] {
        sim.knobs().state(state);
        let status = client.get("/status").await;
        assert_eq!((status.status.as_u16(), status.json()), (code, json!({"state": word})));
        assert_eq!(client.get(&web("")).await.status, 503);
    }
    sim.knobs().clear();
    assert_eq!(client.get("/status").await.json(), json!({"state": "RUNNING"}));
    assert_eq!(client.get(&web("")).await.status, 200);
}

#[tokio::test]
async fn a_token_begins_with_its_number_and_its_owner_sees_when_it_ends() {
    let Shop { sim, mut client, .. } = shop().await;
    let ends = SystemTime::now() + Duration::from_secs(3600);
    let spec = TokenSpec::personal("alice").repo_permission(Permission::Write).expires_at(ends);
    let token = sim.add_token(spec);
    let plain = STANDARD.decode(&token).unwrap();
    let id = String::from_utf8(plain.split(|byte| *byte == b':').next().unwrap().to_vec()).unwrap();
    client.authorization = Some(format!("Bearer {token}"));
    let listed = client.get("/rest/access-tokens/latest/users/alice").await.json();
    let own = listed["values"].as_array().unwrap().iter().find(|one| one["id"] == json!(id)).unwrap();
    let millis = u64::try_from(ends.duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    assert_eq!(own["expiryDate"], json!(millis));
    assert_eq!(own["permissions"], json!(["REPO_WRITE", "PROJECT_ADMIN"]));
    assert!(!listed.to_string().contains(&token));
    sim.add_user("bob", "secret");
    let others = client.get("/rest/access-tokens/latest/users/bob").await;
    assert_eq!((others.status.as_u16(), others.exception().as_str()), (401, "AuthorisationException"));
}

#[tokio::test]
async fn an_account_without_a_seat_is_refused_by_a_name_of_its_own() {
    let Shop { sim, client, .. } = shop().await;
    sim.unlicense_user("alice");
    let refused = client.get(&web("")).await;
    assert_eq!(
        (refused.status.as_u16(), refused.exception().as_str()),
        (401, "NoAccessAuthenticationException")
    );
}

#[tokio::test]
async fn repositories_are_filtered_by_permission_and_by_key_where_the_release_knows_it() {
    for (version, found) in [(Version::V7_21, 2), (Version::V9_4, 1)] {
        let Shop { sim, client, .. } = shop_of(version).await;
        sim.add_repo("OTHER", "x", &[]).await.unwrap();
        assert_eq!(client.get("/rest/api/latest/repos?projectkey=shop").await.json()["size"], found);
        let spec = TokenSpec::personal("alice").repo_permission(Permission::Write);
        let writer = Client::new(&sim, &sim.add_token(spec.project_permission(Permission::Read)));
        for (path, size) in [
            ("repos?permission=REPO_WRITE", 2),
            ("repos?permission=REPO_ADMIN", 0),
            ("projects?permission=PROJECT_READ", 2),
            ("projects?permission=PROJECT_ADMIN", 0),
        ] {
            assert_eq!(writer.get(&format!("/rest/api/latest/{path}")).await.json()["size"], size, "{path}");
        }
    }
}

#[tokio::test]
async fn it_listens_without_tls_where_it_is_told() {
    let config = Config { tls: false, address: [127, 0, 0, 1].into(), ..Config::default() };
    let sim = Sim::start(config).await.unwrap();
    assert!(sim.url().starts_with("http://localhost:"), "{}", sim.url());
    let client = Client::new(&sim, "none");
    assert_eq!(client.get("/status").await.json(), json!({"state": "RUNNING"}));
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a test's client is not the agent")]
async fn a_request_in_the_form_for_proxies_is_understood() {
    let sim = Sim::start(Config { tls: false, ..Config::default() }).await.unwrap();
    let authority = sim.url().trim_start_matches("http://").split('/').next().unwrap();
    let mut socket =
        tokio::net::TcpStream::connect(authority.replace("localhost", "127.0.0.1")).await.unwrap();
    let request =
        format!("GET {}/status HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n", sim.url());
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("RUNNING"), "{answer}");
}

#[tokio::test]
async fn its_certificate_is_good_for_the_names_that_it_is_given() {
    // On every address, so that the first name is what it calls itself.
    let address = [0, 0, 0, 0].into();
    let config = Config { address, names: vec!["git.example".to_owned()], ..Config::default() };
    let sim = Sim::start(config).await.unwrap();
    assert!(sim.url().starts_with("https://git.example:"), "{}", sim.url());
    assert_eq!(Client::new(&sim, "none").get("/status").await.status, 200);
}
