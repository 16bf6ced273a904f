use bitbucket_sim::Version;
use gitproxy::proto::scm::v1 as pb;
use gitproxy::proto::scm::v1::watch_build_status_request::Target;

use super::{BUILDS, Site};

#[tokio::test]
async fn the_present_state_comes_first_and_then_each_change_once() {
    for version in [Version::V7_21, Version::V10_2] {
        let site = Site::new(version).await;
        for target in [Target::CommitId(site.head()), Target::PrId(site.pr.id)] {
            site.report("ci", pb::BuildState::InProgress).await;
            let mut watch = site.watch_builds_of(target, "");
            let first = watch.state().await;
            assert_eq!((first.commit_id.clone(), first.state()), (site.head(), pb::BuildState::InProgress));
            watch.is_quiet(&site.world.sim, BUILDS, 5).await;
            site.report("ci", pb::BuildState::Successful).await;
            let changed = watch.state().await;
            assert_eq!(changed.state(), pb::BuildState::Successful, "{version:?}");
            assert_eq!(changed.builds.len(), 1);
            watch.is_quiet(&site.world.sim, BUILDS, 5).await;
        }
    }
}

#[tokio::test]
async fn a_push_is_followed_to_the_new_head() {
    let site = Site::new(Version::V9_4).await;
    site.report("ci", pb::BuildState::Successful).await;
    let mut watch = site.watch_builds("");
    watch.state().await;
    let head = site.push().await;
    let pushed = watch.state().await;
    assert_eq!((pushed.commit_id.as_str(), pushed.builds.len()), (head.as_str(), 0));
    site.report_on(&head, "ci", pb::BuildState::Failed).await;
    let built = watch.state().await;
    assert_eq!((built.commit_id.as_str(), built.state()), (head.as_str(), pb::BuildState::Failed));
}

#[tokio::test]
async fn who_comes_back_misses_nothing_and_hears_nothing_twice() {
    let site = Site::new(Version::V9_4).await;
    site.report("ci", pb::BuildState::InProgress).await;
    let mut watch = site.watch_builds("");
    let last = watch.state().await;
    drop(watch);
    let mut watch = site.watch_builds(&last.resume_token);
    let sign = watch.message().await.expect("it goes on").expect("it works");
    assert_eq!(sign, pb::WatchBuildStatusResponse::default());
    watch.is_quiet(&site.world.sim, BUILDS, 5).await;
    drop(watch);
    site.report("ci", pb::BuildState::Failed).await;
    let mut watch = site.watch_builds(&last.resume_token);
    let missed = watch.state().await;
    assert_eq!(missed.state(), pb::BuildState::Failed);
    watch.is_quiet(&site.world.sim, BUILDS, 5).await;
}

#[tokio::test]
async fn it_ends_well_with_the_pull_request_and_goes_on_with_a_commit() {
    for merged in [true, false] {
        let site = Site::new(Version::V9_4).await;
        site.report("ci", pb::BuildState::Successful).await;
        let mut watch = site.watch_builds("");
        let mut of_commit = site.watch_builds_of(Target::CommitId(site.head()), "");
        let first = watch.state().await;
        of_commit.state().await;
        if merged {
            site.merge().await;
        } else {
            site.decline().await;
        }
        assert!(watch.message().await.is_none(), "merged: {merged}");
        of_commit.is_quiet(&site.world.sim, BUILDS, 5).await;
        // What the builds said last is not lost to who was away.
        site.report("ci", pb::BuildState::Failed).await;
        let mut away = site.watch_builds(&first.resume_token);
        assert_eq!(away.state().await.state(), pb::BuildState::Failed);
        assert!(away.message().await.is_none());
    }
}
