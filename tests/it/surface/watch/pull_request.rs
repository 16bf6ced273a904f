use bitbucket_sim::{Commit, Version};
use gitproxy::proto::scm::v1 as pb;
use gitproxy::proto::{Fault, Reason};

use super::{CHECK, Site, Watch};

/// The next state that a watch tells.
async fn state(watch: &mut Watch<pb::WatchPrResponse>) -> pb::PrStatus {
    watch.state().await.status.expect("a state")
}

#[tokio::test]
async fn the_present_state_comes_first_and_then_each_change_once() {
    for version in [Version::V7_21, Version::V10_2] {
        let site = Site::new(version).await;
        let mut watch = site.watch("");
        let first = state(&mut watch).await;
        let told = first.pull_request.as_ref().map(|pr| (pr.id, pr.title.as_str()));
        assert_eq!(told, Some((site.pr.id, "Bump")), "{version:?}");
        assert_eq!(first.mergeability(), pb::Mergeability::Now, "{version:?}: {first:?}");
        watch.is_quiet(&site.world.sim, CHECK, 7).await;
        site.approve().await;
        let approved = state(&mut watch).await;
        assert_eq!(approved.reviews.map(|counts| counts.approved), Some(1), "{version:?}");
        watch.is_quiet(&site.world.sim, CHECK, 7).await;
        site.report("ci", pb::BuildState::Failed).await;
        let reported = state(&mut watch).await;
        assert_eq!((reported.build_state(), reported.builds.len()), (pb::BuildState::Failed, 1));
        watch.is_quiet(&site.world.sim, CHECK, 7).await;
    }
}

#[tokio::test]
async fn a_push_and_a_conflict_that_the_target_brings_are_sent() {
    let site = Site::new(Version::V9_4).await;
    let mut watch = site.watch("");
    state(&mut watch).await;
    let head = site.push().await;
    let mut pushed = state(&mut watch).await;
    while pushed.pull_request.as_ref().and_then(|pr| pr.from.as_ref()).map(|side| side.commit_id.as_str())
        != Some(head.as_str())
    {
        pushed = state(&mut watch).await;
    }
    let other = Commit::new("Theirs").file("a.txt", "one\ntheirs\n");
    site.world.sim.add_commits("SHOP", "web", &[other]).await.expect("a commit");
    let mut now = state(&mut watch).await;
    while now.mergeability() != pb::Mergeability::Blocked {
        now = state(&mut watch).await;
    }
    assert_eq!(now.blockers[0].r#type(), pb::BlockerType::Conflict);
}

#[tokio::test]
async fn who_comes_back_misses_nothing_and_hears_nothing_twice() {
    let site = Site::new(Version::V9_4).await;
    let mut watch = site.watch("");
    watch.state().await;
    site.rename("Bump it").await;
    let last = watch.state().await;
    drop(watch);
    // Nothing happened meanwhile: a sign of life, and then what happens next.
    let mut watch = site.watch(&last.resume_token);
    let sign = watch.message().await.expect("it goes on").expect("it works");
    assert_eq!(sign, pb::WatchPrResponse::default());
    watch.is_quiet(&site.world.sim, CHECK, 7).await;
    site.rename("Bump it up").await;
    let next = watch.state().await;
    drop(watch);
    // Something happened meanwhile: that first, and once.
    site.approve().await;
    site.report("ci", pb::BuildState::InProgress).await;
    let mut watch = site.watch(&next.resume_token);
    let missed = state(&mut watch).await;
    assert_eq!(missed.reviews.map(|counts| counts.approved), Some(1));
    assert_eq!(missed.build_state(), pb::BuildState::InProgress);
    watch.is_quiet(&site.world.sim, CHECK, 7).await;
    drop(watch);
    // An old token is as good: what came after it is one state.
    let now = state(&mut site.watch(&last.resume_token)).await;
    assert_eq!(now, missed);
}

#[tokio::test]
async fn it_ends_well_when_the_pull_request_is_merged_or_declined() {
    for merged in [true, false] {
        let site = Site::new(Version::V9_4).await;
        let mut watch = site.watch("");
        let first = watch.state().await;
        let expected = if merged {
            site.merge().await;
            pb::Mergeability::Merged
        } else {
            site.decline().await;
            pb::Mergeability::Closed
        };
        let last = watch.state().await;
        assert_eq!(last.status.expect("a state").mergeability(), expected);
        assert!(watch.message().await.is_none(), "{expected:?} is the last");
        // Who was away for it hears it too, and who has it already hears no more than a sign of life.
        let mut away = site.watch(&first.resume_token);
        assert_eq!(state(&mut away).await.mergeability(), expected);
        assert!(away.message().await.is_none());
        let mut told = site.watch(&last.resume_token);
        let sign = told.message().await.expect("a sign").expect("it works");
        assert_eq!(sign, pb::WatchPrResponse::default());
        assert!(told.message().await.is_none());
    }
}

#[tokio::test]
async fn a_pull_request_that_is_gone_ends_it_with_the_reason() {
    let site = Site::new(Version::V9_4).await;
    let mut watch = site.watch("");
    watch.state().await;
    // As if it were deleted.
    let gone = bitbucket_sim::Rule::new(bitbucket_sim::Fault::Status(404)).path("/pull-requests/1");
    site.world.trouble(gone);
    let error = watch.message().await.expect("an end").expect_err("it is gone");
    assert_eq!(Fault::from(error).code(), tonic::Code::NotFound);
    assert!(watch.message().await.is_none());
    site.world.sim.knobs().clear();
    let asked = pb::WatchPrRequest { repo: crate::adapter::web(), id: 99, ..Default::default() };
    let mut none = Watch(Box::pin(site.client.watch_pr(asked).expect("it begins")));
    let error = none.message().await.expect("an end").expect_err("there is none");
    assert_eq!(Fault::from(error).reason(), Reason::PrNotFound);
}
