//! The three that the job needs: a simulated Bitbucket, a gateway and an agent.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use bitbucket_sim::{AutoBuild, Sim, TokenSpec, seed};
use gitproxy::agent::config::{AccessKey, DebugListen};
use gitproxy::agent::{self, Agent};
use gitproxy::bitbucket::{Account, Credential, ProjectKey};
use gitproxy::egress::serve::ServerTls;
use gitproxy::egress::{CaSource, Guard, Proxies, Roots};
use gitproxy::gateway::store::FileStore;
use gitproxy::gateway::{self, Gateway};
use gitproxy::ops::secret::{SecretFile, Source};
use gitproxy::ops::tasks::Drained;
use gitproxy::ops::{Key, Tasks, watch};
use gitproxy::scm::backend::Allowance;
use gitproxy::tunnel::admit::Limits;
use gitproxy::tunnel::{self, deadline};
use secrecy::ExposeSecret as _;
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::certificates::{self, Files};
use crate::report::{Made, Report, Stopped};
use crate::say;

/// All three, running.
pub(crate) struct House {
    sim: Sim,
    cloud: CloudSide,
    customer: CustomerSide,
}

/// What would run in the cloud.
struct CloudSide {
    gateway: Gateway,
    tasks: Tasks,
    files: Files,
    agent_key: Key,
    caller: Key,
}

/// What would run in the customer's network, next to Bitbucket.
struct CustomerSide {
    agent: Agent,
    tasks: Tasks,
    debug: SocketAddr,
}

impl House {
    /// Starts all three and waits until the agent is attached. Files that they need go to `folder`.
    pub(crate) async fn start(
        folder: &Path,
        keep: Option<&Path>,
        report: &mut Report,
    ) -> Result<Self, Stopped> {
        say("Starting a simulated Bitbucket with three git repositories, a gateway and an agent…");
        let sim = report.step("start a simulated Bitbucket", bitbucket(keep)).await?;
        let cloud = report.step("start the gateway", gateway(folder)).await?;
        let customer = report.step("start the agent, attach", agent(folder, &sim, &cloud)).await?;
        Ok(Self { sim, cloud, customer })
    }

    /// The folder of the bare repositories.
    pub(crate) fn repositories(&self) -> &Path {
        self.sim.dir()
    }

    /// The certificate authority that clients of the gateway must trust.
    pub(crate) fn ca(&self) -> &Path {
        &self.cloud.files.ca
    }

    /// Where the gateway takes calls.
    pub(crate) fn gateway(&self) -> SocketAddr {
        self.cloud.gateway.callers_addr()
    }

    /// The token of the cloud service.
    pub(crate) fn caller(&self) -> &Key {
        &self.cloud.caller
    }

    /// Where the agent's debug listener is.
    pub(crate) fn debug(&self) -> SocketAddr {
        self.customer.debug
    }

    /// What the debug listener wants; an agent without one has no token.
    pub(crate) fn debug_token(&self) -> Option<&Key> {
        self.customer.agent.debug_token()
    }

    /// Drains the agent, then the gateway, so that neither leaves the other with a call.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        let agent = self.customer.tasks.finish(GRACE).await;
        let gateway = self.cloud.gateway.drain().await;
        let rest = self.cloud.tasks.finish(GRACE).await;
        self.sim.stop().await;
        for (who, drained) in [("agent", agent), ("gateway", gateway), ("gateway", rest)] {
            if let Drained::Cut(tasks) = drained {
                bail!("the {who} had {tasks} tasks left after {GRACE:?}, which were cut");
            }
        }
        Ok(())
    }
}

async fn bitbucket(keep: Option<&Path>) -> Made<Sim> {
    let config = bitbucket_sim::Config {
        dir: keep.map(Path::to_owned),
        auto_build: Some(AutoBuild::default()),
        ..bitbucket_sim::Config::default()
    };
    let sim = Sim::start(config).await?;
    seed::demo(&sim).await.context("seeding its repositories, which needs git")?;
    let told = sim.url().to_owned();
    Ok((sim, told))
}

async fn gateway(folder: &Path) -> Made<CloudSide> {
    let tasks = Tasks::new();
    let files = certificates::make(folder).context("making certificates")?;
    let tls = ServerTls::new(&files.certificate, &files.key, &[b"h2", b"http/1.1"], &tasks)?;
    let (agent_key, caller) = (Key::generate()?, Key::generate()?);
    let store = folder.join("store.toml");
    fs::write(&store, store_text(&agent_key, &caller)).context("writing the store")?;
    let store = FileStore::follow(store, |_: &str| None, watch::EVERY, &tasks)?;
    let config = gateway::Config {
        name: "demo".to_owned(),
        agents_tls: tls.clone(),
        callers_tls: tls,
        handshakes: 256,
        sessions: 16,
        tunnel: tunnel::Options::default(),
        deadlines: deadline::Defaults::default(),
        limits: Limits::default(),
        telemetry: gitproxy::egress::push::Telemetry::default(),
        shares: gateway::Shares::default(),
        max_age: Duration::ZERO,
        settle: Duration::ZERO,
        grace: GRACE,
    };
    let gateway = Gateway::start(config, listener().await?, listener().await?, store, &tasks)?;
    let told = format!("agents at {}, callers at {}", gateway.agents_addr(), gateway.callers_addr());
    Ok((CloudSide { gateway, tasks, files, agent_key, caller }, told))
}

/// One tenant with one agent and one caller, which may write.
fn store_text(agent: &Key, caller: &Key) -> String {
    let entry = |key: &Key| format!("[{{ id = \"{}\", sha256 = \"{}\" }}]", key.id(), key.digest());
    format!(
        "[tenants.acme.agents.head-office]\nkeys = {}\n\n[tenants.acme.callers.updater]\nrole = \"write\"\ntokens = {}\n",
        entry(agent),
        entry(caller)
    )
}

async fn agent(folder: &Path, sim: &Sim, cloud: &CloudSide) -> Made<CustomerSide> {
    let tasks = Tasks::new();
    let config = agent::Config {
        gateway: format!("https://localhost:{}", cloud.gateway.agents_addr().port()).parse()?,
        access_key: AccessKey::fixed(cloud.agent_key.clone()),
        gateway_client: None,
        // Nobody but the two authorities of this run is trusted, so that the machine's own do not matter.
        roots: Roots::Named { file: Some(cloud.files.ca.clone()), folders: Vec::new() },
        extra_ca: vec![CaSource::Pem { name: "Bitbucket's CA".to_owned(), pem: sim.ca_pem().into() }],
        connections: vec![connection(folder, sim)?.into()],
        new_origins: Allowance::default(),
        proxies: Proxies::none(),
        gateway_proxies: None,
        bitbucket_proxies: None,
        guard: Guard::default(),
        link: tunnel::Options::default(),
        limits: Limits::default(),
        debug: Some(DebugListen::Tcp(([127, 0, 0, 1], 0).into())),
        debug_token_file: Some(folder.join("debug.token")),
        status_socket: None,
        push: gitproxy::egress::push::Push::default(),
        patience: agent::Patience::default(),
        labels: BTreeMap::new(),
        rate: gitproxy::bitbucket::Rate::default(),
        congestion_control: None,
        drain_grace: GRACE,
    };
    let agent = Agent::start(config, &tasks).await?;
    if timeout(PATIENCE, agent.attached()).await.is_err() {
        bail!("not attached after {PATIENCE:?}: {}", *agent.state().borrow());
    }
    let debug = agent.debug_addr().context("no debug listener")?;
    Ok((CustomerSide { agent, tasks, debug }, format!("attached; debug listener at {debug}")))
}

/// The agent's one connection; its token is in a file, as an operator would have it.
fn connection(folder: &Path, sim: &Sim) -> anyhow::Result<Account> {
    let token: PathBuf = folder.join("bitbucket.token");
    fs::write(&token, sim.add_token(TokenSpec::personal("gitproxy"))).context("writing Bitbucket's token")?;
    let shop = ProjectKey::parse("SHOP").map_err(anyhow::Error::msg)?;
    Ok(Account {
        name: "main".to_owned(),
        base: sim.url().parse()?,
        credential: Credential::Bearer(Source::File(SecretFile::open(token)?)),
        user: None,
        projects: [shop].into_iter().collect(),
    })
}

async fn listener() -> anyhow::Result<TcpListener> {
    TcpListener::bind(("127.0.0.1", 0)).await.context("no port on 127.0.0.1")
}

/// The whole text of a key, for the header or the line that carries it.
pub(crate) fn bearer(key: &Key) -> String {
    format!("Bearer {}", key.secret().expose_secret())
}

/// How long calls in flight may take when it stops.
const GRACE: Duration = Duration::from_secs(10);

/// How long the agent may take to attach; on one machine it needs milliseconds.
const PATIENCE: Duration = Duration::from_secs(20);
