//! Writes whose answers are lost, and keys against doing them twice.

mod loss;

pub(super) use self::loss::agent;

use std::collections::HashSet;

use bitbucket_sim::{Commit as Seed, Fault as Trouble, Rule, Version, WriteKind};
use gitproxy::bitbucket::{Client, Error};
use gitproxy::ops::Call;
use gitproxy::proto::scm::v1 as pb;
use gitproxy::proto::{Fault, Reason};

use crate::adapter::{World, web};

fn branch(name: &str) -> pb::CreateBranchRequest {
    pb::CreateBranchRequest { repo: web(), name: name.into(), start_point: "x".into() }
}

fn edit(path: &str, content: &str) -> pb::EditFileRequest {
    pb::EditFileRequest {
        repo: web(),
        branch: "master".into(),
        path: path.into(),
        content: content.to_owned().into(),
        message: "Bump".into(),
        ..Default::default()
    }
}

fn opening(from: &str, to: &str, title: &str) -> pb::OpenPrRequest {
    pb::OpenPrRequest {
        repo: web(),
        title: title.into(),
        description: "Why\n".into(),
        from_branch: from.into(),
        to_branch: to.into(),
        ..Default::default()
    }
}

fn comment(pr_id: i64, text: &str) -> pb::PostCommentRequest {
    pb::PostCommentRequest { repo: web(), pr_id, text: text.into(), ..Default::default() }
}

fn reason<T: std::fmt::Debug>(outcome: Result<T, Error>) -> Reason {
    Fault::from(outcome.expect_err("a failure")).reason()
}

/// A repository with a branch `x` that is one commit ahead.
async fn ahead(version: Version) -> World {
    let world = World::new(version).await;
    let seed = Seed::new("Ahead").on("x").file("x.txt", "x");
    world.sim.add_commits("SHOP", "web", &[seed]).await.expect("a commit");
    world
}

/// The client at work under a key that is made now.
fn keyed(client: &Client, key: u128) -> Client {
    client.during(Call { key_made: Some(std::time::SystemTime::now()), key: Some(key), ..Call::default() })
}

fn count(world: &World, kind: WriteKind) -> usize {
    world.sim.writes().iter().filter(|write| write.kind == kind).count()
}

const KINDS: [WriteKind; 4] =
    [WriteKind::CreateBranch, WriteKind::EditFile, WriteKind::OpenPullRequest, WriteKind::Comment];

/// Does each of the four writes once.
async fn all_four(client: &Client) -> [Result<(), Error>; 4] {
    let made = client.create_branch(branch("y")).await.map(|made| assert!(made.branch.is_some()));
    let edited = client.edit_file(edit("new.txt", "new")).await;
    let edited = edited.map(|edited| assert!(edited.commit.is_some() || edited.unchanged));
    let opened = client.open_pr(opening("x", "master", "Bump")).await.map(|opened| {
        assert!(!opened.existing && opened.pull_request.is_some());
    });
    let posted =
        client.post_comment(comment(1, "Look")).await.map(|posted| assert!(posted.comment.is_some()));
    [made, edited, opened, posted]
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_read_back_in_every_version() {
    for &version in &Version::ALL {
        let world = ahead(version).await;
        for method in ["POST", "PUT"] {
            world.trouble(Rule::new(Trouble::DropAnswer).method(method));
        }
        for (done, kind) in all_four(&world.client()).await.into_iter().zip(KINDS) {
            assert!(done.is_ok(), "{version:?} {kind:?} {done:?}");
            assert_eq!(count(&world, kind), 1, "{version:?} {kind:?}");
        }
    }
}

#[tokio::test]
async fn a_write_without_a_trace_is_repeated_only_where_bitbucket_refuses_a_second_one() {
    let world = ahead(Version::V9_4).await;
    let client = world.client();
    let lose = |method: &str, path: &str| {
        world.sim.knobs().add(Rule::new(Trouble::Status(502)).method(method).path(path).times(1));
    };
    lose("POST", "/branches");
    lose("PUT", "/browse/");
    lose("POST", "/pull-requests");
    let [made, edited, opened, posted] = all_four(&client).await;
    assert!(made.is_ok() && edited.is_ok() && opened.is_ok() && posted.is_ok());
    lose("POST", "/comments");
    assert_eq!(reason(client.post_comment(comment(1, "Again")).await), Reason::WriteUncertain);
    KINDS.into_iter().for_each(|kind| assert_eq!(count(&world, kind), 1, "{kind:?}"));
}

#[tokio::test]
async fn a_key_that_another_process_has_used_finds_what_it_made() {
    let world = ahead(Version::V9_4).await;
    let first = keyed(&world.client(), 7);
    all_four(&first).await.into_iter().for_each(|done| done.expect("done"));
    let call = Call { key_made: first_made(), key: Some(7), ..Call::default() };
    let second = world.client().during(call);
    let made = second.create_branch(branch("y")).await.expect("found").branch.expect("named");
    assert_eq!(made.commit_id, world.sim.commit_of("SHOP", "web", "y").await.expect("a commit"));
    let edited = second.edit_file(edit("new.txt", "new")).await.expect("found");
    assert_eq!(edited.commit.expect("its own").message.trim(), "Bump");
    let opened = second.open_pr(opening("x", "master", "Bump")).await.expect("found");
    assert_eq!((opened.existing, opened.pull_request.expect("named").id), (true, 1));
    let posted = second.post_comment(comment(1, "Look")).await.expect("found");
    assert!(posted.existing);
    KINDS.into_iter().for_each(|kind| assert_eq!(count(&world, kind), 1, "{kind:?}"));
}

/// A key's time before anything in a test.
fn first_made() -> Option<std::time::SystemTime> {
    Some(std::time::SystemTime::now() - std::time::Duration::from_secs(60))
}

#[tokio::test]
async fn a_key_does_not_claim_what_is_not_its_own() {
    let world = ahead(Version::V9_4).await;
    let client = world.client();
    all_four(&client).await.into_iter().for_each(|done| done.expect("done"));
    let seeds = [Seed::new("On").file("new.txt", "on"), Seed::new("On").on("x").file("x.txt", "on")];
    world.sim.add_commits("SHOP", "web", &seeds).await.expect("commits");
    let client = world.client().during(Call { key_made: first_made(), key: Some(8), ..Call::default() });
    assert_eq!(reason(client.create_branch(branch("y")).await), Reason::BranchExists, "x has moved");
    assert_eq!(reason(client.edit_file(edit("new.txt", "new")).await), Reason::FileExists);
    assert_eq!(reason(client.open_pr(opening("x", "master", "Other")).await), Reason::PrExists);
    let later = keyed(&world.client(), 9);
    assert_eq!(reason(later.open_pr(opening("x", "master", "Bump")).await), Reason::PrExists);
    assert!(!later.post_comment(comment(1, "Look")).await.expect("posted").existing);
    assert_eq!(count(&world, WriteKind::Comment), 2);
}

#[tokio::test]
async fn without_a_key_what_exists_is_said_to_exist() {
    let world = ahead(Version::V9_4).await;
    let client = world.client();
    all_four(&client).await.into_iter().for_each(|done| done.expect("done"));
    assert_eq!(reason(client.create_branch(branch("y")).await), Reason::BranchExists);
    assert_eq!(reason(client.open_pr(opening("x", "master", "Bump")).await), Reason::PrExists);
    client.post_comment(comment(1, "Look")).await.expect("a second one");
    assert_eq!(count(&world, WriteKind::Comment), 2);
}

#[tokio::test]
async fn equal_comments_under_keys_of_one_moment_stay_two_in_one_process() {
    let world = ahead(Version::V9_4).await;
    let client = world.client();
    client.open_pr(opening("x", "master", "Bump")).await.expect("opened");
    let under = |key| client.during(Call { key_made: first_made(), key: Some(key), ..Call::default() });
    let (one, two) = (under(1), under(2));
    let both = tokio::join!(one.post_comment(comment(1, "Look")), two.post_comment(comment(1, "Look")));
    assert!(!both.0.expect("posted").existing && !both.1.expect("posted").existing);
    assert_eq!(count(&world, WriteKind::Comment), 2);
    assert!(one.post_comment(comment(1, "Look")).await.expect("found").existing);
    assert_eq!(count(&world, WriteKind::Comment), 2);
}

/// A text in four equal parts.
fn in_four() -> pb::PostCommentRequest {
    pb::PostCommentRequest { split: true, ..comment(1, &"x".repeat(4 * 32_000)) }
}

/// All four parts, each a comment of its own, and no further comment.
fn are_four(world: &World, posted: &pb::PostCommentResponse) {
    let first = posted.comment.as_ref().expect("named").id;
    let ids: HashSet<_> = posted.parts.iter().map(|part| part.id).chain([first]).collect();
    assert_eq!((posted.parts.len(), ids.len(), count(world, WriteKind::Comment)), (3, 4, 4));
    assert!(posted.parts.iter().all(|part| part.parent_id == first));
}

#[tokio::test]
async fn equal_parts_of_a_text_are_all_posted_and_found_again_by_any_process() {
    let under_key =
        |client: Client| client.during(Call { key_made: first_made(), key: Some(7), ..Call::default() });
    for (posted, same_process) in [(1, false), (2, false), (2, true), (3, false), (3, true)] {
        let world = ahead(Version::V9_4).await;
        let client = world.client();
        client.open_pr(opening("x", "master", "Bump")).await.expect("opened");
        let rule = Rule::new(Trouble::Status(403)).method("POST").path("/comments").every(posted + 1);
        let cut = world.sim.knobs().add(rule);
        let failed = under_key(client.clone()).post_comment(in_four()).await.expect_err("in part");
        world.sim.knobs().remove(cut);
        let failed = Fault::from(failed);
        let done = posted.to_string();
        assert_eq!(
            (failed.fact("parts_posted"), failed.fact("parts")),
            (Some(&*done), Some("4")),
            "{failed}"
        );
        for _ in 0..2 {
            let client = if same_process { client.clone() } else { world.client() };
            let answer = under_key(client).post_comment(in_four()).await.expect("posted");
            assert!(answer.existing);
            are_four(&world, &answer);
        }
    }
}

#[tokio::test]
async fn equal_parts_whose_answers_are_lost_are_told_apart() {
    for key in [None, Some(7)] {
        let world = ahead(Version::V9_4).await;
        let client = world.client();
        client.open_pr(opening("x", "master", "Bump")).await.expect("opened");
        world.trouble(Rule::new(Trouble::DropAnswer).method("POST").path("/comments"));
        let client = key.map_or(client.clone(), |key| keyed(&client, key));
        let posted = client.post_comment(in_four()).await.expect("read back");
        assert!(!posted.existing);
        are_four(&world, &posted);
    }
}

#[tokio::test]
async fn an_equal_comment_is_found_behind_a_hundred_later_ones() {
    let world = ahead(Version::V9_4).await;
    let client = world.client();
    client.open_pr(opening("x", "master", "Bump")).await.expect("opened");
    client.post_comment(comment(1, "Look")).await.expect("posted");
    for number in 0..130 {
        client.post_comment(comment(1, &format!("Number {number}"))).await.expect("posted");
    }
    let second = world.client().during(Call { key_made: first_made(), key: Some(7), ..Call::default() });
    assert!(second.post_comment(comment(1, "Look")).await.expect("found").existing);
}

#[tokio::test]
async fn a_comment_that_another_process_has_changed_under_the_key_is_as_asked() {
    let world = ahead(Version::V9_4).await;
    let client = world.client();
    client.open_pr(opening("x", "master", "Bump")).await.expect("opened");
    let comment_id =
        client.post_comment(comment(1, "Look")).await.expect("posted").comment.expect("named").id;
    let update = |text: &str| pb::UpdateCommentRequest {
        repo: web(),
        pr_id: 1,
        comment_id,
        text: Some(text.to_owned()),
        expected_version: Some(0),
        ..Default::default()
    };
    keyed(&client, 7).update_comment(update("Look!")).await.expect("changed");
    let again = keyed(&world.client(), 7).update_comment(update("Look!")).await.expect("it is as asked");
    assert_eq!(again.comment.expect("named").version, 1);
    assert_eq!(reason(world.client().update_comment(update("Look!")).await), Reason::CommentOutOfDate);
    let another = |asked| async { reason(keyed(&world.client(), 7).update_comment(asked).await) };
    assert_eq!(another(update("Other")).await, Reason::CommentOutOfDate);
    // A version that the comment has yet to reach is no sign of an earlier attempt.
    let ahead = pb::UpdateCommentRequest { expected_version: Some(2), ..update("Look!") };
    assert_eq!(another(ahead).await, Reason::CommentOutOfDate);
}

#[tokio::test]
async fn a_comment_that_another_process_has_resolved_or_deleted_under_the_key_is_as_asked() {
    let world = ahead(Version::V9_4).await;
    let client = world.client();
    client.open_pr(opening("x", "master", "Bump")).await.expect("opened");
    let posted = |kind: pb::CommentKind| {
        let asked = pb::PostCommentRequest { kind: kind.into(), ..comment(1, "Look") };
        async { client.post_comment(asked).await.expect("posted").comment.expect("named") }
    };
    for kind in [pb::CommentKind::Task, pb::CommentKind::Unspecified] {
        let comment = posted(kind).await;
        let (repo, pr_id, comment_id) = (web(), 1, comment.id);
        let resolve = pb::ResolveCommentRequest { repo: repo.clone(), pr_id, comment_id, reopen: false };
        let first = keyed(&client, 7).resolve_comment(resolve.clone()).await.expect("resolved");
        let again = keyed(&world.client(), 7).resolve_comment(resolve).await.expect("it is as asked");
        let version = first.comment.expect("named").version;
        assert_eq!((again.comment.expect("named").version, version), (version, comment.version + 1));
        let delete = pb::DeleteCommentRequest { repo, pr_id, comment_id, expected_version: Some(version) };
        keyed(&client, 8).delete_comment(delete.clone()).await.expect("deleted");
        keyed(&world.client(), 8).delete_comment(delete).await.expect("it is gone");
    }
}

#[tokio::test]
async fn a_draft_is_opened_as_one_or_not_at_all() {
    for (version, drafts) in [(Version::V9_4, true), (Version::V7_21, false)] {
        let world = ahead(version).await;
        let asked = pb::OpenPrRequest { draft: true, ..opening("x", "master", "Bump") };
        let opened = world.client().open_pr(asked).await;
        if drafts {
            assert!(opened.expect("opened").pull_request.expect("named").draft);
        } else {
            assert_eq!(reason(opened), Reason::NotInThisVersion);
            assert_eq!(count(&world, WriteKind::OpenPullRequest), 0);
        }
    }
}
