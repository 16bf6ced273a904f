use super::*;
use crate::bitbucket::names::ProjectKey;

fn repo() -> RepoId {
    let projects = [ProjectKey::parse("SHOP").expect("a key")].into_iter().collect();
    let named = pb::RepoRef { project: "SHOP".into(), slug: "web".into() };
    RepoId::parse("repo", Some(&named), &projects).expect("inside")
}

fn name(text: &str) -> BranchName {
    BranchName::parse(text).expect("a name")
}

fn body(request: &Request<Bytes>) -> serde_json::Value {
    serde_json::from_slice(request.body()).expect("JSON")
}

#[test]
fn the_list_is_in_order_and_encodes_its_filter() {
    let request = list_request(&repo(), "a/b&c", 25, 100);
    assert_eq!(
        request.uri(),
        "/rest/api/latest/projects/SHOP/repos/web/branches?orderBy=ALPHABETICAL&filterText=a%2Fb%26c&start=25&limit=100"
    );
    let json = r#"{"values":[{"id":"refs/heads/a","displayId":"a","latestCommit":"ff","isDefault":true}],"isLastPage":true}"#;
    let page = list_reply(&Reply::of(200, json), 0).expect("a page");
    let branch = pb::Branch::from(page.values.into_iter().next().expect("one"));
    assert_eq!(
        (branch.id.as_str(), branch.name.as_str(), branch.commit_id.as_str()),
        ("refs/heads/a", "a", "ff")
    );
    assert!(branch.is_default);
}

#[test]
fn an_empty_answer_is_no_default_branch() {
    assert_eq!(default_reply(&Reply::of(204, "")).expect("read"), None);
    let unborn = r#"{"id":"refs/heads/main","displayId":"main","type":"BRANCH"}"#;
    let branch = default_reply(&Reply::of(200, unborn)).expect("read").expect("named");
    assert!(branch.is_default && branch.commit_id.is_empty());
}

#[test]
fn both_resources_of_the_default_branch_are_known() {
    assert!(configured_request(&repo()).uri().path().ends_with("/repos/web/default-branch"));
    assert!(default_request(&repo()).uri().path().ends_with("/repos/web/branches/default"));
}

#[test]
fn a_deletion_names_the_full_ref_and_the_commit_that_it_expects() {
    let commit = CommitId::parse(&"a".repeat(40)).expect("whole");
    let request = delete_request(&repo(), &name("x"), Some(&commit));
    assert_eq!(request.method(), Method::DELETE);
    assert_eq!(
        body(&request),
        serde_json::json!({"name": "refs/heads/x", "endPoint": "a".repeat(40), "dryRun": false})
    );
    assert_eq!(body(&delete_request(&repo(), &name("x"), None)).get("endPoint"), None);
}
