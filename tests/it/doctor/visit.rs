//! A world, the settings with which `gitproxy` is started in it, and what it told.

use std::collections::BTreeMap;
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use bitbucket_sim::TokenSpec;
use gitproxy::egress::{Alpn, Egress, Origin, Roots, Settings};
use gitproxy::ops::Key;
use gitproxy::tunnel::{self, Channel, Options};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;
use tonic::Request;

use super::schema;
use crate::canary::forms::Secret;
use crate::world::{World, program};

/// An agent that can be examined.
pub(super) struct Visit<W = World> {
    pub(super) world: W,
    environment: BTreeMap<String, String>,
    secrets: Vec<Secret>,
    folder: TempDir,
}

/// What a program told, and how it ended.
pub(super) struct Told {
    pub(super) code: i32,
    pub(super) out: String,
    pub(super) err: String,
    pub(super) took: Duration,
}

impl Visit {
    /// A good gateway, a good simulator, and the settings for both; the connection is `main`, in a settings file.
    pub(super) async fn new() -> Self {
        let world = World::with(|plan| plan.away()).await;
        let folder = tempfile::tempdir().expect("a folder");
        let token = world.sim.add_token(TokenSpec::personal("alice"));
        let at = |name: &str| folder.path().join(name).display().to_string();
        fs::write(at("token"), &token).expect("written");
        let settings = format!(
            "[connections.main]\nurl = '{}'\ntoken_file = '{}'\nprojects = ['SHOP']\n",
            world.sim.url(),
            at("token")
        );
        fs::write(at("gitproxy.toml"), settings).expect("written");
        let Roots::Named { file: Some(roots), .. } = &world.roots else { panic!("the world has a bundle") };
        let (url, key, roots) =
            (world.agents_url(), world.access_key("acme/site").clone(), roots.display().to_string());
        let config = at("gitproxy.toml");
        let visit = Self { world, environment: BTreeMap::new(), secrets: Vec::new(), folder };
        let visit = visit.access_key(&key).secret_is(Secret::token("token", &token));
        visit.set("GATEWAY_URL", &url).set("SSL_CERT_FILE", &roots).set("GITPROXY_CONFIG", &config)
    }

    /// Another access key than the world's.
    pub(super) fn access_key(self, key: &Key) -> Self {
        let text = key.secret().expose_secret().to_owned();
        self.secret_is(Secret::key("access key", key)).set("ACCESS_KEY", &text)
    }

    /// A gateway's URL that nobody listens at.
    pub(super) fn unreachable_gateway(self) -> Self {
        // Bound and let go: the system hands it to nobody else for a while.
        let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.expect("a port").port();
        self.set("GATEWAY_URL", &format!("https://localhost:{port}"))
    }

    /// Trusts the gateway's authority and not the simulator's.
    pub(super) fn without_the_simulators_authority(self) -> Self {
        let all = fs::read_to_string(&self.environment["SSL_CERT_FILE"]).expect("the bundle");
        let path = self.folder.path().join("gateway.pem");
        fs::write(&path, all.replace(self.world.sim.ca_pem(), "")).expect("written");
        self.set("SSL_CERT_FILE", &path.display().to_string())
    }

    /// Another URL for the connection.
    pub(super) fn bitbucket_at(self, url: &str) -> Self {
        let ours = self.world.sim.url().to_owned();
        self.settings(|text| text.replace(&ours, url))
    }

    /// One more line for the connection.
    pub(super) fn connection(self, line: &str) -> Self {
        self.settings(|text| format!("{text}{line}\n"))
    }

    /// Another project than the connection's.
    pub(super) fn only_project(self, key: &str) -> Self {
        self.settings(|text| text.replace("SHOP", key))
    }

    /// The file of the authorities that are trusted.
    pub(super) fn roots(&self) -> &str {
        &self.environment["SSL_CERT_FILE"]
    }

    /// Another token for the connection.
    pub(super) fn token(self, text: &str) -> Self {
        fs::write(self.folder.path().join("token"), text).expect("written");
        self.secret_is(Secret::token("another token", text))
    }

    /// An authority that is trusted beside those of the world.
    pub(super) fn trusting(self, pem: &str) -> Self {
        let path = self.file("more.pem", pem);
        self.set("CUSTOM_CA_CERT_FILE", &path)
    }

    /// Writes a file, and gives its path.
    pub(super) fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, text).expect("written");
        path.display().to_string()
    }

    /// The gateway's URL and the connection's by names that only a proxy knows.
    pub(super) fn by_names_of_the_proxy(self) -> Self {
        let [gateway, git] =
            [(self.world.agents_url(), "gateway.test"), (self.world.sim.url().to_owned(), "git.test")]
                .map(|(url, name)| url.replace("localhost", name));
        self.set("GATEWAY_URL", &gateway).bitbucket_at(&git)
    }

    fn settings(self, change: impl FnOnce(String) -> String) -> Self {
        let path = &self.environment["GITPROXY_CONFIG"];
        let text = fs::read_to_string(path).expect("the settings");
        fs::write(path, change(text)).expect("written");
        self
    }

    /// Trusts the simulator's authority and not the gateway's.
    pub(super) fn without_the_gateways_authority(self) -> Self {
        let path = self.file("simulator.pem", self.world.sim.ca_pem());
        self.set("SSL_CERT_FILE", &path)
    }

    /// Leaves the settings file out, and with it the connection.
    pub(super) fn without_connection(mut self) -> Self {
        self.environment.remove("GITPROXY_CONFIG");
        self
    }

    /// Runs `gitproxy doctor`.
    pub(super) async fn doctor(&self, arguments: &[&str]) -> Told {
        self.doctor_by(program::agent(), arguments).await
    }

    /// Runs it by a command that leads to `gitproxy`, as one does into a network namespace.
    pub(super) async fn doctor_by(&self, command: Command, arguments: &[&str]) -> Told {
        let told = self.ended(command, &[&["doctor"], arguments].concat()).await;
        if arguments.contains(&"--json") {
            schema::check(&told.json()).unwrap_or_else(|why| panic!("{why}\n{}", told.out));
        }
        told
    }
}

impl Visit<()> {
    /// No world, and no settings.
    pub(super) fn bare() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { world: (), environment: BTreeMap::new(), secrets: Vec::new(), folder }
    }
}

impl<W> Visit<W> {
    /// Sets a variable.
    pub(super) fn set(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Something that must be in no output.
    pub(super) fn secret(self, text: &str) -> Self {
        self.secret_is(Secret::new("a password", text))
    }

    fn secret_is(mut self, secret: Secret) -> Self {
        self.secrets.push(secret);
        self
    }

    /// `gitproxy` with the settings.
    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        self.dressed(program::agent(), arguments)
    }

    fn dressed(&self, mut command: Command, arguments: &[&str]) -> Command {
        command.args(arguments).env_clear().envs(&self.environment).stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Runs `gitproxy` to its end; no secret is in what it writes.
    pub(super) async fn gitproxy(&self, arguments: &[&str]) -> Told {
        self.ended(program::agent(), arguments).await
    }

    async fn ended(&self, command: Command, arguments: &[&str]) -> Told {
        let start = Instant::now();
        let ended = timeout(PATIENCE, self.dressed(command, arguments).output()).await.expect("it ends");
        let ended = ended.expect("it starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&ended.stdout), text(&ended.stderr));
        let told = Told { code: ended.status.code().expect("no signal"), out, err, took: start.elapsed() };
        for secret in &self.secrets {
            let all = told.all();
            assert!(secret.hits(&all).is_empty(), "{} is in:\n{:#?}", secret.name, secret.hits(&all));
        }
        told
    }
}

impl Told {
    /// Both outputs.
    pub(super) fn all(&self) -> String {
        format!("{}\n{}", self.out, self.err)
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.all()))
    }

    /// The names of the legs.
    pub(super) fn legs(&self) -> Vec<String> {
        list(&self.json()["legs"]).iter().map(|leg| text(&leg["name"])).collect()
    }

    /// A check by the name of its leg and its own.
    #[track_caller]
    pub(super) fn check(&self, leg: &str, name: &str) -> Value {
        let checks = self.checks(leg);
        let found = checks.into_iter().find(|check| check["name"] == name);
        found.unwrap_or_else(|| panic!("no check {name} on {leg}: {}", self.all()))
    }

    #[track_caller]
    pub(super) fn outcome(&self, leg: &str, name: &str) -> String {
        text(&self.check(leg, name)["outcome"])
    }

    /// What each check of a leg found.
    #[track_caller]
    pub(super) fn found(&self, leg: &str) -> Vec<String> {
        self.checks(leg).iter().map(|check| text(&check["found"])).collect()
    }

    /// The names of the failed checks of a leg.
    #[track_caller]
    pub(super) fn failed(&self, leg: &str) -> Vec<String> {
        let checks = self.checks(leg);
        let failed = checks.iter().filter(|check| check["outcome"] == "failed");
        failed.map(|check| text(&check["name"])).collect()
    }

    #[track_caller]
    fn checks(&self, leg: &str) -> Vec<Value> {
        let report = self.json();
        let found = list(&report["legs"]).iter().find(|found| found["name"] == leg);
        list(&found.unwrap_or_else(|| panic!("no leg {leg}: {}", self.all()))["checks"]).to_vec()
    }
}

/// A connection to the debug listener of `acme/site`.
pub(super) async fn debug_channel(world: &World) -> (Channel, http::Uri) {
    let address = world.agent("acme/site").debug_addr().expect("it is on TCP");
    let origin: Origin = format!("http://{address}").parse().expect("an origin");
    let uri = origin.to_string().parse().expect("a URI");
    let egress = Egress::new(&Settings::default(), &world.tasks).expect("an egress");
    let stream = egress.connector(origin, Alpn::Http2Only).connect().await.expect("connected");
    (tunnel::channel(stream, &Options::default(), &world.tasks).await.expect("HTTP/2"), uri)
}

/// A request that the debug listener takes.
pub(super) fn with_token<T>(world: &World, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let token = world.agent("acme/site").debug_token().expect("on TCP").secret().expose_secret();
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().expect("ascii"));
    request
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// More than an examination may take, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(40);
