//! Simulator, gateway and agent, the latter two as the programs that operators run, over TLS on loopback.

#[path = "papers.rs"]
mod papers;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Deref;
use std::path::Path;
use std::time::Duration;

use bitbucket_sim::Sim;
use gitproxy::egress::{Alpn, CaSource, Connector, Egress, Origin, Settings};
use gitproxy::ops::{Key, Tasks, causes};
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

use self::papers::{certificates, simulator, store, write};
use super::program::Program;

/// A simulator with the repository `SHOP/web`, and the files of gateways that know one agent and one caller.
pub(crate) struct Site {
    pub(crate) sim: Sim,
    /// What the agent gets as its access key.
    key: Key,
    /// What the caller gets as its token.
    token: Key,
    egress: Egress,
    tasks: Tasks,
    folder: TempDir,
}

/// A site with one gateway. The agent is the test's to start.
pub(crate) struct House {
    site: Site,
    pub(crate) gateway: Program,
    agents: SocketAddr,
    callers: SocketAddr,
    grace: &'static str,
}

/// Where a house has what agents and Bitbucket's clients connect to, and how long its gateway waits for calls when it stops.
pub(crate) struct Place {
    pub(crate) git: IpAddr,
    pub(crate) agents: IpAddr,
    pub(crate) grace: &'static str,
}

/// How a cloud service comes to a gateway.
#[derive(Clone)]
pub(crate) struct Way {
    connector: Connector,
    uri: http::Uri,
    bearer: String,
    tasks: Tasks,
}

/// A cloud service with a connection to a gateway; clones share the connection.
#[derive(Clone)]
pub(crate) struct Caller {
    /// The transport of generated clients.
    pub(crate) channel: Channel,
    /// The origin of generated clients.
    pub(crate) uri: http::Uri,
    bearer: String,
    /// Where an agent has several.
    connection: Option<&'static str>,
}

impl Site {
    /// Starts the simulator and writes the files.
    pub(crate) async fn new() -> Self {
        Self::at(Ipv4Addr::LOCALHOST.into()).await
    }

    /// The same with the simulator on this address.
    async fn at(git: IpAddr) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let sim = simulator(folder.path(), git).await;
        let ca = certificates(folder.path());
        let (key, token) = (Key::generate().expect("entropy"), Key::generate().expect("entropy"));
        write(folder.path(), "store.toml", &store(&key, &token));
        let extra_ca = vec![CaSource::Pem { name: "gateway".to_owned(), pem: ca.into_bytes() }];
        let tasks = Tasks::new();
        let egress = Egress::new(&Settings { extra_ca, ..Settings::default() }, &tasks).expect("trust");
        Self { sim, key, token, egress, tasks, folder }
    }

    /// Starts a gateway that listens there, with `more` in its environment, and says where it does.
    pub(crate) async fn start_gateway(
        &self,
        (agents, callers): (&str, &str),
        more: &[(&str, &str)],
    ) -> (Program, (SocketAddr, SocketAddr)) {
        let settings = self.gateway_settings((agents, callers), more);
        let gateway = Program::start(env!("CARGO_BIN_EXE_gitproxy-gateway"), &["run"], settings);
        let addresses = addresses(&gateway).await;
        (gateway, addresses)
    }

    /// The environment of a gateway that listens there, with `more` in it.
    pub(crate) fn gateway_settings(
        &self,
        (agents, callers): (&str, &str),
        more: &[(&str, &str)],
    ) -> Vec<(String, String)> {
        let settings = [
            ("STORE_FILE", self.file("store.toml")),
            ("AGENTS_TLS_CERT", self.file("gateway.crt")),
            ("AGENTS_TLS_KEY", self.file("gateway.key")),
            ("CALLERS_TLS_CERT", self.file("gateway.crt")),
            ("CALLERS_TLS_KEY", self.file("gateway.key")),
            ("AGENTS_LISTEN", agents.to_owned()),
            ("CALLERS_LISTEN", callers.to_owned()),
        ];
        environment(&settings, more)
    }

    /// Starts an agent that attaches there, with `more` in its environment.
    pub(crate) fn start_agent_of(&self, gateway: String, more: &[(&str, &str)]) -> Program {
        Program::start(env!("CARGO_BIN_EXE_gitproxy"), &["run"], self.settings_of(gateway, more))
    }

    /// The environment of an agent that attaches there: `more`, and what that leaves out.
    pub(crate) fn settings_of(&self, gateway: String, more: &[(&str, &str)]) -> Vec<(String, String)> {
        let settings = [
            ("GATEWAY_URL", gateway),
            ("ACCESS_KEY", self.key.secret().expose_secret().to_owned()),
            ("CUSTOM_CA_CERT_FILE", format!("{}, {}", self.file("ca.pem"), self.file("sim.pem"))),
            ("BITBUCKET_URL", self.sim.url().to_owned()),
            ("BITBUCKET_TOKEN_FILE", self.file("sim.token")),
            ("BITBUCKET_PROJECTS", "SHOP".to_owned()),
        ];
        environment(&settings, more)
    }

    /// Where Bitbucket is, by one of the names in its certificate: `localhost` or `git.test`.
    pub(crate) fn git_at(&self, host: &str) -> String {
        self.sim.url().replacen("localhost", host, 1)
    }

    /// The folder of its files.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The path of a file of the site, such as `ca.pem` of the gateway and `sim.pem` of Bitbucket.
    pub(crate) fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Writes a file of the site, and gives its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        write(self.folder.path(), name, text);
        self.file(name)
    }

    /// How a cloud service comes to the gateway on this port of `localhost`.
    pub(crate) fn way(&self, port: u16) -> Way {
        let origin: Origin = format!("https://localhost:{port}").parse().expect("an origin");
        Way {
            uri: origin.to_string().parse().expect("a URI"),
            connector: self.egress.connector(origin, Alpn::Http2Only),
            bearer: format!("Bearer {}", self.token.secret().expose_secret()),
            tasks: self.tasks.clone(),
        }
    }
}

impl House {
    pub(crate) async fn new() -> Self {
        Self::with(&[]).await
    }

    /// Starts the gateway with `more` in its environment.
    pub(crate) async fn with(more: &[(&str, &str)]) -> Self {
        let localhost = Ipv4Addr::LOCALHOST.into();
        Self::start(&Place { git: localhost, agents: localhost, grace: "20s" }, more).await
    }

    /// A house whose agents and Bitbucket may not be on the loopback interface; callers are.
    pub(crate) async fn at(place: &Place) -> Self {
        Self::start(place, &[]).await
    }

    async fn start(place: &Place, more: &[(&str, &str)]) -> Self {
        let (site, agents) = (Site::at(place.git).await, SocketAddr::new(place.agents, 0).to_string());
        let more = [&at_once(place.grace), more].concat();
        let (gateway, (agents, callers)) = site.start_gateway((&agents, "127.0.0.1:0"), &more).await;
        Self { site, gateway, agents, callers, grace: place.grace }
    }

    /// Starts another gateway where the last one was, with nothing left of it but its files.
    pub(crate) async fn start_gateway_again(&mut self) {
        let (agents, callers) = (self.agents.to_string(), self.callers.to_string());
        let (gateway, addresses) = self.site.start_gateway((&agents, &callers), &at_once(self.grace)).await;
        self.gateway = gateway;
        assert_eq!(addresses, (self.agents, self.callers));
    }

    /// Starts an agent, with `more` in its environment.
    pub(crate) fn start_agent(&self, more: &[(&str, &str)]) -> Program {
        self.start_agent_of(self.gateway_at("localhost"), more)
    }

    /// The environment of an agent: `more`, and what that leaves out.
    pub(crate) fn settings(&self, more: &[(&str, &str)]) -> Vec<(String, String)> {
        self.settings_of(self.gateway_at("localhost"), more)
    }

    /// Where agents attach.
    pub(crate) fn gateway_addr(&self) -> SocketAddr {
        self.agents
    }

    /// Where agents attach, by one of the names in the certificate: `localhost` or `gateway.test`.
    pub(crate) fn gateway_at(&self, host: &str) -> String {
        format!("https://{host}:{}", self.agents.port())
    }

    /// Connects as a cloud service does.
    pub(crate) async fn caller(&self) -> Caller {
        self.way_in().caller().await.expect("a gateway")
    }

    /// How a cloud service comes to the gateway, also when that is away.
    pub(crate) fn way_in(&self) -> Way {
        self.way(self.callers.port())
    }
}

impl Deref for House {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.site
    }
}

impl Way {
    /// Opens a connection.
    pub(crate) async fn caller(&self) -> Result<Caller, String> {
        let stream = self.connector.connect().await.map_err(|error| causes(&error))?;
        let channel = tunnel::channel(stream, &Options::default(), &self.tasks).await;
        let channel = channel.map_err(|status| status.message().to_owned())?;
        Ok(Caller { channel, uri: self.uri.clone(), bearer: self.bearer.clone(), connection: None })
    }

    /// Where tasks of callers run.
    pub(crate) fn tasks(&self) -> &Tasks {
        &self.tasks
    }
}

impl Caller {
    /// One command that asks Bitbucket one thing.
    pub(crate) async fn get_repo(&self) -> Result<GetRepoResponse, Status> {
        let asked = self.ask(GetRepoRequest { repo: Some(web()) });
        Ok(self.repos().get_repo(asked).await?.into_inner())
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

    /// The same on this connection of the agent.
    pub(crate) fn on(self, connection: &'static str) -> Self {
        Self { connection: Some(connection), ..self }
    }

    /// Reads a file to its end, and says how many bytes it had.
    pub(crate) async fn download(&self, path: &str) -> Result<usize, Status> {
        self.read(self.file(path)).await
    }

    /// Asks for a file of the default branch.
    pub(crate) fn file(&self, path: &str) -> Request<GetFileRequest> {
        self.ask(GetFileRequest { repo: Some(web()), path: path.to_owned(), at: String::new() })
    }

    /// Reads a file to its end, and says how many bytes it had.
    pub(crate) async fn read(&self, request: Request<GetFileRequest>) -> Result<usize, Status> {
        let mut parts = self.files().get_file(request).await?.into_inner();
        let mut length = 0;
        while let Some(part) = parts.message().await? {
            length += part.data.len();
        }
        Ok(length)
    }

    /// Reads the default branch as a tar to its end, and says how many bytes it had.
    pub(crate) async fn archive(&self) -> Result<usize, Status> {
        let request =
            GetArchiveRequest { repo: Some(web()), format: ArchiveFormat::Tar.into(), ..Default::default() };
        let mut parts = self.files().get_archive(self.ask(request)).await?.into_inner();
        let mut length = 0;
        while let Some(part) = parts.message().await? {
            length += part.data.len();
        }
        Ok(length)
    }

    /// The client of repositories.
    pub(crate) fn repos(&self) -> ReposClient<Channel> {
        ReposClient::with_origin(self.channel.clone(), self.uri.clone())
    }

    /// The client of files.
    pub(crate) fn files(&self) -> FilesClient<Channel> {
        FilesClient::with_origin(self.channel.clone(), self.uri.clone())
    }

    /// Puts a message into a request that the gateway lets in.
    pub(crate) fn ask<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let own = [("authorization", self.bearer.as_str()), ("gitproxy-agent", "office")];
        for (name, value) in own.into_iter().chain(self.connection.map(|name| ("gitproxy-connection", name)))
        {
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

/// The one repository.
pub(crate) fn web() -> RepoRef {
    RepoRef { project: "SHOP".to_owned(), slug: "web".to_owned() }
}

fn environment(settings: &[(&str, String)], more: &[(&str, &str)]) -> Vec<(String, String)> {
    let settings = settings.iter().map(|(name, value)| (*name, value.as_str()));
    settings.chain(more.iter().copied()).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Where a gateway listens, by its own word.
pub(crate) async fn addresses(gateway: &Program) -> (SocketAddr, SocketAddr) {
    let line = gateway.says("gateway serves").await;
    let after = |name: &str| line.split_whitespace().find_map(|word| word.strip_prefix(name));
    let address = |name: &str| after(name).and_then(|text| text.parse().ok());
    let both = address("agents=").zip(address("callers="));
    both.unwrap_or_else(|| panic!("no addresses in {line:?}"))
}

/// There is no balancer that has to notice.
fn at_once(grace: &str) -> [(&str, &str); 2] {
    [("DRAIN_SETTLE", "0"), ("DRAIN_GRACE", grace)]
}

const PATIENCE: Duration = Duration::from_secs(30);
