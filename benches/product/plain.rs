//! The same two programs once more, in processes that are joined twice: through the tunnel, and by a bare TCP connection on
//! which the gateway calls the agent. A call says by a label which of the two ways it takes.

use std::future::pending;
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::{ArgMatches, Command};
use gitproxy::agent::{self, Agent};
use gitproxy::gateway::name::{AgentId, Name};
use gitproxy::gateway::settings::Run;
use gitproxy::gateway::store::FileStore;
use gitproxy::gateway::{self, Gateway};
use gitproxy::ops::settings::{self, Layers, Problems, Setting};
use gitproxy::ops::telemetry::{self, Format};
use gitproxy::ops::{Tasks, watch};
use gitproxy::proto::scm::v1::GetRepoRequest;
use gitproxy::tunnel;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tracing::info;

use super::house::{Caller, Site, web};
use super::program::Program;

/// Both processes.
pub(crate) struct Joined {
    _agent: Program,
    _gateway: Program,
    caller: Caller,
}

/// A caller whose calls take one of the two ways.
#[derive(Clone)]
pub(crate) struct By {
    caller: Caller,
    label: &'static str,
}

impl Joined {
    /// Starts them, with `more` in the agent's environment.
    pub(crate) async fn start(site: &Site, more: &[(&str, &str)]) -> Self {
        let own = std::env::current_exe().expect("a benchmark has a file");
        let own = own.to_str().expect("a path in UTF-8");
        let settings = site.gateway_settings(("127.0.0.1:0", "127.0.0.1:0"), &[]);
        let gateway = Program::start(own, &[GATEWAY], settings);
        let (agents, callers) = super::house::addresses(&gateway).await;
        let plain = gateway.says("plain=").await;
        let plain = plain.split_once("plain=").expect("just found").1.trim();
        let labels = [("GITPROXY_LABELS", TUNNEL)];
        let settings =
            site.settings_of(format!("https://localhost:{}", agents.port()), &[more, &labels].concat());
        let agent = Program::start(own, &[AGENT, plain], settings);
        let caller = site.way(callers.port()).caller().await.expect("a gateway");
        gateway.says("agent attached").await;
        gateway.says("joined by a plain connection").await;
        Self { _agent: agent, _gateway: gateway, caller }
    }

    /// A caller through the tunnel, and one past it.
    pub(crate) fn callers(&self) -> [By; 2] {
        [TUNNEL, PLAIN].map(|label| By { caller: self.caller.clone(), label })
    }
}

impl By {
    pub(crate) async fn get_repo(&self) {
        let request = self.labelled(self.caller.ask(GetRepoRequest { repo: Some(web()) }));
        self.caller.repos().get_repo(request).await.expect("an answer");
    }

    pub(crate) async fn download(&self, path: &str) -> usize {
        self.caller.read(self.labelled(Caller::file(&self.caller, path))).await.expect("a file")
    }

    fn labelled<T>(&self, mut request: tonic::Request<T>) -> tonic::Request<T> {
        request.metadata_mut().insert("gitproxy-label", self.label.parse().expect("ascii"));
        request
    }
}

/// What this process is when it was started as one of the two; `None` when it is the benchmark.
pub(crate) fn role() -> Option<ExitCode> {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let (runtime, work): (_, std::pin::Pin<Box<dyn Future<Output = ()>>>) = match &args[..] {
        [role] if role == GATEWAY => (Builder::new_multi_thread().enable_all().build(), Box::pin(gateway())),
        [role, plain] if role == AGENT => {
            let plain = plain.parse().expect("an address");
            (Builder::new_current_thread().enable_all().build(), Box::pin(agent(plain)))
        }
        _ => return None,
    };
    let _lines = telemetry::init(Format::Human, "info").expect("a log");
    runtime.expect("a runtime").block_on(work);
    Some(ExitCode::SUCCESS)
}

async fn gateway() {
    let tasks = Tasks::new();
    let mut problems = Problems::new();
    let layers = layers(gateway::settings::TABLE, &mut problems);
    let run = Run::read(&layers, &tasks, &mut problems).expect("good settings");
    let store =
        FileStore::follow(&run.store, settings::environment, watch::EVERY, &tasks).expect("a good store");
    let agents = TcpListener::bind(run.agents).await.expect("a port");
    let callers = TcpListener::bind(run.callers).await.expect("a port");
    let options = run.gateway.tunnel.clone();
    let gateway = Gateway::start(run.gateway, agents, callers, store, &tasks).expect("a gateway");
    let plain = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    info!("listens for a plain connection, plain={}", plain.local_addr().expect("an address"));
    let (tcp, _) = plain.accept().await.expect("the agent");
    tcp.set_nodelay(true).expect("a socket");
    let channel = tunnel::channel(tcp, &options, &tasks).await.expect("HTTP/2");
    let name = |text| Name::parse(text).expect("a name");
    let (label, value) = PLAIN.split_once('=').expect("a label");
    let labels = [(label.to_owned(), value.to_owned())].into();
    let id = AgentId { tenant: name("acme"), agent: name("office") };
    gateway.adopt(id, labels, channel).expect("room for a session");
    info!("joined by a plain connection");
    pending().await
}

async fn agent(plain: SocketAddr) {
    let tasks = Tasks::new();
    let mut problems = Problems::new();
    let layers = layers(agent::settings::TABLE, &mut problems);
    let config = agent::Config::read(&layers, problems).expect("good settings");
    let options = config.link.clone();
    let agent = Agent::start(config, &tasks).await.expect("an agent");
    #[expect(clippy::disallowed_methods, reason = "a bare socket is what the tunnel is compared with")]
    let tcp = TcpStream::connect(plain).await.expect("the gateway");
    tcp.set_nodelay(true).expect("a socket");
    tunnel::serve(tcp, agent.service(), &options, &tasks).await;
    pending().await
}

/// The settings of this process's environment.
fn layers(table: &'static [Setting], problems: &mut Problems) -> Layers {
    let flags: ArgMatches = Command::new("product").args(settings::args(table)).get_matches_from(["product"]);
    Layers::read(table, &flags, None, &settings::environment, problems)
}

const GATEWAY: &str = "as-gateway";
const AGENT: &str = "as-agent";
const TUNNEL: &str = "way=tunnel";
const PLAIN: &str = "way=plain";
