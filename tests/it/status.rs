//! `gitproxy status`, asked of an agent that has done something: its table, its JSON by the schema, its exit codes.

use std::fs;
use std::path::Path;
use std::time::Duration;

use boon::{Compiler, Schemas};
use gitproxy::proto::scm::v1 as pb;
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::timeout;

use crate::tree;
use crate::world::World;
use crate::world::program::{self, Ended, Program};

#[tokio::test(flavor = "multi_thread")]
async fn it_tells_of_the_link_and_of_the_last_calls_and_of_nothing_that_they_were_about() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("status.sock");
    let at = socket.clone();
    let world = World::with(|plan| plan.local("main").status_socket(at)).await;
    let caller = world.caller().await;
    let found = pb::ListReposRequest { project: "SHOP".into(), ..Default::default() };
    caller.repos().list_repos(caller.ask(found)).await.expect("repositories");
    let hidden = pb::ListReposRequest { project: "SECRET".into(), ..Default::default() };
    caller.repos().list_repos(caller.ask(hidden)).await.expect_err("outside");

    let (ended, told) = timeout(PATIENCE, measured(&socket)).await.expect("a round trip is known soon");
    check(&told).unwrap_or_else(|problem| panic!("{problem}\n{told:#}"));
    assert_eq!((&told["ready"], &told["link"]), (&Value::from(true), &Value::from("attached")));
    assert_eq!(told["sessions"][0]["gateway"], "test");
    assert_eq!(told["sessions"][0]["phase"], "open");
    assert_eq!(told["connections"], serde_json::json!([{ "name": "main", "host": "localhost" }]));
    let [refused, listed] = [&told["calls"][0], &told["calls"][1]];
    assert_eq!(refused["reason"], "OUTSIDE_PROJECT", "{told:#}");
    assert_eq!(refused["code"], "PERMISSION_DENIED");
    assert_eq!(listed["method"], "/gitproxy.scm.v1.Repos/ListRepos");
    assert_eq!([&listed["connection"], &listed["caller"], &listed["code"]], ["main", "acme/caller", "OK"]);
    for private in ["SECRET", "SHOP", world.access_key("acme/site").id()] {
        assert!(!ended.text().contains(private), "{private} is told: {}", ended.text());
    }

    let table = ask(&socket, &[]).await;
    assert_eq!(table.status.code(), Some(0));
    for part in ["attached, ready", "with test: open for", "at worst 1.0 GiB a session", "main at localhost"]
    {
        assert!(table.text().contains(part), "{part}: {}", table.text());
    }
    assert!(table.text().contains("ms there and back, "), "{}", table.text());
    let call =
        "gitproxy.scm.v1.Repos/ListRepos on main for acme/caller: PERMISSION_DENIED OUTSIDE_PROJECT in ";
    assert!(table.text().contains(call), "{}", table.text());
}

/// What it tells once both ends have told each other their clocks.
async fn measured(socket: &Path) -> (Ended, Value) {
    loop {
        let ended = ask(socket, &["--json"]).await;
        assert_eq!(ended.status.code(), Some(0), "{}", ended.text());
        let told: Value = serde_json::from_str(&ended.text()).expect("JSON");
        if told["sessions"][0]["round_trip_us"].is_u64() {
            return (ended, told);
        }
    }
}

#[tokio::test]
async fn without_an_agent_it_ends_with_1_and_without_a_socket_in_the_settings_with_3() {
    let folder: TempDir = tempfile::tempdir().expect("a folder");
    let ended = ask(&folder.path().join("nobody.sock"), &[]).await;
    assert_eq!(ended.status.code(), Some(1), "{}", ended.text());
    assert!(ended.text().contains("no answer at "), "{}", ended.text());
    let mut command = program::agent();
    let ended = Program::start(command.arg("status")).end().await;
    assert_eq!(ended.status.code(), Some(3), "{}", ended.text());
    assert!(ended.text().contains("status.socket"), "{}", ended.text());
}

async fn ask(socket: &Path, flags: &[&str]) -> Ended {
    let mut command = program::agent();
    command.arg("status").args(flags).arg("--status-socket").arg(socket);
    Program::start(&mut command).end().await
}

/// Compares with `docs/status.schema.json`, by a validator that is not ours.
fn check(told: &Value) -> Result<(), String> {
    let text = fs::read_to_string(tree::root().join("docs/status.schema.json")).expect("the schema");
    let schema: Value = serde_json::from_str(&text).expect("the schema is JSON");
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    compiler.add_resource(PLACE, schema).expect("the schema has a place");
    let schema = compiler.compile(PLACE, &mut schemas).expect("it is a JSON Schema");
    schemas.validate(told, schema).map_err(|error| format!("{error:#}"))
}

/// A name and no address: nothing is fetched.
const PLACE: &str = "https://gitproxy.invalid/status.schema.json";

const PATIENCE: Duration = Duration::from_secs(30);
