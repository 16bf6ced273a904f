//! Branches, tags and restrictions.

use bitbucket_sim::{TokenSpec, Version, WriteKind};
use http::Method;
use serde_json::json;

use crate::client::{Client, git};
use crate::{Shop, shop, shop_of, web};

const RULES: &str = "/rest/branch-permissions/2.0/projects/SHOP/repos/web/restrictions";

#[tokio::test]
async fn an_annotated_tag_has_a_hash_and_a_lightweight_one_has_null() {
    let Shop { sim, client, .. } = shop().await;
    let by_git = "/rest/git/1.0/projects/SHOP/repos/web/tags";
    let light = json!({"name": "v1/light", "startPoint": "master", "type": "LIGHTWEIGHT"});
    let made = client.post(by_git, &light).await;
    assert_eq!((made.status.as_u16(), &made.json()["hash"]), (201, &json!(null)));
    let heavy = json!({"name": "v2", "startPoint": "refs/heads/master", "message": "Release"});
    let made = client.post(&web("/tags"), &heavy).await;
    assert_eq!((made.status.as_u16(), made.json()["hash"].is_string()), (200, true));
    assert_eq!(client.post(&web("/tags"), &heavy).await.exception(), "DuplicateRefException");
    let invalid = json!({"name": "a..b", "startPoint": "master"});
    assert_eq!(client.post(&web("/tags"), &invalid).await.exception(), "InvalidRefNameException");
    let found = client.get(&web("/tags/v1/light")).await.json();
    assert_eq!(found["displayId"], "v1/light");
    assert_eq!(client.get(&web("/tags?filterText=V2")).await.json()["size"], 1);
    let missing = client.get(&web("/tags/none")).await;
    assert_eq!((missing.status.as_u16(), missing.bytes.len()), (404, 0));
    for (name, status) in [("v2", 204), ("v1/light", 204), ("v2", 404)] {
        let gone = client.json(Method::DELETE, &format!("{by_git}/{name}"), &json!({})).await;
        assert_eq!(gone.status, status);
    }
    let kinds: Vec<_> = sim.writes().iter().map(|write| write.kind).collect();
    let (create, delete) = (WriteKind::CreateTag, WriteKind::DeleteTag);
    assert_eq!(kinds, [create, create, delete, delete]);
}

#[tokio::test]
async fn details_tell_the_latest_commit_and_the_distance_from_the_base() {
    let Shop { sim, client, .. } = shop().await;
    let ahead = bitbucket_sim::Commit::new("Ahead").on("feature/x").file("x", "x");
    sim.add_commits("SHOP", "web", &[ahead]).await.unwrap();
    let listed = client.get(&web("/branches?details=true&filterText=feature&boostMatches=true")).await.json();
    let metadata = &listed["values"][0]["metadata"];
    let plugin = |name: &str| &metadata[format!("com.atlassian.bitbucket.server.bitbucket-branch:{name}")];
    assert_eq!(plugin("latest-commit-metadata")["message"], "Ahead");
    assert_eq!(plugin("ahead-behind-metadata-provider"), &json!({"ahead": 1, "behind": 0}));
    let sha = sim.commit_of("SHOP", "web", "master").await.unwrap();
    let info = format!("/rest/branch-utils/1.0/projects/SHOP/repos/web/branches/info/{sha}");
    assert_eq!(client.get(&info).await.json()["size"], 2);
    let model = client.get("/rest/branch-utils/1.0/projects/SHOP/repos/web/branchmodel").await.json();
    assert_eq!(model["development"]["displayId"], "master");
    assert_eq!(model["types"][1], json!({"id": "FEATURE", "displayName": "Feature", "prefix": "feature/"}));
}

#[tokio::test]
async fn the_default_branch_can_be_set_to_one_that_exists() {
    let Shop { sim, client, .. } = shop().await;
    let ahead = bitbucket_sim::Commit::new("Ahead").on("develop").file("x", "x");
    sim.add_commits("SHOP", "web", &[ahead]).await.unwrap();
    for (name, status) in [("none", 404), ("refs/heads/develop", 204)] {
        assert_eq!(
            client.json(Method::PUT, &web("/default-branch"), &json!({"id": name})).await.status,
            status
        );
    }
    assert_eq!(client.get(&web("/branches/default")).await.json()["displayId"], "develop");
}

#[tokio::test]
async fn a_restriction_stops_pushes_edits_and_deletions_but_not_whom_it_names() {
    let Shop { sim, client, token } = shop().await;
    let rule = json!({"type": "pull-request-only", "matcher": {"id": "master", "type": {"id": "BRANCH"}},
                      "users": ["bob"]});
    let made = client.post(RULES, &rule).await.json();
    assert_eq!(client.post(RULES, &rule).await.json()["id"], made["id"], "an equal one is replaced");
    assert_eq!(client.get(RULES).await.json()["size"], 1);
    let fields = [("content", "x"), ("branch", "master"), ("message", "m")];
    let edit = client.edit(&web("/browse/new.txt"), &fields).await;
    assert_eq!((edit.status.as_u16(), edit.exception().as_str()), (409, "EditFileFailedException"));
    let dir = tempfile::tempdir().unwrap();
    let url = format!("{}/scm/shop/web.git", sim.url());
    assert!(git(&sim, &token, dir.path(), &["clone", "-q", &url, "out"]).await.status.success());
    let out = dir.path().join("out");
    git(&sim, &token, &out, &["commit", "-q", "--allow-empty", "-m", "x"]).await;
    let refused = git(&sim, &token, &out, &["push", "origin", "HEAD:master"]).await;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        said.contains("remote: Branch refs/heads/master can only be modified through pull requests."),
        "{said}"
    );
    assert!(said.contains("(pre-receive hook declined)"), "{said}");
    assert!(git(&sim, &token, &out, &["push", "origin", "HEAD:free"]).await.status.success());
    let bob = sim.add_token(TokenSpec::personal("bob"));
    assert!(git(&sim, &bob, &out, &["push", "origin", "HEAD:master"]).await.status.success());
    assert_eq!(Client::new(&sim, &bob).edit(&web("/browse/new.txt"), &fields).await.status, 200);
    let gone = client.json(Method::DELETE, &format!("{RULES}/{}", made["id"]), &json!({})).await;
    assert_eq!(gone.status, 204);
    assert_eq!(client.get(&format!("{RULES}/{}", made["id"])).await.exception(), "NoSuchEntityException");
}

#[tokio::test]
async fn history_that_must_not_be_rewritten_can_still_grow() {
    let Shop { sim, client, token } = shop().await;
    let rule = json!({"type": "fast-forward-only", "matcher": {"id": "*", "type": {"id": "PATTERN"}}});
    assert_eq!(client.post(RULES, &rule).await.status, 200);
    let dir = tempfile::tempdir().unwrap();
    let url = format!("{}/scm/shop/web.git", sim.url());
    git(&sim, &token, dir.path(), &["clone", "-q", &url, "out"]).await;
    let out = dir.path().join("out");
    git(&sim, &token, &out, &["commit", "-q", "--allow-empty", "-m", "x"]).await;
    assert!(git(&sim, &token, &out, &["push", "origin", "HEAD:master"]).await.status.success());
    assert!(!git(&sim, &token, &out, &["push", "--force", "origin", "HEAD~1:master"]).await.status.success());
}

#[tokio::test]
async fn branches_are_kept_from_being_made_from_9_4_on() {
    for (version, status) in [(Version::V8_19, 400), (Version::V9_4, 200)] {
        let Shop { sim: _sim, client, .. } = shop_of(version).await;
        let rule = json!({"type": "no-creates", "matcher": {"id": "rel/*", "type": {"id": "PATTERN"}}});
        assert_eq!(client.post(RULES, &rule).await.status, status);
        let branch = json!({"name": "rel/1", "startPoint": "master"});
        let expected = if status == 200 { 401 } else { 200 };
        assert_eq!(client.post(&web("/branches"), &branch).await.status, expected);
    }
}
