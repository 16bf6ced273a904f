use bitbucket_sim::{Version, WriteKind};
use gitproxy::proto::Reason;
use gitproxy::proto::scm::v1 as pb;
use http::Method;
use serde_json::json;

use super::site::{Site, merging, reason};
use crate::adapter::web;

/// Makes every task a reason not to merge, and adds one.
async fn veto(site: &Site, id: i64) {
    site.set(Method::POST, "settings/pull-requests", &json!({"requiredAllTasksComplete": true})).await;
    let kind = pb::CommentKind::Task.into();
    let task =
        pb::PostCommentRequest { repo: web(), pr_id: id, text: "Do".into(), kind, ..Default::default() };
    site.alice.post_comment(task).await.expect("a task");
}

#[tokio::test]
async fn a_merge_is_of_what_the_caller_has_seen_and_done_once() {
    for version in [Version::V7_21, Version::V10_2] {
        let site = Site::new(version).await;
        let pr = site.open().await;
        let head = pr.from.as_ref().expect("a side").commit_id.clone();
        let asked = |commit: &str| pb::MergePrRequest {
            expected_version: Some(pr.version),
            expected_commit_id: commit.into(),
            ..merging(pr.id)
        };
        assert_eq!(reason(site.merge(asked(&"b".repeat(40))).await), Reason::PrOutOfDate);
        for _ in 0..2 {
            let merged = site.merge(asked(&head)).await.expect("merged").pull_request.expect("one");
            assert_eq!(merged.state(), pb::PrState::Merged);
            let made = site.world.sim.commit_of("SHOP", "web", "master").await.expect("a commit");
            assert_eq!(merged.merge_commit_id, made, "{version:?}");
        }
        assert_eq!(site.writes(WriteKind::MergePullRequest), 1);
        let decline = pb::DeclinePrRequest { repo: web(), id: pr.id, expected_version: None };
        assert_eq!(reason(site.alice.decline_pr(decline).await), Reason::PrClosed);
        let check = pb::CheckMergeRequest { repo: web(), id: pr.id };
        assert_eq!(reason(site.alice.check_merge(check).await), Reason::PrClosed);
    }
}

#[tokio::test]
async fn a_push_between_read_and_merge_stops_a_merge_that_insists() {
    let site = Site::new(Version::V10_2).await;
    let pr = site.open().await;
    let head = pr.from.as_ref().expect("a side").commit_id.clone();
    site.commit(&pr.from.as_ref().expect("a side").name, "master", "one\nother\n").await;
    let asked = pb::MergePrRequest { expected_commit_id: head, ..merging(pr.id) };
    assert_eq!(reason(site.merge(asked).await), Reason::PrOutOfDate);
    let asked = pb::MergePrRequest { expected_version: Some(pr.version), ..merging(pr.id) };
    assert_eq!(reason(site.merge(asked).await), Reason::PrOutOfDate);
    assert_eq!(site.writes(WriteKind::MergePullRequest), 0);
}

#[tokio::test]
async fn a_lost_merge_is_found_done_and_a_race_is_run_again() {
    let site = Site::new(Version::V10_2).await;
    let pr = site.open().await;
    site.lose("POST", "/merge", 1);
    let merged = site.merge(merging(pr.id)).await.expect("merged").pull_request.expect("one");
    assert_eq!((merged.state(), site.writes(WriteKind::MergePullRequest)), (pb::PrState::Merged, 1));
    let site = Site::new(Version::V10_2).await;
    let pr = site.open().await;
    site.world.sim.knobs().merge_races(1);
    site.merge(merging(pr.id)).await.expect("merged");
    assert_eq!(site.writes(WriteKind::MergePullRequest), 1);
}

#[tokio::test]
async fn a_veto_and_a_conflict_are_told_before_and_after() {
    let site = Site::new(Version::V9_4).await;
    let (pr, other) = (site.open().await, site.open().await);
    veto(&site, pr.id).await;
    let check = |id| site.alice.check_merge(pb::CheckMergeRequest { repo: web(), id });
    let vetoed = check(pr.id).await.expect("checked");
    assert!(!vetoed.can_merge && !vetoed.conflicted);
    assert_eq!(vetoed.vetoes[0].summary, "Unresolved tasks");
    assert_eq!(reason(site.merge(merging(pr.id)).await), Reason::MergeVetoed);
    site.merge(merging(other.id)).await.expect("merged");
    let conflicted = check(pr.id).await.expect("checked");
    assert!(conflicted.conflicted && conflicted.outcome() == pb::MergeOutcome::Conflicted);
}

#[tokio::test]
async fn only_strategies_that_are_enabled_are_used() {
    let site = Site::new(Version::V10_2).await;
    let settings = json!({"mergeConfig": {"defaultStrategy": {"id": "no-ff"},
        "strategies": [{"id": "no-ff"}, {"id": "squash"}]}});
    site.set(Method::POST, "settings/pull-requests", &settings).await;
    let pr = site.open().await;
    let with = |strategy: &str| pb::MergePrRequest {
        strategy: strategy.into(),
        message: "By hand".into(),
        ..merging(pr.id)
    };
    assert_eq!(reason(site.merge(with("ff-only")).await), Reason::MergeStrategyRefused);
    site.merge(with("squash")).await.expect("merged");
    let writes = site.world.sim.writes();
    let merge = writes.iter().find(|write| write.kind == WriteKind::MergePullRequest).expect("a merge");
    assert_eq!(merge.facts["strategy"], "squash");
}

#[tokio::test]
async fn auto_merge_waits_where_it_is_allowed_and_merges_nowhere_by_accident() {
    let later = |id| pb::MergePrRequest { auto_merge: true, ..merging(id) };
    let old = Site::new(Version::V7_21).await;
    let pr = old.open().await;
    assert_eq!(reason(old.merge(later(pr.id)).await), Reason::NotInThisVersion);
    assert_eq!(old.writes(WriteKind::MergePullRequest), 0);
    let site = Site::new(Version::V10_2).await;
    let pr = site.open().await;
    veto(&site, pr.id).await;
    assert_eq!(reason(site.merge(later(pr.id)).await), Reason::AutoMergeDisabled);
    site.set(Method::PUT, "settings/auto-merge", &json!({"enabled": true})).await;
    site.lose("POST", "/merge", 2);
    let armed = site.merge(later(pr.id)).await.expect("armed");
    assert!(armed.auto_merge_armed);
    assert_eq!(armed.pull_request.expect("one").state(), pb::PrState::Open);
}
