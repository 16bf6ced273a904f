use http::StatusCode;

use super::*;
use crate::bitbucket::Refusal;
use crate::bitbucket::names::ProjectKey;

fn edit() -> Edit {
    let projects = [ProjectKey::parse("SHOP").expect("a key")].into_iter().collect();
    let named = pb::RepoRef { project: "SHOP".into(), slug: "web".into() };
    Edit {
        repo: RepoId::parse("repo", Some(&named), &projects).expect("inside"),
        path: RepoPath::parse("docs/a b.md").expect("a path"),
        branch: BranchName::parse("refs/heads/fix").expect("a branch"),
        content: Bytes::from_static(b"\x00\xff\r\n--x"),
        message: String::new(),
        source_commit: None,
        source_branch: None,
    }
}

fn refusal(reason: Reason, exception: &str) -> Error {
    Error::Refused(Box::new(Refusal {
        reason,
        status: StatusCode::CONFLICT,
        exception: exception.into(),
        message: String::new(),
        facts: Vec::new(),
    }))
}

#[test]
fn a_new_file_is_a_form_of_branch_and_exact_bytes() {
    let request = request(&edit(), "B");
    assert_eq!(request.method(), Method::PUT);
    assert_eq!(request.uri(), "/rest/api/latest/projects/SHOP/repos/web/browse/docs/a%20b.md");
    assert_eq!(request.headers()["content-type"], "multipart/form-data; boundary=B");
    let expected: &[u8] = b"--B\r\nContent-Disposition: form-data; name=\"branch\"\r\n\r\nfix\r\n\
        --B\r\nContent-Disposition: form-data; name=\"content\"; filename=\"content\"\r\n\
        Content-Type: application/octet-stream\r\n\r\n\x00\xff\r\n--x\r\n--B--\r\n";
    assert_eq!(request.body().as_ref(), expected);
}

#[test]
fn an_existing_file_names_the_commit_and_a_new_branch_its_source() {
    let edit = Edit {
        message: "Bump ü".into(),
        source_commit: Some(CommitId::parse(&"a".repeat(40)).expect("whole")),
        source_branch: Some(BranchName::parse("main").expect("a branch")),
        ..edit()
    };
    let request = request(&edit, "B");
    let text = String::from_utf8_lossy(request.body());
    for part in [
        "name=\"message\"\r\n\r\nBump ü\r\n".to_owned(),
        format!("name=\"sourceCommitId\"\r\n\r\n{}\r\n", "a".repeat(40)),
        "name=\"sourceBranch\"\r\n\r\nmain\r\n".to_owned(),
    ] {
        assert!(text.contains(&part), "{part}");
    }
}

#[test]
fn boundaries_differ_and_are_legal() {
    let (one, two) = (boundary(&edit()), boundary(&edit()));
    assert_ne!(one, two);
    assert!(one.len() <= 70 && one.bytes().all(|byte| byte.is_ascii_alphanumeric()));
}

#[test]
fn a_boundary_that_stands_in_the_content_or_the_message_is_not_taken() {
    let content = b"x\r\n--stem--\r\n--stemn1\r\n";
    assert_eq!(absent("stem", [content, b"stemn2"]), "stemn3");
    assert_eq!(absent("stem", [b"ste", b""]), "stem");
}

#[test]
fn a_commit_by_somebody_unknown_is_read() {
    let json = r#"{"id":"ff","message":"m","author":{"name":"charlie","emailAddress":"c@x"},
        "authorTimestamp":1636089306104,"parents":[{"id":"ee","displayId":"e"}]}"#;
    let commit = reply(&Reply::of_write(200, json)).expect("read");
    assert_eq!((commit.id.as_str(), commit.authored_ms), ("ff", 1_636_089_306_104));
    assert_eq!(commit.author.expect("an author").name, "charlie");
    assert_eq!(commit.parent_ids, ["ee"]);
}

#[test]
fn content_that_is_there_is_a_success_and_a_hook_is_a_refusal() {
    assert!(is_unchanged(&refusal(Reason::EditRefused, "FileContentUnmodifiedException")));
    assert!(!is_unchanged(&refusal(Reason::EditRefused, "EditFileFailedException")));
    let hook = not_edited(refusal(Reason::StateRefused, "SomeHookException"));
    assert_eq!(hook.reason(), Some(Reason::EditRefused));
    let archived = not_edited(refusal(Reason::StateRefused, "IllegalEntityStateException"));
    assert_eq!(archived.reason(), Some(Reason::StateRefused));
}
