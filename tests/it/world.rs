//! The whole world in one process: simulator, gateway and agents, each on a port of its own, over real TLS.
//!
//! ```ignore
//! let world = World::start().await;                                          // tenant `acme`, agent `site`, connection `main`
//! let world = World::with(|plan| plan.policy(DenyAll).held("cloud")).await;  // or as the test needs it
//! let caller = world.caller().await;
//! caller.repos().list_repos(caller.ask(request)).await;
//! ```

pub(crate) mod caller;
pub(crate) mod collector;
pub(crate) mod knock;
pub(crate) mod peers;
pub(crate) mod plan;
pub(crate) mod program;
pub(crate) mod relay;
pub(crate) mod tls;
pub(crate) mod wire;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bitbucket_sim::{Commit, Config as SimConfig, Sim};
use gitproxy::agent::config::{AccessKey, DebugListen};
use gitproxy::agent::{Agent, Config as AgentConfig};
use gitproxy::bitbucket::{Account, Credential, ProjectKey};
use gitproxy::egress::push::Push;
use gitproxy::egress::serve::ServerTls;
use gitproxy::egress::{self, Egress, Guard, Proxies, Roots};
use gitproxy::gateway::store::FileStore;
use gitproxy::gateway::{Config as GatewayConfig, Gateway, Shares, cluster};
use gitproxy::ops::secret::Source;
use gitproxy::ops::{Key, Tasks};
use gitproxy::scm::backend::Allowance;
use gitproxy::tunnel;
use tempfile::TempDir;
use tokio::net::TcpListener;

pub(crate) use caller::Caller;
pub(crate) use plan::Plan;

use plan::{Auth, Holder, Link, Site};
use tls::Ca;

/// See the module. It ends when it is dropped.
pub(crate) struct World {
    pub(crate) sim: Sim,
    pub(crate) gateway: Gateway,
    /// What callers and agents trust: the gateway's authority, and the simulator's.
    pub(crate) roots: Roots,
    /// The tasks of agents, gateway and callers.
    pub(crate) tasks: Tasks,
    agents: BTreeMap<String, Agent>,
    callers: BTreeMap<String, Key>,
    keys: BTreeMap<String, Key>,
    ca: Ca,
    folder: TempDir,
}

impl World {
    /// Starts the plain world: tenant `acme`, its agent `site` with the local connection `main`, which may touch `SHOP` and
    /// `~alice`; the callers `acme/caller` (role write) and `acme/operator`. The simulator has `SHOP/web` and `SECRET/vault`.
    pub(crate) async fn start() -> Self {
        Self::with(|plan| plan.local("main")).await
    }

    /// Starts a world by a plan; every agent with a key of it is attached when it comes back.
    pub(crate) async fn with(plan: impl FnOnce(Plan) -> Plan) -> Self {
        let mut plan = plan(Plan::new());
        let folder = tempfile::tempdir().expect("a folder");
        let sim = simulator(plan.simulator.clone()).await;
        let cluster = plan.cluster.take();
        let plan = plan.with_tokens(&sim);
        let (ca, tasks) = (Ca::new("gitproxy test"), Tasks::new());
        let bundle = folder.path().join("roots.pem");
        fs::write(&bundle, format!("{}{}", ca.pem(), sim.ca_pem())).expect("written");
        let roots = Roots::Named { file: Some(bundle), folders: Vec::new() };
        let keys = plan.sites.iter().map(|site| (site.id.clone(), new_key())).collect();
        let callers = plan.callers.iter().map(|(id, _)| (id.clone(), new_key())).collect();
        let store = folder.path().join("store.toml");
        fs::write(&store, rows(&plan, &keys, &callers, sim.url())).expect("written");
        let cluster = cluster.map(|(nats, change)| {
            let (config, listener) = peers::join(&nats, folder.path(), &tasks);
            (change(config, &tasks), listener)
        });
        let gateway = gateway(&ca, folder.path(), &store, cluster, &plan.push, &tasks).await;
        let agents = BTreeMap::new();
        let mut world = Self { sim, gateway, roots, tasks, agents, callers, keys, ca, folder };
        for site in plan.sites {
            if site.runs {
                world.attach(site).await;
            }
        }
        world
    }

    /// The caller `acme/caller`, who may read and write.
    pub(crate) async fn caller(&self) -> Caller {
        self.caller_named("acme/caller").await
    }

    /// A caller by `TENANT/NAME`, on a connection of its own.
    pub(crate) async fn caller_named(&self, id: &str) -> Caller {
        Caller::dial(&url(self.gateway.callers_addr()), &self.roots, self.callers[id].clone(), &self.tasks)
            .await
    }

    /// An agent by `TENANT/NAME`.
    pub(crate) fn agent(&self, id: &str) -> &Agent {
        &self.agents[id]
    }

    /// The token of a caller.
    pub(crate) fn caller_token(&self, id: &str) -> &Key {
        &self.callers[id]
    }

    /// The access key of an agent.
    pub(crate) fn access_key(&self, id: &str) -> &Key {
        &self.keys[id]
    }

    async fn attach(&mut self, site: Site) {
        let (id, instances) = (site.id.clone(), site.instances);
        for _ in 1..instances {
            let other = Agent::start(self.config(&site), &self.tasks).await.expect("an agent");
            other.attached().await;
        }
        let config = self.config(&site);
        let agent = Agent::start_with(config, &self.tasks, site.hooks).await.expect("an agent");
        agent.attached().await;
        self.agents.insert(id.clone(), agent);
        self.listed(&id, instances).await;
    }

    /// Waits until so many instances of an agent, by `TENANT/NAME`, can be called.
    pub(crate) async fn listed(&self, id: &str, instances: usize) {
        let (tenant, name) = id.split_once('/').expect("TENANT/NAME");
        let caller = self.callers.keys().find(|caller| caller.starts_with(&format!("{tenant}/")));
        self.caller_named(caller.expect("a caller of the tenant")).await.sees(name, instances).await;
    }

    fn config(&self, site: &Site) -> AgentConfig {
        let local = site.links.iter().filter(|link| link.holder == Holder::Agent);
        AgentConfig {
            gateway: self.agents_url().parse().expect("a gateway"),
            access_key: AccessKey::fixed(self.keys[&site.id].clone()),
            gateway_client: None,
            roots: self.roots.clone(),
            extra_ca: Vec::new(),
            proxies: Proxies::default(),
            gateway_proxies: None,
            bitbucket_proxies: None,
            connections: local.map(|link| self.account(link).into()).collect(),
            new_origins: Allowance::default(),
            guard: guard(site.allowed_addresses),
            link: tunnel::Options::default(),
            limits: tunnel::admit::Limits::default(),
            debug: site.debug.then(|| DebugListen::Tcp(([127, 0, 0, 1], 0).into())),
            debug_token_file: None,
            status_socket: site.status_socket.clone(),
            push: site.push.clone(),
            patience: gitproxy::agent::Patience::default(),
            labels: BTreeMap::new(),
            rate: site.rate,
            congestion_control: None,
            drain_grace: Duration::from_secs(5),
        }
    }

    /// Starts another gateway with the same store, which shares its directory through this NATS.
    pub(crate) async fn another(&self, nats: &str) -> Gateway {
        self.another_in(nats, &self.tasks).await
    }

    /// The same with tasks of its own, so that it outlives the rest.
    pub(crate) async fn another_in(&self, nats: &str, tasks: &Tasks) -> Gateway {
        self.gateway_with(peers::join(nats, self.folder(), tasks), tasks).await
    }

    /// Starts another gateway with the same store.
    pub(crate) async fn gateway_with(
        &self,
        cluster: (cluster::Config, TcpListener),
        tasks: &Tasks,
    ) -> Gateway {
        let store = self.folder.path().join("store.toml");
        gateway(&self.ca, self.folder(), &store, Some(cluster), &Push::default(), tasks).await
    }

    /// The caller `acme/caller` at another gateway.
    pub(crate) async fn caller_at(&self, gateway: &Gateway) -> Caller {
        let token = self.callers["acme/caller"].clone();
        Caller::dial(&url(gateway.callers_addr()), &self.roots, token, &self.tasks).await
    }

    /// What the certificates of gateways among themselves are in.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where agents attach.
    pub(crate) fn agents_url(&self) -> String {
        url(self.gateway.agents_addr())
    }

    fn account(&self, link: &Link) -> Account {
        let secret = Source::Fixed(link.token().into());
        let projects = link.projects.iter().map(|key| ProjectKey::parse(key).expect("a key"));
        Account {
            name: link.name.clone(),
            base: self.sim.url().parse().expect("a URL"),
            credential: match &link.auth {
                Auth::Bearer => Credential::Bearer(secret),
                Auth::Basic(user) => Credential::Basic { user: user.clone(), password: secret },
            },
            user: None,
            projects: projects.collect(),
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.tasks.cut();
    }
}

/// A port of this machine that a name leads to, so that the certificate can be checked.
pub(crate) fn url(addr: SocketAddr) -> String {
    format!("https://localhost:{}", addr.port())
}

pub(crate) fn new_key() -> Key {
    Key::generate().expect("entropy")
}

fn guard(allowed_addresses: &[&str]) -> Guard {
    let allowed = allowed_addresses.iter().map(|net| net.parse().expect("a network"));
    Guard::new(Vec::new(), allowed.collect(), Vec::new())
}

/// A simulator with `SHOP/web`, whose `a.txt` has two lines, and with `SECRET/vault`, which is nobody's business.
///
/// Its certificate is for `git.test` too, a name that only a proxy's own list of hosts knows.
pub(crate) async fn simulator(mut config: SimConfig) -> Sim {
    config.names.push("git.test".to_owned());
    let sim = Sim::start(config).await.expect("a simulator");
    let seed = Commit::new("Start").file("a.txt", "one\ntwo\n").file("docs/ü b.html", "<html>");
    sim.add_repo("SHOP", "web", &[seed]).await.expect("a repository");
    let vault = Commit::new("Start").file("secret.txt", "gold\n");
    sim.add_repo("SECRET", "vault", &[vault]).await.expect("a repository");
    sim
}

async fn gateway(
    ca: &Ca,
    folder: &Path,
    store: &Path,
    cluster: Option<(cluster::Config, TcpListener)>,
    push: &Push,
    tasks: &Tasks,
) -> Gateway {
    let (certificate, key) = ca.write(folder, "gateway");
    let tls = ServerTls::new(&certificate, &key, &[b"h2", b"http/1.1"], tasks).expect("a certificate");
    let egress = Egress::new(&egress::Settings::default(), tasks).expect("an egress");
    let config = GatewayConfig {
        name: "test".to_owned(),
        agents_tls: tls.clone(),
        callers_tls: tls,
        handshakes: 64,
        sessions: 16,
        tunnel: tunnel::Options::default(),
        deadlines: tunnel::deadline::Defaults::default(),
        limits: tunnel::admit::Limits::default(),
        telemetry: push.start(&egress, "gitproxy-gateway", &[], tasks).expect("a collector"),
        shares: Shares::default(),
        max_age: Duration::ZERO,
        settle: Duration::ZERO,
        grace: Duration::from_secs(5),
    };
    let store = Arc::new(FileStore::open(store, |_: &str| None).expect("a store"));
    let (agents, callers) = (bind().await, bind().await);
    Gateway::start_with(config, agents, callers, cluster, store, tasks).expect("a gateway")
}

async fn bind() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("bound")
}

/// The gateway's store, as its operator would write it.
fn rows(plan: &Plan, keys: &BTreeMap<String, Key>, callers: &BTreeMap<String, Key>, url: &str) -> String {
    let mut rows = String::new();
    for site in &plan.sites {
        let table = site.id.replacen('/', ".agents.", 1);
        let key = row(&keys[&site.id]);
        let _ = writeln!(rows, "[tenants.{table}]\nkeys = [{key}]");
        for link in site.links.iter().filter(|link| link.holder == Holder::Cloud) {
            let _ = writeln!(rows, "[tenants.{table}.connections.{}]", link.name);
            let _ =
                writeln!(rows, "url = '{url}'\ntoken = '{}'\nprojects = {:?}", link.token(), link.projects);
            if let Auth::Basic(user) = &link.auth {
                let _ = writeln!(rows, "auth = 'basic'\nuser = '{user}'");
            }
        }
    }
    for (id, role) in &plan.callers {
        let table = id.replacen('/', ".callers.", 1);
        let _ = writeln!(rows, "[tenants.{table}]\nrole = '{role}'\ntokens = [{}]", row(&callers[id]));
    }
    rows
}

/// A key as the store keeps it.
pub(crate) fn row(key: &Key) -> String {
    format!("{{ id = '{}', sha256 = '{}' }}", key.id(), key.digest())
}
