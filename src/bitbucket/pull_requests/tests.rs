use super::*;
use crate::bitbucket::names::{ProjectKey, Projects};

pub(super) mod far;

fn projects() -> Projects {
    ["SHOP", "~jane"].iter().map(|key| ProjectKey::parse(key).expect("a key")).collect()
}

pub(super) fn repo(project: &str, slug: &str) -> RepoId {
    let named = pb::RepoRef { project: project.into(), slug: slug.into() };
    RepoId::parse("repo", Some(&named), &projects()).expect("inside")
}

pub(super) fn branch(name: &str) -> BranchName {
    BranchName::parse(name).expect("a branch")
}

const PR: &str = r#"{"id":7,"version":2,"title":"Bump","state":"OPEN","draft":true,
    "fromRef":{"id":"refs/heads/fix","displayId":"fix","latestCommit":"ff","repository":{"slug":"web","project":{"key":"SHOP"}}},
    "toRef":{"id":"refs/heads/main","displayId":"main","latestCommit":"ee","repository":{"slug":"web","project":{"key":"SHOP"}}},
    "author":{"user":{"name":"jane","displayName":"Jane"},"role":"AUTHOR","status":"UNAPPROVED"},
    "reviewers":[{"user":{"name":"bob"},"status":"NEEDS_WORK"},{"user":{"name":"eve"},"status":"SOMETHING_NEW"}],
    "createdDate":1530766870981,"updatedDate":1530766870982,"closedDate":1530766870983,"locked":true,
    "properties":{"mergeResult":{"outcome":"CONFLICTED","current":true},"openTaskCount":1,"resolvedTaskCount":2,
        "commentCount":9,"mergeCommit":{"id":"dd","displayId":"d"}},
    "links":{"self":[{"href":"https://x/pr/7"}]}}"#;

#[test]
fn a_pull_request_is_read_whole() {
    let pr = reply(&Reply::of(200, PR)).expect("read");
    assert_eq!((pr.id, pr.version, pr.draft, pr.state()), (7, 2, true, pb::PrState::Open));
    assert_eq!(pr.from.as_ref().map(|side| side.commit_id.as_str()), Some("ff"));
    assert_eq!((pr.merge_outcome(), pr.open_tasks, pr.comments), (pb::MergeOutcome::Conflicted, 1, 9));
    let says: Vec<_> = pr.reviewers.iter().map(pb::Reviewer::status).collect();
    assert_eq!(says, [pb::ReviewStatus::NeedsWork, pb::ReviewStatus::Unspecified]);
    assert_eq!((pr.created_ms, pr.web_url.as_str()), (1_530_766_870_981, "https://x/pr/7"));
    assert_eq!((pr.closed_ms, pr.merge_commit_id.as_str()), (1_530_766_870_983, "dd"));
    assert_eq!((pr.locked, pr.resolved_tasks), (true, 2));
}

#[test]
fn what_versions_leave_out_or_add_breaks_nothing() {
    let json = r#"{"id":7,"state":"NEVER_HEARD_OF","reviewers":null,"properties":null,"createdDate":"2018-07-05T05:58:45+0000"}"#;
    let pr = reply(&Reply::of(200, json)).expect("read");
    assert_eq!(
        (pr.state(), pr.merge_outcome(), pr.created_ms),
        (pb::PrState::Unspecified, pb::MergeOutcome::Unspecified, 0)
    );
    assert_eq!(pr.author, None);
}

#[test]
fn the_list_filters_by_full_source_and_keeps_the_target() {
    let filter = Filter { state: "OPEN", from: Some(branch("fix")) };
    let request = list_request(&repo("SHOP", "web"), &filter, 0, 25);
    assert_eq!(
        request.uri().query(),
        Some("state=OPEN&order=NEWEST&at=refs%2Fheads%2Ffix&direction=OUTGOING&start=0&limit=25")
    );
    let elsewhere =
        PR.replace(r#""latestCommit":"ee","repository":{"slug":"web""#, r#""repository":{"slug":"up""#);
    let other = PR.replace("refs/heads/fix", "refs/heads/fix-2");
    let json = format!(r#"{{"values":[{PR},{elsewhere},{other}],"isLastPage":true}}"#);
    let page = list_reply(&Reply::of(200, &json), &repo("shop", "WEB"), &filter, 0).expect("a page");
    assert_eq!(page.values.len(), 1);
}

#[test]
fn states_are_filtered_by_bitbuckets_words() {
    assert_eq!(wire::state_filter(0).expect("every"), "ALL");
    assert_eq!(wire::state_filter(pb::PrState::Declined.into()).expect("one"), "DECLINED");
    assert!(wire::state_filter(99).is_err());
    let all = Filter { state: "ALL", from: None };
    let request = list_request(&repo("SHOP", "web"), &all, 5, 5);
    assert_eq!(request.uri().query(), Some("state=ALL&order=NEWEST&start=5&limit=5"));
}

#[test]
fn characters_are_counted_as_java_does() {
    assert_eq!(characters("aü😀"), 4);
    assert!(number("id", 0).is_err() && number("id", 1).is_ok());
}
