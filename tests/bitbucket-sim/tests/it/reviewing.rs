//! Participants, default reviewers and reviewer groups.

use bitbucket_sim::{Permission, Version};
use http::Method;
use serde_json::{Value, json};

use crate::pulls::{as_user, opened};
use crate::{Shop, shop, shop_of, web};

fn any() -> Value {
    json!({"id": "ANY_REF_MATCHER_ID", "type": {"id": "ANY_REF"}})
}

#[tokio::test]
async fn a_participant_says_something_only_for_itself_and_never_as_the_author() {
    let shop = shop().await;
    let pull = opened(&shop, "fix", "f.txt", "f\n").await;
    let bob = as_user(&shop, "bob");
    let own = shop
        .client
        .json(Method::PUT, &format!("{pull}/participants/alice"), &json!({"status": "APPROVED"}))
        .await;
    assert_eq!((own.status.as_u16(), own.exception().as_str()), (400, "InvalidPullRequestRoleException"));
    let others =
        bob.json(Method::PUT, &format!("{pull}/participants/alice"), &json!({"status": "APPROVED"})).await;
    assert_eq!(others.status, 401);
    let bobs = format!("{pull}/participants/bob");
    assert_eq!(bob.json(Method::PUT, &bobs, &json!({"status": "FINE"})).await.status, 400);
    let old = json!({"status": "APPROVED", "lastReviewedCommit": "0".repeat(40)});
    assert_eq!(bob.json(Method::PUT, &bobs, &old).await.status, 409);
    assert_eq!(bob.post(&format!("{pull}/approve"), &json!({})).await.json()["approved"], true);
    assert_eq!(
        bob.json(Method::DELETE, &format!("{pull}/approve"), &json!({})).await.json()["status"],
        "UNAPPROVED"
    );
    assert_eq!(bob.post(&format!("{pull}/watch"), &json!({})).await.status, 204);
    let list = shop.client.get(&format!("{pull}/participants")).await.json();
    let roles: Vec<_> = list["values"].as_array().unwrap().iter().map(|one| &one["role"]).collect();
    assert_eq!(roles, ["AUTHOR", "REVIEWER"]);
    assert_eq!(shop.client.json(Method::DELETE, &bobs, &json!({})).await.status, 204);
    let pull = shop.client.get(&pull).await.json();
    assert_eq!((&pull["reviewers"], &pull["participants"][0]["role"]), (&json!([]), &json!("PARTICIPANT")));
    assert_eq!(pull["version"], 1);
}

#[tokio::test]
async fn default_reviewers_are_a_bare_array_of_users_and_never_added() {
    let shop = shop().await;
    shop.sim.add_user("bob", "x");
    let area = "/rest/default-reviewers/1.0/projects/SHOP";
    let release = json!({"id": "refs/heads/release", "type": {"id": "BRANCH"}});
    let condition = |target: &Value| json!({"sourceMatcher": any(), "targetMatcher": target, "reviewers": [{"name": "bob"}], "requiredApprovals": 1});
    let project = shop.client.post(&format!("{area}/condition"), &condition(&any())).await;
    assert_eq!((project.status.as_u16(), &project.json()["scope"]["type"]), (200, &json!("PROJECT")));
    let own = shop.client.post(&format!("{area}/repos/web/condition"), &condition(&release)).await.json();
    let list = shop.client.get(&format!("{area}/repos/web/conditions")).await.json();
    assert_eq!(list.as_array().unwrap().len(), 2);
    let repo = shop.client.get(&web("")).await.json()["id"].clone();
    let reviewers = async |ids: &str| {
        let query = format!("{ids}&sourceRefId=refs/heads/fix&targetRefId=refs/heads/master");
        shop.client.get(&format!("{area}/repos/web/reviewers?{query}")).await
    };
    let missing = reviewers("sourceRepoId=0").await;
    assert_eq!(missing.json()["errors"][0]["message"], "The source repository with id '0' does not exist");
    let users = reviewers(&format!("sourceRepoId={repo}&targetRepoId={repo}")).await.json();
    assert_eq!((users.as_array().unwrap().len(), &users[0]["name"]), (1, &json!("bob")));
    let pull = opened(&shop, "fix", "f.txt", "f\n").await;
    assert_eq!(shop.client.get(&pull).await.json()["reviewers"], json!([]));
    let vetoes = async || shop.client.get(&format!("{pull}/merge")).await.json()["vetoes"].clone();
    assert_eq!(vetoes().await.as_array().unwrap().len(), 1, "one approval is required");
    as_user(&shop, "bob").post(&format!("{pull}/approve"), &json!({})).await;
    assert_eq!(vetoes().await, json!([]));
    let gone = shop
        .client
        .json(Method::DELETE, &format!("{area}/repos/web/condition/{}", own["id"]), &json!({}))
        .await;
    assert_eq!(gone.status, 204);
    let unknown = shop
        .client
        .json(Method::DELETE, &format!("{area}/repos/web/condition/{}", own["id"]), &json!({}))
        .await;
    assert_eq!(unknown.status, 404);
}

async fn grouped(version: Version) -> (Shop, Value) {
    let shop = shop_of(version).await;
    shop.sim.add_user("bob", "x");
    shop.sim.add_user("carol", "x");
    let group = json!({"name": "core", "users": [{"name": "carol"}]});
    let made = shop.client.post(&web("/settings/reviewer-groups"), &group).await;
    assert_eq!(made.status, 201);
    let group_id = made.json()["id"].clone();
    let condition = json!({"sourceMatcher": any(), "targetMatcher": any(), "reviewers": [{"name": "bob"}],
                           "reviewerGroups": [{"id": group_id}], "requiredApprovals": 0});
    let area = "/rest/default-reviewers/latest/projects/SHOP/repos/web";
    assert_eq!(shop.client.post(&format!("{area}/condition"), &condition).await.status, 200);
    let repo = shop.client.get(&web("")).await.json()["id"].clone();
    let query = format!("sourceRepoId={repo}&targetRepoId={repo}&sourceRefId=a&targetRefId=b");
    let users = shop.client.get(&format!("{area}/reviewers?{query}")).await.json();
    (shop, users)
}

#[tokio::test]
async fn groups_count_only_where_the_release_knows_them_in_conditions() {
    let (shop, users) = grouped(Version::V9_4).await;
    assert_eq!(users.as_array().unwrap().len(), 1, "dropped in silence");
    assert_eq!(shop.client.get(&web("/settings/reviewer-groups")).await.json()["size"], 1);
    let (_, users) = grouped(Version::V10_2).await;
    assert_eq!(users[1]["name"], "carol");
}

#[tokio::test]
async fn rules_are_an_administrators() {
    let shop = shop().await;
    let eve = as_user(&shop, "eve");
    shop.sim.limit_user("eve", Permission::Read, Permission::Write, None);
    let condition = json!({"sourceMatcher": any(), "targetMatcher": any(), "reviewers": [{"name": "alice"}]});
    let area = "/rest/default-reviewers/latest/projects/SHOP";
    assert_eq!(eve.post(&format!("{area}/condition"), &condition).await.status, 401);
    assert_eq!(eve.post(&format!("{area}/repos/web/condition"), &condition).await.status, 401);
    assert_eq!(eve.post(&web("/settings/pull-requests"), &json!({})).await.status, 401);
    let build = json!({"buildParentKeys": ["x"], "refMatcher": any()});
    let builds = "/rest/required-builds/latest/projects/SHOP/repos/web";
    assert_eq!(eve.post(&format!("{builds}/condition"), &build).await.status, 401);
    assert_eq!(eve.get(&format!("{builds}/conditions")).await.json()["size"], 0);
    assert_eq!(eve.get(&web("/settings/pull-requests")).await.status, 200);
    assert_eq!(shop.sim.writes(), []);
}
