//! Several gateways that share a directory on NATS, behind a TCP balancer that asks for their health, and several instances of
//! an agent: all of them processes, each of which can be restarted or killed under the others.
//!
//! Who uses this outside of the tests names its parts with `#[path]` and gives them the names that they have here:
//! `house`, `program` beside this file, `world::{tls, peers}` and `tools::{need, ports}`.

use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gitproxy::agent::status;
use gitproxy::egress::ClientFiles;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::process::Command;
use tokio::time::{interval, timeout};

use super::house::{Caller, Site, Way};
use super::program::Program;
use crate::tools::need;
use crate::tools::ports::free_port;
use crate::world::peers;

/// See the module.
pub(crate) struct Fleet {
    pub(crate) site: Site,
    plan: Plan,
    gateways: Vec<Gateway>,
    instances: Vec<Instance>,
    nats: Nats,
    balancer: Balancer,
}

/// An instance of the agent.
struct Instance {
    process: Program,
    /// Where it tells its status.
    status: PathBuf,
}

/// What a fleet has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) gateways: usize,
    pub(crate) instances: usize,
    /// In the environment of each gateway.
    pub(crate) gateway: &'static [(&'static str, &'static str)],
    /// In the environment of each instance.
    pub(crate) agent: &'static [(&'static str, &'static str)],
    /// How often the balancer asks a gateway for its health; after two bad answers it sends nothing new there.
    pub(crate) check: Duration,
}

/// What can be restarted or killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Gateway(usize),
    Instance(usize),
    Nats,
}

/// When a part was asked to stop or killed, and when it had ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outage {
    pub(crate) part: Part,
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
}

/// A gateway that comes back where it was.
pub(crate) struct Gateway {
    pub(crate) process: Program,
    pub(crate) agents: u16,
    pub(crate) callers: u16,
    pub(crate) peers: u16,
    /// What it shows other gateways.
    pub(crate) shown: ClientFiles,
    settings: Vec<(&'static str, String)>,
}

/// As [`crate::tools::nats`], but it can be asked to stop.
struct Nats {
    process: Program,
    program: PathBuf,
    port: u16,
    files: PathBuf,
}

struct Balancer {
    _process: Program,
    agents: u16,
    callers: u16,
    /// Where it tells what it thinks of its servers.
    socket: PathBuf,
}

impl Fleet {
    /// Starts everything, and waits until a call is answered; none where NATS or the balancer is not there.
    pub(crate) async fn start(plan: Plan) -> Option<Self> {
        let (nats, haproxy) = (need::program("nats-server")?, need::program("haproxy")?);
        let site = Site::new().await;
        let nats = Nats::start(nats, site.folder().join("nats")).await;
        let mut gateways = Vec::new();
        for number in 0..plan.gateways {
            let url = format!("nats://127.0.0.1:{}", nats.port);
            gateways.push(Gateway::start(&site, &url, &format!("gateway-{number}"), plan.gateway).await);
        }
        let balancer = Balancer::start(haproxy, &site, &gateways, plan.check);
        let mut fleet = Self { site, plan, gateways, instances: Vec::new(), nats, balancer };
        for number in 0..plan.gateways {
            fleet.balanced(number).await;
        }
        for number in 0..plan.instances {
            let instance = fleet.start_instance(number).await;
            fleet.instances.push(instance);
        }
        fleet.caller().await.get_repo_soon().await;
        Some(fleet)
    }

    /// Every part, gateways first.
    pub(crate) fn parts(&self) -> Vec<Part> {
        let gateways = (0..self.gateways.len()).map(Part::Gateway);
        gateways.chain((0..self.instances.len()).map(Part::Instance)).chain([Part::Nats]).collect()
    }

    /// How a cloud service comes to the balancer.
    pub(crate) fn way(&self) -> Way {
        self.site.way(self.balancer.callers)
    }

    /// Connects as a cloud service does, through the balancer.
    pub(crate) async fn caller(&self) -> Caller {
        self.way().caller().await.expect("a gateway")
    }

    /// Connects to this gateway, past the balancer.
    pub(crate) async fn caller_at(&self, number: usize) -> Caller {
        self.site.way(self.gateways[number].callers).caller().await.expect("a gateway")
    }

    /// The process id of a part.
    pub(crate) fn id(&self, part: Part) -> u32 {
        self.process(part).id()
    }

    /// What a part has logged since its last start.
    pub(crate) fn log(&self, part: Part) -> String {
        self.process(part).log()
    }

    /// How many lines of a part's log have this text.
    pub(crate) fn said(&self, part: Part, text: &str) -> usize {
        self.log(part).lines().filter(|line| line.contains(text)).count()
    }

    /// Waits until so many have it.
    pub(crate) async fn says(&self, part: Part, text: &str, times: usize) {
        self.process(part).says_times(text, times).await;
    }

    /// Restarts a part as an operator does: asks it to stop, waits for its end, starts it, waits until it is ready.
    pub(crate) async fn restart(&mut self, part: Part) -> Outage {
        let began = Instant::now();
        self.process(part).terminate().await;
        self.process_mut(part).ended().await;
        let ended = Instant::now();
        self.start_again(part).await;
        Outage { part, began, ended }
    }

    /// Kills a part; [`Fleet::start_again`] brings it back.
    pub(crate) async fn kill(&mut self, part: Part) -> Outage {
        let began = Instant::now();
        self.process_mut(part).kill();
        self.process_mut(part).ended().await;
        Outage { part, began, ended: Instant::now() }
    }

    /// Starts a part that has ended where it was, and waits until it is ready.
    pub(crate) async fn start_again(&mut self, part: Part) {
        match part {
            Part::Gateway(number) => {
                self.gateways[number].start_again(&self.site).await;
                self.balanced(number).await;
            }
            Part::Instance(number) => self.instances[number] = self.start_instance(number).await,
            Part::Nats => self.nats.start_again().await,
        }
    }

    /// Waits until every instance is attached to two gateways, so that it can lose one; to the only one where there is one.
    pub(crate) async fn whole(&self) {
        let mut looks = interval(LOOK);
        let whole = async {
            while !self.instances.iter().all(|instance| instance.gateways() >= self.gateways.len().min(2)) {
                looks.tick().await;
            }
        };
        timeout(PATIENCE, whole).await.expect("an instance never found a second gateway");
    }

    /// Starts instance `number`, and waits until a gateway has taken it in.
    async fn start_instance(&self, number: usize) -> Instance {
        let gateway = format!("https://localhost:{}", self.balancer.agents);
        let status = self.site.folder().join(format!("instance-{number}.sock"));
        let text = status.display().to_string();
        let settings = [self.plan.agent, &[("GITPROXY_STATUS_SOCKET", text.as_str())]].concat();
        let process = self.site.start_agent_of(gateway, &settings);
        process.says("attached").await;
        Instance { process, status }
    }

    /// Waits until the balancer sends agents and callers to this gateway.
    async fn balanced(&self, number: usize) {
        let mut looks = interval(LOOK);
        let up = async {
            loop {
                looks.tick().await;
                let states = self.balancer.states().await;
                let up = |line: &&str| line.contains(&format!(",g{number},")) && line.contains(",UP,");
                if states.lines().filter(up).count() == 2 {
                    return;
                }
            }
        };
        if timeout(PATIENCE, up).await.is_err() {
            panic!("the balancer never saw gateway {number}:\n{}", self.balancer.states().await);
        }
    }

    fn process(&self, part: Part) -> &Program {
        match part {
            Part::Gateway(number) => &self.gateways[number].process,
            Part::Instance(number) => &self.instances[number].process,
            Part::Nats => &self.nats.process,
        }
    }

    fn process_mut(&mut self, part: Part) -> &mut Program {
        match part {
            Part::Gateway(number) => &mut self.gateways[number].process,
            Part::Instance(number) => &mut self.instances[number].process,
            Part::Nats => &mut self.nats.process,
        }
    }
}

impl Instance {
    /// How many gateways it is attached to.
    fn gateways(&self) -> usize {
        // Who is just starting does not listen yet.
        let Ok(told) = status::ask(&self.status) else { return 0 };
        let open = told.sessions.iter().filter(|session| session.phase == "open");
        open.map(|session| &session.gateway).collect::<HashSet<_>>().len()
    }
}

impl Gateway {
    /// Starts one with `more` in its environment.
    pub(crate) async fn start(site: &Site, nats: &str, name: &str, more: &[(&'static str, &str)]) -> Self {
        let (agents, callers, peers) = (port(), port(), port());
        let (ca, files) = peers::certificate(site.folder());
        let text = |path: &Path| path.display().to_string();
        let mut settings = vec![
            ("GATEWAY_NAME", name.to_owned()),
            ("CLUSTER_NATS", nats.to_owned()),
            ("PEERS_LISTEN", format!("127.0.0.1:{peers}")),
            ("PEERS_ADVERTISE", format!("localhost:{peers}")),
            ("PEERS_TLS_CERT", text(&files.certificate)),
            ("PEERS_TLS_KEY", text(&files.key)),
            ("PEERS_CA", text(&ca)),
        ];
        settings.extend(more.iter().map(|&(name, value)| (name, value.to_owned())));
        let process = begin(site, (agents, callers), &settings).await;
        Self { process, agents, callers, peers, shown: files, settings }
    }

    async fn start_again(&mut self, site: &Site) {
        self.process = begin(site, (self.agents, self.callers), &self.settings).await;
    }
}

async fn begin(site: &Site, ports: (u16, u16), settings: &[(&'static str, String)]) -> Program {
    let (agents, callers) = (format!("127.0.0.1:{}", ports.0), format!("127.0.0.1:{}", ports.1));
    let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    site.start_gateway((&agents, &callers), &settings).await.0
}

impl Nats {
    async fn start(program: PathBuf, files: PathBuf) -> Self {
        let port = port();
        let process = Self::begin(&program, port, &files).await;
        Self { process, program, port, files }
    }

    async fn start_again(&mut self) {
        self.process = Self::begin(&self.program, self.port, &self.files).await;
    }

    async fn begin(program: &PathBuf, port: u16, files: &PathBuf) -> Program {
        let mut command = Command::new(program);
        command.args(["-js", "-a", "127.0.0.1", "-p", &port.to_string(), "-sd"]).arg(files);
        let process = Program::run::<&str, &str>(command, []);
        process.says("Server is ready").await;
        process
    }
}

impl Balancer {
    fn start(program: PathBuf, site: &Site, gateways: &[Gateway], check: Duration) -> Self {
        let (agents, callers, socket) = (port(), port(), site.folder().join("balancer"));
        let servers = |of: fn(&Gateway) -> u16| {
            let line = |(number, gateway): (usize, &Gateway)| {
                let (to, health, every) = (of(gateway), gateway.agents, check.as_millis());
                format!(
                    "  server g{number} 127.0.0.1:{to} check port {health} check-ssl verify none inter {every}ms fall 2 rise 1\n"
                )
            };
            gateways.iter().enumerate().map(line).collect::<String>()
        };
        let text = format!(
            "global\n  maxconn 4000\n  stats socket {} mode 600 level operator\n{DEFAULTS}\
             listen agents\n  bind 127.0.0.1:{agents}\n{}listen callers\n  bind 127.0.0.1:{callers}\n{}",
            socket.display(),
            servers(|gateway| gateway.agents),
            servers(|gateway| gateway.callers),
        );
        let mut command = Command::new(program);
        command.args(["-db", "-f", &site.write("haproxy.cfg", &text)]);
        Self { _process: Program::run::<&str, &str>(command, []), agents, callers, socket }
    }

    /// What it thinks of its servers, a line each, with commas between the columns.
    async fn states(&self) -> String {
        let mut text = String::new();
        // It may not be there yet.
        if let Ok(mut stream) = UnixStream::connect(&self.socket).await {
            let asked = stream.write_all(b"show stat\n").await;
            asked.expect("it reads");
            stream.read_to_string(&mut text).await.expect("it answers");
        }
        text
    }
}

fn port() -> u16 {
    free_port(Ipv4Addr::LOCALHOST.into())
}

/// As for long streams: what is silent for an hour is cut. A gateway that refuses a connection is passed over at once.
const DEFAULTS: &str = "defaults
  mode tcp
  timeout connect 2s
  timeout client 1h
  timeout server 1h
  timeout check 2s
  retries 3
  option redispatch 1
  option httpchk GET /health
";
const LOOK: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(30);
