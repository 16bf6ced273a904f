//! Bad input, each a clear refusal: what a caller sends, what Bitbucket answers, and what the operator sets.

mod settings;

use bitbucket_sim::{Fault as Trouble, Rule};
use gitproxy::proto::Reason;
use gitproxy::proto::scm::v1 as pb;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::commands::{opening, web};
use crate::world::{Caller, World};

#[tokio::test]
async fn an_unknown_connection_is_named() {
    let world = World::start().await;
    let caller = world.caller().await.on("nope");
    let status = get_repo(&caller, web()).await;
    refused(&status, Code::NotFound, Reason::ConnectionUnknown, "`nope`; ListConnections names those");
    assert_eq!(world.sim.request_count(), 0);
}

#[tokio::test]
async fn a_repository_outside_the_connections_projects_is_refused_before_any_http() {
    let world =
        World::with(|plan| plan.local("main").held("cloud").held("vault").projects(&["SECRET"])).await;
    for connection in ["main", "cloud"] {
        let caller = world.caller().await.on(connection);
        let list = pb::ListReposRequest { project: "SECRET".into(), ..Default::default() };
        let branches = pb::ListBranchesRequest { repo: vault(), ..Default::default() };
        let file = pb::GetFileRequest { repo: vault(), path: "secret.txt".into(), at: "master".into() };
        let edit = pb::EditFileRequest {
            repo: vault(),
            branch: "master".into(),
            path: "secret.txt".into(),
            ..Default::default()
        };
        let fork = pb::OpenPrRequest { from_repo: vault(), ..opening("master") };
        let outcomes = [
            get_repo(&caller, vault()).await,
            failed(caller.repos().list_repos(caller.ask(list)).await),
            failed(caller.refs().list_branches(caller.ask(branches)).await),
            failed(caller.files().get_file(caller.ask(file)).await),
            failed(caller.files().edit_file(caller.ask(edit)).await),
            failed(caller.pull_requests().open_pr(caller.ask(fork)).await),
        ];
        for status in outcomes {
            refused(&status, Code::PermissionDenied, Reason::OutsideProject, "SECRET");
        }
    }
    assert_eq!(world.sim.request_count(), 0, "{:?}", world.sim.requests());
    let caller = world.caller().await.on("vault");
    let found = caller.repos().get_repo(caller.ask(pb::GetRepoRequest { repo: vault() })).await;
    assert!(found.is_ok(), "it is there for who may: {found:?}");
}

#[tokio::test]
async fn a_branch_that_exists_and_a_pull_request_that_exists_are_told() {
    let world = World::start().await;
    let (sim, caller) = (&world.sim, world.caller().await);
    let commit = bitbucket_sim::Commit::new("Bump").on("bump").file("a.txt", "TWO\n");
    sim.add_commits("SHOP", "web", &[commit]).await.expect("a branch");
    let create = pb::CreateBranchRequest { repo: web(), name: "bump".into(), start_point: "master".into() };
    let status = failed(caller.refs().create_branch(caller.ask(create)).await);
    refused(&status, Code::AlreadyExists, Reason::BranchExists, "a branch of this name exists");

    let mut pull_requests = caller.pull_requests();
    let first = pull_requests.open_pr(caller.ask(opening("bump"))).await.expect("opened").into_inner();
    let id = first.pull_request.expect("named").id;
    let status = failed(pull_requests.open_pr(caller.ask(opening("bump"))).await);
    refused(&status, Code::AlreadyExists, Reason::PrExists, "an open pull request");
    let facts = status.get_details_error_info().expect("ErrorInfo").metadata;
    assert_eq!(facts.get("pr_id"), Some(&id.to_string()), "{facts:?}");
}

#[tokio::test]
async fn a_path_that_climbs_is_refused_before_any_http() {
    let world = World::start().await;
    let caller = world.caller().await;
    for path in ["..", "../a.txt", "docs/../../a.txt", "docs/.."] {
        let (path, mut files) = (path.to_owned(), caller.files());
        let get = pb::GetFileRequest { repo: web(), path: path.clone(), at: "master".into() };
        let list = pb::ListFilesRequest { repo: web(), path: path.clone(), ..Default::default() };
        let anchor = Some(pb::Anchor { path: path.clone(), line: 1, ..Default::default() });
        let edit = pb::EditFileRequest { repo: web(), branch: "x".into(), path, ..Default::default() };
        let comment =
            pb::PostCommentRequest { repo: web(), pr_id: 1, text: "x".into(), anchor, ..Default::default() };
        let outcomes = [
            failed(files.get_file(caller.ask(get)).await),
            failed(files.list_files(caller.ask(list)).await),
            failed(files.edit_file(caller.ask(edit)).await),
            failed(caller.comments().post_comment(caller.ask(comment)).await),
        ];
        for status in outcomes {
            refused(&status, Code::InvalidArgument, Reason::InvalidField, "path");
            assert!(status.get_details_bad_request().is_some(), "{status:?}");
        }
    }
    assert_eq!(world.sim.request_count(), 0, "{:?}", world.sim.requests());
}

#[tokio::test]
async fn a_page_token_that_was_not_issued_for_this_listing_is_refused_before_any_http() {
    let world = World::start().await;
    let (caller, mut refs) = (world.caller().await, world.caller().await.refs());
    let commit = bitbucket_sim::Commit::new("More").on("more").file("b.txt", "b\n");
    world.sim.add_commits("SHOP", "web", &[commit]).await.expect("a branch");
    let first = pb::ListBranchesRequest { repo: web(), page_size: 1, ..Default::default() };
    let page = refs.list_branches(caller.ask(first.clone())).await.expect("a page").into_inner();
    let issued = page.next_page_token;
    assert!(!issued.is_empty());
    let before = world.sim.request_count();
    let forged = ["25", "garbage", "AAAA", "%00", &issued[1..], &format!("{issued}A")].map(str::to_owned);
    for token in forged {
        let asked = pb::ListBranchesRequest { page_token: token, ..first.clone() };
        let status = failed(refs.list_branches(caller.ask(asked)).await);
        refused(&status, Code::InvalidArgument, Reason::PageTokenInvalid, "start again without one");
    }
    let elsewhere = pb::ListReposRequest { page_token: issued, ..Default::default() };
    let status = failed(caller.repos().list_repos(caller.ask(elsewhere)).await);
    refused(&status, Code::InvalidArgument, Reason::PageTokenInvalid, "start again without one");
    assert_eq!(world.sim.request_count(), before, "{:?}", world.sim.requests());
}

#[tokio::test]
async fn a_token_that_expired_is_told_with_the_connection_and_the_remedy() {
    let world = World::with(|plan| plan.local("main").expired().held("cloud").expired()).await;
    for connection in ["main", "cloud"] {
        let status = get_repo(&world.caller().await.on(connection), web()).await;
        refused(&status, Code::FailedPrecondition, Reason::TokenInvalid, "renew it");
        assert!(status.message().contains(connection), "{}", status.message());
    }
}

#[tokio::test]
async fn html_in_place_of_an_answer_is_no_bitbucket() {
    let world = World::start().await;
    let caller = world.caller().await;
    for (trouble, hint) in [(Trouble::LoginPage, "login page"), (Trouble::LoginRedirect, "single sign-on")] {
        world.sim.knobs().add(Rule::new(trouble));
        let status = get_repo(&caller, web()).await;
        refused(&status, Code::FailedPrecondition, Reason::NotBitbucket, hint);
        let tested = caller.connections().test_connection(caller.ask(pb::TestConnectionRequest {})).await;
        let tested = tested.expect("a test has an answer").into_inner();
        let version =
            tested.checks.iter().find(|check| check.kind() == pb::CheckKind::Version).expect("checked");
        assert!(!tested.passed && version.cause.contains(hint), "{version:?}");
        assert_eq!(version.reason(), Reason::NotBitbucket);
        world.sim.knobs().clear();
    }
}

#[track_caller]
fn refused(status: &Status, code: Code, reason: Reason, hint: &str) {
    assert_eq!((status.code(), Reason::of(status)), (code, Some(reason)), "{status:?}");
    assert!(status.message().contains(hint), "`{}` does not say `{hint}`", status.message());
}

async fn get_repo(caller: &Caller, repo: Option<pb::RepoRef>) -> Status {
    failed(caller.repos().get_repo(caller.ask(pb::GetRepoRequest { repo })).await)
}

#[track_caller]
fn failed<T: std::fmt::Debug>(outcome: Result<T, Status>) -> Status {
    outcome.expect_err("a refusal")
}

fn vault() -> Option<pb::RepoRef> {
    Some(pb::RepoRef { project: "SECRET".into(), slug: "vault".into() })
}
