//! `docs/settings.md`: the tables of both programs, and around them what no table says. Its example files are read here.

use std::fs;
use std::path::Path;

use gitproxy::gateway::store::FileStore;
use gitproxy::ops::Key;
use gitproxy::ops::settings::{self, Layers, Problems, Setting};
use gitproxy::{agent, gateway};
use secrecy::ExposeSecret as _;

use super::{MADE, up_to_date};

#[test]
fn the_page_of_settings_is_what_both_programs_read() {
    up_to_date("docs/settings.md", &page());
}

#[test]
fn the_agents_file_on_the_page_is_one_that_the_agent_takes() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = Key::generate().expect("a key");
    write(folder.path(), "access.key", key.secret().expose_secret());
    write(folder.path(), "bitbucket.token", "a token");
    let authority = rcgen::generate_simple_self_signed(["ca.example.com".to_owned()]).expect("a certificate");
    write(folder.path(), "ca.pem", &authority.cert.pem());
    let text = AGENT_FILE.replace("/etc/gitproxy", &folder.path().display().to_string());
    write(folder.path(), "gitproxy.toml", &text);
    let flags = clap::Command::new("gitproxy").args(settings::args(agent::settings::TABLE));
    let flags = flags.get_matches_from(["gitproxy"]);
    let mut problems = Problems::new();
    let file = folder.path().join("gitproxy.toml");
    let layers = Layers::read(agent::settings::TABLE, &flags, Some(&file), &|_| None, &mut problems);
    let config = agent::Config::read(&layers, problems).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(config.connections.len(), 1);
}

#[test]
fn the_store_file_on_the_page_is_one_that_the_gateway_takes() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), "bitbucket.token", "a token");
    write(folder.path(), "store.toml", &STORE_FILE.replace("DIGEST", &"0f".repeat(32)));
    let store = FileStore::open(folder.path().join("store.toml"), |_| None);
    assert!(store.is_ok(), "{:?}", store.err());
}

fn write(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(name), text).expect("the folder can be written");
}

fn page() -> String {
    PAGE.replace("{made}", MADE.trim_end())
        .replace("{agent_names_file}", &ways(agent::settings::FILE))
        .replace("{agent}", settings::markdown(agent::settings::TABLE).trim_end())
        .replace("{agent_file}", AGENT_FILE.trim_end())
        .replace("{gateway}", settings::markdown(gateway::settings::TABLE).trim_end())
        .replace("{store_file}", STORE_FILE.trim_end())
}

/// How the place of a settings file is given, which it cannot hold itself.
fn ways(file: &[Setting]) -> String {
    let ways = file.iter().map(|file| format!("`--{} FILE` or `{}`", file.flag, file.env.join("` or `")));
    ways.collect()
}

const PAGE: &str = r#"# Settings

{made}

A flag wins over the environment, the environment over the file, the file over the default; an empty variable counts as
not set. Every bad setting is reported at once, a line each on standard error, with its name, where it came from and what
to do, and the program exits before it dials or listens. A secret has no flag: everybody on a machine can read command
lines.

Durations are `500ms`, `10s`, `2m`, `1.5h`, `7d`; sizes are bytes, or `64KiB`, `1MiB`, `2GiB`. A list is an array in
the file, and text with commas in a flag or variable, except where its row says otherwise.

## `gitproxy`, the agent

`gitproxy run` attaches and serves; `gitproxy health live` and `gitproxy health ready` ask a running agent by its
`status.socket`, for exec probes. `gitproxy doctor` walks every hop to the gateway and to each Bitbucket and names the one
that fails ([doctor.md](doctor.md)); `gitproxy egress explain URL` says which way a connection would go, and why. All take
the same settings.

{agent}

Its settings file is named by {agent_names_file}; without one, flags and environment do. Each
`[connections.NAME]` is a Bitbucket that a caller asks for with the header `gitproxy-connection: NAME`; `*` in a key above is
that name. Its token comes from a file, which is read again when it changes. `projects` is the limit of what the connection
may touch: a connection without it is refused. For one Bitbucket:

```toml
{agent_file}
```

| exit code | meaning |
|---|---|
| 0 | asked to stop by SIGTERM or SIGINT, and drained; `health`: yes; `status`: the agent answered; `doctor`: no check failed |
| 1 | a fault of the program or the system; `health`: no; `status`: nobody answers |
| 2 | the command line cannot be understood |
| 3 | the settings cannot be used |
| 4 | `doctor`, `run --preflight`: a check on the way to the gateway failed |
| 5 | `doctor`, `run --preflight`: a check on the way to a Bitbucket failed |
| 6 | `doctor`, `run --preflight`: both |

No answer of a gateway or of a Bitbucket ends `run`, except during its preflight: it is logged, and the agent tries again.

## `gitproxy-gateway`

`gitproxy-gateway run` serves agents and callers. Its settings file is named by `--settings FILE` or `SETTINGS_FILE`;
without one, flags and environment do. `gitproxy-gateway keys new` makes an access key for an agent or a token for a caller, shows it once,
and prints the row for the store; `--json` prints one object with `key`, `id` and `sha256`.

{gateway}

The store file has the tenants, with their agents and callers. It is read again when it changes; a version that cannot
be used is logged, line by line, and the one before it stays in force. Names have 1 to 63 letters, digits, `.`, `_` or `-`.
The ids of keys and tokens are unique in the file, and it has only their digests.

```toml
{store_file}
```

| exit code | meaning |
|---|---|
| 0 | asked to stop by SIGTERM or SIGINT, and drained; `keys new`: done |
| 1 | it cannot serve, such as an address in use |
| 2 | the command line has no such form, or settings or store cannot be used |
"#;

const AGENT_FILE: &str = r#"[gateway]
url = "https://gateway.example.com:8443"
access_key_file = "/etc/gitproxy/access.key"     # what `gitproxy-gateway keys new` showed

[trust]
ca_files = ["/etc/gitproxy/ca.pem"]              # beside the platform's own

[connections.main]
url = "https://git.example.com/bitbucket"        # with the context path, if there is one
auth = "bearer"                                  # or "basic", which needs `user`
token_file = "/etc/gitproxy/bitbucket.token"
projects = ["PROJ", "~alice"]                    # a personal project is `~` and the user's slug

[debug]
listen = "unix:/run/gitproxy/debug.sock"         # off unless set

[status]
socket = "/run/gitproxy/status.sock"
"#;

const STORE_FILE: &str = r#"[tenants.acme.agents.head-office]
# Two at most, so that a new key can be handed out before the old one goes.
keys = [{ id = "AGENTKEYID", sha256 = "DIGEST" }]

# Optional: a connection that the cloud holds. The agent gets it with each call that uses it.
[tenants.acme.agents.head-office.connections.main]
url = "https://git.example.com/bitbucket"
auth = "bearer"                     # or "basic", which needs `user`
token_file = "bitbucket.token"      # relative to this file; or token_env = "VARIABLE", or token = "…"
projects = ["PROJ", "~alice"]

[tenants.acme.callers.scanner]
role = "write"                      # read, write or operator; each includes the one before it
tokens = [{ id = "CALLERTOKENID", sha256 = "DIGEST" }]
"#;
