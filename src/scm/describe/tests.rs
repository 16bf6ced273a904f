use super::*;
use crate::proto::scm::v1 as pb;
use crate::scm::Target;

fn repo() -> Option<pb::RepoRef> {
    Some(pb::RepoRef { project: "SHOP".into(), slug: "web".into() })
}

/// The message of the first fault; empty where there is none.
fn fault(request: &impl Describe) -> String {
    described(request).1
}

fn described(request: &impl Describe) -> (Target, String) {
    let mut fields = Fields::default();
    request.describe(&mut fields);
    let (target, fault) = fields.into_parts();
    (target, fault.map(|fault| fault.message().to_owned()).unwrap_or_default())
}

fn file(path: &str) -> pb::GetFileRequest {
    pb::GetFileRequest { repo: repo(), path: path.into(), at: String::new() }
}

fn pull_request() -> pb::OpenPrRequest {
    pb::OpenPrRequest {
        repo: repo(),
        title: "t".into(),
        from_branch: "x".into(),
        to_branch: "main".into(),
        ..Default::default()
    }
}

fn comment() -> pb::PostCommentRequest {
    pb::PostCommentRequest { repo: repo(), pr_id: 1, text: "t".into(), ..Default::default() }
}

#[test]
fn a_request_tells_projects_repo_refs_and_paths() {
    let fork = pb::RepoRef { project: "~ada".into(), slug: "web".into() };
    let (target, fault) = described(&pb::OpenPrRequest { from_repo: Some(fork), ..pull_request() });
    assert_eq!(fault, "");
    assert_eq!(target.projects, ["SHOP", "~ada"]);
    assert_eq!(target.repo.as_deref(), Some("SHOP/web"));
    assert_eq!(target.refs, ["x", "main"]);
    assert_eq!(described(&file("a b/ü.txt")).0.paths, ["a b/ü.txt"]);
}

#[test]
fn what_is_malformed_is_still_named() {
    let (target, fault) = described(&file("../x"));
    assert_eq!(target.paths, ["../x"]);
    assert_eq!(fault, "`path` must not contain the segment `..`");
}

#[test]
fn a_repository_needs_project_and_slug() {
    let repo = |project: &str, slug: &str| pb::GetRepoRequest {
        repo: Some(pb::RepoRef { project: project.into(), slug: slug.into() }),
    };
    assert_eq!(fault(&pb::GetRepoRequest { repo: None }), "`repo` is missing");
    assert_eq!(fault(&repo("", "web")), "`repo.project` must not be empty");
    assert_eq!(fault(&repo("SHOP", "")), "`repo.slug` must not be empty");
    for slug in ["..", ".", "a/b", "a\\b", "a\nb"] {
        assert!(fault(&repo("SHOP", slug)).starts_with("`repo.slug`"), "{slug:?}");
    }
    assert_eq!(fault(&repo("SHOP", "..")), "`repo.slug` is no slug of a repository");
    assert_eq!(fault(&repo("~o'neil", "web.site_2")), "");
}

#[test]
fn a_path_leads_nowhere_but_into_the_repository() {
    for bad in ["", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "a/./b", "a\0b"] {
        assert!(fault(&file(bad)).starts_with("`path` "), "{bad:?}");
    }
    for good in ["a", "..a/b..", "...", "a b/c", "%2e%2e/x", "a\\b", "ключ/值"] {
        assert_eq!(fault(&file(good)), "", "{good:?}");
    }
    let root = pb::ListFilesRequest { repo: repo(), ..Default::default() };
    assert_eq!(fault(&root), "");
}

#[test]
fn a_page_has_a_size_in_its_limits() {
    let page = |page_size| fault(&pb::ListReposRequest { page_size, ..Default::default() });
    assert_eq!((page(0), page(1000)), (String::new(), String::new()));
    assert_eq!(page(-1), "`page_size` must be 0 to 1000");
    assert_eq!(page(1001), "`page_size` must be 0 to 1000");
    let paths = |page_size| fault(&pb::ListFilesRequest { repo: repo(), page_size, ..Default::default() });
    assert_eq!((paths(10_000), paths(10_001)), (String::new(), "`page_size` must be 0 to 10000".into()));
}

#[test]
fn texts_have_their_lengths_in_characters() {
    let titled = |title: String| fault(&pb::OpenPrRequest { title, ..pull_request() });
    assert_eq!(titled("ü".repeat(255)), "");
    assert_eq!(titled("ü".repeat(256)), "`title` must be at most 255 characters");
    assert_eq!(titled(" ".into()), "`title` must not be empty");
    let long = "x".repeat(32_768);
    assert_eq!(fault(&pb::OpenPrRequest { description: long.clone(), ..pull_request() }), "");
    assert_eq!(
        fault(&pb::PostCommentRequest { text: long, ..comment() }),
        "`text` must be at most 32767 characters"
    );
}

#[test]
fn numbers_count_from_one() {
    assert_eq!(fault(&pb::GetPrRequest { repo: repo(), id: 1 }), "");
    assert_eq!(fault(&pb::GetPrRequest { repo: repo(), id: 0 }), "`id` must be at least 1");
    assert_eq!(fault(&pb::PostCommentRequest { pr_id: -1, ..comment() }), "`pr_id` must be at least 1");
    let reply = pb::PostCommentRequest { parent_id: -1, ..comment() };
    assert_eq!(fault(&reply), "`parent_id` must not be negative");
}

#[test]
fn a_commit_is_40_hexadecimal_digits() {
    let delete = |commit: &str| {
        let expected_commit_id = commit.to_owned();
        fault(&pb::DeleteBranchRequest { repo: repo(), name: "x".into(), expected_commit_id })
    };
    assert_eq!((delete(""), delete(&"aB".repeat(20))), (String::new(), String::new()));
    assert_eq!(delete(&"g".repeat(40)), "`expected_commit_id` must be 40 hexadecimal digits");
    assert_eq!(delete("abc"), "`expected_commit_id` must be 40 hexadecimal digits");
}

#[test]
fn an_anchor_names_a_file_and_is_not_for_replies() {
    let anchored =
        |parent_id, anchor| pb::PostCommentRequest { parent_id, anchor: Some(anchor), ..comment() };
    let anchor =
        |path: &str, line, line_type| pb::Anchor { path: path.into(), line, line_type, ..Default::default() };
    assert_eq!(fault(&anchored(0, anchor("a", 3, 1))), "");
    assert_eq!(fault(&anchored(7, anchor("a", 3, 1))), "`anchor` must not be set on a reply");
    assert!(fault(&anchored(0, anchor("", 3, 1))).starts_with("`anchor.path`"));
    assert!(fault(&anchored(0, anchor("a", -1, 1))).starts_with("`anchor.line`"));
    assert!(fault(&anchored(0, anchor("a", 1, 9))).starts_with("`anchor.line_type`"));
}

#[test]
fn builds_are_asked_for_a_commit_or_a_pull_request() {
    use pb::get_build_status_request::Target;
    let asked = |target| fault(&pb::GetBuildStatusRequest { repo: repo(), target });
    assert!(asked(None).starts_with("`target` is missing"));
    assert!(asked(Some(Target::CommitId("main".into()))).starts_with("`commit_id`"));
    assert!(asked(Some(Target::PrId(0))).starts_with("`pr_id`"));
    assert_eq!(asked(Some(Target::PrId(1))), "");
}

#[test]
fn an_edit_is_at_most_5_mib() {
    let edit = |length: usize| pb::EditFileRequest {
        repo: repo(),
        branch: "main".into(),
        path: "a".into(),
        content: vec![0; length].into(),
        ..Default::default()
    };
    assert_eq!(fault(&edit(5_242_880)), "");
    assert_eq!(fault(&edit(5_242_881)), "`content` must be at most 5242880 bytes");
}
