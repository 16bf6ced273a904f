//! Both programs as processes, with a canary in every place where a secret goes.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use bitbucket_sim::{Config, Sim, TokenSpec};
use gitproxy::egress::Roots;
use gitproxy::ops::{Key, Tasks};
use secrecy::ExposeSecret as _;
use tempfile::TempDir;

use super::forms::Secret;
use crate::world::program::{self, Program, address};
use crate::world::tls::Ca;
use crate::world::{Caller, new_key, row, simulator, url};

/// See the module.
pub(super) struct House {
    pub(super) sim: Sim,
    pub(super) access_key: Key,
    pub(super) caller_key: Key,
    tokens: Tokens,
    gateway: Program,
    agent: Program,
    callers: SocketAddr,
    debug: SocketAddr,
    roots: Roots,
    tasks: Tasks,
    folder: TempDir,
}

/// What the connections log in with.
struct Tokens {
    local: String,
    held: String,
    password: &'static str,
    held_password: &'static str,
    stale: &'static str,
    held_stale: &'static str,
}

impl House {
    pub(super) async fn start(format: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let sim = simulator(Config { basic_auth: Some(true), ..Config::default() }).await;
        let tokens = Tokens::plant(&sim);
        let (access_key, caller_key, tasks) = (new_key(), new_key(), Tasks::new());
        let ca = Ca::new("gitproxy test");
        let bundle = folder.path().join("roots.pem");
        fs::write(&bundle, format!("{}{}", ca.pem(), sim.ca_pem())).expect("written");
        let (agents, callers, gateway) =
            gateway(format, folder.path(), &ca, &store(&tokens, &access_key, &caller_key, sim.url())).await;
        fs::write(folder.path().join("agent.toml"), settings(&tokens, folder.path(), sim.url(), agents))
            .expect("written");
        let (debug, agent) = agent(format, folder.path(), &access_key).await;
        let roots = Roots::Named { file: Some(bundle), folders: Vec::new() };
        let house = Self {
            sim,
            access_key,
            caller_key,
            tokens,
            gateway,
            agent,
            callers,
            debug,
            roots,
            tasks,
            folder,
        };
        house.caller(house.caller_key.clone()).await.sees("site").await;
        house
    }

    /// Calls the gateway with this token.
    pub(super) async fn caller(&self, token: Key) -> Caller {
        Caller::dial(&url(self.callers), &self.roots, token, &self.tasks).await
    }

    /// Calls the agent's debug listener with this token.
    pub(super) async fn operator(&self, token: Key) -> Caller {
        Caller::dial(&format!("http://{}", self.debug), &self.roots, token, &self.tasks).await
    }

    /// What the agent wrote for its operators.
    pub(super) fn debug_key(&self) -> Key {
        let text = fs::read_to_string(self.folder.path().join("debug.token")).expect("a token");
        Key::parse(&text).expect("a key")
    }

    /// All that was planted.
    pub(super) fn secrets(&self) -> Vec<Secret> {
        let tokens = &self.tokens;
        vec![
            Secret::key("access key", &self.access_key),
            Secret::key("caller's token", &self.caller_key),
            Secret::token("local token", &tokens.local),
            Secret::token("held token", &tokens.held),
            Secret::basic("local password", "carol", tokens.password),
            Secret::basic("held password", "dave", tokens.held_password),
            Secret::new("refused token", tokens.stale),
            Secret::new("refused held token", tokens.held_stale),
        ]
    }

    /// Kills the gateway, lets the agent notice, kills it too, and gives what each wrote.
    pub(super) async fn stop(mut self) -> [String; 2] {
        let gateway = self.gateway.kill().await.text();
        // Its link is lost and the next dial fails: what it says then counts too.
        self.agent.line("not attached").await;
        let agent = self.agent.kill().await.text();
        self.tasks.cut();
        [gateway, agent]
    }
}

impl Tokens {
    fn plant(sim: &Sim) -> Self {
        let (password, held_password) = ("c4nary+p/ss%w\"rd-local", "c4nary:held pass&word=1");
        sim.add_user("carol", password);
        sim.add_user("dave", held_password);
        Self {
            local: sim.add_token(TokenSpec::personal("alice")),
            held: sim.add_token(TokenSpec::personal("bob")),
            password,
            held_password,
            stale: "c4nary-token-that-nobody-knows",
            held_stale: "c4nary-held-token-that-nobody-knows",
        }
    }
}

async fn gateway(format: &str, folder: &Path, ca: &Ca, store: &str) -> (SocketAddr, SocketAddr, Program) {
    fs::write(folder.join("store.toml"), store).expect("written");
    let (certificate, key) = ca.write(folder, "gateway");
    let mut command = program::gateway();
    command.arg("run").env("STORE_FILE", folder.join("store.toml"));
    command.env("AGENTS_TLS_CERT", &certificate).env("AGENTS_TLS_KEY", &key);
    command.env("CALLERS_TLS_CERT", &certificate).env("CALLERS_TLS_KEY", &key);
    command.args(["--agents-listen", "127.0.0.1:0", "--callers-listen", "127.0.0.1:0"]);
    command.args(["--log-format", format, "--log-filter", "trace"]);
    let mut gateway = Program::start(&mut command);
    let line = gateway.line("gateway serves").await;
    (address(&line, "agents"), address(&line, "callers"), gateway)
}

async fn agent(format: &str, folder: &Path, key: &Key) -> (SocketAddr, Program) {
    let mut command = program::agent();
    command.arg("run").arg("--config").arg(folder.join("agent.toml"));
    command.env("ACCESS_KEY", key.secret().expose_secret());
    command.env("SSL_CERT_FILE", folder.join("roots.pem"));
    command.args(["--log-format", format, "--log-filter", "trace"]);
    let mut agent = Program::start(&mut command);
    (address(&agent.line("debug listener").await, "address"), agent)
}

fn store(tokens: &Tokens, key: &Key, caller: &Key, url: &str) -> String {
    let mut text = format!(
        "[tenants.acme.callers.caller]\nrole = 'write'\ntokens = [{}]\n[tenants.acme.agents.site]\nkeys = [{}]\n",
        row(caller),
        row(key)
    );
    let held = [
        ("cloud", "auth = 'bearer'", tokens.held.as_str()),
        ("cloud-password", "auth = 'basic'\nuser = 'dave'", tokens.held_password),
        ("cloud-stale", "auth = 'bearer'", tokens.held_stale),
    ];
    for (name, auth, token) in held {
        let _ = writeln!(text, "[tenants.acme.agents.site.connections.{name}]\n{auth}\ntoken = '{token}'");
        let _ = writeln!(text, "url = '{url}'\nprojects = ['SHOP']");
    }
    text
}

fn settings(tokens: &Tokens, folder: &Path, url: &str, agents: SocketAddr) -> String {
    let mut text = format!(
        "[gateway]\nurl = '{}'\n[debug]\nlisten = '127.0.0.1:0'\ntoken_file = '{}'\n",
        crate::world::url(agents),
        folder.join("debug.token").display()
    );
    // The simulator, for the connections that come with a call.
    text.push_str("[held]\nallowed_addresses = ['127.0.0.0/8', '::1/128']\n");
    let local = [
        ("main", "auth = 'bearer'", tokens.local.as_str()),
        ("password", "auth = 'basic'\nuser = 'carol'", tokens.password),
        ("stale", "auth = 'bearer'", tokens.stale),
    ];
    for (name, auth, token) in local {
        let file = folder.join(format!("{name}.token"));
        fs::write(&file, token).expect("written");
        let _ = writeln!(text, "[connections.{name}]\n{auth}\ntoken_file = '{}'", file.display());
        let _ = writeln!(text, "url = '{url}'\nprojects = ['SHOP']");
    }
    text
}
