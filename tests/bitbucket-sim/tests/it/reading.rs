//! Reads: projects, repositories, refs, files, paging, and who may.

use std::time::{Duration, SystemTime};

use bitbucket_sim::{Commit, Permission, TokenSpec, Version};
use http::Method;
use serde_json::{Value, json};

use crate::client::{Client, git};
use crate::{Shop, shop, shop_of, web};

#[tokio::test]
async fn a_repository_is_found_whatever_the_case_and_says_who_asked() {
    let Shop { sim: _sim, client, .. } = shop().await;
    let reply = client.get("/rest/api/1.0/projects/shop/repos/WEB").await;
    assert_eq!(reply.status, 200);
    assert_eq!((&reply.json()["slug"], &reply.json()["project"]["key"]), (&json!("web"), &json!("SHOP")));
    assert_eq!(reply.headers["x-ausername"], "alice");
    assert!(reply.headers.contains_key("x-arequestid"));
}

#[tokio::test]
async fn raw_gives_exact_bytes_of_odd_paths() {
    let Shop { sim: _sim, client, .. } = shop().await;
    let reply = client.get(&web("/raw/bin.dat?at=refs%2Fheads%2Fmaster")).await;
    assert_eq!(reply.bytes.as_ref(), [0, 159, 255, 10]);
    let reply = client.get(&web("/raw/src/%C3%BC%20b/c.txt")).await;
    assert_eq!(reply.bytes.as_ref(), b"c\n");
    let missing = client.get(&web("/raw/no.txt")).await;
    assert_eq!((missing.status.as_u16(), missing.exception().as_str()), (404, "NoSuchPathException"));
}

#[tokio::test]
async fn files_are_strings_in_pages() {
    let Shop { sim: _sim, client, .. } = shop().await;
    let first = client.get(&web("/files?limit=2")).await.json();
    assert_eq!(first["values"], json!(["a.txt", "bin.dat"]));
    let last = client.get(&web(&format!("/files?limit=2&start={}", first["nextPageStart"]))).await.json();
    assert_eq!(last["values"], json!(["src/ü b/c.txt"]));
    assert!(last.get("nextPageStart").is_none());
}

#[tokio::test]
async fn bad_expired_and_missing_credentials_are_told_apart_from_missing_permission() {
    let Shop { sim, mut client, .. } = shop().await;
    let past = SystemTime::now() - Duration::from_secs(60);
    for token in ["nonsense".to_owned(), sim.add_token(TokenSpec::personal("alice").expires_at(past))] {
        client.authorization = Some(format!("Bearer {token}"));
        let reply = client.get(&web("")).await;
        assert_eq!(
            (reply.status.as_u16(), reply.exception().as_str()),
            (401, "IncorrectPasswordAuthenticationException")
        );
    }
    client.authorization = None;
    assert_eq!(client.get(&web("")).await.status, 401);
    assert_eq!(client.get("/rest/api/latest/application-properties").await.json()["version"], "9.4.22");
    let reader = sim.add_token(TokenSpec::personal("alice").only(&["OTHER"]));
    let reply = Client::new(&sim, &reader).get(&web("")).await;
    assert_eq!((reply.status.as_u16(), reply.exception().as_str()), (401, "AuthorisationException"));
}

#[tokio::test]
async fn a_reader_lists_no_repository_to_write_to() {
    let Shop { sim, .. } = shop().await;
    sim.limit_user("bob", Permission::Read, Permission::Read, None);
    let bob = Client::new(&sim, &sim.add_token(TokenSpec::personal("bob")));
    assert_eq!(bob.get("/rest/api/latest/repos").await.json()["size"], 1);
    assert_eq!(bob.get("/rest/api/latest/repos?permission=REPO_WRITE").await.json()["size"], 0);
    let refused = bob.post(&web("/branches"), &json!({"name": "x", "startPoint": "master"})).await;
    assert_eq!((refused.status.as_u16(), refused.exception().as_str()), (401, "AuthorisationException"));
    assert_eq!(sim.writes(), []);
}

#[tokio::test]
async fn an_unknown_route_has_no_errors_and_speaks_xml_to_who_wants_it() {
    let Shop { sim: _sim, client, .. } = shop().await;
    let json = client.get("/rest/api/latest/nowhere").await;
    assert_eq!((json.status.as_u16(), json.json().get("errors")), (404, None::<&Value>));
    let xml =
        client.send(Method::GET, "/rest/api/latest/nowhere", &[("accept", "text/html")], "").await.unwrap();
    assert!(xml.bytes.starts_with(b"<?xml"));
    let other = client.send(Method::GET, &web(""), &[("accept", "image/png")], "").await.unwrap();
    assert_eq!((other.status.as_u16(), other.bytes.len()), (406, 0));
}

#[tokio::test]
async fn an_empty_repository_has_a_default_branch_by_name_only() {
    let Shop { sim, client, .. } = shop().await;
    sim.add_repo("SHOP", "empty", &[]).await.unwrap();
    let empty = |tail: &str| format!("/rest/api/latest/projects/SHOP/repos/empty{tail}");
    assert_eq!(client.get(&empty("/branches/default")).await.status, 204);
    assert_eq!(client.get(&empty("/default-branch")).await.json()["id"], "refs/heads/master");
    let files = client.get(&empty("/files")).await;
    assert_eq!((files.status.as_u16(), files.exception().as_str()), (404, "NoDefaultBranchException"));
}

#[tokio::test]
async fn a_branch_is_made_once_found_by_substring_and_deleted_with_a_body() {
    let Shop { sim, client, .. } = shop().await;
    let utils = "/rest/branch-utils/latest/projects/SHOP/repos/web/branches";
    let body = json!({"name": "feature/x", "startPoint": "refs/heads/master"});
    assert_eq!(client.post(utils, &body).await.status, 201);
    let again = client.post(utils, &body).await;
    assert_eq!((again.status.as_u16(), again.exception().as_str()), (400, "DuplicateRefException"));
    let overlapping = client.post(utils, &json!({"name": "feature", "startPoint": "master"})).await;
    assert_eq!(overlapping.status, 409);
    let found = client.get(&web("/branches?filterText=ture%2F")).await.json();
    assert_eq!((&found["size"], &found["values"][0]["isDefault"]), (&json!(1), &json!(false)));
    let wrong_end = json!({"name": "feature/x", "endPoint": "0000000000000000000000000000000000000001"});
    assert_eq!(client.json(Method::DELETE, utils, &wrong_end).await.status, 400);
    for _ in 0..2 {
        assert_eq!(client.json(Method::DELETE, utils, &json!({"name": "feature/x"})).await.status, 204);
    }
    let existed: Vec<_> = sim.writes().iter().map(|write| write.fact("existed").to_owned()).collect();
    assert_eq!(existed, ["", "true", "false"]);
}

#[tokio::test]
async fn a_personal_project_is_reached_with_and_without_an_escape() {
    let Shop { sim, client, token } = shop().await;
    sim.add_repo("~alice", "dotfiles", &[Commit::new("Start").file("x", "y")]).await.unwrap();
    for key in ["~alice", "%7Ealice", "~ALICE"] {
        let reply = client.get(&format!("/rest/api/1.0/projects/{key}/repos/dotfiles")).await.json();
        assert_eq!(reply["project"]["type"], "PERSONAL");
        assert_eq!(reply["project"]["owner"]["name"], "alice");
    }
    let dir = tempfile::tempdir().unwrap();
    let url = format!("{}/scm/~alice/dotfiles.git", sim.url());
    assert!(git(&sim, &token, dir.path(), &["clone", "-q", &url, "out"]).await.status.success());
    assert_eq!(std::fs::read(dir.path().join("out/x")).unwrap(), b"y");
}

#[tokio::test]
async fn a_renamed_repository_redirects_both_rest_and_git() {
    let Shop { sim, client, token } = shop().await;
    sim.rename_repo("SHOP", "web", "web shop").await.unwrap();
    let reply = client.get(&web("/branches?limit=1")).await;
    assert_eq!(reply.status, 307);
    let expected = format!("{}/rest/api/latest/projects/SHOP/repos/web-shop/branches?limit=1", sim.url());
    assert_eq!(reply.headers["location"], expected);
    let dir = tempfile::tempdir().unwrap();
    let url = format!("{}/scm/shop/web.git", sim.url());
    let cloned = git(&sim, &token, dir.path(), &["clone", "-q", &url, "out"]).await;
    assert!(cloned.status.success(), "{}", String::from_utf8_lossy(&cloned.stderr));
}

#[tokio::test]
async fn releases_differ_where_they_should() {
    let old = shop_of(Version::V7_21).await;
    assert!(old.client.get(&web("")).await.json().get("archived").is_none());
    assert!(old.client.get("/rest/api/1.0/application-properties").await.json()["buildNumber"].is_number());
    let Shop { sim, mut client, .. } = shop_of(Version::V10_2).await;
    client.authorization = Some("Basic YWxpY2U6c2VjcmV0".to_owned());
    assert_eq!(client.get(&web("")).await.status, 401, "Basic is off");
    client.authorization = None;
    assert_eq!(client.get(&web("")).await.exception(), "AuthenticationRequiredException");
    sim.stop().await;
}
