//! The adapter against the simulator: TLS, a context path, and git behind it.

use std::time::Duration;

use bitbucket_sim::{
    Commit as Seed, Config, Fault as Trouble, Permission, RateLimit, Rule, Sim, TokenSpec, Version,
};
use bytes::Bytes;
use futures_util::TryStreamExt as _;
use gitproxy::bitbucket::{Account, Budgets, Client, Credential, Error, ProjectKey, Rate};
use gitproxy::egress::{CaSource, Egress, Settings};
use gitproxy::ops::Tasks;
use gitproxy::ops::secret::Source;
use gitproxy::proto::scm::v1 as pb;
use gitproxy::proto::{Fault, Reason};

/// A simulator with the repository `SHOP/web`, whose branch is `master`.
pub(crate) struct World {
    pub(crate) sim: Sim,
    pub(crate) token: String,
}

impl World {
    pub(crate) async fn new(version: Version) -> Self {
        let sim = Sim::start(Config::default().version(version)).await.expect("a simulator");
        let seed =
            Seed::new("Start").file("a.txt", "one\ntwo\n").file("docs/ü b.html", "<html>").file("empty", "");
        sim.add_repo("SHOP", "web", &[seed]).await.expect("a repository");
        let token = sim.add_token(TokenSpec::personal("alice"));
        Self { sim, token }
    }

    pub(crate) fn client(&self) -> Client {
        self.client_as(&self.token)
    }

    pub(crate) fn client_as(&self, token: &str) -> Client {
        let pem = self.sim.ca_pem().as_bytes().to_vec();
        let ca = CaSource::Pem { name: "simulator".into(), pem };
        self.client_trusting(token, vec![ca])
    }

    fn client_trusting(&self, token: &str, extra_ca: Vec<CaSource>) -> Client {
        let egress =
            Egress::new(&Settings { extra_ca, ..Settings::default() }, &Tasks::new()).expect("trust");
        let projects = ["SHOP", "~alice"].iter().map(|key| ProjectKey::parse(key).expect("a key"));
        let account = Account {
            name: "main".into(),
            base: self.sim.url().parse().expect("a URL"),
            credential: Credential::Bearer(Source::Fixed(token.into())),
            user: None,
            projects: projects.collect(),
        };
        // This simulator has no limiter unless a test sets one: a budget would only make its tests wait.
        let plenty = Budgets::new(Rate { burst: 100_000, per_second: 10_000 });
        Client::new(account, &egress, &plenty).expect("a client")
    }

    pub(crate) fn trouble(&self, rule: Rule) {
        self.sim.knobs().add(rule);
    }
}

pub(crate) fn web() -> Option<pb::RepoRef> {
    Some(pb::RepoRef { project: "shop".into(), slug: "web".into() })
}

fn branch(name: &str) -> pb::CreateBranchRequest {
    pb::CreateBranchRequest { repo: web(), name: name.into(), start_point: "master".into() }
}

fn edit(branch: &str, content: &'static str, commit: &str) -> pb::EditFileRequest {
    pb::EditFileRequest {
        repo: web(),
        branch: branch.into(),
        path: "a.txt".into(),
        content: Bytes::from_static(content.as_bytes()),
        message: "Bump ü".into(),
        source_commit_id: commit.into(),
        source_branch: String::new(),
    }
}

fn opening(from: &str) -> pb::OpenPrRequest {
    pb::OpenPrRequest {
        repo: web(),
        title: "Bump".into(),
        description: "Why".into(),
        from_branch: from.into(),
        to_branch: "master".into(),
        ..Default::default()
    }
}

pub(crate) fn comment(pr_id: i64, text: &str) -> pb::PostCommentRequest {
    pb::PostCommentRequest { repo: web(), pr_id, text: text.into(), ..Default::default() }
}

async fn read(client: &Client, path: &str) -> Result<Vec<u8>, Error> {
    let asked = pb::GetFileRequest { repo: web(), path: path.into(), at: "refs/heads/master".into() };
    let pieces: Vec<Bytes> = client.get_file(asked).await?.try_collect().await?;
    Ok(pieces.concat())
}

pub(crate) fn reason<T: std::fmt::Debug>(outcome: Result<T, Error>) -> Reason {
    Fault::from(outcome.expect_err("a failure")).reason()
}

/// A pull request from a branch `x` that changes the second line of `a.txt`.
pub(crate) async fn pull_request(client: &Client) -> pb::PullRequest {
    let made = client.create_branch(branch("x")).await.expect("a branch").branch.expect("named");
    let edited = client.edit_file(edit("x", "one\nTWO\n", &made.commit_id)).await.expect("an edit");
    assert!(!edited.unchanged && edited.commit.is_some());
    client.open_pr(opening("x")).await.expect("a pull request").pull_request.expect("named")
}

#[tokio::test]
async fn the_whole_job_works_in_every_version() {
    for &version in &Version::ALL {
        let world = World::new(version).await;
        let client = world.client();
        let found = client.test_connection(pb::TestConnectionRequest {}).await.expect("tested");
        assert_eq!(
            (found.authenticated_as.as_str(), found.visible_projects),
            ("alice", vec!["SHOP".to_owned()])
        );
        let repos = client.list_repos(pb::ListReposRequest::default()).await.expect("repositories");
        assert_eq!(repos.repos.len(), 1, "{version:?}");
        let asked = pb::GetDefaultBranchRequest { repo: web() };
        let default = client.get_default_branch(asked).await.expect("a branch").branch.expect("named");
        assert_eq!(default.id, "refs/heads/master");
        let pr = pull_request(&client).await;
        assert_eq!((pr.state(), pr.from.expect("a side").name), (pb::PrState::Open, "x".to_owned()));
        let anchor = pb::Anchor { path: "a.txt".into(), line: 2, ..Default::default() };
        let inline = pb::PostCommentRequest { anchor: Some(anchor), ..comment(pr.id, "Look") };
        let posted = client.post_comment(inline).await.expect("a comment").comment.expect("named");
        assert_eq!(posted.anchor.expect("an anchor").line, 2);
        let kind = pb::CommentKind::Task.into();
        let task = pb::PostCommentRequest { kind, parent_id: posted.id, ..comment(pr.id, "Do") };
        let task = client.post_comment(task).await.expect("a task").comment.expect("named");
        assert_eq!(task.kind(), pb::CommentKind::Task, "{version:?}");
        let target = Some(pb::get_build_status_request::Target::PrId(pr.id));
        let builds = client.get_build_status(pb::GetBuildStatusRequest { repo: web(), target }).await;
        assert_eq!(builds.expect("builds").commit_id.len(), 40);
        world.sim.stop().await;
    }
}

#[tokio::test]
async fn what_exists_is_said_to_exist() {
    let world = World::new(Version::V9_4).await;
    let client = world.client();
    let pr = pull_request(&client).await;
    assert_eq!(reason(client.create_branch(branch("x")).await), Reason::BranchExists);
    let again = Fault::from(client.open_pr(opening("x")).await.expect_err("a second one"));
    assert_eq!((again.reason(), again.fact("pr_id")), (Reason::PrExists, Some(pr.id.to_string().as_str())));
    let head = world.sim.commit_of("SHOP", "web", "x").await.expect("a commit");
    let same = client.edit_file(edit("x", "one\nTWO\n", &head)).await.expect("a success");
    assert!(same.unchanged);
    let listed = pb::ListPRsRequest { repo: web(), from_branch: "x".into(), ..Default::default() };
    assert_eq!(client.list_prs(listed).await.expect("a page").pull_requests[0].id, pr.id);
    assert_eq!(reason(client.edit_file(edit("x", "three", "")).await), Reason::FileExists);
}

#[tokio::test]
async fn what_does_not_exist_is_named() {
    let world = World::new(Version::V9_4).await;
    world.sim.add_repo("SHOP", "empty", &[]).await.expect("a repository");
    let client = world.client();
    let missing =
        pb::GetRepoRequest { repo: Some(pb::RepoRef { project: "SHOP".into(), slug: "no".into() }) };
    assert_eq!(reason(client.get_repo(missing).await), Reason::RepoNotFound);
    assert_eq!(reason(read(&client, "no.txt").await), Reason::PathNotFound);
    let empty = Some(pb::RepoRef { project: "SHOP".into(), slug: "empty".into() });
    let asked = pb::GetDefaultBranchRequest { repo: empty };
    assert_eq!(reason(client.get_default_branch(asked).await), Reason::NoDefaultBranch);
    let pr = pb::GetPrRequest { repo: web(), id: 99 };
    assert_eq!(reason(client.get_pr(pr).await), Reason::PrNotFound);
    let start = pb::CreateBranchRequest { start_point: "nowhere".into(), ..branch("y") };
    assert_eq!(reason(client.create_branch(start).await), Reason::RefNotFound);
}

#[tokio::test]
async fn a_branch_is_deleted_once_it_is_where_it_is_expected() {
    let world = World::new(Version::V9_4).await;
    let client = world.client();
    let made = client.create_branch(branch("x")).await.expect("a branch").branch.expect("named");
    let delete = |name: &str, expected: &str| pb::DeleteBranchRequest {
        repo: web(),
        name: name.into(),
        expected_commit_id: expected.into(),
    };
    assert_eq!(reason(client.delete_branch(delete("x", &"0".repeat(40))).await), Reason::BranchMoved);
    assert_eq!(reason(client.delete_branch(delete("master", "")).await), Reason::BranchIsDefault);
    client.delete_branch(delete("x", &made.commit_id)).await.expect("deleted");
    client.delete_branch(delete("x", "")).await.expect("deleted again");
}

#[tokio::test]
async fn files_come_byte_for_byte_or_as_an_error() {
    let world = World::new(Version::V9_4).await;
    let big = Seed::new("Big").zeros("big.bin", 3_000_000);
    world.sim.add_commits("SHOP", "web", &[big]).await.expect("a commit");
    let client = world.client();
    assert_eq!(read(&client, "docs/ü b.html").await.expect("whole"), b"<html>");
    assert_eq!(read(&client, "empty").await.expect("whole"), b"");
    assert_eq!(read(&client, "big.bin").await.expect("whole").len(), 3_000_000);
    world.trouble(Rule::new(Trouble::CutAfter(100_000)).path("/raw/"));
    assert_eq!(reason(read(&client, "big.bin").await), Reason::EgressCut);
    let asked = pb::ListFilesRequest { repo: web(), path: "docs".into(), ..Default::default() };
    assert_eq!(client.list_files(asked).await.expect("a page").paths, ["docs/ü b.html"]);
}

#[tokio::test]
async fn pages_go_on_where_they_ended() {
    let world = World::new(Version::V9_4).await;
    let client = world.client();
    for name in ["b", "c", "d"] {
        client.create_branch(branch(name)).await.expect("a branch");
    }
    let mut asked = pb::ListBranchesRequest { repo: web(), page_size: 2, ..Default::default() };
    let mut names = Vec::new();
    loop {
        let page = client.list_branches(asked.clone()).await.expect("a page");
        names.extend(page.branches.into_iter().map(|branch| branch.name));
        if page.next_page_token.is_empty() {
            break;
        }
        asked.page_token = page.next_page_token;
    }
    assert_eq!(names, ["b", "c", "d", "master"]);
}

#[tokio::test]
async fn a_login_page_is_no_bitbucket() {
    let world = World::new(Version::V9_4).await;
    let client = world.client();
    for trouble in [Trouble::LoginPage, Trouble::LoginRedirect] {
        world.trouble(Rule::new(trouble));
        let asked = pb::GetRepoRequest { repo: web() };
        assert_eq!(reason(client.get_repo(asked).await), Reason::NotBitbucket);
        assert_eq!(reason(read(&client, "a.txt").await), Reason::NotBitbucket);
        world.sim.knobs().clear();
    }
}

#[tokio::test]
async fn a_read_survives_a_moment_of_trouble() {
    let world = World::new(Version::V9_4).await;
    let client = world.client();
    for trouble in [Trouble::Status(503), Trouble::CutAfter(0), Trouble::DropAnswer] {
        world.trouble(Rule::new(trouble).method("GET").times(1));
        let asked = pb::GetRepoRequest { repo: web() };
        assert!(client.get_repo(asked).await.is_ok());
    }
}

#[tokio::test]
async fn a_rate_limit_says_when_to_come_back() {
    let world = World::new(Version::V9_4).await;
    let client = world.client();
    world.sim.knobs().rate_limit(Some(RateLimit { capacity: 0, per_second: 0.01, retry_after: true }));
    let error = client.get_repo(pb::GetRepoRequest { repo: web() }).await.expect_err("limited");
    let Error::RateLimited { retry_after, .. } = error else { panic!("{error:?}") };
    assert!(retry_after.is_some_and(|delay| delay > Duration::ZERO));
}

#[tokio::test]
async fn tokens_are_refused_for_what_they_are() {
    let world = World::new(Version::V9_4).await;
    let get = || pb::GetRepoRequest { repo: web() };
    assert_eq!(reason(world.client_as("wrong").get_repo(get()).await), Reason::TokenInvalid);
    let past = std::time::SystemTime::now() - Duration::from_secs(60);
    let expired = world.sim.add_token(TokenSpec::personal("alice").expires_at(past));
    assert_eq!(reason(world.client_as(&expired).get_repo(get()).await), Reason::TokenInvalid);
    let reader =
        TokenSpec::personal("alice").project_permission(Permission::Read).repo_permission(Permission::Read);
    let reader = world.client_as(&world.sim.add_token(reader));
    assert!(reader.get_repo(get()).await.is_ok());
    assert_eq!(reason(reader.create_branch(branch("x")).await), Reason::PermissionMissing);
    let nobody =
        TokenSpec::project("SHOP").project_permission(Permission::Write).repo_permission(Permission::Write);
    let nobody = world.client_as(&world.sim.add_token(nobody));
    let found = nobody.test_connection(pb::TestConnectionRequest {}).await.expect("tested");
    assert_eq!(found.authenticated_as, "");
    let head = world.sim.commit_of("SHOP", "web", "master").await.expect("a commit");
    assert_eq!(reason(nobody.edit_file(edit("master", "x", &head)).await), Reason::TokenHasNoUser);
}

#[tokio::test]
async fn a_renamed_repository_is_followed_for_reads_and_writes() {
    let world = World::new(Version::V9_4).await;
    let client = world.client();
    world.sim.rename_repo("SHOP", "web", "shop-web").await.expect("renamed");
    let found =
        client.get_repo(pb::GetRepoRequest { repo: web() }).await.expect("found").repo.expect("named");
    assert_eq!(found.r#ref.expect("a name").slug, "shop-web");
    client.create_branch(branch("x")).await.expect("a branch");
}

#[tokio::test]
async fn an_unknown_authority_is_a_failed_handshake() {
    let world = World::new(Version::V9_4).await;
    // Another simulator's authority, so that somebody is trusted.
    let other = Sim::start(Config::default()).await.expect("a simulator");
    let ca = CaSource::Pem { name: "other".into(), pem: other.ca_pem().as_bytes().to_vec() };
    let client = world.client_trusting(&world.token, vec![ca]);
    assert_eq!(reason(client.get_repo(pb::GetRepoRequest { repo: web() }).await), Reason::EgressTls);
}

#[tokio::test]
async fn nobody_listening_is_no_connection() {
    let world = World::new(Version::V9_4).await;
    let client = world.client();
    world.sim.stop().await;
    let asked =
        pb::GetRepoRequest { repo: pb::RepoRef { project: "SHOP".into(), slug: "web".into() }.into() };
    assert_eq!(reason(client.get_repo(asked).await), Reason::EgressConnect);
}
