//! Commits, comparisons and diffs.

use bitbucket_sim::{Commit as Seed, Version};
use gitproxy::bitbucket::Client;
use gitproxy::proto::scm::v1::get_diff_request::Target;
use gitproxy::proto::scm::v1::{self as pb, ChangeType};
use gitproxy::proto::{Fault, Reason};

use crate::adapter::{World, web};

/// Three commits on `master`, the first of which is the world's own, and two more on `feature/x`.
async fn history(version: Version) -> (World, Client) {
    let world = World::new(version).await;
    let commits = [
        Seed::new("Second").by("Ann", "ann@example.com").file("lib/b.txt", "b\n").file("pic", "\0\x01"),
        Seed::new("Third").file("a.txt", "one\n2\n"),
        Seed::new("Fourth").on("feature/x").file("c.txt", "c\n").file("pic", "\0\x02"),
        Seed::new("Fifth").on("feature/x").remove("lib/b.txt").file("lib/moved.txt", "b\n"),
    ];
    world.sim.add_commits("SHOP", "web", &commits).await.expect("seeded");
    let client = world.client();
    (world, client)
}

fn listing(until: &str) -> pb::ListCommitsRequest {
    pb::ListCommitsRequest { repo: web(), until: until.into(), ..Default::default() }
}

fn comparison(base: &str, head: &str) -> pb::CompareCommitsRequest {
    pb::CompareCommitsRequest { repo: web(), base: base.into(), head: head.into(), ..Default::default() }
}

fn of(revision: &str) -> pb::GetDiffRequest {
    pb::GetDiffRequest { repo: web(), target: Some(Target::Revision(revision.into())), ..Default::default() }
}

fn between(base: &str, head: &str) -> pb::GetDiffRequest {
    let range = pb::DiffRange { base: base.into(), head: head.into() };
    pb::GetDiffRequest { repo: web(), target: Some(Target::Range(range)), ..Default::default() }
}

fn messages(commits: &[pb::Commit]) -> Vec<&str> {
    commits.iter().map(|commit| commit.message.trim_end()).collect()
}

async fn listed(client: &Client, asked: pb::ListCommitsRequest) -> Vec<String> {
    let found = client.list_commits(asked).await.expect("a page");
    messages(&found.commits).into_iter().map(str::to_owned).collect()
}

async fn got(client: &Client, revision: &str) -> pb::Commit {
    let asked = pb::GetCommitRequest { repo: web(), revision: revision.into() };
    client.get_commit(asked).await.expect("found").commit.expect("one")
}

async fn diffed(client: &Client, asked: pb::GetDiffRequest) -> pb::Diff {
    client.get_diff(asked).await.expect("found").diff.expect("one")
}

fn reason<T: std::fmt::Debug>(outcome: Result<T, gitproxy::bitbucket::Error>) -> Reason {
    Fault::from(outcome.expect_err("a failure")).reason()
}

/// 99 lines, of which the 50th is this.
fn long(fiftieth: &str) -> String {
    let line = |number: u32| if number == 50 { format!("{fiftieth}\n") } else { format!("{number}\n") };
    (1..=99).map(line).collect()
}

const BOTH: [Version; 2] = [Version::V7_21, Version::V10_2];

#[tokio::test]
async fn commits_are_listed_newest_first_and_page_by_page() {
    for version in BOTH {
        let (_world, client) = history(version).await;
        let mut asked = pb::ListCommitsRequest { page_size: 2, ..listing("") };
        let first = client.list_commits(asked.clone()).await.expect("a page");
        assert_eq!(messages(&first.commits), ["Third", "Second"], "{version:?}");
        asked.page_token = first.next_page_token;
        let last = client.list_commits(asked).await.expect("a page");
        assert_eq!((messages(&last.commits), last.next_page_token.as_str()), (vec!["Start"], ""));
        assert_eq!(last.commits[0].parent_ids, [""; 0]);
    }
}

#[tokio::test]
async fn a_list_of_commits_keeps_to_its_ends_and_its_path() {
    for version in BOTH {
        let (_world, client) = history(version).await;
        let since = pb::ListCommitsRequest { since: "master".into(), ..listing("feature/x") };
        assert_eq!(listed(&client, since).await, ["Fifth", "Fourth"], "{version:?}");
        let path = pb::ListCommitsRequest { path: "lib".into(), ..listing("refs/heads/feature/x") };
        assert_eq!(listed(&client, path).await, ["Fifth", "Second"], "{version:?}");
    }
}

#[tokio::test]
async fn a_commit_is_read_by_branch_tag_and_id() {
    for version in BOTH {
        let (world, client) = history(version).await;
        let parent = got(&client, "master").await.parent_ids.remove(0);
        world.sim.add_tag("SHOP", "web", "v1.0", &parent, Some("One")).await.expect("a tag");
        let fifth = got(&client, "feature/x").await;
        assert_eq!((fifth.message.trim_end(), fifth.id.len()), ("Fifth", 40), "{version:?}");
        for name in ["refs/heads/feature/x", &fifth.id, &fifth.id[..11], &fifth.id.to_uppercase()] {
            assert_eq!(got(&client, name).await.id, fifth.id, "{version:?} {name}");
        }
        let second = got(&client, "v1.0").await;
        let author = second.author.expect("an author");
        assert_eq!((author.name.as_str(), author.email.as_str()), ("Ann", "ann@example.com"), "{version:?}");
        assert_eq!(second.committer.expect("a committer").email, "ann@example.com");
        assert!(second.authored_ms > 1_600_000_000_000 && second.committed_ms >= second.authored_ms);
        assert_eq!(got(&client, "refs/tags/v1.0").await.id, second.id);
    }
}

#[tokio::test]
async fn a_comparison_says_what_the_newer_side_has_and_the_changes_once() {
    for version in BOTH {
        let (_world, client) = history(version).await;
        let mut asked = pb::CompareCommitsRequest { page_size: 1, ..comparison("master", "feature/x") };
        let first = client.compare_commits(asked.clone()).await.expect("a page");
        assert_eq!(messages(&first.commits), ["Fifth"], "{version:?}");
        let mut changes: Vec<_> =
            first.changes.iter().map(|it| (it.path.as_str(), it.src_path.as_str(), it.r#type())).collect();
        changes.sort_unstable();
        let expected = [
            ("c.txt", "", ChangeType::Added),
            ("lib/moved.txt", "lib/b.txt", ChangeType::Moved),
            ("pic", "", ChangeType::Modified),
        ];
        assert_eq!(
            (changes.as_slice(), first.changes_truncated),
            (expected.as_slice(), false),
            "{version:?}"
        );
        assert!(first.changes.iter().all(|it| it.node_type() == pb::NodeType::File));
        asked.page_token = first.next_page_token;
        let last = client.compare_commits(asked).await.expect("a page");
        assert_eq!((messages(&last.commits), last.changes.len()), (vec!["Fourth"], 0), "{version:?}");
        assert_eq!(last.next_page_token, "");
        let back = client.compare_commits(comparison("feature/x", "master")).await.expect("a page");
        assert_eq!((back.commits.len(), back.changes.len()), (0, 0), "{version:?}");
    }
}

#[tokio::test]
async fn a_comparison_with_a_fork_stays_inside_the_projects() {
    let (world, client) = history(Version::V9_4).await;
    let seeds = [Seed::new("Theirs").file("theirs.txt", "x")];
    for project in ["~alice", "SECRET"] {
        world.sim.add_repo(project, "web", &seeds).await.expect("a repository");
    }
    let with = |project: &str| pb::CompareCommitsRequest {
        head_repo: Some(pb::RepoRef { project: project.into(), slug: "web".into() }),
        ..comparison("master", "master")
    };
    let found = client.compare_commits(with("~alice")).await.expect("a page");
    assert_eq!(messages(&found.commits), ["Theirs"]);
    let seen = world.sim.request_count();
    assert_eq!(reason(client.compare_commits(with("SECRET")).await), Reason::OutsideProject);
    assert_eq!(world.sim.request_count(), seen);
}

#[tokio::test]
async fn more_changes_than_bitbucket_lists_are_marked() {
    let (world, client) = history(Version::V9_4).await;
    let wide = Seed::new("Wide").on("wide").many("wide", 1001);
    world.sim.add_commits("SHOP", "web", &[wide]).await.expect("seeded");
    let found = client.compare_commits(comparison("master", "wide")).await.expect("a page");
    assert_eq!((found.changes.len(), found.changes_truncated), (1000, true));
}

#[tokio::test]
async fn a_diff_of_a_commit_is_against_its_parent_and_of_two_from_base_to_head() {
    for version in BOTH {
        let (_world, client) = history(version).await;
        let commit = diffed(&client, of("master")).await;
        let [file] = commit.files.as_slice() else { panic!("{version:?} {commit:?}") };
        assert_eq!((file.path.as_str(), file.src_path.as_str()), ("a.txt", "a.txt"));
        let changed: Vec<_> = file.hunks[0]
            .lines
            .iter()
            .filter(|line| line.r#type() != pb::LineType::Context)
            .map(|line| (line.r#type(), line.text.as_str()))
            .collect();
        assert_eq!(changed, [(pb::LineType::Removed, "two"), (pb::LineType::Added, "2")], "{version:?}");
        let two = diffed(&client, between("master", "feature/x")).await;
        let mut files: Vec<_> =
            two.files.iter().map(|it| (it.path.as_str(), it.src_path.as_str(), it.binary)).collect();
        files.sort_unstable();
        let expected = [("c.txt", "", false), ("lib/moved.txt", "lib/b.txt", false), ("pic", "pic", true)];
        assert_eq!(files, expected, "{version:?}");
        let parent = got(&client, "feature/x").await.parent_ids.remove(0);
        let one = diffed(&client, pb::GetDiffRequest { path: "c.txt".into(), ..of(&parent) }).await;
        assert_eq!((one.files.len(), one.files[0].path.as_str()), (1, "c.txt"), "{version:?}");
    }
}

#[tokio::test]
async fn a_diff_has_the_context_that_was_asked_for_and_says_where_it_is_cut() {
    let (world, client) = history(Version::V10_2).await;
    let commits = ["was", "is"].map(|nth| Seed::new(nth).file("long.txt", long(nth)));
    world.sim.add_commits("SHOP", "web", &commits).await.expect("seeded");
    let near = diffed(&client, pb::GetDiffRequest { context_lines: 1, ..of("master") }).await;
    let hunk = &near.files[0].hunks[0];
    assert_eq!((hunk.lines.len(), hunk.src_line, hunk.src_span), (4, 49, 3));
    assert!(!(near.truncated || near.files[0].truncated || hunk.truncated));
    world.sim.knobs().diff_lines(Some(2));
    let cut = diffed(&client, of("master")).await;
    let file = &cut.files[0];
    assert!(cut.truncated && file.truncated && file.hunks[0].truncated, "{cut:?}");
    assert_eq!(file.hunks[0].lines.len(), 2);
}

#[tokio::test]
async fn commits_that_do_not_exist_are_named_so() {
    let (world, client) = history(Version::V9_4).await;
    world.sim.add_repo("SHOP", "empty", &[]).await.expect("a repository");
    let nowhere = "b".repeat(40);
    for name in ["nope", "feature", nowhere.as_str()] {
        let get = pb::GetCommitRequest { repo: web(), revision: name.into() };
        assert_eq!(reason(client.get_commit(get).await), Reason::RefNotFound, "{name}");
        assert_eq!(reason(client.list_commits(listing(name)).await), Reason::RefNotFound, "{name}");
        assert_eq!(reason(client.compare_commits(comparison("master", name)).await), Reason::RefNotFound);
        assert_eq!(reason(client.get_diff(of(name)).await), Reason::RefNotFound, "{name}");
        assert_eq!(reason(client.get_diff(between(name, "master")).await), Reason::RefNotFound, "{name}");
    }
    let empty = Some(pb::RepoRef { project: "SHOP".into(), slug: "empty".into() });
    let asked = pb::ListCommitsRequest { repo: empty, ..listing("") };
    assert_eq!(reason(client.list_commits(asked).await), Reason::NoDefaultBranch);
}
