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
use tokio::process::Command;

use super::forms::Secret;
use crate::world::collector::{Collector, Push, points, spans};
use crate::world::program::{self, Ended, Program, address};
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
    /// Both programs push to it.
    collector: Collector,
    roots: Roots,
    way: Way,
    tasks: Tasks,
    folder: TempDir,
}

/// How the agent gets out: which names it has for both ends, and what more is in its environment.
pub(super) struct Way {
    /// The gateway's host.
    pub(super) gateway: &'static str,
    /// The URL of Bitbucket, if not the simulator's own.
    pub(super) bitbucket: Option<String>,
    pub(super) environment: Vec<(&'static str, String)>,
    /// Files of the house: name and text. A value of the environment that is `FOLDER/name` is its path.
    pub(super) files: Vec<(&'static str, String)>,
    /// More that is trusted, in PEM.
    pub(super) trusted: String,
    /// What was planted with all that.
    pub(super) secrets: Vec<Secret>,
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
    pub(super) async fn start(format: &str, way: Way) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let sim = simulator(Config { basic_auth: Some(true), ..Config::default() }).await;
        let tokens = Tokens::plant(&sim);
        let (access_key, caller_key, tasks) = (new_key(), new_key(), Tasks::new());
        let ca = Ca::new("gitproxy test");
        let bundle = folder.path().join("roots.pem");
        fs::write(&bundle, format!("{}{}{}", ca.pem(), sim.ca_pem(), way.trusted)).expect("written");
        for (name, text) in &way.files {
            fs::write(folder.path().join(name), text).expect("written");
        }
        let git = way.bitbucket(sim.url());
        let store = store(&tokens, &access_key, &caller_key, &git);
        let collector = Collector::start().await;
        let mut starts = gateway(format, folder.path(), &ca, &store);
        let mut gateway = Program::start(starts.envs(push(&collector)));
        let line = gateway.line("gateway serves").await;
        let (agents, callers) = (address(&line, "agents"), address(&line, "callers"));
        let url = url(agents).replacen("localhost", way.gateway, 1);
        fs::write(folder.path().join("agent.toml"), settings(&tokens, folder.path(), &git, &url))
            .expect("written");
        let mut starts = command(&["run"], format, folder.path(), &access_key, &way);
        let mut agent = Program::start(starts.envs(push(&collector)));
        let debug = address(&agent.line("debug listener").await, "address");
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
            collector,
            roots,
            way,
            tasks,
            folder,
        };
        house.caller(house.caller_key.clone()).await.sees("site", 1).await;
        house
    }

    /// Runs another form of the agent's program, with the same settings, to its end.
    pub(super) async fn run(&self, arguments: &[&str]) -> Ended {
        let mut command = command(arguments, "human", self.folder.path(), &self.access_key, &self.way);
        Program::start(&mut command).end().await
    }

    /// What the status socket tells.
    pub(super) fn status(&self) -> String {
        let told = gitproxy::agent::status::ask(&self.folder.path().join("status.sock"));
        format!("{:?}", told.expect("the agent's status"))
    }

    /// Calls the gateway with this token.
    pub(super) async fn caller(&self, token: Key) -> Caller {
        let caller = Caller::dial(&url(self.callers), &self.roots, token, &self.tasks).await;
        caller.having("traceparent", &format!("00-{TRACE}-00f067aa0ba902b7-01"))
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
        let mut secrets = vec![
            Secret::key("access key", &self.access_key),
            Secret::key("caller's token", &self.caller_key),
            Secret::token("local token", &tokens.local),
            Secret::token("held token", &tokens.held),
            Secret::basic("local password", "carol", tokens.password),
            Secret::basic("held password", "dave", tokens.held_password),
            Secret::new("refused token", tokens.stale),
            Secret::new("refused held token", tokens.held_stale),
        ];
        secrets.extend(self.way.secrets.iter().cloned());
        secrets
    }

    /// All that was pushed, spans and metrics of both programs among it.
    pub(super) async fn pushed(&self) -> String {
        let both = |services: Vec<String>| {
            ["gitproxy", "gitproxy-gateway"].iter().all(|it| services.iter().any(|service| service == it))
        };
        let enough = |pushes: &[Push]| {
            let spans = spans(pushes).into_iter().map(|(service, _)| service).collect();
            let points = points(pushes).into_iter().map(|point| point.service).collect();
            (both(spans) && both(points)).then_some(())
        };
        self.collector.until("metrics and spans of both", enough).await;
        let shown =
            |push: &Push| format!("{} {:?} {}", push.path, push.headers, String::from_utf8_lossy(&push.body));
        self.collector.pushes().iter().map(shown).collect::<Vec<_>>().join("\n")
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

impl Way {
    /// Without a proxy.
    pub(super) fn direct() -> Self {
        let (environment, files, secrets) = (Vec::new(), Vec::new(), Vec::new());
        let (bitbucket, trusted) = (None, String::new());
        Self { gateway: "localhost", bitbucket, environment, files, trusted, secrets }
    }

    /// By names that only a proxy knows.
    pub(super) fn by_name() -> Self {
        Self { gateway: "gateway.test", bitbucket: Some("git.test".to_owned()), ..Self::direct() }
    }

    /// Sets a variable of the agent's.
    pub(super) fn set(mut self, name: &'static str, value: &str) -> Self {
        self.environment.push((name, value.to_owned()));
        self
    }

    /// Notes what is in one of them.
    pub(super) fn secret(mut self, secret: Secret) -> Self {
        self.secrets.push(secret);
        self
    }

    fn bitbucket(&self, simulator: &str) -> String {
        match self.bitbucket.as_deref() {
            None => simulator.to_owned(),
            Some(url) if url.contains("://") => url.to_owned(),
            Some(host) => simulator.replacen("localhost", host, 1),
        }
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

/// Where to push, and often; an agent's proxy is not for it.
fn push(collector: &Collector) -> [(&'static str, String); 4] {
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url()),
        ("GITPROXY_METRICS_EVERY", "1s".to_owned()),
        ("GITPROXY_TRACES_ENDPOINT", collector.url()),
        ("NO_PROXY", "127.0.0.1".to_owned()),
    ]
}

fn gateway(format: &str, folder: &Path, ca: &Ca, store: &str) -> Command {
    fs::write(folder.join("store.toml"), store).expect("written");
    let (certificate, key) = ca.write(folder, "gateway");
    let mut command = program::gateway();
    command.arg("run").env("STORE_FILE", folder.join("store.toml"));
    command.env("AGENTS_TLS_CERT", &certificate).env("AGENTS_TLS_KEY", &key);
    command.env("CALLERS_TLS_CERT", &certificate).env("CALLERS_TLS_KEY", &key);
    command.args(["--agents-listen", "127.0.0.1:0", "--callers-listen", "127.0.0.1:0"]);
    command.args(["--log-format", format, "--log-filter", "trace"]);
    command
}

fn command(arguments: &[&str], format: &str, folder: &Path, key: &Key, way: &Way) -> Command {
    let mut command = program::agent();
    command.args(arguments).arg("--config").arg(folder.join("agent.toml"));
    command.env("ACCESS_KEY", key.secret().expose_secret());
    command.env("SSL_CERT_FILE", folder.join("roots.pem"));
    let path = |value: &String| value.replace("FOLDER", &folder.display().to_string());
    command.envs(way.environment.iter().map(|(name, value)| (name, path(value))));
    command.args(["--log-format", format, "--log-filter", "trace"]);
    command
}

fn store(tokens: &Tokens, key: &Key, caller: &Key, url: &str) -> String {
    let mut text = format!(
        "[tenants.acme.callers.caller]\nrole = 'operator'\ntokens = [{}]\n[tenants.acme.agents.site]\nkeys = [{}]\n",
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

fn settings(tokens: &Tokens, folder: &Path, url: &str, gateway: &str) -> String {
    let mut text = format!(
        "[gateway]\nurl = '{gateway}'\n[debug]\nlisten = '127.0.0.1:0'\ntoken_file = '{}'\n[status]\nsocket = '{}'\n",
        folder.join("debug.token").display(),
        folder.join("status.sock").display()
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

/// The trace of every call to the gateway.
pub(super) const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
