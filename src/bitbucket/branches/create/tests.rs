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
fn a_branch_is_created_through_branch_utils() {
    let start = Revision::parse("refs/heads/main").expect("a revision").expect("not empty");
    let request = create_request(&repo(), &name("refs/heads/fix/é"), &start);
    assert_eq!(
        (request.method(), request.uri().path()),
        (&Method::POST, "/rest/branch-utils/latest/projects/SHOP/repos/web/branches")
    );
    assert_eq!(body(&request), serde_json::json!({"name": "fix/é", "startPoint": "refs/heads/main"}));
}

#[test]
fn a_branch_that_exists_is_named_and_an_overlap_is_a_bad_name() {
    let refused = |status, exception: &str, reason| {
        Error::Refused(Box::new(crate::bitbucket::Refusal {
            reason,
            status: StatusCode::from_u16(status).expect("a status"),
            exception: exception.into(),
            message: String::new(),
            facts: Vec::new(),
        }))
    };
    let exists = not_created(refused(400, "DuplicateRefException", Reason::BranchExists), &name("x"));
    assert!(matches!(exists, Error::Refused(refusal) if refusal.facts == [("branch", "x".to_owned())]));
    let overlap = not_created(refused(409, "OverlapException", Reason::StateRefused), &name("x"));
    assert_eq!(overlap.reason(), Some(Reason::BranchNameInvalid));
    let archived = not_created(refused(409, "IllegalEntityStateException", Reason::StateRefused), &name("x"));
    assert_eq!(archived.reason(), Some(Reason::StateRefused));
}

#[test]
fn names_that_git_refuses_are_refused_before_bitbucket() {
    for bad in [
        "a..b",
        "a b",
        ".a",
        "a/.b",
        "a.lock",
        "a/b.lock/c",
        "a.",
        "@",
        "a@{1",
        "a~1",
        "a^",
        "a:b",
        "-a",
        "a//b",
        "a\\b",
    ] {
        assert!(!git_allows(bad), "{bad}");
    }
    for good in ["main", "feature/ü-1", "a@b", "v1.0", "x.locks"] {
        assert!(git_allows(good), "{good}");
    }
}
