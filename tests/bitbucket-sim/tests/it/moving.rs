//! Projects and repositories that change, and what belongs to them.

use bitbucket_sim::Version;
use http::Method;
use serde_json::json;

use crate::{Shop, shop, shop_of, web};

#[tokio::test]
async fn a_moved_repository_redirects_every_method_with_its_query() {
    let Shop { sim, client, .. } = shop().await;
    sim.add_project("OTHER").unwrap();
    let body = json!({"name": "Web Two", "project": {"key": "OTHER"}});
    let moved = client.json(Method::PUT, &web(""), &body).await;
    assert_eq!((moved.status.as_u16(), &moved.json()["slug"]), (201, &json!("web-two")));
    for method in [Method::GET, Method::POST, Method::DELETE] {
        let reply = client.json(method, &web("?x=1"), &json!({})).await;
        let expected = format!("{}/rest/api/latest/projects/OTHER/repos/web-two?x=1", sim.url());
        assert_eq!((reply.status.as_u16(), &reply.headers["location"]), (307, &expected.parse().unwrap()));
    }
    let gone = client.json(Method::DELETE, "/rest/api/1.0/projects/OTHER/repos/web-two", &json!({})).await;
    assert_eq!(gone.status, 202);
    assert_eq!(client.get(&web("")).await.status, 404);
}

#[tokio::test]
async fn a_projects_key_moves_its_repositories_and_it_goes_only_when_empty() {
    let Shop { sim: _sim, client, .. } = shop().await;
    let project = "/rest/api/latest/projects/SHOP";
    let kept = client.json(Method::DELETE, project, &json!({})).await;
    assert_eq!((kept.status.as_u16(), kept.exception().as_str()), (409, "IntegrityException"));
    assert_eq!(client.json(Method::PUT, project, &json!({"key": "STORE"})).await.json()["key"], "STORE");
    assert!(client.get(&web("")).await.headers["location"].to_str().unwrap().ends_with("/STORE/repos/web"));
    assert_eq!(client.get("/rest/api/latest/projects/STORE/repos").await.json()["size"], 1);
}

#[tokio::test]
async fn an_archived_repository_is_read_until_it_is_brought_back() {
    for version in [Version::V7_21, Version::V8_9] {
        let Shop { sim: _sim, client, .. } = shop_of(version).await;
        client.json(Method::PUT, &web(""), &json!({"archived": true})).await;
        let branch = json!({"name": "x", "startPoint": "master"});
        let refused = client.post(&web("/branches"), &branch).await.status.as_u16();
        assert_eq!(refused, if version == Version::V7_21 { 200 } else { 409 });
        assert_eq!(client.get(&web("/branches")).await.status, 200);
        assert_eq!(client.json(Method::PUT, &web(""), &json!({"archived": false})).await.status, 201);
        let again = json!({"name": "y", "startPoint": "master"});
        assert_eq!(client.post(&web("/branches"), &again).await.status, 200);
    }
}

#[tokio::test]
async fn permissions_and_webhooks_are_kept() {
    let Shop { sim, client, .. } = shop().await;
    sim.add_user("bob", "x");
    let users = web("/permissions/users");
    let grant = format!("{users}?name=bob&permission=REPO_WRITE");
    assert_eq!(client.json(Method::PUT, &grant, &json!({})).await.status, 204);
    assert_eq!(client.get(&users).await.json()["values"][0]["permission"], "REPO_WRITE");
    let nobody = format!("{users}?name=nobody&permission=REPO_WRITE");
    assert_eq!(client.json(Method::PUT, &nobody, &json!({})).await.exception(), "NoSuchUserException");
    let hook = json!({"name": "h", "url": "https://h", "events": ["repo:refs_changed"]});
    let made = client.post(&web("/webhooks"), &hook).await.json();
    let path = web(&format!("/webhooks/{}", made["id"]));
    let other = json!({"name": "h2", "url": "https://h"});
    assert_eq!(client.json(Method::PUT, &path, &other).await.json()["events"], json!([]), "it replaces");
    assert_eq!(client.json(Method::DELETE, &path, &json!({})).await.status, 204);
    assert_eq!(client.get(&path).await.status, 404);
}
