//! Simulator, gateway and agent, the latter two as the programs that operators run, over TLS on loopback.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bitbucket_sim::{Commit, Config, Sim, TokenSpec};
use gitproxy::egress::{Alpn, CaSource, Egress, Origin, Settings};
use gitproxy::ops::{Key, Tasks};
use gitproxy::proto::Reason;
use gitproxy::proto::scm::v1::files_client::FilesClient;
use gitproxy::proto::scm::v1::repos_client::ReposClient;
use gitproxy::proto::scm::v1::{
    ArchiveFormat, GetArchiveRequest, GetFileRequest, GetRepoRequest, GetRepoResponse, RepoRef,
};
use gitproxy::tunnel::{self, Channel, Options};
use secrecy::ExposeSecret as _;
use tempfile::TempDir;
use tokio::time::timeout;
use tonic::{Code, Request, Status};

use crate::world::tls::Ca;

use super::program::Program;

/// A simulator with the repository `SHOP/web`, and a gateway that knows one agent and one caller. The agent is the
/// test's to start.
pub(crate) struct House {
    pub(crate) sim: Sim,
    pub(crate) gateway: Program,
    agents: SocketAddr,
    callers: SocketAddr,
    /// What the agent gets as its access key.
    key: Key,
    /// What the caller gets as its token.
    token: Key,
    egress: Egress,
    tasks: Tasks,
    grace: &'static str,
    folder: TempDir,
}

/// Connects callers, also while the gateway is away.
#[derive(Clone)]
pub(crate) struct Dialer {
    origin: Origin,
    egress: Egress,
    bearer: String,
    tasks: Tasks,
}

/// Where a house listens for agents, and how long its gateway waits for calls when it stops.
pub(crate) struct Place {
    pub(crate) git: IpAddr,
    pub(crate) agents: IpAddr,
    pub(crate) grace: &'static str,
}

/// A cloud service with a connection to the gateway.
#[derive(Clone)]
pub(crate) struct Caller {
    client: ReposClient<Channel>,
    files: FilesClient<Channel>,
    channel: Channel,
    bearer: String,
}

impl House {
    pub(crate) async fn new() -> Self {
        let localhost = IpAddr::from([127, 0, 0, 1]);
        Self::at(&Place { git: localhost, agents: localhost, grace: "20s" }).await
    }

    /// A house whose agents and Bitbucket are not on the loopback interface; callers are.
    pub(crate) async fn at(place: &Place) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let sim = simulator(folder.path(), place.git).await;
        let ca = certificates(folder.path());
        let (key, token) = (Key::generate().expect("entropy"), Key::generate().expect("entropy"));
        write(folder.path(), "store.toml", &store(&key, &token));
        let gateway = start_gateway(
            folder.path(),
            &SocketAddr::new(place.agents, 0).to_string(),
            "127.0.0.1:0",
            place.grace,
        );
        let (agents, callers) = addresses(&gateway).await;
        let extra_ca = vec![CaSource::Pem { name: "gateway".to_owned(), pem: ca.into_bytes() }];
        let tasks = Tasks::new();
        let egress = Egress::new(&Settings { extra_ca, ..Settings::default() }, &tasks).expect("trust");
        Self { sim, gateway, agents, callers, key, token, egress, tasks, grace: place.grace, folder }
    }

    /// Starts another gateway where the last one was, with nothing left of it but its files.
    pub(crate) async fn start_gateway_again(&mut self) {
        let (agents, callers) = (self.agents.to_string(), self.callers.to_string());
        self.gateway = start_gateway(self.folder.path(), &agents, &callers, self.grace);
        assert_eq!(addresses(&self.gateway).await, (self.agents, self.callers));
    }

    /// Starts an agent, with `more` in its environment.
    pub(crate) fn start_agent(&self, more: &[(&str, &str)]) -> Program {
        Program::start(env!("CARGO_BIN_EXE_gitproxy"), &["run"], self.settings(more))
    }

    /// The environment of an agent: `more`, and what that leaves out.
    pub(crate) fn settings(&self, more: &[(&str, &str)]) -> Vec<(String, String)> {
        let settings = [
            ("GATEWAY_URL", self.gateway_at("localhost")),
            ("ACCESS_KEY", self.key.secret().expose_secret().to_owned()),
            ("CUSTOM_CA_CERT_FILE", format!("{}, {}", self.file("ca.pem"), self.file("sim.pem"))),
            ("BITBUCKET_URL", self.sim.url().to_owned()),
            ("BITBUCKET_TOKEN_FILE", self.file("sim.token")),
            ("BITBUCKET_PROJECTS", "SHOP".to_owned()),
        ];
        let more = more.iter().map(|&(name, value)| (name, value.to_owned()));
        let all = settings.into_iter().chain(more).map(|(name, value)| (name.to_owned(), value));
        all.collect()
    }

    /// Where agents attach.
    pub(crate) fn gateway_addr(&self) -> SocketAddr {
        self.agents
    }

    /// Where agents attach, by one of the names in the certificate: `localhost` or `gateway.test`.
    pub(crate) fn gateway_at(&self, host: &str) -> String {
        format!("https://{host}:{}", self.agents.port())
    }

    /// Where Bitbucket is, by one of the names in its certificate: `localhost` or `git.test`.
    pub(crate) fn git_at(&self, host: &str) -> String {
        self.sim.url().replacen("localhost", host, 1)
    }

    /// The path of a file of the house, such as `ca.pem` of the gateway and `sim.pem` of Bitbucket.
    pub(crate) fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Writes a file of the house, and gives its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        write(self.folder.path(), name, text);
        self.file(name)
    }

    /// `SSL_CERT_DIR` as the chart sets it, `/etc/ssl/certs:/etc/backline/ca`: in the first a public authority as Debian
    /// keeps it, in the second `ca.crt` as Kubernetes mounts it.
    pub(crate) fn as_the_chart_mounts_them(&self) -> String {
        let file = |name: &str| self.folder.path().join(name);
        let (certs, ca) = (file("ssl/certs"), file("backline/ca"));
        fs::create_dir_all(&certs).expect("a folder");
        fs::create_dir_all(ca.join("..v1")).expect("a folder");
        symlink(file("sim.pem"), certs.join("public.pem")).expect("a link");
        fs::copy(file("sim.pem"), certs.join("ca-certificates.crt")).expect("a copy");
        fs::copy(file("ca.pem"), ca.join("..v1/ca.crt")).expect("a copy");
        symlink("..v1", ca.join("..data")).expect("a link");
        symlink("..data/ca.crt", ca.join("ca.crt")).expect("a link");
        format!("{}:{}", certs.display(), ca.display())
    }

    /// Connects as a cloud service does.
    pub(crate) async fn caller(&self) -> Caller {
        self.dialer().connect().await.expect("a gateway")
    }

    /// What connects callers, apart from the house.
    pub(crate) fn dialer(&self) -> Dialer {
        let origin = format!("https://localhost:{}", self.callers.port()).parse().expect("an origin");
        let bearer = format!("Bearer {}", self.token.secret().expose_secret());
        Dialer { origin, egress: self.egress.clone(), bearer, tasks: self.tasks.clone() }
    }
}

impl Dialer {
    /// Connects as a cloud service does.
    pub(crate) async fn connect(&self) -> Result<Caller, Status> {
        let uri: http::Uri = self.origin.to_string().parse().expect("a URI");
        let stream = self.egress.connector(self.origin.clone(), Alpn::Http2Only).connect().await;
        let stream = stream.map_err(|error| Status::unavailable(error.to_string()))?;
        let channel = tunnel::channel(stream, &Options::default(), &self.tasks).await?;
        let files = FilesClient::with_origin(channel.clone(), uri.clone());
        let client = ReposClient::with_origin(channel.clone(), uri);
        Ok(Caller { client, files, channel, bearer: self.bearer.clone() })
    }
}

impl Caller {
    /// One command that asks Bitbucket one thing.
    pub(crate) async fn get_repo(&self) -> Result<GetRepoResponse, Status> {
        let request = self.ask(GetRepoRequest { repo: Some(web()) });
        self.client.clone().get_repo(request).await.map(tonic::Response::into_inner)
    }

    /// Calls again at once for as long as the agent is not there, and gives the refusal of what comes after it.
    pub(crate) async fn refused_soon(&self) -> Status {
        let refused = async {
            loop {
                let status = self.get_repo().await.expect_err("it shall be refused");
                if Reason::of(&status) != Some(Reason::AgentAway) {
                    return status;
                }
            }
        };
        timeout(PATIENCE, refused).await.expect("refused in time")
    }

    /// Reads a file to its end, and says how many bytes it had.
    pub(crate) async fn download(&self, path: &str) -> Result<usize, Status> {
        let request = GetFileRequest { repo: Some(web()), path: path.to_owned(), at: String::new() };
        let mut parts = self.files.clone().get_file(self.ask(request)).await?.into_inner();
        let mut length = 0;
        while let Some(part) = parts.message().await? {
            length += part.data.len();
        }
        Ok(length)
    }

    /// Reads the default branch as a tar to its end, and says how many bytes it had.
    pub(crate) async fn archive(&self) -> Result<usize, Status> {
        let format = ArchiveFormat::Tar.into();
        let request = GetArchiveRequest { repo: Some(web()), format, ..Default::default() };
        let mut parts = self.files.clone().get_archive(self.ask(request)).await?.into_inner();
        let mut length = 0;
        while let Some(part) = parts.message().await? {
            length += part.data.len();
        }
        Ok(length)
    }

    /// The connection, for services that this does not call itself.
    pub(crate) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// A request with what every call needs.
    pub(crate) fn ask<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        for (name, value) in [("authorization", self.bearer.as_str()), ("gitproxy-agent", "office")] {
            request.metadata_mut().insert(name, value.parse().expect("ascii"));
        }
        request
    }

    /// Calls again at once for as long as the agent is away.
    pub(crate) async fn get_repo_soon(&self) -> GetRepoResponse {
        let answered = async {
            loop {
                match self.get_repo().await {
                    Ok(answer) => return answer,
                    Err(status) => assert_eq!(status.code(), Code::Unavailable, "{status}"),
                }
            }
        };
        timeout(PATIENCE, answered).await.expect("the agent is back in time")
    }
}

fn web() -> RepoRef {
    RepoRef { project: "SHOP".to_owned(), slug: "web".to_owned() }
}

async fn simulator(folder: &Path, address: IpAddr) -> Sim {
    let sim = Sim::start(Config { address, names: vec!["git.test".to_owned()], ..Config::default() })
        .await
        .expect("a simulator");
    sim.add_repo("SHOP", "web", &[Commit::new("Start").file("a.txt", "one\n")]).await.expect("a repository");
    write(folder, "sim.pem", sim.ca_pem());
    write(folder, "sim.token", &sim.add_token(TokenSpec::personal("alice")));
    sim
}

/// Writes the gateway's certificate, for `localhost` and `gateway.test`, and its CA, and gives the latter.
fn certificates(folder: &Path) -> String {
    let ca = Ca::new("gitproxy test");
    ca.write(folder, "gateway");
    write(folder, "ca.pem", ca.pem());
    ca.pem().to_owned()
}

/// The tenant `acme` with the agent `office` and a caller that may write.
fn store(agent: &Key, caller: &Key) -> String {
    let row = |key: &Key| format!("[{{ id = \"{}\", sha256 = \"{}\" }}]", key.id(), key.digest());
    format!(
        "[tenants.acme.agents.office]\nkeys = {}\n[tenants.acme.callers.scanner]\nrole = \"write\"\ntokens = {}\n",
        row(agent),
        row(caller)
    )
}

fn start_gateway(folder: &Path, agents: &str, callers: &str, grace: &str) -> Program {
    let file = |name: &str| folder.join(name).into_os_string();
    let settings = [
        ("STORE_FILE", file("store.toml")),
        ("AGENTS_TLS_CERT", file("gateway.crt")),
        ("AGENTS_TLS_KEY", file("gateway.key")),
        ("CALLERS_TLS_CERT", file("gateway.crt")),
        ("CALLERS_TLS_KEY", file("gateway.key")),
        ("AGENTS_LISTEN", agents.into()),
        ("CALLERS_LISTEN", callers.into()),
        // There is no balancer that has to notice.
        ("DRAIN_SETTLE", "0".into()),
        ("DRAIN_GRACE", grace.into()),
    ];
    Program::start(env!("CARGO_BIN_EXE_gitproxy-gateway"), &["run"], settings)
}

/// Where a gateway listens, by its own word.
async fn addresses(gateway: &Program) -> (SocketAddr, SocketAddr) {
    let line = gateway.says("gateway serves").await;
    let after = |name: &str| line.split_whitespace().find_map(|word| word.strip_prefix(name));
    let address = |name: &str| after(name).and_then(|text| text.parse().ok());
    let both = address("agents=").zip(address("callers="));
    both.unwrap_or_else(|| panic!("no addresses in {line:?}"))
}

fn write(folder: &Path, name: &str, text: &str) {
    let path: PathBuf = folder.join(name);
    fs::write(path, text).expect("a file is written");
}

const PATIENCE: Duration = Duration::from_secs(30);
