use bitbucket_sim::{TokenSpec, Version, WriteKind};
use gitproxy::proto::Reason;
use gitproxy::proto::scm::v1 as pb;

use super::site::{Site, reason};
use crate::adapter::web;

fn review(id: i64, status: pb::ReviewStatus) -> pb::ReviewPrRequest {
    pb::ReviewPrRequest { repo: web(), id, status: status.into(), reviewed_commit_id: String::new() }
}

#[tokio::test]
async fn a_reviewer_says_and_takes_back() {
    for version in [Version::V7_21, Version::V10_2] {
        let site = Site::new(version).await;
        let pr = site.open().await;
        for status in [pb::ReviewStatus::Approved, pb::ReviewStatus::NeedsWork, pb::ReviewStatus::Unapproved]
        {
            let said = site.bob.review_pr(review(pr.id, status)).await.expect("said").reviewer.expect("one");
            assert_eq!((said.status(), said.user.expect("a user").name.as_str()), (status, "bob"));
            assert_eq!(site.get(pr.id).await.reviewers[0].status(), status, "{version:?}");
        }
    }
}

#[tokio::test]
async fn who_was_not_asked_reviews_under_the_name_of_urls() {
    let site = Site::new(Version::V9_4).await;
    let pr = site.open().await;
    let token = site.world.sim.add_token(TokenSpec::personal("dan@x.test"));
    let dan = site.world.client_as(&token);
    let said = dan.review_pr(review(pr.id, pb::ReviewStatus::Approved)).await.expect("said");
    assert_eq!(said.reviewer.expect("one").user.expect("a user").name, "dan@x.test");
}

#[tokio::test]
async fn authors_tokens_without_a_user_and_other_commits_are_refused() {
    let site = Site::new(Version::V10_2).await;
    let pr = site.open().await;
    let approve = || review(pr.id, pb::ReviewStatus::Approved);
    assert_eq!(reason(site.alice.review_pr(approve()).await), Reason::ReviewRefused);
    let nobody = site.world.client_as(&site.world.sim.add_token(TokenSpec::project("SHOP")));
    assert_eq!(reason(nobody.review_pr(approve()).await), Reason::TokenHasNoUser);
    let other = pb::ReviewPrRequest { reviewed_commit_id: "b".repeat(40), ..approve() };
    assert_eq!(reason(site.bob.review_pr(other).await), Reason::PrOutOfDate);
    assert_eq!(reason(site.bob.review_pr(review(99, pb::ReviewStatus::Approved)).await), Reason::PrNotFound);
    assert_eq!(site.writes(WriteKind::ReviewPullRequest), 0);
}

#[tokio::test]
async fn a_lost_review_is_found_said() {
    let site = Site::new(Version::V9_4).await;
    let pr = site.open().await;
    site.lose("PUT", "/participants/", 1);
    site.bob.review_pr(review(pr.id, pb::ReviewStatus::Approved)).await.expect("said");
    assert_eq!(site.writes(WriteKind::ReviewPullRequest), 1);
}
