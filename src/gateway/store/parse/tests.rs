use secrecy::ExposeSecret as _;

use super::*;

#[test]
fn a_whole_file_is_read() {
    let folder = tempfile::tempdir().expect("folder");
    std::fs::write(folder.path().join("main.token"), "from-file\n").expect("written");
    let text = whole();
    let found = read(&text, folder.path(), &|name| (name == "SECOND").then(|| "from-env".to_owned()))
        .expect("usable");
    let agent = AgentId { tenant: name("acme"), agent: name("head-office") };
    assert_eq!(found.agent_keys["AGENTKEY01"].agent, agent);
    let caller = &found.caller_tokens["CALLER0001"].caller;
    assert_eq!((caller.tenant.as_str(), caller.name.as_str(), caller.role), ("acme", "scanner", Role::Write));
    let main = found.held(&agent, &name("main")).expect("held");
    assert_eq!((main.token.expose_secret(), main.auth), ("from-file", Auth::Bearer));
    assert_eq!(main.projects, ["PROJ", "~alice"]);
    let second = found.held(&agent, &name("second")).expect("held");
    assert_eq!((second.token.expose_secret(), second.user.as_str()), ("from-env", "svc"));
}

#[test]
fn everything_wrong_is_told_at_once_with_line_and_name() {
    let text = r#"[tenants."no good".agents.x]
[tenants.acme.agents.a]
keys = [{ id = "K1", sha256 = "abc" }, { id = "K1" }, { id = "K2", sha256 = 7 }]
colour = "red"
[tenants.acme.agents.a.connections.c]
url = "ftp://user:pw@host"
token = "t0ken"
token_env = "NOT_SET"
auth = "digest"
[tenants.acme.agents.a.connections.d]
url = "https://host/?x"
auth = "basic"
token_env = "NOT_SET"
projects = ["a b", 5]
[tenants.acme.callers.s]
role = "king"
tokens = [{ id = "K1", sha256 = "0000000000000000000000000000000000000000000000000000000000000000" }]
[tenants.acme.callers.t]
"#;
    let problems = read(text, Path::new(""), &|_| None).expect_err("wrong").to_string();
    let expected = [
        "line 1: `tenants.no good` must be 1 to 63",
        "line 3: `tenants.acme.agents.a.keys[0].sha256` must be the 64",
        "line 3: `tenants.acme.agents.a.keys[1]` lacks `sha256`",
        "line 3: `tenants.acme.agents.a.keys[2].sha256` must be a text, not integer",
        "line 4: `tenants.acme.agents.a.colour` is not known here",
        "`tenants.acme.agents.a.connections.c` must have only one of",
        "`tenants.acme.agents.a.connections.c` names no `projects`",
        "line 6: `tenants.acme.agents.a.connections.c.url` must begin with https",
        "line 9: `tenants.acme.agents.a.connections.c.auth` must be `bearer` or `basic`",
        "`tenants.acme.agents.a.connections.d` lacks `user`",
        "line 11: `tenants.acme.agents.a.connections.d.url` must have neither",
        "line 13: `tenants.acme.agents.a.connections.d.token_env` names an environment variable",
        "line 14: `tenants.acme.agents.a.connections.d.projects[0]` must be a project key",
        "line 14: `tenants.acme.agents.a.connections.d.projects[1]` must be a text",
        "line 16: `tenants.acme.callers.s.role` must be `read`, `write` or `operator`",
        "line 17: `tenants.acme.callers.s.tokens[0].id` is used in line 3 already",
        "`tenants.acme.callers.t` lacks `role`",
    ];
    for line in expected {
        assert!(problems.contains(line), "no {line:?} in\n{problems}");
    }
    assert!(!problems.contains("t0ken") && !problems.contains("user:pw"), "{problems}");
}

#[test]
fn what_is_no_toml_is_told_with_its_line_but_without_its_text() {
    let problems = read("[tenants]\na = t0ken\n", Path::new(""), &|_| None).expect_err("wrong").to_string();
    assert!(problems.contains("line 2") && !problems.contains("t0ken"), "{problems}");
}

#[test]
fn a_third_key_of_an_agent_is_refused() {
    let rows: Vec<String> =
        (0..3).map(|n| format!("{{ id = \"K{n}\", sha256 = \"{}\" }}", "0".repeat(64))).collect();
    let text = format!("[tenants.acme.agents.a]\nkeys = [{}]\n", rows.join(", "));
    let problems = read(&text, Path::new(""), &|_| None).expect_err("wrong").to_string();
    assert!(problems.contains("has 3 keys"), "{problems}");
}

fn whole() -> String {
    let digest = "0a".repeat(32);
    format!(
        r#"[tenants.acme.agents.head-office]
keys = [{{ id = "AGENTKEY01", sha256 = "{digest}" }}]
[tenants.acme.agents.head-office.connections.main]
url = "https://git.example.com/bitbucket"
token_file = "main.token"
projects = ["PROJ", "~alice"]
[tenants.acme.agents.head-office.connections.second]
url = "https://other.example.com"
user = "svc"
auth = "basic"
token_env = "SECOND"
projects = ["X"]
[tenants.acme.callers.scanner]
role = "write"
tokens = [{{ id = "CALLER0001", sha256 = "{digest}" }}]
"#
    )
}

fn name(text: &str) -> Name {
    Name::parse(text).expect("name")
}
