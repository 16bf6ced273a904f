use bitbucket_sim::{Version, WriteKind};
use gitproxy::proto::Reason;
use gitproxy::proto::scm::v1 as pb;

use super::site::{Site, reason};
use crate::adapter::web;

fn update(id: i64) -> pb::UpdatePrRequest {
    pb::UpdatePrRequest { repo: web(), id, ..Default::default() }
}

fn names(pr: &pb::PullRequest) -> Vec<&str> {
    pr.reviewers.iter().filter_map(|one| one.user.as_ref()).map(|user| user.name.as_str()).collect()
}

async fn updated(site: &Site, asked: pb::UpdatePrRequest) -> pb::PullRequest {
    site.alice.update_pr(asked).await.expect("updated").pull_request.expect("one")
}

#[tokio::test]
async fn an_update_drops_nothing_that_it_does_not_name() {
    for version in [Version::V7_21, Version::V10_2] {
        let site = Site::new(version).await;
        let opened = site.open().await;
        let asked = pb::UpdatePrRequest { title: Some("Bump 2".into()), ..update(opened.id) };
        let pr = updated(&site, asked).await;
        assert_eq!((pr.title.as_str(), pr.description.as_str()), ("Bump 2", "Why"));
        assert_eq!(names(&pr), ["bob"], "{version:?}");
        let (add_reviewers, remove_reviewers) = (vec!["carol".into()], vec!["nobody".into()]);
        let pr =
            updated(&site, pb::UpdatePrRequest { add_reviewers, remove_reviewers, ..update(pr.id) }).await;
        assert_eq!(names(&pr), ["bob", "carol"]);
        let remove_reviewers = vec!["bob".into()];
        let description = Some(String::new());
        let pr = updated(&site, pb::UpdatePrRequest { remove_reviewers, description, ..update(pr.id) }).await;
        assert_eq!((names(&pr), pr.description.as_str()), (vec!["carol"], ""));
    }
}

#[tokio::test]
async fn an_update_of_another_version_is_out_of_date_and_one_without_a_change_is_no_write() {
    let site = Site::new(Version::V10_2).await;
    let pr = site.open().await;
    let asked = |title: &str, version| pb::UpdatePrRequest {
        title: Some(title.into()),
        expected_version: Some(version),
        ..update(pr.id)
    };
    updated(&site, asked("Bump 2", pr.version)).await;
    assert_eq!(reason(site.alice.update_pr(asked("Bump 3", pr.version)).await), Reason::PrOutOfDate);
    updated(&site, asked("Bump 2", pr.version)).await;
    assert_eq!(site.writes(WriteKind::UpdatePullRequest), 1);
}

#[tokio::test]
async fn an_update_is_refused_for_reviewers_that_cannot_be() {
    let site = Site::new(Version::V10_2).await;
    let pr = site.open().await;
    let with = |name: &str| pb::UpdatePrRequest { add_reviewers: vec![name.into()], ..update(pr.id) };
    assert_eq!(reason(site.alice.update_pr(with("nobody")).await), Reason::ReviewersInvalid);
    assert_eq!(reason(site.alice.update_pr(with("alice")).await), Reason::InvalidField);
    assert_eq!(reason(site.alice.update_pr(update(99)).await), Reason::PrNotFound);
}

#[tokio::test]
async fn a_draft_needs_a_version_that_has_drafts() {
    let site = Site::new(Version::V10_2).await;
    let pr = site.open().await;
    let draft = |draft| pb::UpdatePrRequest { draft: Some(draft), ..update(pr.id) };
    assert!(updated(&site, draft(true)).await.draft);
    let renamed = pb::UpdatePrRequest { title: Some("Bump 2".into()), ..update(pr.id) };
    assert!(updated(&site, renamed).await.draft, "another change makes it ready");
    assert!(!updated(&site, draft(false)).await.draft);
    let old = Site::new(Version::V7_21).await;
    let pr = old.open().await;
    let asked = pb::UpdatePrRequest { draft: Some(true), ..update(pr.id) };
    assert_eq!(reason(old.alice.update_pr(asked).await), Reason::NotInThisVersion);
    assert_eq!(old.writes(WriteKind::UpdatePullRequest), 0);
}

#[tokio::test]
async fn a_lost_update_is_found_done() {
    let site = Site::new(Version::V9_4).await;
    let pr = site.open().await;
    site.lose("PUT", "/pull-requests/", 1);
    let asked = pb::UpdatePrRequest { title: Some("Bump 2".into()), ..update(pr.id) };
    assert_eq!(updated(&site, asked).await.title, "Bump 2");
    assert_eq!(site.writes(WriteKind::UpdatePullRequest), 1);
}

#[tokio::test]
async fn declining_and_reopening_lead_there_once_and_say_so_again() {
    for version in [Version::V7_21, Version::V10_2] {
        let site = Site::new(version).await;
        let pr = site.open().await;
        let decline = || pb::DeclinePrRequest { repo: web(), id: pr.id, expected_version: Some(pr.version) };
        site.lose("POST", "/decline", 1);
        for _ in 0..2 {
            let declined =
                site.alice.decline_pr(decline()).await.expect("declined").pull_request.expect("one");
            assert_eq!(declined.state(), pb::PrState::Declined);
            assert!(declined.closed_ms > 0, "{version:?}");
        }
        let reopen = || pb::ReopenPrRequest { repo: web(), id: pr.id, expected_version: None };
        site.lose("POST", "/reopen", 1);
        for _ in 0..2 {
            let open = site.alice.reopen_pr(reopen()).await.expect("reopened").pull_request.expect("one");
            assert_eq!(open.state(), pb::PrState::Open);
        }
        assert_eq!(site.writes(WriteKind::DeclinePullRequest), 1);
        assert_eq!(site.writes(WriteKind::ReopenPullRequest), 1);
        assert_eq!(reason(site.alice.decline_pr(decline()).await), Reason::PrOutOfDate);
    }
}
