use serde_json::{Value, json};

use super::*;
use crate::bitbucket::pull_requests::tests::far::{Answer, FarEnd, HEAD, ok, pr, refusal, version, web, why};

fn merge() -> pb::MergePrRequest {
    pb::MergePrRequest { repo: web(), id: 7, ..Default::default() }
}

fn read(json: Value) -> pb::CheckMergeResponse {
    check_reply(&Reply::of(200, &json.to_string())).expect("read")
}

#[test]
fn a_check_says_why_not() {
    let json = json!({"canMerge": false, "conflicted": true, "outcome": "CONFLICTED",
        "vetoes": [{"summaryMessage": "Tasks", "detailedMessage": "Resolve 2."}, {"summaryMessage": null}]});
    let check = read(json);
    assert_eq!((check.can_merge, check.conflicted), (false, true));
    assert_eq!(check.outcome(), pb::MergeOutcome::Conflicted);
    let veto = pb::Veto { summary: "Tasks".into(), detail: "Resolve 2.".into() };
    assert_eq!((check.vetoes.len(), &check.vetoes[0]), (2, &veto));
}

#[test]
fn a_check_without_the_word_is_understood_and_an_unknown_outcome_is_no_yes() {
    assert!(read(json!({"conflicted": false, "outcome": "CLEAN", "vetoes": []})).can_merge);
    assert!(!read(json!({"conflicted": false, "vetoes": [{}]})).can_merge);
    let unknown = read(json!({"canMerge": true, "conflicted": false, "outcome": "UNKNOWN", "vetoes": []}));
    assert_eq!((unknown.can_merge, unknown.outcome()), (false, pb::MergeOutcome::Unspecified));
}

#[tokio::test]
async fn a_merge_names_version_message_and_strategy() {
    let settings = json!({"mergeConfig": {"strategies": [
        {"id": "no-ff", "enabled": true}, {"id": "squash", "enabled": true}, {"id": "ff", "enabled": false}]}});
    let far = FarEnd::new([ok(settings.clone()), ok(pr("OPEN", 3)), ok(pr("MERGED", 4))]);
    let asked = pb::MergePrRequest { strategy: "squash".into(), message: "Why".into(), ..merge() };
    let merged = far.client().merge_pr(asked).await.expect("merged");
    assert!(!merged.auto_merge_armed);
    assert_eq!(far.lines()[1..], ["GET 7", "POST 7/merge?version=3"]);
    assert!(far.lines()[0].ends_with("/repos/web/settings/pull-requests"));
    assert_eq!(far.bodies(), [json!({"message": "Why", "strategyId": "squash"})]);
    let far = FarEnd::new([ok(settings)]);
    let asked = pb::MergePrRequest { strategy: "ff".into(), ..merge() };
    let failed = why(far.client().merge_pr(asked).await, "allowed");
    assert_eq!(failed, (Reason::MergeStrategyRefused, Some("no-ff, squash".to_owned())));
}

#[tokio::test]
async fn a_merge_insists_on_the_commit_of_the_read_whose_version_it_names() {
    let expecting = |commit: &str| pb::MergePrRequest { expected_commit_id: commit.into(), ..merge() };
    let far = FarEnd::new([ok(pr("OPEN", 3)), ok(pr("MERGED", 4))]);
    far.client().merge_pr(expecting(HEAD)).await.expect("merged");
    let mut pushed = pr("OPEN", 4);
    pushed["fromRef"]["latestCommit"] = json!("b".repeat(40));
    let stale = refusal(409, "PullRequestOutOfDateException");
    let far = FarEnd::new([ok(pr("OPEN", 3)), stale, ok(pushed)]);
    let failed = why(far.client().merge_pr(expecting(HEAD)).await, "current_version");
    assert_eq!(failed, (Reason::PrOutOfDate, Some("4".to_owned())));
    assert_eq!(far.bodies().len(), 1);
}

#[tokio::test]
async fn a_merged_one_is_a_success_if_it_was_what_the_caller_expects() {
    let far = |version| FarEnd::new([ok(pr("MERGED", version))]);
    let expecting = |version| pb::MergePrRequest { expected_version: Some(version), ..merge() };
    far(4).client().merge_pr(merge()).await.expect("merged");
    far(4).client().merge_pr(expecting(3)).await.expect("merged from that version");
    assert_eq!(why(far(5).client().merge_pr(expecting(3)).await, "").0, Reason::PrOutOfDate);
    let other = pb::MergePrRequest { expected_commit_id: "b".repeat(40), ..merge() };
    assert_eq!(why(far(4).client().merge_pr(other).await, "").0, Reason::PrOutOfDate);
    let declined = FarEnd::new([ok(pr("DECLINED", 4))]);
    assert_eq!(why(declined.client().merge_pr(merge()).await, "").0, Reason::PrClosed);
}

#[tokio::test]
async fn a_veto_is_passed_on_with_its_words() {
    let json = json!({"errors": [{"message": "No.", "conflicted": false,
        "exceptionName": "com.atlassian.bitbucket.pull.PullRequestMergeVetoedException",
        "vetoes": [{"summaryMessage": "Tasks", "detailedMessage": "Two."}, {"summaryMessage": "Builds"}]}]});
    let far = FarEnd::new([ok(pr("OPEN", 3)), Answer::Json(409, json)]);
    let failed = why(far.client().merge_pr(merge()).await, "vetoes");
    assert_eq!(failed, (Reason::MergeVetoed, Some("Tasks; Builds".to_owned())));
}

#[tokio::test]
async fn a_push_during_the_merge_costs_one_more_try() {
    let race = || refusal(409, "MergeException");
    let far = FarEnd::new([ok(pr("OPEN", 3)), race(), ok(pr("OPEN", 3)), ok(pr("MERGED", 4))]);
    let asked = pb::MergePrRequest { expected_version: Some(3), ..merge() };
    far.client().merge_pr(asked).await.expect("merged");
    let far = FarEnd::new([ok(pr("OPEN", 3)), race(), ok(pr("OPEN", 4)), race(), ok(pr("OPEN", 5))]);
    assert_eq!(why(far.client().merge_pr(merge()).await, "").0, Reason::MergeVetoed);
}

fn later() -> pb::MergePrRequest {
    pb::MergePrRequest { auto_merge: true, ..merge() }
}

#[tokio::test]
async fn auto_merge_sends_nothing_to_a_bitbucket_that_would_merge_at_once() {
    let far = FarEnd::new([version("8.14.9")]);
    assert_eq!(why(far.client().merge_pr(later()).await, "").0, Reason::NotInThisVersion);
    assert_eq!(far.lines().len(), 1);
}

#[tokio::test]
async fn an_armed_merge_says_so() {
    let far = FarEnd::new([version("8.15.0"), ok(pr("OPEN", 3)), ok(pr("OPEN", 3))]);
    assert!(far.client().merge_pr(later()).await.expect("armed").auto_merge_armed);
    assert_eq!(far.bodies(), [json!({"autoMerge": true})]);
    let far = FarEnd::new([version("8.15.0"), ok(pr("OPEN", 3)), ok(pr("MERGED", 4))]);
    assert!(!far.client().merge_pr(later()).await.expect("merged").auto_merge_armed);
}

#[tokio::test]
async fn auto_merge_that_the_repository_does_not_allow_is_named() {
    let refused = refusal(403, "AutoMergeDisabledException");
    let far = FarEnd::new([version("9.4.0"), ok(pr("OPEN", 3)), refused]);
    assert_eq!(why(far.client().merge_pr(later()).await, "").0, Reason::AutoMergeDisabled);
    let nobody = refusal(403, "AuthorisationException");
    let far = FarEnd::new([version("9.4.0"), ok(pr("OPEN", 3)), nobody]).without_user();
    assert_eq!(why(far.client().merge_pr(later()).await, "").0, Reason::TokenHasNoUser);
}

#[tokio::test]
async fn a_lost_answer_to_arming_is_read_back_where_it_shows() {
    let lost = || [version("9.4.0"), ok(pr("OPEN", 3)), Answer::Lost, ok(pr("OPEN", 3)), Answer::Lost];
    let armed = [ok(pr("OPEN", 3)), ok(json!({"createdDate": 1})), ok(pr("OPEN", 3))];
    let far = FarEnd::new(lost().into_iter().chain(armed));
    assert!(far.client().merge_pr(later()).await.expect("armed").auto_merge_armed);
    let not = [ok(pr("OPEN", 3)), refusal(404, "NoSuchEntityException")];
    let far = FarEnd::new(lost().into_iter().chain(not).chain([ok(pr("OPEN", 3))]));
    assert_eq!(why(far.client().merge_pr(later()).await, "").0, Reason::WriteUncertain);
}
