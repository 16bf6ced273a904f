use serde_json::Value;

use super::*;
use crate::bitbucket::Refusal;
use crate::bitbucket::names::ProjectKey;
use crate::bitbucket::reply::Reply;

fn post(place: Place, kind: pb::CommentKind) -> Post {
    let projects = [ProjectKey::parse("SHOP").expect("a key")].into_iter().collect();
    let named = pb::RepoRef { project: "SHOP".into(), slug: "web".into() };
    let repo = RepoId::parse("repo", Some(&named), &projects).expect("inside");
    Post { repo, pr_id: 7, text: "Look".into(), place, anchor: None, kind }
}

fn body(place: Place, kind: pb::CommentKind) -> Value {
    serde_json::from_slice(request(&post(place, kind)).body()).expect("JSON")
}

fn anchor(path: &str, line: i32, line_type: pb::LineType) -> Place {
    let anchor = pb::Anchor {
        path: path.into(),
        line,
        line_type: line_type.into(),
        src_path: "old.rs".into(),
        ..Default::default()
    };
    Place::parse(&anchor).expect("a place")
}

#[test]
fn each_place_has_its_form() {
    let plain = pb::CommentKind::Unspecified;
    assert_eq!(body(Place::General, plain), serde_json::json!({"text": "Look"}));
    assert_eq!(
        body(Place::Reply { parent: 3 }, plain),
        serde_json::json!({"text": "Look", "parent": {"id": 3}})
    );
    assert_eq!(
        body(anchor("a.rs", 0, pb::LineType::Unspecified), plain),
        serde_json::json!({"text": "Look", "anchor": {"path": "a.rs", "srcPath": "old.rs"}})
    );
    assert_eq!(
        body(Place::General, pb::CommentKind::Task),
        serde_json::json!({"text": "Look", "severity": "BLOCKER"})
    );
}

#[test]
fn a_line_names_the_side_that_it_is_numbered_on() {
    let sides = [
        (pb::LineType::Unspecified, "ADDED", "TO"),
        (pb::LineType::Added, "ADDED", "TO"),
        (pb::LineType::Removed, "REMOVED", "FROM"),
        (pb::LineType::Context, "CONTEXT", "TO"),
    ];
    for (line_type, word, side) in sides {
        let body = body(anchor("a.rs", 12, line_type), pb::CommentKind::Unspecified);
        let expected = serde_json::json!({"path": "a.rs", "srcPath": "old.rs", "line": 12, "lineType": word, "fileType": side});
        assert_eq!(body["anchor"], expected);
    }
}

#[test]
fn the_request_goes_to_the_pull_request() {
    let request = request(&post(Place::General, pb::CommentKind::Unspecified));
    assert_eq!(request.method(), Method::POST);
    assert_eq!(request.uri(), "/rest/api/latest/projects/SHOP/repos/web/pull-requests/7/comments");
}

#[test]
fn a_path_is_read_as_a_text_and_as_an_object() {
    for path in [r#""a/b.rs""#, r#"{"components":["a","b.rs"],"toString":"a/b.rs"}"#] {
        let json = format!(
            r#"{{"id":1,"version":0,"text":"t","severity":"BLOCKER","createdDate":5,"author":{{"name":"jane"}},
                "anchor":{{"path":{path},"line":2,"lineType":"REMOVED"}}}}"#
        );
        let comment = reply(&Reply::of_write(201, &json)).expect("read");
        assert_eq!((comment.kind(), comment.created_ms), (pb::CommentKind::Task, 5));
        let anchor = comment.anchor.expect("an anchor");
        assert_eq!((anchor.path.as_str(), anchor.line), ("a/b.rs", 2));
        assert_eq!(anchor.line_type(), pb::LineType::Removed);
    }
}

#[test]
fn a_refused_argument_of_a_line_is_the_line() {
    let refused = |status: StatusCode, exception: &str, reason| {
        Error::Refused(Box::new(Refusal {
            reason,
            status,
            exception: exception.into(),
            message: String::new(),
            facts: Vec::new(),
        }))
    };
    let line = || anchor("a.rs", 12, pb::LineType::Added);
    let bad = |place: Place| {
        not_posted(refused(StatusCode::BAD_REQUEST, "", Reason::ArgumentRefused), &place).reason()
    };
    assert_eq!(bad(line()), Some(Reason::AnchorInvalid));
    assert_eq!(bad(Place::General), Some(Reason::ArgumentRefused));
    let archived = refused(StatusCode::CONFLICT, "IllegalEntityStateException", Reason::StateRefused);
    assert_eq!(not_posted(archived, &line()).reason(), Some(Reason::StateRefused));
}

#[test]
fn a_negative_line_is_named() {
    let bad = pb::Anchor { path: "a".into(), line: -1, ..Default::default() };
    assert!(matches!(Place::parse(&bad), Err(Error::Field { field, .. }) if field == "anchor.line"));
    let bad = pb::Anchor { path: "../a".into(), ..Default::default() };
    assert!(matches!(Place::parse(&bad), Err(Error::Field { field, .. }) if field == "anchor.path"));
}
