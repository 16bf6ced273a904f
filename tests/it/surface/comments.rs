//! Comments and tasks.

use bitbucket_sim::{Fault as Trouble, Rule, Version};
use gitproxy::bitbucket::Client;
use gitproxy::proto::scm::v1 as pb;
use gitproxy::proto::{Fault, Reason};

use crate::adapter::{World, comment, pull_request, reason, web};

async fn post(client: &Client, asked: pb::PostCommentRequest) -> pb::Comment {
    client.post_comment(asked).await.expect("a comment").comment.expect("named")
}

fn list(pr_id: i64) -> pb::ListCommentsRequest {
    pb::ListCommentsRequest { repo: web(), pr_id, ..Default::default() }
}

fn update(pr_id: i64, comment_id: i64, text: &str) -> pb::UpdateCommentRequest {
    pb::UpdateCommentRequest { repo: web(), pr_id, comment_id, text: Some(text.into()), ..Default::default() }
}

fn resolve(pr_id: i64, comment_id: i64, reopen: bool) -> pb::ResolveCommentRequest {
    pb::ResolveCommentRequest { repo: web(), pr_id, comment_id, reopen }
}

fn delete(pr_id: i64, comment_id: i64) -> pb::DeleteCommentRequest {
    pb::DeleteCommentRequest { repo: web(), pr_id, comment_id, expected_version: None }
}

fn line(line: i32) -> pb::Anchor {
    pb::Anchor { path: "a.txt".into(), line, ..Default::default() }
}

async fn ids(client: &Client, asked: pb::ListCommentsRequest) -> Vec<i64> {
    let page = client.list_comments(asked).await.expect("a page");
    page.comments.iter().map(|comment| comment.id).collect()
}

#[tokio::test]
async fn threads_are_listed_once_with_their_replies() {
    for version in [Version::V7_21, Version::V10_2] {
        let world = World::new(version).await;
        let client = world.client();
        let pr = pull_request(&client).await.id;
        let first = post(&client, comment(pr, "One")).await.id;
        let inline = pb::PostCommentRequest { anchor: Some(line(2)), ..comment(pr, "Two") };
        let second = post(&client, inline).await.id;
        let reply = pb::PostCommentRequest { parent_id: first, ..comment(pr, "Re") };
        let reply = post(&client, reply).await;
        assert_eq!(reply.parent_id, first);
        let task = pb::PostCommentRequest { kind: pb::CommentKind::Task.into(), ..comment(pr, "Do") };
        let task = post(&client, task).await.id;
        assert_eq!(ids(&client, list(pr)).await, [task, second, first], "{version:?}");
        let whole = client.list_comments(list(pr)).await.expect("a page").comments;
        assert_eq!((whole[2].replies[0].id, whole[2].replies[0].parent_id), (reply.id, first));
        assert_eq!(whole[1].anchor.as_ref().expect("an anchor").line, 2);
        let of_file = pb::ListCommentsRequest { path: "a.txt".into(), ..list(pr) };
        assert_eq!(ids(&client, of_file).await, [second]);
        let tasks = pb::ListCommentsRequest { kind: pb::CommentKind::Task.into(), ..list(pr) };
        assert_eq!(ids(&client, tasks).await, [task]);
        let mut found = Vec::new();
        let mut asked = pb::ListCommentsRequest { page_size: 1, ..list(pr) };
        loop {
            let page = client.list_comments(asked.clone()).await.expect("a page");
            found.extend(page.comments.into_iter().map(|comment| comment.id));
            asked.page_token = page.next_page_token;
            if asked.page_token.is_empty() {
                break;
            }
        }
        assert_eq!(found, [task, second, first]);
    }
}

#[tokio::test]
async fn a_long_text_is_posted_in_parts_and_one_that_fails_is_counted() {
    let world = World::new(Version::V10_2).await;
    let client = world.client();
    let pr = pull_request(&client).await.id;
    let text = "A line of some length, to be told from others\n".repeat(2000);
    let split = pb::PostCommentRequest { split: true, ..comment(pr, &text) };
    let unsplit = pb::PostCommentRequest { split: false, ..split.clone() };
    assert_eq!(reason(client.post_comment(unsplit).await), Reason::InvalidField);
    let posted = client.post_comment(split.clone()).await.expect("posted");
    let first = posted.comment.expect("named");
    assert_eq!(posted.parts.len(), 2);
    assert!(posted.parts.iter().all(|part| part.parent_id == first.id));
    let whole: String = posted.parts.iter().fold(first.text, |whole, part| whole + &part.text);
    assert_eq!(whole.replace('\n', ""), text.replace('\n', ""));
    world.trouble(Rule::new(Trouble::Status(500)).method("POST").every(2));
    let error = Fault::from(client.post_comment(split).await.expect_err("in part"));
    assert_eq!(
        (error.reason(), error.fact("parts_posted"), error.fact("parts")),
        (Reason::WriteUncertain, Some("1"), Some("3"))
    );
}

#[tokio::test]
async fn several_lines_need_a_version_that_has_them() {
    for (version, known) in [(Version::V7_21, false), (Version::V10_2, true)] {
        let world = World::new(version).await;
        let client = world.client();
        let pr = pull_request(&client).await.id;
        let anchor = pb::Anchor { start_line: 1, start_line_type: pb::LineType::Context.into(), ..line(2) };
        let asked = pb::PostCommentRequest { anchor: Some(anchor), ..comment(pr, "Both") };
        if known {
            assert_eq!(post(&client, asked).await.anchor.expect("an anchor").start_line, 1);
        } else {
            let error = Fault::from(client.post_comment(asked).await.expect_err("too old"));
            assert_eq!((error.reason(), error.fact("needs")), (Reason::NotInThisVersion, Some("8.0")));
            assert!(ids(&client, list(pr)).await.is_empty());
        }
    }
}

#[tokio::test]
async fn a_comment_is_changed_and_an_old_version_refused() {
    let world = World::new(Version::V10_2).await;
    let client = world.client();
    let pr = pull_request(&client).await.id;
    let id = post(&client, comment(pr, "One")).await.id;
    let changed = client.update_comment(update(pr, id, "Two")).await.expect("changed").comment.expect("it");
    assert_eq!((changed.text.as_str(), changed.version), ("Two", 1));
    let kind = Some(pb::CommentKind::Task.into());
    let task = pb::UpdateCommentRequest { text: None, kind, ..update(pr, id, "") };
    let task = client.update_comment(task).await.expect("changed").comment.expect("it");
    assert_eq!((task.text.as_str(), task.kind()), ("Two", pb::CommentKind::Task));
    let stale = pb::UpdateCommentRequest { expected_version: Some(0), ..update(pr, id, "Three") };
    let error = Fault::from(client.update_comment(stale).await.expect_err("stale"));
    let version = task.version.to_string();
    assert_eq!(
        (error.reason(), error.fact("current_version")),
        (Reason::CommentOutOfDate, Some(version.as_str()))
    );
    world.trouble(Rule::new(Trouble::DropAnswer).method("PUT").times(1));
    let lost = client.update_comment(update(pr, id, "Four")).await.expect("read back").comment.expect("it");
    assert_eq!(lost.text, "Four");
    assert_eq!(reason(client.update_comment(update(pr, 99_999, "x")).await), Reason::CommentNotFound);
}

#[tokio::test]
async fn a_deleted_comment_is_gone_and_one_with_replies_stays() {
    let world = World::new(Version::V10_2).await;
    let client = world.client();
    let pr = pull_request(&client).await.id;
    let id = post(&client, comment(pr, "One")).await.id;
    let reply = pb::PostCommentRequest { parent_id: id, ..comment(pr, "Re") };
    let reply = post(&client, reply).await.id;
    assert_eq!(reason(client.delete_comment(delete(pr, id)).await), Reason::CommentHasReplies);
    client.delete_comment(delete(pr, reply)).await.expect("deleted");
    world.trouble(Rule::new(Trouble::DropAnswer).method("DELETE").times(1));
    client.delete_comment(delete(pr, id)).await.expect("deleted, and read back");
    client.delete_comment(delete(pr, id)).await.expect("gone");
    assert!(ids(&client, list(pr)).await.is_empty());
    assert_eq!(reason(client.delete_comment(delete(99, id)).await), Reason::PrNotFound);
}

#[tokio::test]
async fn tasks_are_resolved_everywhere_and_threads_where_there_are_any() {
    for (version, threads) in [(Version::V7_21, false), (Version::V10_2, true)] {
        let world = World::new(version).await;
        let client = world.client();
        let pr = pull_request(&client).await.id;
        let plain = post(&client, comment(pr, "One")).await.id;
        let task = pb::PostCommentRequest { kind: pb::CommentKind::Task.into(), ..comment(pr, "Do") };
        let task = post(&client, task).await.id;
        let reply = pb::PostCommentRequest { parent_id: plain, ..comment(pr, "Re") };
        let reply = post(&client, reply).await.id;
        let done = client.resolve_comment(resolve(pr, task, false)).await.expect("resolved").comment;
        let done = done.expect("it");
        let again = client.resolve_comment(resolve(pr, task, false)).await.expect("resolved").comment;
        assert!(done.resolved && again.expect("it").version == done.version);
        let open = client.resolve_comment(resolve(pr, task, true)).await.expect("open").comment;
        assert!(!open.expect("it").resolved);
        let thread = client.resolve_comment(resolve(pr, plain, false)).await;
        if threads {
            assert!(thread.expect("resolved").comment.expect("it").resolved);
            assert_eq!(reason(client.resolve_comment(resolve(pr, reply, false)).await), Reason::InvalidField);
            let inline =
                post(&client, pb::PostCommentRequest { anchor: Some(line(2)), ..comment(pr, "Two") });
            let inline = inline.await.id;
            let below = pb::PostCommentRequest { parent_id: inline, ..comment(pr, "Re") };
            let below = post(&client, below).await.id;
            assert_eq!(reason(client.resolve_comment(resolve(pr, below, false)).await), Reason::InvalidField);
            let thread = client.resolve_comment(resolve(pr, inline, false)).await.expect("resolved");
            assert!(thread.comment.expect("it").resolved);
        } else {
            assert_eq!(reason(thread), Reason::NotInThisVersion);
        }
    }
}
