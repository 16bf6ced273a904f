//! A whole job, through gateway, tunnel, agent and adapter to the simulator and the git behind it.

use std::collections::BTreeSet;

use bitbucket_sim::{Version, WriteKind};
use bytes::Bytes;
use gitproxy::proto::scm::v1 as pb;

use crate::world::{Caller, World};

#[tokio::test]
async fn a_whole_job_is_done_on_a_local_connection() {
    let world = World::start().await;
    the_whole_job(&world, &world.caller().await).await;
}

#[tokio::test]
async fn a_whole_job_is_done_on_a_connection_that_the_cloud_holds() {
    let world = World::with(|plan| plan.local("main").held("cloud")).await;
    the_whole_job(&world, &world.caller().await.on("cloud")).await;
}

#[tokio::test]
async fn a_whole_job_is_done_with_a_password() {
    let world = World::with(|plan| plan.basic_auth().local("main").basic("carol", PASSWORD)).await;
    world.sim.add_user("carol", PASSWORD);
    the_whole_job(&world, &world.caller().await).await;
}

#[tokio::test]
async fn a_whole_job_is_done_with_the_oldest_and_the_newest_bitbucket() {
    for version in [Version::V7_21, Version::V10_2] {
        let world = World::with(|plan| plan.version(version).local("main")).await;
        the_whole_job(&world, &world.caller().await).await;
    }
}

/// What a remediation takes, in its order.
async fn the_whole_job(world: &World, caller: &Caller) {
    looks(world, caller).await;
    let commit = branches(world, caller).await;
    let pr = pull_request(world, caller, &commit).await;
    comments_and_builds(world, caller, pr).await;
    let delete = pb::DeleteBranchRequest { repo: web(), name: "spare".into(), ..Default::default() };
    caller.refs().delete_branch(caller.ask(delete)).await.expect("deleted");
    assert!(world.sim.commit_of("SHOP", "web", "spare").await.is_err(), "git still has the branch");
}

async fn looks(world: &World, caller: &Caller) {
    let (mut connections, mut repos) = (caller.connections(), caller.repos());
    let tested = connections.test_connection(caller.ask(pb::TestConnectionRequest {})).await;
    let tested = tested.expect("tested").into_inner();
    assert!(["alice", "carol"].contains(&tested.authenticated_as.as_str()), "{tested:?}");
    assert!(!tested.version.is_empty(), "{tested:?}");
    assert_eq!(tested.visible_projects, ["SHOP"]);
    assert!(tested.passed && tested.checks.len() > 12, "{tested:?}");
    let listed = connections.list_connections(caller.ask(pb::ListConnectionsRequest {})).await;
    assert!(listed.expect("listed").into_inner().connections.iter().any(|it| it.name == "main"));
    let projects = repos.list_projects(caller.ask(pb::ListProjectsRequest::default())).await;
    let keys = projects.expect("listed").into_inner().projects.into_iter().map(|project| project.key);
    assert_eq!(keys.collect::<Vec<_>>(), ["SHOP"], "SECRET is outside the connection's projects");
    let page = repos.list_repos(caller.ask(pb::ListReposRequest::default())).await.expect("listed");
    let slugs = page.into_inner().repos.into_iter().filter_map(|repo| repo.r#ref).map(|name| name.slug);
    assert_eq!(slugs.collect::<Vec<_>>(), ["web"]);
    let repo = repos.get_repo(caller.ask(pb::GetRepoRequest { repo: web() })).await.expect("found");
    let url = repo.into_inner().repo.expect("named").http_clone_url;
    assert!(url.starts_with(world.sim.url()) && url.ends_with("/scm/shop/web.git"), "{url}");
}

/// Gives the commit that the new branches are at.
async fn branches(world: &World, caller: &Caller) -> String {
    let mut refs = caller.refs();
    let default = refs.get_default_branch(caller.ask(pb::GetDefaultBranchRequest { repo: web() })).await;
    let default = default.expect("found").into_inner().branch.expect("named");
    assert_eq!((default.name.as_str(), default.is_default), ("master", true));
    for name in ["bump", "spare"] {
        let create = pb::CreateBranchRequest { repo: web(), name: name.into(), start_point: "master".into() };
        refs.create_branch(caller.ask(create)).await.expect("created");
        let in_git = world.sim.commit_of("SHOP", "web", name).await.expect("git has the branch");
        assert_eq!(in_git, default.commit_id);
    }
    let list = pb::ListBranchesRequest { repo: web(), ..Default::default() };
    let listed = refs.list_branches(caller.ask(list)).await.expect("listed").into_inner().branches;
    let names: BTreeSet<_> = listed.into_iter().map(|branch| branch.name).collect();
    assert_eq!(names, ["bump", "master", "spare"].map(str::to_owned).into());
    default.commit_id
}

/// Edits a file and opens a pull request; gives its number.
async fn pull_request(world: &World, caller: &Caller, commit: &str) -> i64 {
    let (mut files, mut pull_requests) = (caller.files(), caller.pull_requests());
    let list = pb::ListFilesRequest { repo: web(), at: "master".into(), ..Default::default() };
    let paths = files.list_files(caller.ask(list)).await.expect("listed").into_inner().paths;
    assert_eq!(paths, ["a.txt", "docs/ü b.html"]);
    assert_eq!(read(caller, "docs/ü b.html", "master").await, b"<html>");
    let edit = pb::EditFileRequest {
        repo: web(),
        branch: "bump".into(),
        path: "a.txt".into(),
        content: Bytes::from_static(b"one\nTWO\n"),
        message: "Bump ü".into(),
        source_commit_id: commit.into(),
        source_branch: String::new(),
    };
    let edited = files.edit_file(caller.ask(edit)).await.expect("edited").into_inner();
    let in_git = world.sim.commit_of("SHOP", "web", "bump").await.expect("git has the commit");
    assert_eq!(edited.commit.expect("a commit").id, in_git);
    assert_eq!(read(caller, "a.txt", "bump").await, b"one\nTWO\n");
    let opened = pull_requests.open_pr(caller.ask(opening("bump"))).await.expect("opened");
    let opened = opened.into_inner().pull_request.expect("named");
    let get = pb::GetPrRequest { repo: web(), id: opened.id };
    let got = pull_requests.get_pr(caller.ask(get)).await.expect("found").into_inner();
    assert_eq!(got.pull_request.expect("named").title, "Bump");
    let list = pb::ListPRsRequest { repo: web(), ..Default::default() };
    let listed = pull_requests.list_p_rs(caller.ask(list)).await.expect("listed").into_inner();
    assert_eq!(listed.pull_requests.into_iter().map(|pr| pr.id).collect::<Vec<_>>(), [opened.id]);
    opened.id
}

async fn comments_and_builds(world: &World, caller: &Caller, pr_id: i64) {
    let anchor = Some(pb::Anchor { path: "a.txt".into(), line: 2, ..Default::default() });
    let post =
        pb::PostCommentRequest { repo: web(), pr_id, text: "Look ü".into(), anchor, ..Default::default() };
    let posted = caller.comments().post_comment(caller.ask(post)).await.expect("posted").into_inner();
    assert_eq!(posted.comment.expect("named").anchor.expect("an anchor").line, 2);
    let comments = world.sim.writes().into_iter().filter(|write| write.kind == WriteKind::Comment);
    assert_eq!(comments.count(), 1);
    let target = Some(pb::get_build_status_request::Target::PrId(pr_id));
    let status = pb::GetBuildStatusRequest { repo: web(), target };
    let status = caller.builds().get_build_status(caller.ask(status)).await.expect("found").into_inner();
    assert_eq!(status.commit_id, world.sim.commit_of("SHOP", "web", "bump").await.expect("a commit"));
}

async fn read(caller: &Caller, path: &str, at: &str) -> Vec<u8> {
    let get = pb::GetFileRequest { repo: web(), path: path.into(), at: at.into() };
    let mut pieces = caller.files().get_file(caller.ask(get)).await.expect("found").into_inner();
    let mut whole = Vec::new();
    while let Some(piece) = pieces.message().await.expect("a piece") {
        whole.extend(piece.data);
    }
    whole
}

pub(crate) fn web() -> Option<pb::RepoRef> {
    Some(pb::RepoRef { project: "SHOP".into(), slug: "web".into() })
}

/// A pull request to `master`.
pub(crate) fn opening(from: &str) -> pb::OpenPrRequest {
    pb::OpenPrRequest {
        repo: web(),
        title: "Bump".into(),
        description: "Why".into(),
        from_branch: from.into(),
        to_branch: "master".into(),
        ..Default::default()
    }
}

const PASSWORD: &str = "correct+horse/battery staple:%";
