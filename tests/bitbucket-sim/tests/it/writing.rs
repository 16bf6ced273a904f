//! Writes: files, pull requests, merges, comments, builds and pushes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bitbucket_sim::{AutoBuild, Commit, Config, Sim, TokenSpec, Version, WriteKind};
use http::Method;
use serde_json::{Value, json};

use crate::client::{Client, git};
use crate::{Shop, shop, shop_of, web};

/// Edits `a.txt` on a new branch and opens a pull request from it.
async fn with_pull(shop: &Shop, branch: &str, content: &str) -> Value {
    let tip = shop.sim.commit_of("SHOP", "web", "master").await.unwrap();
    let fields = [
        ("content", content),
        ("branch", branch),
        ("sourceBranch", "master"),
        ("sourceCommitId", &tip),
        ("message", "Edit"),
    ];
    let edited = shop.client.edit(&web("/browse/a.txt"), &fields).await;
    assert_eq!(edited.status, 200, "{edited:?}");
    let opened = shop.client.post(&web("/pull-requests"), &pull_body(branch)).await;
    assert_eq!(opened.status, 201, "{opened:?}");
    assert!(opened.headers["location"].to_str().unwrap().ends_with("/pull-requests/1"));
    opened.json()
}

fn pull_body(branch: &str) -> Value {
    let side = |name: &str| {
        json!({"id": format!("refs/heads/{name}"),
                                   "repository": {"slug": "web", "project": {"key": "SHOP"}}})
    };
    json!({"title": "Edit", "fromRef": side(branch), "toRef": side("master")})
}

#[tokio::test]
async fn an_edited_file_is_a_commit_that_a_clone_shows() {
    let shop = shop().await;
    let tip = shop.sim.commit_of("SHOP", "web", "master").await.unwrap();
    let path = web("/browse/src/%C3%BC%20b/c.txt");
    let fields = |content: &'static str| [("content", content), ("branch", "master"), ("message", "Why")];
    let exists = shop.client.edit(&path, &fields("new\r\n")).await;
    assert_eq!((exists.status.as_u16(), exists.exception().as_str()), (409, "FileAlreadyExistsException"));
    let with =
        |content: &'static str| [fields(content).as_slice(), &[("sourceCommitId", tip.as_str())]].concat();
    let same = shop.client.edit(&path, &with("c\n")).await;
    assert_eq!((same.status.as_u16(), same.exception().as_str()), (409, "FileContentUnmodifiedException"));
    let edited = shop.client.edit(&path, &with("new\r\n")).await;
    assert_eq!((edited.status.as_u16(), &edited.json()["author"]["name"]), (200, &json!("alice")));
    let stale = shop.client.edit(&path, &with("newer\n")).await;
    assert_eq!((stale.status.as_u16(), stale.exception().as_str()), (409, "FileOutOfDateException"));

    let dir = tempfile::tempdir().unwrap();
    let url = format!("{}/scm/shop/web.git", shop.sim.url());
    let cloned = git(&shop.sim, &shop.token, dir.path(), &["clone", "-q", &url, "out"]).await;
    assert!(cloned.status.success(), "{}", String::from_utf8_lossy(&cloned.stderr));
    assert_eq!(std::fs::read(dir.path().join("out/src/ü b/c.txt")).unwrap(), b"new\r\n");
    let writes = shop.sim.writes();
    assert_eq!((writes.len(), writes[0].kind, writes[0].fact("branch")), (1, WriteKind::EditFile, "master"));
}

#[tokio::test]
async fn an_edit_must_be_a_form_and_not_too_large() {
    let config = Config { max_upload: 1000, ..Config::default() };
    let sim = Sim::start(config).await.unwrap();
    sim.add_repo("SHOP", "web", &[Commit::new("Start").file("a", "b")]).await.unwrap();
    let client = Client::new(&sim, &sim.add_token(TokenSpec::personal("alice")));
    assert_eq!(client.json(Method::PUT, &web("/browse/x"), &json!({})).await.status, 415);
    let large = "x".repeat(1001);
    let reply = client.edit(&web("/browse/x"), &[("content", &large), ("branch", "master")]).await;
    assert_eq!((reply.status.as_u16(), sim.writes().len()), (400, 0));
}

#[tokio::test]
async fn a_projects_token_reads_but_neither_edits_nor_opens() {
    let Shop { sim, .. } = shop().await;
    let token = sim.add_token(TokenSpec::project("SHOP"));
    let mut client = Client::new(&sim, &token);
    let read = client.get(&web("")).await;
    assert_eq!(
        (read.status.as_u16(), read.headers["x-ausername"].to_str().unwrap().contains("%2F")),
        (200, true)
    );
    let edit = client.edit(&web("/browse/x"), &[("content", "x"), ("branch", "master")]).await;
    assert_eq!(edit.status, 403);
    assert_eq!(client.post(&web("/pull-requests"), &pull_body("x")).await.status, 403);
    assert_eq!(sim.writes(), []);
    let basic = format!("Basic {}", STANDARD.encode(format!("alice:{token}")));
    client.authorization = Some(basic);
    assert_eq!(client.get(&web("")).await.status, 401, "Bearer only");
}

#[tokio::test]
async fn a_second_pull_request_names_the_first() {
    let shop = shop().await;
    let pull = with_pull(&shop, "fix", "1\ntwo\nthree\n").await;
    assert_eq!((&pull["state"], &pull["version"]), (&json!("OPEN"), &json!(0)));
    assert_eq!(pull["properties"]["mergeResult"]["outcome"], "UNKNOWN");
    let again = shop.client.post(&web("/pull-requests"), &pull_body("fix")).await;
    assert_eq!((again.status.as_u16(), again.exception().as_str()), (409, "DuplicatePullRequestException"));
    assert_eq!(again.json()["errors"][0]["existingPullRequest"]["id"], 1);
    let mut unknown = pull_body("fix");
    unknown["reviewers"] = json!([{"user": {"name": "nobody"}}]);
    let reviewers = shop.client.post(&web("/pull-requests"), &unknown).await;
    assert_eq!(reviewers.exception(), "InvalidPullRequestReviewersException");
    let empty = shop.client.post(&web("/branches"), &json!({"name": "same", "startPoint": "master"})).await;
    assert_eq!(empty.status, 200);
    assert_eq!(
        shop.client.post(&web("/pull-requests"), &pull_body("same")).await.exception(),
        "EmptyPullRequestException"
    );
    assert_eq!(
        shop.client.post(&web("/pull-requests"), &pull_body("master")).await.exception(),
        "InvalidPullRequestTargetException"
    );
    assert_eq!(shop.client.post(&web("/pull-requests"), &pull_body("none")).await.status, 404);
    let mine = "/pull-requests?direction=OUTGOING&at=";
    assert_eq!(shop.client.get(&web(&format!("{mine}refs/heads/fix"))).await.json()["size"], 1);
    assert_eq!(shop.client.get(&web(&format!("{mine}fix"))).await.json()["size"], 0);
}

#[tokio::test]
async fn git_decides_whether_a_pull_request_conflicts_and_merges_it() {
    let shop = shop().await;
    with_pull(&shop, "fix", "1\ntwo\nthree\n").await;
    let merge = web("/pull-requests/1/merge");
    assert_eq!(shop.client.get(&merge).await.json()["canMerge"], true);
    let theirs = [Commit::new("Other").file("a.txt", "uno\ntwo\nthree\n")];
    shop.sim.add_commits("SHOP", "web", &theirs).await.unwrap();
    let check = shop.client.get(&merge).await.json();
    assert_eq!((&check["conflicted"], &check["outcome"]), (&json!(true), &json!("CONFLICTED")));
    let stale = shop.client.post(&format!("{merge}?version=0"), &json!({})).await;
    assert_eq!(stale.exception(), "PullRequestOutOfDateException");
    assert_eq!(stale.json()["errors"][0]["currentVersion"], 1);
    let vetoed = shop.client.post(&format!("{merge}?version=1"), &json!({})).await;
    assert_eq!(vetoed.exception(), "PullRequestMergeVetoedException");

    let back = [Commit::new("Back").file("a.txt", "one\ntwo\nthree\n")];
    shop.sim.add_commits("SHOP", "web", &back).await.unwrap();
    assert_eq!(shop.client.get(&merge).await.json()["canMerge"], true);
    let merged = shop.client.post(&format!("{merge}?version=2"), &json!({})).await.json();
    assert_eq!(merged["state"], "MERGED", "{merged}");
    let commit = shop.sim.commit_of("SHOP", "web", "master").await.unwrap();
    assert_eq!(merged["properties"]["mergeCommit"]["id"], commit);
    let again = shop.client.post(&format!("{merge}?version=3"), &json!({})).await;
    assert_eq!(again.exception(), "IllegalPullRequestStateException");
}

#[tokio::test]
async fn a_declined_pull_request_can_be_reopened_and_the_version_moves() {
    let shop = shop().await;
    with_pull(&shop, "fix", "1\ntwo\nthree\n").await;
    let declined = shop.client.post(&web("/pull-requests/1/decline?version=0"), &json!({})).await.json();
    assert_eq!((&declined["state"], &declined["version"]), (&json!("DECLINED"), &json!(1)));
    assert_eq!(shop.client.get(&web("/pull-requests/1/merge")).await.status, 409);
    let open = shop.client.post(&web("/pull-requests/1/reopen?version=1"), &json!({})).await.json();
    assert_eq!((&open["state"], &open["version"]), (&json!("OPEN"), &json!(2)));
}

#[tokio::test]
async fn a_comment_is_placed_only_where_the_diff_shows_the_line() {
    let shop = shop().await;
    with_pull(&shop, "fix", "1\ntwo\nthree\n").await;
    let comments = web("/pull-requests/1/comments");
    let anchored = |line: u64, kind: &str, side: &str| json!({"text": "why", "anchor": {"path": "a.txt", "line": line, "lineType": kind, "fileType": side}});
    let added = shop.client.post(&comments, &anchored(1, "ADDED", "TO")).await;
    assert_eq!(added.status, 201, "{added:?}");
    assert_eq!(added.json()["anchor"]["path"], "a.txt");
    for (line, kind, side) in [(2, "ADDED", "TO"), (1, "ADDED", "FROM"), (99, "CONTEXT", "TO")] {
        assert_eq!(
            shop.client.post(&comments, &anchored(line, kind, side)).await.status,
            400,
            "{line} {kind} {side}"
        );
    }
    assert_eq!(shop.client.post(&comments, &anchored(1, "REMOVED", "FROM")).await.status, 201);
    let other =
        json!({"text": "x", "anchor": {"path": "bin.dat", "line": 1, "lineType": "ADDED", "fileType": "TO"}});
    assert_eq!(shop.client.post(&comments, &other).await.status, 400);

    let reply = json!({"text": "because", "parent": {"id": added.json()["id"]}});
    assert_eq!(shop.client.post(&comments, &reply).await.status, 201);
    let task = shop.client.post(&comments, &json!({"text": "do it", "severity": "BLOCKER"})).await.json();
    assert_eq!((&task["severity"], &task["state"]), (&json!("BLOCKER"), &json!("OPEN")));
    let long = shop.client.post(&comments, &json!({"text": "x".repeat(32_768)})).await;
    assert_eq!((long.status.as_u16(), &long.json()["errors"][0]["context"]), (400, &json!("text")));

    let activities = shop.client.get(&web("/pull-requests/1/activities")).await.json();
    let actions: Vec<_> =
        activities["values"].as_array().unwrap().iter().map(|one| one["action"].clone()).collect();
    assert_eq!(actions, ["COMMENTED", "COMMENTED", "COMMENTED", "OPENED"]);
    assert_eq!(activities["values"][2]["comment"]["comments"][0]["text"], "because");
    assert_eq!(shop.client.get(&web("/pull-requests/1/blocker-comments")).await.json()["size"], 1);
    assert_eq!(
        shop.client.get(&web("/pull-requests/1/merge")).await.json()["vetoes"].as_array().unwrap().len(),
        1
    );
}

#[tokio::test]
async fn streamed_pages_end_with_null_and_diffs_are_gits() {
    let shop = shop().await;
    with_pull(&shop, "fix", "1\ntwo\nthree\n").await;
    let first = shop.client.get(&web("/commits?limit=1")).await.json();
    assert_eq!((&first["isLastPage"], &first["nextPageStart"]), (&json!(false), &json!(1)));
    let last = shop.client.get(&web("/commits?limit=1&start=1")).await.json();
    assert_eq!(last.get("nextPageStart"), Some(&Value::Null));
    assert_eq!(shop.client.get(&web("/commits?until=nowhere")).await.exception(), "NoSuchCommitException");
    let changes = shop.client.get(&web("/pull-requests/1/changes")).await.json();
    assert_eq!(changes["values"][0]["path"]["toString"], "a.txt");
    assert_eq!(
        (&changes["values"][0]["type"], changes.get("nextPageStart")),
        (&json!("MODIFY"), Some(&Value::Null))
    );
    let diff = shop.client.get(&web("/pull-requests/1/diff/a.txt")).await.json();
    let kinds: Vec<_> =
        diff["diffs"][0]["hunks"][0]["segments"].as_array().unwrap().iter().map(|s| &s["type"]).collect();
    assert_eq!(kinds, ["REMOVED", "ADDED", "CONTEXT"]);
    let lines = shop.client.get(&web("/browse/a.txt?limit=2")).await.json();
    assert_eq!((&lines["lines"][1]["text"], &lines["isLastPage"]), (&json!("two"), &json!(false)));
    let folder = shop.client.get(&web("/browse/?at=refs/heads/fix")).await.json();
    assert_eq!(folder["children"]["values"][2]["type"], "DIRECTORY");
    let archive = shop.client.get(&web("/archive?format=tar")).await;
    assert!(archive.bytes.windows(5).any(|part| part == b"a.txt"));
}

#[tokio::test]
async fn a_build_status_is_kept_by_key_in_both_resources() {
    let Shop { sim, client, .. } = shop().await;
    let sha = sim.commit_of("SHOP", "web", "master").await.unwrap();
    let rich = web(&format!("/commits/{sha}/builds"));
    for state in ["INPROGRESS", "SUCCESSFUL"] {
        let body = json!({"key": "ci", "state": state, "url": "https://ci.example.com/1", "ref": "refs/heads/master"});
        assert_eq!(client.post(&rich, &body).await.status, 204);
    }
    assert_eq!(client.get(&rich).await.status, 400);
    assert_eq!(client.get(&format!("{rich}?key=ci")).await.json()["state"], "SUCCESSFUL");
    let legacy = format!("/rest/build-status/1.0/commits/{sha}");
    let body = json!({"key": "lint", "state": "FAILED", "url": "https://ci.example.com/2"});
    assert_eq!(client.post(&legacy, &body).await.status, 204);
    let list = client.get(&legacy).await.json();
    assert_eq!((&list["size"], &list["limit"]), (&json!(2), &json!(100)));
    let stats = client.get(&format!("/rest/build-status/1.0/commits/stats/{sha}")).await.json();
    assert_eq!(
        (&stats["successful"], &stats["failed"], &stats["inProgress"]),
        (&json!(1), &json!(1), &json!(0))
    );
}

#[tokio::test]
async fn a_push_is_noted_rescopes_and_starts_its_build() {
    let lasts = std::time::Duration::from_millis(1);
    let auto_build = Some(AutoBuild { lasts, ..AutoBuild::default() });
    let sim = Sim::start(Config { auto_build, ..Config::default() }).await.unwrap();
    sim.add_repo("SHOP", "web", &[Commit::new("Start").file("a.txt", "one\n")]).await.unwrap();
    let token = sim.add_token(TokenSpec::personal("alice"));
    let client = Client::new(&sim, &token);
    let (dir, url) = (tempfile::tempdir().unwrap(), format!("{}/scm/shop/web.git", sim.url()));
    let run = async |args: &[&str]| {
        let done = git(&sim, &token, dir.path(), args).await;
        assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
    };
    run(&["clone", "-q", &url, "out"]).await;
    run(&["-C", "out", "checkout", "-q", "-b", "fix"]).await;
    run(&["-C", "out", "commit", "-q", "--allow-empty", "-m", "One"]).await;
    run(&["-C", "out", "push", "-q", "origin", "fix"]).await;
    assert_eq!(client.post(&web("/pull-requests"), &pull_body("fix")).await.status, 201);
    run(&["-C", "out", "commit", "-q", "--allow-empty", "-m", "Two"]).await;
    run(&["-C", "out", "push", "-q", "origin", "fix"]).await;
    let pull = client.get(&web("/pull-requests/1")).await.json();
    let tip = sim.commit_of("SHOP", "web", "fix").await.unwrap();
    assert_eq!((&pull["version"], &pull["fromRef"]["latestCommit"]), (&json!(1), &json!(tip)));
    let kinds: Vec<_> = sim.writes().iter().map(|write| write.kind).collect();
    assert_eq!(kinds, [WriteKind::Push, WriteKind::OpenPullRequest, WriteKind::Push]);
    loop {
        let stats = client.get(&format!("/rest/build-status/1.0/commits/stats/{tip}")).await.json();
        if stats["successful"] == 1 {
            break;
        }
        assert_eq!(stats["inProgress"], 1);
    }
}

#[tokio::test]
async fn a_fork_can_ask_its_origin_to_pull() {
    let Shop { sim, client, .. } = shop().await;
    let forked = client.post(&web(""), &json!({})).await;
    assert_eq!((forked.status.as_u16(), &forked.json()["origin"]["slug"]), (201, &json!("web")));
    let change = [Commit::new("Change").on("fix").file("new.txt", "x")];
    sim.add_commits("~alice", "web", &change).await.unwrap();
    let mut body = pull_body("fix");
    body["fromRef"]["repository"]["project"]["key"] = json!("~alice");
    let opened = client.post(&web("/pull-requests"), &body).await;
    assert_eq!(opened.status, 201, "{opened:?}");
    let changes = client.get(&web("/pull-requests/1/changes")).await.json();
    assert_eq!(changes["values"][0]["type"], "ADD");
}

#[tokio::test]
async fn old_releases_refuse_a_form_without_the_xsrf_header() {
    let Shop { sim, client, .. } = shop_of(Version::V8_19).await;
    let merge = web("/pull-requests/1/merge?version=0");
    let refused = client.send(Method::POST, &merge, &[], "").await.unwrap();
    assert_eq!((refused.status.as_u16(), refused.bytes.as_ref()), (403, b"XSRF check failed".as_slice()));
    let passed = client.send(Method::POST, &merge, &[("x-atlassian-token", "no-check")], "").await.unwrap();
    assert_eq!(passed.status, 404);
    sim.archive_repo("SHOP", "web").unwrap();
    assert_eq!(client.post(&merge, &json!({})).await.exception(), "IllegalEntityStateException");
}
