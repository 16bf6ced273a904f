//! A probe of a connection, and TestConnection, against the simulator.

use std::time::{Duration, SystemTime};

use bitbucket_sim::{
    Commit as Seed, Config, Fault as Trouble, Permission, RateLimit, Rule, Sim, State, TokenSpec, Version,
};
use gitproxy::bitbucket::{Account, Budgets, Client, Credential, ProjectKey};
use gitproxy::egress::{CaSource, Egress, Settings};
use gitproxy::ops::secret::Source;
use gitproxy::ops::{Check, Tasks};
use gitproxy::proto::scm::v1 as pb;
use gitproxy::proto::{Fault, Reason};
use tonic::Code;

/// A simulator with `SHOP/web`, `SECRET/vault`, and the connection that is looked at.
struct World {
    sim: Sim,
    projects: Vec<&'static str>,
    user: Option<&'static str>,
}

impl World {
    async fn new() -> Self {
        Self::of(Config::default()).await
    }

    async fn of(config: Config) -> Self {
        let sim = Sim::start(config).await.expect("a simulator");
        for (project, slug) in [("SHOP", "web"), ("SECRET", "vault")] {
            sim.add_repo(project, slug, &[Seed::new("Start").file("a", "b")]).await.expect("a repository");
        }
        Self { sim, projects: vec!["SHOP"], user: None }
    }

    async fn probe(&self, token: &str) -> Probed {
        self.probe_as(Credential::Bearer(Source::Fixed(token.into()))).await
    }

    async fn probe_as(&self, credential: Credential) -> Probed {
        Probed(self.client(credential).probe().await)
    }

    fn client(&self, credential: Credential) -> Client {
        let ca = CaSource::Pem { name: "simulator".into(), pem: self.sim.ca_pem().as_bytes().to_vec() };
        let settings = Settings { extra_ca: vec![ca], ..Settings::default() };
        let egress = Egress::new(&settings, &Tasks::new()).expect("trust");
        let account = Account {
            name: "main".into(),
            base: self.sim.url().parse().expect("a URL"),
            credential,
            user: self.user.map(str::to_owned),
            projects: self.projects.iter().map(|key| ProjectKey::parse(key).expect("a key")).collect(),
        };
        Client::new(account, &egress, &Budgets::default()).expect("a client")
    }

    fn trouble(&self, rule: Rule) {
        self.sim.knobs().add(rule);
    }

    /// A token that may do what a connection needs, in its projects only.
    fn fitting(&self) -> String {
        self.sim.add_token(writer().only(&self.projects))
    }
}

fn writer() -> TokenSpec {
    TokenSpec::personal("alice").project_permission(Permission::Read).repo_permission(Permission::Write)
}

fn in_days(days: u64) -> SystemTime {
    SystemTime::now() + Duration::from_secs(days * 24 * 60 * 60 + 60)
}

/// The checks of a probe.
struct Probed(Vec<Check>);

impl Probed {
    #[track_caller]
    fn check(&self, name: &str) -> &Check {
        self.0.iter().find(|check| check.name == name).unwrap_or_else(|| panic!("no {name} in {:?}", self.0))
    }

    /// Says that just these went otherwise than well; those that failed before those that warned.
    #[track_caller]
    fn differ(&self, failed: &[&str], warned: &[&str]) {
        let of = |word| -> Vec<&str> {
            self.0.iter().filter(|it| it.outcome.to_string() == word).map(|it| it.name).collect()
        };
        assert_eq!((of("failed"), of("warned")), (failed.to_vec(), warned.to_vec()), "{:#?}", self.0);
    }

    #[track_caller]
    fn says(&self, name: &str, outcome: &str, words: &str) {
        let check = self.check(name);
        assert_eq!(check.outcome.to_string(), outcome, "{check:?}");
        let advice = check.advice().map(|it| format!("{} {}", it.cause, it.remedy)).unwrap_or_default();
        assert!(format!("{} {advice}", check.found).contains(words), "{check:?} does not say `{words}`");
    }
}

#[tokio::test]
async fn a_connection_that_fits_passes_in_every_version() {
    for version in Version::ALL {
        let mut world = World::of(Config::default().version(version)).await;
        world.user = Some("ALICE");
        let probed = world.probe(&world.fitting()).await;
        probed.differ(&[], &[]);
        probed.says("version", "passed", version.number());
        probed.says("token", "passed", "alice");
        probed.says("user", "passed", "alice");
        probed.says("write", "passed", "SHOP");
        probed.says("expiry", "passed", "does not expire");
        world.sim.stop().await;
    }
}

#[tokio::test]
async fn another_user_than_the_connections_fails() {
    let mut world = World::new().await;
    world.user = Some("bob");
    let probed = world.probe(&world.fitting()).await;
    probed.differ(&["user"], &[]);
    probed.says("user", "failed", "alice, not bob");
}

#[tokio::test]
async fn a_token_that_may_only_read_is_a_warning() {
    let world = World::new().await;
    let reader = TokenSpec::personal("alice")
        .project_permission(Permission::Read)
        .repo_permission(Permission::Read)
        .only(&["SHOP"]);
    let probed = world.probe(&world.sim.add_token(reader)).await;
    probed.differ(&[], &["write"]);
    probed.says("write", "warned", "commands that write will be refused");
}

#[tokio::test]
async fn a_token_that_may_more_than_is_needed_is_a_warning() {
    let world = World::new().await;
    let probed = world.probe(&world.sim.add_token(TokenSpec::personal("alice"))).await;
    probed.differ(&[], &["excess"]);
    probed.says("excess", "warned", "administers 2 projects");
    let check = probed.check("excess");
    assert!(check.detail.contains("SECRET") && !check.found.contains("SECRET"), "{check:?}");
    let probed = world.probe(&world.sim.add_token(writer())).await;
    probed.says("excess", "warned", "writes to 1 project outside the connection");
}

#[tokio::test]
async fn a_project_that_nobody_shows_is_named() {
    let mut world = World::new().await;
    world.projects = vec!["SHOP", "NOWHERE"];
    let probed = world.probe(&world.fitting()).await;
    probed.differ(&[], &["projects"]);
    probed.says("projects", "warned", "hidden: NOWHERE; visible: SHOP");
    world.projects = vec!["SECRET"];
    let probed = world.probe(&world.sim.add_token(writer().only(&["SHOP"]))).await;
    probed.says("projects", "failed", "hidden: SECRET");
}

#[tokio::test]
async fn the_end_of_a_token_is_told_where_it_is_shown() {
    let world = World::new().await;
    let token = |days| world.sim.add_token(writer().only(&["SHOP"]).expires_at(in_days(days)));
    let probed = world.probe(&token(12)).await;
    probed.differ(&[], &["expiry"]);
    probed.says("expiry", "warned", "ends in 12 days");
    world.probe(&token(90)).await.says("expiry", "passed", "ends in 90 days");
    world.trouble(Rule::new(Trouble::Status(401)).path("/access-tokens/"));
    world.probe(&token(12)).await.says("expiry", "skipped", "Bitbucket does not show it");
    world.sim.knobs().clear();
    let client = world.client(Credential::Bearer(Source::Fixed(token(12).into())));
    assert_eq!(client.token_expires(), None);
    client.probe().await;
    assert!(client.token_expires().is_some_and(|ends| ends < in_days(13)));
}

#[tokio::test]
async fn a_refused_token_is_tried_once() {
    let world = World::new().await;
    let past = SystemTime::now() - Duration::from_secs(60);
    for token in ["wrong".to_owned(), world.sim.add_token(writer().expires_at(past))] {
        let before = world.sim.requests().len();
        let probed = world.probe(&token).await;
        probed.differ(&["token"], &[]);
        probed.says("token", "failed", "wrong, expired or revoked");
        probed.says("projects", "skipped", "not tried");
        let refused =
            world.sim.requests().into_iter().skip(before).filter(|it| it.status == Some(401)).count();
        assert_eq!(refused, 1);
    }
}

#[tokio::test]
async fn a_captcha_a_missing_seat_and_basic_that_is_off_are_told_apart() {
    let world = World::new().await;
    world.sim.add_user("alice", "right");
    let basic =
        |password: &str| Credential::Basic { user: "alice".into(), password: Source::Fixed(password.into()) };
    let probed = world.probe_as(basic("right")).await;
    probed.differ(&[], &["excess"]);
    probed.says("expiry", "skipped", "no token");
    for _ in 0..5 {
        let probed = world.probe_as(basic("wrong")).await;
        probed.differ(&["token"], &[]);
        probed.says("token", "failed", "user and password");
    }
    let probed = world.probe_as(basic("right")).await;
    probed.differ(&["captcha"], &[]);
    probed.says("captcha", "failed", "log in once in a browser");
    world.sim.unlicense_user("alice");
    let probed = world.probe(&world.fitting()).await;
    probed.differ(&["licence"], &[]);
    let ten = World::of(Config::default().version(Version::V10_2)).await;
    ten.sim.add_user("alice", "right");
    ten.probe_as(basic("right")).await.says("token", "failed", "bearer");
}

#[tokio::test]
async fn a_token_without_a_user_is_good_unless_the_connection_names_one() {
    let mut world = World::new().await;
    let spec =
        TokenSpec::project("SHOP").project_permission(Permission::Read).repo_permission(Permission::Write);
    let token = world.sim.add_token(spec);
    let probed = world.probe(&token).await;
    probed.differ(&[], &[]);
    probed.says("token", "passed", "without a user");
    probed.says("user", "skipped", "names no user");
    world.user = Some("alice");
    world.probe(&token).await.differ(&["user"], &[]);
}

#[tokio::test]
async fn a_server_that_does_not_run_says_why() {
    let world = World::new().await;
    let token = world.fitting();
    for (state, words) in [
        (State::Starting, "is starting"),
        (State::Maintenance, "in maintenance"),
        (State::Error, "did not start"),
        (State::FirstRun, "not been set up"),
    ] {
        world.sim.knobs().state(state);
        let probed = world.probe(&token).await;
        probed.differ(&["status"], &[]);
        probed.says("status", "failed", words);
    }
}

#[tokio::test]
async fn a_login_page_is_no_bitbucket_and_a_hidden_status_no_harm() {
    let world = World::new().await;
    for trouble in [Trouble::LoginPage, Trouble::LoginRedirect] {
        world.trouble(Rule::new(trouble.clone()));
        let probed = world.probe(&world.fitting()).await;
        probed.differ(&["status", "version"], &[]);
        probed.says("version", "failed", "login");
        world.sim.knobs().clear();
        world.trouble(Rule::new(trouble).path("/status"));
        world.probe(&world.fitting()).await.differ(&[], &["status"]);
        world.sim.knobs().clear();
    }
}

#[tokio::test]
async fn a_used_up_rate_limit_is_told() {
    let world = World::new().await;
    world.sim.knobs().rate_limit(Some(RateLimit { capacity: 0, per_second: 0.01, retry_after: true }));
    let probed = world.probe(&world.fitting()).await;
    probed.differ(&["token"], &["rate-limit"]);
    probed.says("rate-limit", "warned", "again in");
}

#[tokio::test]
async fn a_dead_server_fails_at_its_hop_and_the_rest_is_not_tried() {
    let world = World::new().await;
    let client = world.client(Credential::Bearer(Source::Fixed(world.fitting().into())));
    world.sim.stop().await;
    let probed = Probed(client.probe().await);
    assert_eq!(probed.0.iter().filter(|check| check.is_failed()).count(), 1, "{:?}", probed.0);
    probed.says("token", "skipped", "there is no connection to Bitbucket");
    let tested = client.test_connection(pb::TestConnectionRequest {}).await.expect("an answer");
    assert!(!tested.passed && tested.version.is_empty());
}

#[tokio::test]
async fn what_the_agents_own_settings_forbid_is_no_finding() {
    let account = Account {
        name: "main".into(),
        base: "http://192.0.2.1".parse().expect("a URL"),
        credential: Credential::Bearer(Source::Fixed("t".into())),
        user: None,
        projects: [].into_iter().collect(),
    };
    let egress = Egress::new(&Settings::default(), &Tasks::new()).expect("trust");
    let client = Client::new(account, &egress, &Budgets::default()).expect("a client");
    let refused = client.test_connection(pb::TestConnectionRequest {}).await.expect_err("plain HTTP");
    let fault = Fault::from(refused);
    assert_eq!((fault.code(), fault.reason()), (Code::PermissionDenied, Reason::OriginRefused));
    assert!(client.probe().await.iter().any(Check::is_failed), "the doctor shows it");
}

#[tokio::test]
async fn no_check_shows_the_token_or_its_number() {
    let world = World::new().await;
    let token = world.sim.add_token(writer().expires_at(in_days(3)));
    let client = world.client(Credential::Bearer(Source::Fixed(token.clone().into())));
    let tested = client.test_connection(pb::TestConnectionRequest {}).await.expect("tested");
    let kinds: Vec<_> = tested.checks.iter().map(pb::Check::kind).collect();
    for kind in [
        pb::CheckKind::Status,
        pb::CheckKind::Version,
        pb::CheckKind::Token,
        pb::CheckKind::Captcha,
        pb::CheckKind::Licence,
        pb::CheckKind::Projects,
        pb::CheckKind::Write,
    ] {
        assert!(kinds.contains(&kind), "{kind:?}");
    }
    assert!(!kinds.contains(&pb::CheckKind::Unspecified), "{kinds:?}");
    assert!(tested.passed);
    let shown = format!("{tested:?} {:?} {client:?}", client.probe().await);
    assert!(!shown.contains(&token) && !shown.contains("252973"), "{shown}");
}
