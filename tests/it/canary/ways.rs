//! Both programs, every kind of call, and every way out: through proxies that want credentials, and to servers that give
//! the credentials back.

use gitproxy::egress::serve::ServerTls;
use gitproxy::ops::Tasks;
use gitproxy::proto::agent::v1::DiagnoseRequest;
use gitproxy::proto::agent::v1::instances_client::InstancesClient;
use gitproxy::proto::gateway::v1::DiagnoseAgentRequest;
use gitproxy::proto::scm::v1 as pb;

use super::fakes::{Answer, Fake};
use super::forms::Secret;
use super::house::{House, Way};
use super::scene::{Login, clean};
use super::{AGENTS, GATEWAYS, good_calls, list};
use crate::tools::{Rules, Squid};
use crate::world::Caller;
use crate::world::tls::Ca;

#[tokio::test]
async fn nothing_leaks_through_a_squid_that_wants_a_password() {
    let Some(mut squid) = Squid::start(&Rules::login(LOGIN.user, LOGIN.password)).await else { return };
    let proxy = squid.url_as(LOGIN.in_url().trim_end_matches('@'));
    let way = Way::by_name().set("HTTPS_PROXY", &proxy);
    let house = House::start("human", way.secret(LOGIN.secret("proxy's password"))).await;
    all_is_well(&house).await;
    let asked = squid.asked().await;
    assert!(
        ["gateway.test", "git.test"].iter().all(|host| asked.iter().any(|to| to.starts_with(host))),
        "{asked:?}"
    );
    clean_logs(house).await;
}

#[tokio::test]
async fn nothing_leaks_through_an_https_proxy_of_one_leg_and_a_password_file_of_the_other() {
    let (ca, folder, tasks) = (Ca::new("proxies"), tempfile::tempdir().expect("a folder"), Tasks::new());
    let (certificate, key) = ca.write(folder.path(), "proxy");
    let tls = ServerTls::new(&certificate, &key, &[b"http/1.1"], &tasks).expect("a certificate");
    let (gateway, git) = (Fake::start_tls(Answer::Tunnel, tls).await, Fake::start(Answer::Tunnel).await);
    let mut way = Way::by_name()
        .set("GATEWAY_PROXY", &gateway.url(&GATEWAY.in_url()))
        .set("BITBUCKET_PROXY", &git.url(""))
        .set("HTTPS_PROXY", &format!("http://{}proxy.test:1", LOGIN.in_url()))
        .set("PROXY_CREDENTIALS_FILE", "FOLDER/login")
        .secret(LOGIN.secret("proxy's password"))
        .secret(GATEWAY.secret("gateway's proxy's password"))
        .secret(GIT.secret("bitbucket's proxy's password"));
    way.files.push(("login", format!("{}:{}\n", GIT.user, GIT.password)));
    way.trusted = ca.pem().to_owned();
    let house = House::start("json", way).await;
    all_is_well(&house).await;
    for fake in [&gateway, &git] {
        assert!(fake.heads().contains("Proxy-Authorization: Basic "), "{}", fake.heads());
    }
    clean_logs(house).await;
    tasks.cut();
}

#[tokio::test]
async fn nothing_leaks_to_callers_from_a_proxy_that_gives_the_credentials_back() {
    for (format, answer) in [("human", Answer::Echo(407)), ("json", Answer::Parrot)] {
        let fake = Fake::start(answer).await;
        let way = Way { gateway: "localhost", ..Way::by_name() };
        let way = way.set("BITBUCKET_PROXY", &fake.url(&LOGIN.in_url()));
        let house = House::start(format, way.secret(LOGIN.secret("proxy's password"))).await;
        nothing_works(&house).await;
        assert!(fake.heads().contains("Proxy-Authorization: Basic "), "{}", fake.heads());
        clean_logs(house).await;
    }
}

#[tokio::test]
async fn nothing_leaks_to_callers_from_a_server_that_gives_the_token_back() {
    for (status, kind) in
        [(502, "text/html"), (401, "application/json"), (404, "application/json"), (200, "text/html")]
    {
        let fake = Fake::start(Answer::EchoAs(status, kind)).await;
        let way = Way { bitbucket: Some(fake.url("") + "/bitbucket"), ..Way::direct() };
        let house = House::start("human", way).await;
        nothing_works(&house).await;
        let heads = fake.heads().to_lowercase();
        for sent in ["authorization: bearer ", "authorization: basic "] {
            assert!(heads.contains(sent), "{heads}");
        }
        clean_logs(house).await;
    }
}

/// Every call does what it should, and so do the other forms of the program beside it.
async fn all_is_well(house: &House) {
    let caller = house.caller(house.caller_key.clone()).await;
    good_calls(&caller).await;
    let told = answers(house, &caller).await;
    assert!(told.contains("kind: Transfer, outcome: Passed"), "the gateway was probed: {told}");
    for form in [&["doctor"][..], &["doctor", "--json"], &["run", "--preflight"]] {
        let ended = house.run(form).await;
        // One of the connections has a token that nobody knows.
        assert_eq!(ended.status.code(), Some(5), "{}", ended.text());
        clean(&house.secrets(), "doctor", &ended.text());
    }
    let git = house.run(&["egress", "explain", "https://me:c4nary@git.test"]).await.text();
    clean(&house.secrets(), "explain", &git);
    assert!(git.contains("through http") && !git.contains("c4nary"), "{git}");
}

/// No connection works, and no answer of it tells why too well.
async fn nothing_works(house: &House) {
    let caller = house.caller(house.caller_key.clone()).await;
    let secrets = house.secrets();
    for connection in CONNECTIONS {
        let refused = list(&caller.clone().on(connection)).await.expect_err(connection);
        clean(&secrets, connection, &format!("{refused:?} {}", refused.message()));
        let get = pb::GetFileRequest {
            repo: Some(pb::RepoRef { project: "SHOP".into(), slug: "web".into() }),
            ..Default::default()
        };
        let on = caller.clone().on(connection);
        let refused = on.files().get_file(on.ask(get)).await.expect_err(connection);
        clean(&secrets, connection, &format!("{refused:?} {}", refused.message()));
    }
    answers(house, &caller).await;
    let ended = house.run(&["doctor", "--json"]).await;
    assert_eq!(ended.status.code(), Some(5), "{}", ended.text());
    clean(&secrets, "doctor", &ended.text());
}

/// What the agent says of itself and of its connections, by every door; none of it has a secret in it.
async fn answers(house: &House, caller: &Caller) -> String {
    let mut all = house.status();
    for form in [&["status"][..], &["status", "--json"]] {
        let told = house.run(form).await;
        assert_eq!(told.status.code(), Some(0), "{}", told.text());
        all += &told.text();
    }
    for connection in CONNECTIONS {
        let on = caller.clone().on(connection);
        let tested = on.connections().test_connection(on.ask(pb::TestConnectionRequest {})).await;
        all += &format!("\n{tested:?}");
    }
    let asked = caller.ask(DiagnoseAgentRequest { agent: "site".into(), instance: String::new() });
    all += &format!("\n{:?}", caller.agents().diagnose_agent(asked).await.expect("findings"));
    let operator = house.operator(house.debug_key()).await;
    let mut local =
        InstancesClient::with_origin(operator.channel.clone(), http::Uri::from_static("http://localhost"));
    all += &format!("\n{:?}", local.diagnose(operator.ask(DiagnoseRequest {})).await.expect("findings"));
    let mut secrets = house.secrets();
    secrets.push(Secret::key("debug token", &house.debug_key()));
    clean(&secrets, "answers", &all);
    all
}

/// Ends both programs; no secret is in what they wrote.
async fn clean_logs(house: House) {
    let mut secrets = house.secrets();
    secrets.push(Secret::key("debug token", &house.debug_key()));
    clean(&secrets, "pushes", &house.pushed().await);
    let [gateway, agent] = house.stop().await;
    for (program, log, crates) in [("gateway", gateway, GATEWAYS), ("agent", agent, AGENTS)] {
        for target in crates {
            assert!(log.contains(target), "nothing of {target} is in the {program}'s log");
        }
        clean(&secrets, program, &log);
    }
}

const CONNECTIONS: [&str; 6] = ["main", "password", "stale", "cloud", "cloud-password", "cloud-stale"];
const LOGIN: Login = Login { user: "site robot", password: "c4nary+p@ss:wörd%\"1" };
const GATEWAY: Login = Login { user: "gateway robot", password: "c4nary&g@teway/w\\2" };
const GIT: Login = Login { user: "git robot", password: "c4nary b@tbucket?#3" };
