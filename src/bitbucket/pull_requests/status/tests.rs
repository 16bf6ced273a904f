use serde_json::{Value, json};

use super::*;
use crate::bitbucket::pull_requests::tests::far::{FarEnd, HEAD, ok, pr, refusal, version, web};

fn open() -> pb::PullRequest {
    pb::PullRequest { state: pb::PrState::Open.into(), ..Default::default() }
}

fn clean() -> pb::CheckMergeResponse {
    let outcome = pb::MergeOutcome::Clean.into();
    pb::CheckMergeResponse { can_merge: true, conflicted: false, outcome, vetoes: Vec::new() }
}

#[test]
fn what_blocks_is_named() {
    assert_eq!(mergeability(&open(), Some(&clean())), pb::Mergeability::Now);
    let draft = pb::PullRequest { draft: true, ..open() };
    let veto = pb::Veto { summary: "Tasks".into(), detail: "Two.".into() };
    let check = pb::CheckMergeResponse { can_merge: false, conflicted: true, vetoes: vec![veto], ..clean() };
    let blockers = blockers(&draft, &check);
    let kinds: Vec<_> = blockers.iter().map(pb::Blocker::r#type).collect();
    assert_eq!(kinds, [pb::BlockerType::Conflict, pb::BlockerType::Draft, pb::BlockerType::Unspecified]);
    assert_eq!((blockers[2].summary.as_str(), blockers[2].detail.as_str()), ("Tasks", "Two."));
    assert_eq!(mergeability(&draft, Some(&check)), pb::Mergeability::Blocked);
}

#[test]
fn not_yet_is_not_no() {
    let outcome = pb::MergeOutcome::Unspecified.into();
    let unknown = pb::CheckMergeResponse { can_merge: false, outcome, ..clean() };
    assert_eq!(mergeability(&open(), Some(&unknown)), pb::Mergeability::Unspecified);
    let no = pb::CheckMergeResponse { can_merge: false, ..clean() };
    assert_eq!(mergeability(&open(), Some(&no)), pb::Mergeability::Blocked);
    assert_eq!(blockers(&open(), &no).len(), 1);
}

#[test]
fn an_unknown_review_is_pending() {
    let of = |status: pb::ReviewStatus| pb::Reviewer { user: None, status: status.into() };
    use pb::ReviewStatus::{Approved, NeedsWork, Unapproved, Unspecified};
    let counts = reviews(&[of(Approved), of(NeedsWork), of(Unapproved), of(Unspecified)]);
    assert_eq!((counts.approved, counts.needs_work, counts.pending), (1, 1, 2));
}

fn builds() -> Value {
    json!({"isLastPage": true, "values": [
        {"key": "a", "state": "SUCCESSFUL", "dateAdded": 1}, {"key": "b", "state": "INPROGRESS", "dateAdded": 2}]})
}

async fn status(far: &FarEnd) -> pb::PrStatus {
    let asked = pb::GetPrStatusRequest { repo: web(), id: 7 };
    far.client().get_pr_status(asked).await.expect("a status").status.expect("one")
}

#[tokio::test]
async fn everything_is_in_one_answer() {
    let check = json!({"canMerge": true, "conflicted": false, "outcome": "CLEAN", "vetoes": []});
    let far = FarEnd::routed([
        ("/7", ok(pr("OPEN", 3))),
        ("/merge", ok(check)),
        ("/application-properties", version("9.4.0")),
        ("/auto-merge", ok(json!({"createdDate": 1}))),
        (HEAD, ok(builds())),
    ]);
    let status = status(&far).await;
    assert_eq!(status.mergeability(), pb::Mergeability::Now);
    assert_eq!(status.build_state(), pb::BuildState::InProgress);
    let keys: Vec<_> = status.builds.iter().map(|build| build.key.as_str()).collect();
    assert_eq!(keys, ["b", "a"]);
    assert!(status.auto_merge_armed);
    assert_eq!(status.reviews.map(|counts| (counts.approved, counts.pending)), Some((1, 1)));
}

#[tokio::test]
async fn a_closed_one_is_not_asked_whether_it_merges() {
    for (state, expected) in [("MERGED", pb::Mergeability::Merged), ("DECLINED", pb::Mergeability::Closed)] {
        let far = FarEnd::routed([("/7", ok(pr(state, 4))), (HEAD, ok(builds()))]);
        assert_eq!(status(&far).await.mergeability(), expected);
    }
}

#[tokio::test]
async fn one_that_is_closed_between_the_reads_is_read_again() {
    let far = FarEnd::routed([
        ("/7", ok(pr("OPEN", 3))),
        ("/merge", refusal(409, "IllegalPullRequestStateException")),
        ("/application-properties", version("8.14.0")),
        ("/7", ok(pr("MERGED", 4))),
        (HEAD, ok(builds())),
        (HEAD, ok(builds())),
    ]);
    assert_eq!(status(&far).await.mergeability(), pb::Mergeability::Merged);
}
