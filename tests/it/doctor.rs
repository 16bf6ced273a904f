//! `gitproxy doctor` as its operators run it: exit codes, the table, the JSON by its schema, and what comes before `run`.

mod broken;
mod schema;
mod visit;

use std::time::Duration;

use gitproxy::proto::agent::v1::instances_client::InstancesClient;
use gitproxy::proto::agent::v1::{DiagnoseRequest, LegKind};
use gitproxy::proto::scm::v1::CheckOutcome;

use crate::world::World;
use crate::world::program::Program;
use visit::Visit;

#[tokio::test]
async fn all_is_well_with_a_good_gateway_and_a_good_bitbucket() {
    let visit = Visit::new().await;
    let told = visit.doctor(&["--json"]).await;
    assert_eq!(told.code, 0, "{}", told.all());
    assert!(told.took < LIMIT, "{:?}", told.took);
    let report = told.json();
    assert_eq!(report["exit_code"], 0);
    assert_eq!(told.legs(), ["settings", "gateway", "bitbucket main"]);
    for name in ["proxy", "dns", "tcp", "tls", "alpn", "attach", "round-trip", "clock", "transfer"] {
        assert_eq!(told.outcome("gateway", name), "passed", "{name}: {}", told.all());
    }
    for name in ["tls", "status", "version", "token", "projects", "write"] {
        assert_eq!(told.outcome("bitbucket main", name), "passed", "{name}: {}", told.all());
    }
    assert_eq!(told.err, "", "nothing is logged where nothing is wrong");
}

#[tokio::test]
async fn the_table_is_plain_text_in_a_pipe_and_ends_with_the_verdict() {
    let visit = Visit::new().await.unreachable_gateway();
    let told = visit.doctor(&[]).await;
    assert!(!told.out.contains('\u{1b}'), "{}", told.out);
    for part in ["cause:", "remedy:", "docs/troubleshooting.md#tcp", "not tried: tcp failed", "Exit code 4: "]
    {
        assert!(told.out.contains(part), "`{part}` is not in\n{}", told.out);
    }
    assert!(told.out.contains("It does not work: tcp (gateway) failed."), "{}", told.out);
}

#[tokio::test]
async fn settings_that_cannot_be_used_are_3_and_every_problem_is_a_check() {
    let visit = Visit::new().await.set("GATEWAY_URL", "ftp://gateway").set("GITPROXY_LINK_WINDOW", "1");
    let told = visit.doctor(&["--json"]).await;
    assert_eq!((told.code, told.legs()), (3, vec!["settings".to_owned()]), "{}", told.all());
    let found = told.found("settings");
    assert_eq!(found, ["gateway.url", "link.window"], "{}", told.all());
    assert_eq!(told.json()["verdict"], "failed");
}

#[tokio::test]
async fn a_gateway_that_nobody_listens_for_is_4_and_the_rest_of_its_leg_is_skipped() {
    let visit = Visit::new().await.unreachable_gateway();
    let told = visit.doctor(&["--json"]).await;
    assert_eq!(told.code, 4, "{}", told.all());
    assert_eq!(told.outcome("gateway", "tcp"), "failed");
    for name in ["tls", "attach", "round-trip", "clock", "transfer"] {
        assert_eq!(told.outcome("gateway", name), "skipped", "{name}: {}", told.all());
    }
    assert_eq!(told.outcome("bitbucket main", "token"), "passed", "{}", told.all());
}

#[tokio::test]
async fn a_bitbucket_of_an_unknown_authority_is_5_and_named_in_the_words_that_people_search_for() {
    let visit = Visit::new().await.without_the_simulators_authority();
    let told = visit.doctor(&["--json"]).await;
    assert_eq!(told.code, 5, "{}", told.all());
    let tls = told.check("bitbucket main", "tls");
    assert_eq!(tls["outcome"], "failed", "{}", told.all());
    assert_eq!(tls["docs"], "docs/troubleshooting.md#certificate-unknown-authority");
    assert!(tls["cause"].to_string().contains("x509: certificate signed by unknown authority"), "{tls}");
    assert_eq!(told.outcome("gateway", "transfer"), "passed", "{}", told.all());
}

#[tokio::test]
async fn both_ways_broken_are_6() {
    let visit = Visit::new().await.unreachable_gateway().without_the_simulators_authority();
    let told = visit.doctor(&["--json"]).await;
    assert_eq!(told.code, 6, "{}", told.all());
}

#[tokio::test]
async fn a_revoked_access_key_is_named_by_the_attach_check() {
    let key = crate::world::new_key();
    let visit = Visit::new().await.access_key(&key);
    let told = visit.doctor(&["--json"]).await;
    assert_eq!(told.code, 4, "{}", told.all());
    assert_eq!(told.outcome("gateway", "alpn"), "passed");
    assert_eq!(told.check("gateway", "attach")["docs"], "docs/troubleshooting.md#access-key");
    assert_eq!(told.outcome("gateway", "transfer"), "skipped");
}

#[tokio::test]
async fn what_is_not_a_gateway_is_named_by_the_attach_check() {
    let visit = Visit::new().await;
    let simulator = visit.world.sim.url().trim_end_matches("/bitbucket").to_owned();
    let told = visit.set("GATEWAY_URL", &simulator).doctor(&["--json"]).await;
    assert_eq!(told.code, 4, "{}", told.all());
    let failed = told.failed("gateway");
    assert!(failed == ["alpn"] || failed == ["attach"], "{}", told.all());
}

#[tokio::test]
async fn settings_without_a_connection_are_no_failure() {
    let visit = Visit::new().await.without_connection();
    let told = visit.doctor(&["--json"]).await;
    assert_eq!((told.code, told.outcome("bitbucket", "settings").as_str()), (0, "skipped"), "{}", told.all());
}

#[tokio::test]
async fn the_log_is_as_asked_for_and_goes_to_standard_error() {
    let visit = Visit::new().await.set("RUST_LOG", "trace");
    let told = visit.doctor(&["--json"]).await;
    assert!(told.err.contains("TRACE") && told.json().is_object(), "{}", told.all());
}

#[tokio::test]
async fn a_preflight_that_fails_ends_run_with_doctors_code_and_its_table() {
    let visit = Visit::new().await.unreachable_gateway();
    let told = visit.gitproxy(&["run", "--preflight"]).await;
    assert_eq!(told.code, 4, "{}", told.all());
    assert!(told.out.is_empty() && told.err.contains("Exit code 4"), "{}", told.all());
    let visit = visit.set("GITPROXY_PREFLIGHT", "true").set("GITPROXY_LOG_FORMAT", "json");
    let told = visit.gitproxy(&["run"]).await;
    assert_eq!(told.code, 4, "{}", told.all());
    let lines: Vec<serde_json::Value> =
        told.err.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    let failed = lines.iter().find(|line| line["outcome"] == "failed").expect("a failed check");
    assert_eq!((&failed["check"], &failed["level"]), (&"tcp".into(), &"ERROR".into()), "{failed}");
    assert!(lines.iter().any(|line| line["exit_code"] == 4), "{}", told.err);
}

#[tokio::test]
async fn a_preflight_that_is_well_is_followed_by_the_agent() {
    let visit = Visit::new().await;
    let mut agent = Program::start(&mut visit.command(&["run", "--preflight"]));
    agent.line("Exit code 0").await;
    agent.line("attached").await;
    let told = visit.gitproxy(&["run", "--preflight=soon"]).await;
    assert_eq!(told.code, 3, "{}", told.all());
    assert!(
        told.err.contains("preflight (flag --preflight): `soon` is neither true nor false"),
        "{}",
        told.err
    );
}

#[tokio::test]
async fn explain_says_the_way_of_either_leg_and_where_the_setting_came_from() {
    let proxy = format!("http://user:{PASSWORD}@proxy.example.com:3128");
    let visit =
        Visit::bare().secret(PASSWORD).set("https_proxy", &proxy).set("NO_PROXY", ".corp.example.com");
    let told = visit.gitproxy(&["egress", "explain", "https://git.example.com/bitbucket"]).await;
    assert_eq!(told.code, 0, "{}", told.all());
    for part in ["through http://proxy.example.com:3128", "environment https_proxy", "no entry of NO_PROXY"] {
        assert!(told.out.contains(part), "`{part}` is not in {}", told.all());
    }
    let told = visit.gitproxy(&["egress", "explain", "https://git.corp.example.com"]).await;
    assert!(told.out.contains("`.corp.example.com`") && !told.out.contains("through"), "{}", told.all());
    let visit = visit.set("GATEWAY_PROXY", "none");
    let told = visit.gitproxy(&["egress", "explain", "https://git.example.com"]).await;
    let lines: Vec<_> = told.out.lines().filter(|line| line.contains(": ")).collect();
    assert!(lines[0].contains("gateway") && lines[0].contains("direct"), "{}", told.all());
    assert!(told.out.contains("gateway.proxy comes from environment GATEWAY_PROXY"), "{}", told.all());
    assert!(lines[0].contains("`none` is set for this leg alone"), "{}", told.all());
    assert!(lines[1].contains("bitbucket") && lines[1].contains("through"), "{}", told.all());
    let told = visit.gitproxy(&["egress", "explain", "http://git.example.com"]).await;
    assert!(!told.out.contains("https_proxy") && !told.out.contains("NO_PROXY"), "{}", told.all());
}

#[tokio::test]
async fn explain_refuses_what_is_no_url_without_repeating_it() {
    let visit = Visit::bare().secret(PASSWORD);
    for bad in ["git.example.com", &format!("ftp://user:{PASSWORD}@git.example.com"), ""] {
        let told = visit.gitproxy(&["egress", "explain", bad]).await;
        assert_eq!(told.code, 2, "{bad}: {}", told.all());
        assert!(told.err.contains("https://git.example.com"), "{}", told.all());
    }
}

#[tokio::test]
async fn a_bad_proxy_is_told_by_its_setting_and_never_shown() {
    let bad = format!("socks5://user:{PASSWORD}@proxy.example.com");
    for (name, key) in
        [("HTTPS_PROXY", "proxy.https"), ("http_proxy", "proxy.http"), ("BITBUCKET_PROXY", "bitbucket.proxy")]
    {
        let told = Visit::new().await.secret(PASSWORD).set(name, &bad).doctor(&["--json"]).await;
        assert_eq!((told.code, told.found("settings")), (3, vec![key.to_owned()]), "{}", told.all());
        assert!(told.check("settings", "settings")["cause"].to_string().contains("SOCKS"), "{}", told.all());
    }
}

#[tokio::test]
async fn a_running_agent_examines_itself_for_the_cloud() {
    let world = World::with(|plan| plan.debug().local("main")).await;
    let (channel, uri) = visit::debug_channel(&world).await;
    let mut instances = InstancesClient::with_origin(channel, uri);
    let answer = instances.diagnose(visit::with_token(&world, DiagnoseRequest {})).await;
    let legs = answer.expect("an answer").into_inner().legs;
    let seen: Vec<_> = legs.iter().map(|leg| (leg.name.as_str(), leg.kind())).collect();
    assert_eq!(seen, [("gateway", LegKind::Gateway), ("main", LegKind::Bitbucket)]);
    let failed =
        legs.iter().flat_map(|leg| &leg.checks).find(|check| check.outcome() == CheckOutcome::Failed);
    assert!(failed.is_none(), "{failed:?}");
    assert!(!format!("{legs:?}").contains("127.0.0.1"), "no resolved address: {legs:?}");
}

#[test]
fn the_schema_refuses_what_is_not_documented() {
    let good = serde_json::json!({
        "format": 1, "gitproxy": "0.1.0", "verdict": "passed", "exit_code": 0, "took_ms": 5,
        "legs": [{"name": "gateway", "target": "https://g:1", "verdict": "passed", "checks": [{
            "name": "tls", "outcome": "passed", "found": "fine", "detail": "", "cause": null, "remedy": null,
            "docs": null, "took_ms": 1
        }]}]
    });
    schema::check(&good).expect("it is as documented");
    for (pointer, value) in [
        ("/format", 2.into()),
        ("/exit_code", 1.into()),
        ("/took_ms", (-1).into()),
        ("/legs/0/name", "bitbucket a b".into()),
        ("/legs/0/checks/0/name", "tea".into()),
        ("/legs/0/checks/0/outcome", "failed".into()),
        ("/legs/0/checks/0/cause", "A cause.".into()),
        ("/legs/0/checks/0", serde_json::json!({"name": "tls"})),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).expect("a member") = value;
        schema::check(&bad).expect_err(pointer);
    }
    let mut more = good;
    more["legs"][0]["checks"][0]["token"] = "x".into();
    schema::check(&more).expect_err("a member that nobody documented");
}

/// What the issue promises for a whole examination.
const LIMIT: Duration = Duration::from_secs(15);
const PASSWORD: &str = "c4nary-pr0xy-passw0rd";
