//! No secret is in any log line, metric, span or status: canaries in every secret's place, both programs at TRACE, their
//! libraries included.

mod broken;
mod fakes;
pub(crate) mod forms;
mod house;
mod scene;
mod settings;
mod ways;

use bitbucket_sim::{Fault as Trouble, Rule};
use gitproxy::ops::Key;
use gitproxy::proto::scm::v1 as pb;
use secrecy::ExposeSecret as _;

use crate::commands::web;
use crate::world::{Caller, new_key};
use forms::Secret;
use house::{House, TRACE, Way};

#[tokio::test]
async fn no_secret_is_in_any_line_of_the_human_log() {
    nothing_leaks("human").await;
}

#[tokio::test]
async fn no_secret_is_in_any_line_of_the_json_log() {
    nothing_leaks("json").await;
}

async fn nothing_leaks(format: &str) {
    let house = House::start(format, Way::direct()).await;
    let strangers = [new_key(), new_key()];
    let caller = house.caller(house.caller_key.clone()).await;
    good_calls(&caller).await;
    let debug = house.debug_key();
    let operator = house.operator(debug.clone()).await;
    assert!(list(&operator.on("main")).await.is_ok());
    bad_calls(&house, &caller, &strangers).await;
    let mut secrets = house.secrets();
    secrets.push(Secret::key("debug token", &debug));
    secrets.extend(strangers.iter().map(|key| Secret::key("wrong token", key)));
    let pushed = house.pushed().await;
    for secret in &secrets {
        assert!(secret.hits(&pushed).is_empty(), "the {} is pushed: {:?}", secret.name, secret.hits(&pushed));
    }
    let [gateway, agent] = house.stop().await;
    for (program, log) in [("gateway", &gateway), ("agent", &agent)] {
        assert!(log.contains(TRACE), "no line of the {program} has the trace of a call");
    }
    for (program, log, crates) in [("gateway", gateway, GATEWAYS), ("agent", agent, AGENTS)] {
        for target in crates {
            assert!(log.contains(target), "nothing of {target} is in the {program}'s log");
        }
        for secret in &secrets {
            let hits = secret.hits(&log);
            assert!(
                hits.is_empty(),
                "{} of the {program}'s lines tell the {}:\n{}",
                hits.len(),
                secret.name,
                hits.join("\n")
            );
        }
    }
}

/// Every kind of credential does its work.
async fn good_calls(caller: &Caller) {
    for connection in ["main", "password", "cloud", "cloud-password"] {
        let caller = caller.clone().on(connection);
        let done = list(&caller).await;
        assert!(done.is_ok(), "{connection}: {done:?}");
        let get = pb::GetFileRequest { repo: web(), path: "a.txt".into(), at: "master".into() };
        let mut file = caller.files().get_file(caller.ask(get)).await.expect("found").into_inner();
        while file.message().await.expect("a piece").is_some() {}
        let create = pb::CreateBranchRequest {
            repo: web(),
            name: format!("by-{connection}"),
            start_point: "master".into(),
        };
        caller.refs().create_branch(caller.ask(create)).await.expect("created");
    }
}

/// Credentials that are refused at each place, calls that are cut, and secrets where they do not belong.
async fn bad_calls(house: &House, caller: &Caller, strangers: &[Key; 2]) {
    let unknown = house.caller(strangers[0].clone()).await;
    assert!(list(&unknown.on("main")).await.is_err(), "an unknown caller");
    let unknown = house.operator(strangers[1].clone()).await;
    assert!(list(&unknown.on("main")).await.is_err(), "an unknown operator");
    let agents = house.caller(house.access_key.clone()).await;
    assert!(list(&agents.on("main")).await.is_err(), "an agent's key at the callers' door");
    for stale in ["stale", "cloud-stale"] {
        assert!(list(&caller.clone().on(stale)).await.is_err(), "{stale}");
    }
    let smuggled = house.caller_key.secret().expose_secret();
    for header in ["gitproxy-connection-bin", "gitproxy-token", "gitproxy-agent"] {
        let refused = caller.raw(LIST, &[(header, smuggled)]).await.expect("an answer").status();
        assert_ne!(refused.code(), tonic::Code::Ok, "{header}");
    }
    for trouble in [Trouble::Status(401), Trouble::Status(500), Trouble::LoginRedirect, Trouble::CutAfter(3)]
    {
        house.sim.knobs().add(Rule::new(trouble));
        for connection in ["main", "password", "cloud", "cloud-password"] {
            assert!(list(&caller.clone().on(connection)).await.is_err(), "{connection}");
        }
        house.sim.knobs().clear();
    }
}

async fn list(caller: &Caller) -> Result<(), tonic::Status> {
    let asked = pb::ListReposRequest { project: "SHOP".into(), ..Default::default() };
    caller.repos().list_repos(caller.ask(asked)).await.map(drop)
}

const LIST: &str = "/gitproxy.scm.v1.Repos/ListRepos";

/// The libraries that must be heard, or this shows nothing. hyper itself has no logs to hear: it compiles them in only
/// under the unstable `--cfg hyper_unstable_tracing`. Of tonic the server logs nothing on these ways.
const GATEWAYS: &[&str] = &["TRACE", "h2::", "rustls::", "gitproxy::"];
const AGENTS: &[&str] = &["TRACE", "h2::", "hyper_util::", "rustls::", "gitproxy::", "cloud-password"];
