//! The rate limit's administration, the pool of tickets, users and tokens.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bitbucket_sim::{TokenSpec, Version};
use http::Method;
use serde_json::json;

use crate::client::Client;
use crate::{Shop, shop, shop_of, web};

const LIMIT: &str = "/rest/api/latest/admin/rate-limit/settings";

#[tokio::test]
async fn an_administrator_limits_everybody_and_lets_some_through() {
    for (version, says) in [(Version::V10_2, true), (Version::V9_4, false)] {
        let Shop { sim, client, .. } = shop_of(version).await;
        let bob = Client::new(&sim, &sim.add_token(TokenSpec::personal("bob")));
        assert_eq!(client.get(LIMIT).await.json()["defaultSettings"], json!({"capacity": 60, "fillRate": 5}));
        let free =
            client.json(Method::PUT, &format!("{LIMIT}/users/alice"), &json!({"whitelisted": true})).await;
        assert_eq!(free.status, 200);
        let tight = json!({"enabled": true, "defaultSettings": {"capacity": 1, "fillRate": 0}});
        assert_eq!(client.json(Method::PUT, LIMIT, &tight).await.status, 200);
        assert_eq!(bob.get(&web("")).await.status, 200);
        let refused = bob.get(&web("")).await;
        assert_eq!((refused.status.as_u16(), refused.headers.contains_key("retry-after")), (429, says));
        sim.knobs().plain_refusals(true);
        assert!(bob.get(&web("")).await.bytes.starts_with(b"You have been rate limited"));
        assert_eq!(client.get(&web("")).await.status, 200);
        let own = json!({"settings": {"capacity": 2, "fillRate": 1}});
        assert_eq!(client.json(Method::PUT, &format!("{LIMIT}/users/bob"), &own).await.status, 200);
        assert_eq!(bob.get(&web("")).await.status, 200);
        let wrong = json!({"defaultSettings": {"capacity": 1}});
        assert_eq!(client.json(Method::PUT, LIMIT, &wrong).await.status, 400);
    }
}

#[tokio::test]
async fn calls_that_run_git_share_a_pool_of_tickets() {
    let Shop { sim, client, .. } = shop().await;
    sim.knobs().tickets(Some(0));
    let busy = client.get(&web("/branches")).await;
    assert_eq!((busy.status.as_u16(), busy.exception().as_str()), (503, "ResourceBusyException"));
    assert_eq!(client.get(&web("")).await.status, 200);
    sim.knobs().tickets(None);
    assert_eq!(client.get(&web("/branches")).await.status, 200);
}

#[tokio::test]
async fn a_password_makes_a_token_and_a_token_makes_none() {
    let Shop { sim: _sim, mut client, .. } = shop().await;
    let path = "/rest/access-tokens/1.0/users/alice";
    let body = json!({"name": "ci", "permissions": ["REPO_WRITE", "PROJECT_READ"], "expiryDays": 30});
    assert_eq!(client.json(Method::PUT, path, &body).await.status, 401);
    client.authorization = Some(format!("Basic {}", STANDARD.encode("alice:secret")));
    let made = client.json(Method::PUT, path, &body).await;
    assert!(made.headers["set-cookie"].to_str().unwrap().starts_with("BITBUCKETSESSIONID="));
    let made = made.json();
    client.authorization = Some(format!("Bearer {}", made["token"].as_str().unwrap()));
    assert_eq!(client.get(&web("")).await.status, 200);
    assert_eq!(client.post("/rest/api/latest/projects", &json!({"key": "NEW"})).await.status, 401);
    let own = format!("{path}/{}", made["id"].as_str().unwrap());
    assert_eq!(client.json(Method::DELETE, &own, &json!({})).await.status, 204);
    let revoked = client.get(&web("")).await;
    assert!(revoked.headers["www-authenticate"].to_str().unwrap().starts_with("OAuth realm="));
}

#[tokio::test]
async fn users_are_found_by_name_and_by_what_they_may() {
    let Shop { sim, client, .. } = shop().await;
    use bitbucket_sim::Permission::Read;
    sim.limit_user("bob", Read, Read, None);
    let size =
        async |query: &str| client.get(&format!("/rest/api/1.0/users?{query}")).await.json()["size"].clone();
    assert_eq!(size("filter=BO").await, 1);
    assert_eq!(size("permission=REPO_READ&permission.projectKey=SHOP").await, 2);
    assert_eq!(size("permission=REPO_WRITE").await, 1);
    assert_eq!(client.get("/rest/api/1.0/profile/recent/repos").await.json()["size"], 1);
    assert_eq!(client.get("/rest/api/1.0/admin/users").await.json()["size"], 2);
}
