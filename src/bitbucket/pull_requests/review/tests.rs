use serde_json::json;

use super::*;
use crate::bitbucket::pull_requests::tests::far::{Answer, FarEnd, HEAD, ok, pr, refusal, web, why};

fn approve() -> pb::ReviewPrRequest {
    let status = pb::ReviewStatus::Approved.into();
    pb::ReviewPrRequest { repo: web(), id: 7, status, reviewed_commit_id: String::new() }
}

fn with(member: &str, name: &str, slug: &str, status: &str, commit: &str) -> serde_json::Value {
    let mut pr = pr("OPEN", 3);
    let user = json!({"name": name, "slug": slug});
    pr[member] = json!([{"user": user, "status": status, "lastReviewedCommit": commit}]);
    pr
}

#[tokio::test]
async fn a_reviewer_is_told_by_slug_and_names_the_commit() {
    let found = with("reviewers", "jane", "jane_x", "UNAPPROVED", "");
    let said = json!({"user": {"name": "jane"}, "status": "APPROVED", "approved": true});
    let far = FarEnd::new([ok(found), ok(said)]);
    let asked = pb::ReviewPrRequest { reviewed_commit_id: HEAD.into(), ..approve() };
    let reviewer = far.client().review_pr(asked).await.expect("said").reviewer.expect("one");
    assert_eq!(reviewer.status(), pb::ReviewStatus::Approved);
    assert_eq!(far.lines(), ["GET 7", "PUT 7/participants/jane_x"]);
    assert_eq!(far.bodies(), [json!({"status": "APPROVED", "lastReviewedCommit": HEAD})]);
}

#[tokio::test]
async fn the_slug_of_who_takes_no_part_is_looked_up_by_the_whole_name() {
    let users = json!({"isLastPage": true, "values": [
        {"name": "jane2", "slug": "jane2"}, {"name": "Jane", "slug": "jane_s"}]});
    let said = json!({"user": {"name": "jane"}, "status": "APPROVED"});
    let far = FarEnd::new([ok(pr("OPEN", 3)), ok(users), ok(said)]);
    far.client().review_pr(approve()).await.expect("said");
    assert_eq!(far.lines()[1], "GET /rest/api/latest/users?filter=jane&start=0&limit=100");
    assert_eq!(far.lines()[2], "PUT 7/participants/jane_s");
    assert_eq!(far.bodies(), [json!({"status": "APPROVED"})]);
}

#[tokio::test]
async fn authors_and_tokens_without_a_user_do_not_review() {
    let mut own = pr("OPEN", 3);
    own["author"]["user"]["name"] = json!("Jane");
    assert_eq!(why(FarEnd::new([ok(own)]).client().review_pr(approve()).await, "").0, Reason::ReviewRefused);
    let far = FarEnd::new([ok(pr("OPEN", 3))]).without_user();
    assert_eq!(why(far.client().review_pr(approve()).await, "").0, Reason::TokenHasNoUser);
    let found = with("reviewers", "jane", "jane", "UNAPPROVED", "");
    let far = FarEnd::new([ok(found), refusal(400, "InvalidPullRequestRoleException")]);
    assert_eq!(why(far.client().review_pr(approve()).await, "").0, Reason::ReviewRefused);
}

#[tokio::test]
async fn a_review_of_another_commit_than_the_head_is_out_of_date() {
    let asked = pb::ReviewPrRequest { reviewed_commit_id: "b".repeat(40), ..approve() };
    let failed = why(FarEnd::new([ok(pr("OPEN", 3))]).client().review_pr(asked).await, "current_version");
    assert_eq!(failed, (Reason::PrOutOfDate, Some("3".to_owned())));
}

#[tokio::test]
async fn a_lost_answer_is_read_back_and_an_older_approval_does_not_count() {
    let before = || ok(with("reviewers", "jane", "jane", "UNAPPROVED", ""));
    let after = ok(with("participants", "jane", "jane", "APPROVED", HEAD));
    FarEnd::new([before(), Answer::Lost, after]).client().review_pr(approve()).await.expect("said");
    let old = ok(with("participants", "jane", "jane", "APPROVED", &"b".repeat(40)));
    for read in [old, before()] {
        let far = FarEnd::new([before(), Answer::Lost, read]);
        assert_eq!(why(far.client().review_pr(approve()).await, "").0, Reason::WriteUncertain);
        assert_eq!(far.bodies().len(), 1);
    }
}
