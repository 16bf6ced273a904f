use serde_json::json;

use super::*;
use crate::bitbucket::pull_requests::tests::far::{FarEnd, ok, pr, refusal, version, web, why};
use crate::proto::Reason;

fn change() -> pb::UpdatePrRequest {
    pb::UpdatePrRequest { repo: web(), id: 7, ..Default::default() }
}

#[tokio::test]
async fn what_is_not_named_is_sent_back_as_it_was() {
    let far = FarEnd::new([ok(pr("OPEN", 3)), ok(pr("OPEN", 4))]);
    let asked = pb::UpdatePrRequest { title: Some("Bump 2".into()), ..change() };
    far.client().update_pr(asked).await.expect("updated");
    assert_eq!(far.lines(), ["GET 7", "PUT 7"]);
    let whole = json!({
        "version": 3, "title": "Bump 2", "description": "Why",
        "toRef": {"id": "refs/heads/main", "repository": {"slug": "web", "project": {"key": "SHOP"}}},
        "reviewers": [{"user": {"name": "bob"}}, {"user": {"name": "eve@x"}}],
    });
    assert_eq!(far.bodies(), [whole]);
}

#[tokio::test]
async fn reviewers_come_and_go_by_name_and_the_others_stay() {
    let far = FarEnd::new([ok(pr("OPEN", 3)), ok(pr("OPEN", 4))]);
    let asked = pb::UpdatePrRequest {
        add_reviewers: vec!["BOB".into(), "zoe".into()],
        remove_reviewers: vec!["eve@x".into(), "nobody".into()],
        to_branch: "next".into(),
        description: Some(String::new()),
        ..change()
    };
    far.client().update_pr(asked).await.expect("updated");
    let body = &far.bodies()[0];
    assert_eq!(body["reviewers"], json!([{"user": {"name": "bob"}}, {"user": {"name": "zoe"}}]));
    assert_eq!((&body["toRef"]["id"], &body["description"]), (&json!("refs/heads/next"), &json!("")));
}

#[tokio::test]
async fn nothing_to_change_is_a_success_without_a_write() {
    let asked = pb::UpdatePrRequest {
        title: Some("Bump".into()),
        to_branch: "main".into(),
        add_reviewers: vec!["bob".into()],
        remove_reviewers: vec!["zoe".into()],
        expected_version: Some(1),
        ..change()
    };
    let far = FarEnd::new([ok(pr("OPEN", 3))]);
    far.client().update_pr(asked).await.expect("as asked");
    assert_eq!(far.lines(), ["GET 7"]);
}

#[tokio::test]
async fn one_that_moved_is_changed_as_it_is_now() {
    let mut now = pr("OPEN", 5);
    now["reviewers"] = json!([{"user": {"name": "new"}}]);
    let stale = refusal(409, "PullRequestOutOfDateException");
    let far = FarEnd::new([ok(pr("OPEN", 3)), stale, ok(now), ok(pr("OPEN", 6))]);
    let asked = pb::UpdatePrRequest { title: Some("Bump 2".into()), ..change() };
    far.client().update_pr(asked).await.expect("updated");
    let body = &far.bodies()[1];
    assert_eq!((&body["version"], &body["reviewers"]), (&json!(5), &json!([{"user": {"name": "new"}}])));
}

#[tokio::test]
async fn the_author_is_no_reviewer_and_a_name_is_not_added_and_removed() {
    let far = FarEnd::new([ok(pr("OPEN", 3))]);
    let asked = pb::UpdatePrRequest { add_reviewers: vec!["Ann".into()], ..change() };
    let error = far.client().update_pr(asked).await.expect_err("refused");
    assert!(
        matches!(error, Error::Field { field, problem } if field == "add_reviewers" && problem.contains("ann"))
    );
    let both = vec!["bob".to_owned()];
    let asked = pb::UpdatePrRequest { add_reviewers: both.clone(), remove_reviewers: both, ..change() };
    let error = FarEnd::default().client().update_pr(asked).await.expect_err("refused");
    assert!(matches!(error, Error::Field { field, .. } if field == "remove_reviewers"));
}

#[tokio::test]
async fn a_draft_is_kept_and_needs_a_version_that_has_drafts() {
    let mut draft = pr("OPEN", 3);
    draft["draft"] = json!(true);
    let far = FarEnd::new([ok(draft.clone()), ok(draft.clone())]);
    let asked = pb::UpdatePrRequest { title: Some("Bump 2".into()), ..change() };
    far.client().update_pr(asked).await.expect("updated");
    assert_eq!(far.bodies()[0]["draft"], json!(true));
    let far = FarEnd::new([version("9.4.1"), ok(draft), ok(pr("OPEN", 4))]);
    let ready = pb::UpdatePrRequest { draft: Some(false), ..change() };
    far.client().update_pr(ready.clone()).await.expect("updated");
    assert_eq!(far.bodies()[0]["draft"], json!(false));
    let far = FarEnd::new([version("8.17.0")]);
    assert_eq!(why(far.client().update_pr(ready).await, "").0, Reason::NotInThisVersion);
}

#[tokio::test]
async fn a_pull_request_that_cannot_be_sent_back_whole_is_not_changed() {
    let mut odd = pr("OPEN", 3);
    odd["reviewers"][0]["user"] = json!({"displayName": "Bob"});
    let asked = pb::UpdatePrRequest { title: Some("Bump 2".into()), ..change() };
    let error = FarEnd::new([ok(odd)]).client().update_pr(asked).await.expect_err("refused");
    assert!(matches!(error, Error::Unreadable { .. }), "{error:?}");
}
