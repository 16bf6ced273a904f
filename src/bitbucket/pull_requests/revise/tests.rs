//! Through DeclinePR and ReopenPR, which add nothing of their own.

use super::*;
use crate::bitbucket::pull_requests::tests::far::{Answer, FarEnd, ok, pr, refusal, web, why};

fn stale() -> Answer {
    refusal(409, "PullRequestOutOfDateException")
}

async fn decline(far: &FarEnd, expected_version: Option<i32>) -> Result<pb::PullRequest, Error> {
    let asked = pb::DeclinePrRequest { repo: web(), id: 7, expected_version };
    far.client().decline_pr(asked).await.map(|done| done.pull_request.expect("named"))
}

#[tokio::test]
async fn the_write_names_the_version_that_was_read() {
    let far = FarEnd::new([ok(pr("OPEN", 3)), ok(pr("DECLINED", 4))]);
    let declined = decline(&far, None).await.expect("declined");
    assert_eq!((declined.state(), declined.version), (pb::PrState::Declined, 4));
    assert_eq!(far.lines(), ["GET 7", "POST 7/decline?version=3"]);
    let far = FarEnd::new([ok(pr("DECLINED", 4)), ok(pr("OPEN", 5))]);
    let asked = pb::ReopenPrRequest { repo: web(), id: 7, expected_version: Some(4) };
    far.client().reopen_pr(asked).await.expect("reopened");
    assert_eq!(far.lines(), ["GET 7", "POST 7/reopen?version=4"]);
}

#[tokio::test]
async fn what_is_so_already_is_a_success_whatever_its_version() {
    let far = FarEnd::new([ok(pr("DECLINED", 9))]);
    assert_eq!(decline(&far, Some(3)).await.expect("declined").version, 9);
    let far = FarEnd::new([ok(pr("MERGED", 9))]);
    assert_eq!(why(decline(&far, None).await, "").0, Reason::PrClosed);
}

#[tokio::test]
async fn one_that_moved_is_read_again_and_tried_once_more() {
    let far = FarEnd::new([ok(pr("OPEN", 3)), stale(), ok(pr("OPEN", 5)), ok(pr("DECLINED", 6))]);
    decline(&far, None).await.expect("declined");
    assert_eq!(far.lines(), ["GET 7", "POST 7/decline?version=3", "GET 7", "POST 7/decline?version=5"]);
    let far = FarEnd::new([ok(pr("OPEN", 3)), stale(), ok(pr("OPEN", 5)), stale(), ok(pr("OPEN", 6))]);
    assert_eq!(why(decline(&far, None).await, "").0, Reason::PrOutOfDate);
}

#[tokio::test]
async fn a_version_that_the_caller_insists_on_is_not_replaced_by_another() {
    let far = FarEnd::new([ok(pr("OPEN", 4))]);
    let failed = why(decline(&far, Some(3)).await, "current_version");
    assert_eq!(failed, (Reason::PrOutOfDate, Some("4".to_owned())));
    let far = FarEnd::new([ok(pr("OPEN", 3)), stale(), ok(pr("OPEN", 5))]);
    let failed = why(decline(&far, Some(3)).await, "current_version");
    assert_eq!(failed, (Reason::PrOutOfDate, Some("5".to_owned())));
}

#[tokio::test]
async fn a_lost_answer_is_read_back() {
    let far = FarEnd::new([ok(pr("OPEN", 3)), Answer::Lost, ok(pr("DECLINED", 4))]);
    decline(&far, Some(3)).await.expect("declined");
    assert_eq!(far.lines().len(), 3);
}

#[tokio::test]
async fn a_lost_write_is_repeated_only_under_the_very_version_that_it_named() {
    let far = FarEnd::new([ok(pr("OPEN", 3)), Answer::Lost, ok(pr("OPEN", 3)), ok(pr("DECLINED", 4))]);
    decline(&far, None).await.expect("declined");
    assert_eq!(far.lines()[3], "POST 7/decline?version=3");
    // It was done, and undone, or something else was: nobody can tell.
    let far = FarEnd::new([ok(pr("OPEN", 3)), Answer::Lost, ok(pr("OPEN", 5))]);
    assert_eq!(why(decline(&far, Some(3)).await, "").0, Reason::WriteUncertain);
    assert_eq!(far.lines().len(), 3);
}

#[tokio::test]
async fn the_lost_write_may_come_first_after_all() {
    let late = [ok(pr("OPEN", 3)), Answer::Lost, ok(pr("OPEN", 3)), stale(), ok(pr("DECLINED", 4))];
    decline(&FarEnd::new(late), None).await.expect("declined");
    let undone = [ok(pr("OPEN", 3)), Answer::Lost, ok(pr("OPEN", 3)), stale(), ok(pr("OPEN", 5))];
    assert_eq!(why(decline(&FarEnd::new(undone), None).await, "").0, Reason::WriteUncertain);
    let twice = [ok(pr("OPEN", 3)), Answer::Lost, ok(pr("OPEN", 3)), Answer::Lost, ok(pr("OPEN", 3))];
    assert_eq!(why(decline(&FarEnd::new(twice), None).await, "").0, Reason::WriteUncertain);
}

#[tokio::test]
async fn a_refusal_for_another_reason_is_final() {
    let far = FarEnd::new([ok(pr("OPEN", 3)), refusal(409, "IllegalPullRequestStateException")]);
    assert_eq!(why(decline(&far, None).await, "").0, Reason::PrClosed);
}
