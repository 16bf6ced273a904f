use super::*;
use crate::bitbucket::names::ProjectKey;
use crate::bitbucket::watch::testing::{Bitbucket, HEAD, OTHER, web};

/// A watch that looks when the test says so.
struct Watch {
    bitbucket: Bitbucket,
    look: Option<PullRequest>,
}

impl Watch {
    /// One that has looked once.
    async fn begun() -> (Self, Looked<pb::WatchPrResponse>) {
        let bitbucket = Bitbucket::default();
        let projects = [ProjectKey::parse("SHOP").expect("a key")].into_iter().collect();
        let repo = RepoId::parse("repo", web().as_ref(), &projects).expect("inside");
        let place = Place::new("WatchPR", &repo, "7");
        let look = Some(PullRequest::new(bitbucket.client(), repo, 7, place));
        let mut watch = Self { bitbucket, look };
        let first = watch.look().await;
        (watch, first)
    }

    async fn look(&mut self) -> Looked<pb::WatchPrResponse> {
        let (look, looked) = self.look.take().expect("it is not looking").look().await;
        self.look = Some(look);
        looked.expect("it could look")
    }
}

fn status(looked: &Looked<pb::WatchPrResponse>) -> &pb::PrStatus {
    looked.message.status.as_ref().expect("no heartbeat")
}

#[tokio::test(start_paused = true)]
async fn the_first_look_reads_everything_and_the_next_four_do_without_the_armed_merge() {
    let (mut watch, first) = Watch::begun().await;
    let builds = first.message.status.as_ref().map(|status| status.builds[0].state());
    assert_eq!(builds, Some(pb::BuildState::Successful));
    assert_eq!(watch.bitbucket.asked(), ["7", HEAD, "application-properties", "auto-merge", "merge"]);
    for look in 1..=12 {
        assert_eq!(watch.look().await.state, first.state, "look {look}");
        let asked = watch.bitbucket.asked();
        let expected =
            if look % 5 == 0 { vec!["7", HEAD, "auto-merge", "merge"] } else { vec!["7", HEAD, "merge"] };
        assert_eq!(asked, expected, "look {look}");
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_changes_is_seen_by_the_next_look() {
    let changes: [fn(&Bitbucket); 5] = [
        |bitbucket| bitbucket.lock().title = "Bump it",
        |bitbucket| bitbucket.lock().head = OTHER,
        |bitbucket| bitbucket.lock().builds = vec!["FAILED"],
        |bitbucket| bitbucket.lock().outcome = "UNKNOWN",
        |bitbucket| bitbucket.lock().veto = Some("Not enough approvals"),
    ];
    let (mut watch, mut last) = Watch::begun().await;
    for (number, change) in changes.into_iter().enumerate() {
        // In each of the looks that could do without something.
        for _ in 0..number {
            assert_eq!(watch.look().await.state, last.state);
        }
        change(&watch.bitbucket);
        let looked = watch.look().await;
        assert_ne!(looked.state, last.state, "change {number}");
        assert_ne!(looked.message.resume_token, last.message.resume_token, "change {number}");
        assert_eq!(looked.state, State::of(status(&looked)), "change {number}");
        assert_eq!(watch.look().await.state, looked.state, "change {number}");
        last = looked;
    }
    assert_eq!(status(&last).mergeability(), pb::Mergeability::Blocked);
}

#[tokio::test(start_paused = true)]
async fn an_armed_merge_is_seen_by_the_fifth_look_or_with_the_next_change() {
    let (mut watch, first) = Watch::begun().await;
    watch.bitbucket.lock().armed = true;
    for _ in 0..4 {
        assert_eq!(watch.look().await.state, first.state);
    }
    let fifth = watch.look().await;
    assert!(status(&fifth).auto_merge_armed && fifth.state != first.state);
    watch.bitbucket.lock().armed = false;
    watch.bitbucket.lock().veto = Some("Not enough approvals");
    let changed = watch.look().await;
    assert!(!status(&changed).auto_merge_armed);
    assert_eq!(watch.look().await.state, changed.state);
}

#[tokio::test(start_paused = true)]
async fn it_is_busy_while_a_build_runs_or_the_merge_is_worked_out() {
    let (mut watch, first) = Watch::begun().await;
    assert_eq!((first.mood, first.end), (Mood::Calm, End::NotYet));
    watch.bitbucket.lock().builds = vec!["SUCCESSFUL", "INPROGRESS"];
    assert_eq!(watch.look().await.mood, Mood::Busy);
    watch.bitbucket.lock().builds = vec!["FAILED"];
    assert_eq!(watch.look().await.mood, Mood::Calm);
    watch.bitbucket.lock().outcome = "UNKNOWN";
    assert_eq!(watch.look().await.mood, Mood::Busy);
}

#[tokio::test(start_paused = true)]
async fn it_ends_when_the_pull_request_is_closed_however() {
    for (state, mergeability) in
        [("MERGED", pb::Mergeability::Merged), ("DECLINED", pb::Mergeability::Closed)]
    {
        let (mut watch, _) = Watch::begun().await;
        watch.bitbucket.lock().armed = true;
        watch.bitbucket.lock().state = state;
        watch.bitbucket.asked();
        let last = watch.look().await;
        assert_eq!((last.end, status(&last).mergeability()), (End::Reached, mergeability));
        // Nothing can be merged or armed there.
        assert_eq!(watch.bitbucket.asked().len(), 2);
        assert!(!status(&last).auto_merge_armed);
    }
}
