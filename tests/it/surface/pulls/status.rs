use bitbucket_sim::Version;
use gitproxy::proto::Reason;
use gitproxy::proto::scm::v1 as pb;
use http::Method;
use serde_json::json;

use super::site::{Site, merging, reason};
use crate::adapter::web;

async fn status(site: &Site, id: i64) -> pb::PrStatus {
    let asked = pb::GetPrStatusRequest { repo: web(), id };
    site.alice.get_pr_status(asked).await.expect("a status").status.expect("one")
}

async fn report(site: &Site, pr: &pb::PullRequest, state: &str) {
    let head = &pr.from.as_ref().expect("a side").commit_id;
    let build = json!({"key": "ci", "state": state, "url": "https://ci.example/1"});
    site.set(Method::POST, &format!("commits/{head}/builds"), &build).await;
}

#[tokio::test]
async fn one_answer_says_where_a_pull_request_stands() {
    for version in [Version::V7_21, Version::V10_2] {
        let site = Site::new(version).await;
        let pr = site.open().await;
        report(&site, &pr, "INPROGRESS").await;
        let now = status(&site, pr.id).await;
        assert_eq!(now.mergeability(), pb::Mergeability::Now, "{version:?}: {:?}", now.blockers);
        assert_eq!((now.build_state(), now.builds.len()), (pb::BuildState::InProgress, 1));
        assert_eq!(now.reviews.map(|counts| counts.pending), Some(1));
        site.world.sim.knobs().unknown_merges(1);
        assert_eq!(status(&site, pr.id).await.mergeability(), pb::Mergeability::Unspecified);
        site.merge(merging(pr.id)).await.expect("merged");
        assert_eq!(status(&site, pr.id).await.mergeability(), pb::Mergeability::Merged);
    }
}

#[tokio::test]
async fn what_blocks_and_what_is_armed_is_said() {
    let site = Site::new(Version::V10_2).await;
    site.set(Method::PUT, "settings/auto-merge", &json!({"enabled": true})).await;
    site.set(Method::POST, "settings/pull-requests", &json!({"requiredApprovers": 1})).await;
    let pr = site.open().await;
    let now = status(&site, pr.id).await;
    assert_eq!((now.mergeability(), now.auto_merge_armed), (pb::Mergeability::Blocked, false));
    assert_eq!(now.blockers[0].summary, "Not enough approvals");
    let later = pb::MergePrRequest { auto_merge: true, ..merging(pr.id) };
    assert!(site.merge(later).await.expect("armed").auto_merge_armed);
    assert!(status(&site, pr.id).await.auto_merge_armed);
    let draft = pb::UpdatePrRequest { repo: web(), id: pr.id, draft: Some(true), ..Default::default() };
    site.alice.update_pr(draft).await.expect("updated");
    let kinds: Vec<_> = status(&site, pr.id).await.blockers.iter().map(pb::Blocker::r#type).collect();
    assert!(kinds.contains(&pb::BlockerType::Draft), "{kinds:?}");
    let asked = pb::GetPrStatusRequest { repo: web(), id: 99 };
    assert_eq!(reason(site.alice.get_pr_status(asked).await), Reason::PrNotFound);
}

#[tokio::test]
async fn what_happened_is_listed_newest_first_and_page_by_page() {
    for version in [Version::V7_21, Version::V10_2] {
        let site = Site::new(version).await;
        let pr = site.open().await;
        let said =
            pb::PostCommentRequest { repo: web(), pr_id: pr.id, text: "Look".into(), ..Default::default() };
        site.bob.post_comment(said).await.expect("said");
        let approved = pb::ReviewStatus::Approved.into();
        let review = pb::ReviewPrRequest { repo: web(), id: pr.id, status: approved, ..Default::default() };
        site.bob.review_pr(review).await.expect("said");
        let update = pb::UpdatePrRequest {
            repo: web(),
            id: pr.id,
            add_reviewers: vec!["carol".into()],
            ..Default::default()
        };
        site.alice.update_pr(update).await.expect("updated");
        let decline = pb::DeclinePrRequest { repo: web(), id: pr.id, expected_version: None };
        site.alice.decline_pr(decline).await.expect("declined");
        let mut found = Vec::new();
        let mut asked =
            pb::ListActivityRequest { repo: web(), id: pr.id, page_size: 2, ..Default::default() };
        loop {
            let page = site.alice.list_activity(asked.clone()).await.expect("a page");
            found.extend(page.activities);
            if page.next_page_token.is_empty() {
                break;
            }
            asked.page_token = page.next_page_token;
        }
        let kinds: Vec<_> = found.iter().map(pb::Activity::r#type).collect();
        use pb::ActivityType::{Approved, Commented, Declined, Opened, Updated};
        assert_eq!(kinds, [Declined, Updated, Approved, Commented, Opened], "{version:?}");
        assert_eq!(found[1].added_reviewers[0].name, "carol");
        assert_eq!(found[3].comment.as_ref().map(|comment| comment.text.as_str()), Some("Look"));
        assert_eq!(found[3].user.as_ref().map(|user| user.name.as_str()), Some("bob"));
    }
}
