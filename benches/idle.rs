//! Many agents that have nothing to do, on one gateway: what each of them costs, and how soon all are back after a restart.
//!
//! The gateway is the release binary as a process with its default settings. The agents are agents of the library, each with
//! a key, an instance and an Attach stream over TLS of its own, all of them in this process. Writes `target/bench/idle.json`.
#![expect(clippy::print_stdout, reason = "where it is may be asked in the minutes that it takes")]

#[expect(dead_code, reason = "the other benchmarks use more of it")]
mod figures;
#[path = "../tests/it/processes/house.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod house;
#[path = "../tests/it/processes/program.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod program;
#[path = "../tests/it/world/tls.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod tls;
/// Where the house of the tests finds it.
mod world {
    pub(crate) use super::tls;
}

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use gitproxy::agent::{Agent, Config, settings as agent_settings};
use gitproxy::egress::Roots;
use gitproxy::ops::settings::{self, Layers, Problems};
use gitproxy::ops::{Key, Tasks};
use secrecy::ExposeSecret as _;
use tokio::time::sleep;

use self::figures::{Figures, cpu, status_mib};
use self::house::Site;
use self::program::Program;

/// Agents that have nothing to do.
#[derive(Parser)]
struct Args {
    /// How many of them; a tenth is measured too.
    #[arg(long, default_value_t = 10_000)]
    agents: usize,
    /// Over how many seconds their idle cost is taken.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Cargo says so.
    #[arg(long, hide = true)]
    bench: bool,
}

/// The gateway, and where it can be started again.
struct Cloud {
    site: Site,
    gateway: Program,
    at: (SocketAddr, SocketAddr),
    store: String,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    let args = Args::parse();
    let keys: Vec<Key> = (0..args.agents).map(|_| Key::generate().expect("entropy")).collect();
    let mut cloud = Cloud::start(&keys).await;
    let mut figures = Figures::new("idle");
    let (tasks, mut agents) = (Tasks::new(), Vec::new());
    let empty = cloud.resident();
    for count in [args.agents / 10, args.agents] {
        let begun = Instant::now();
        for key in &keys[agents.len()..count] {
            agents.push(Agent::start(cloud.config(key), &tasks).await.expect("an agent"));
        }
        all_attached(&agents).await;
        figures.note(&format!("attach_all_{count}_s"), begun.elapsed().as_secs_f64());
        let (before, waited) = (cpu(&cloud.id()), Instant::now());
        sleep(Duration::from_secs(args.seconds)).await;
        let each = |total: f64| total / count as f64;
        let kib = each((cloud.resident() - empty) * 1024.0);
        figures.at_most(&format!("kib_per_agent_{count}"), kib, KIB_PER_AGENT);
        let busy = (cpu(&cloud.id()) - before).as_secs_f64() / waited.elapsed().as_secs_f64();
        figures.note(&format!("gateway_cpu_us_per_agent_and_second_{count}"), each(busy * 1e6));
        println!("{count} agents: {kib:.1} KiB each, {:.1} % of a core", busy * 100.0);
    }
    cloud.start_again().await;
    let begun = Instant::now();
    all_attached(&agents).await;
    figures.note("all_back_after_restart_s", begun.elapsed().as_secs_f64());
    figures.note("kib_per_agent_after_restart", (cloud.resident() - empty) * 1024.0 / agents.len() as f64);
    figures.finish()
}

impl Cloud {
    async fn start(keys: &[Key]) -> Self {
        let site = Site::new().await;
        let mut rows = String::new();
        for (number, key) in keys.iter().enumerate() {
            let (id, digest) = (key.id(), key.digest());
            let row = format!("keys = [{{ id = \"{id}\", sha256 = \"{digest}\" }}]");
            let _ = writeln!(rows, "[tenants.acme.agents.a{number}]\n{row}");
        }
        let store = site.write("agents.toml", &rows);
        let more = [("STORE_FILE", store.as_str())];
        let (gateway, at) = site.start_gateway(("127.0.0.1:0", "127.0.0.1:0"), &more).await;
        Self { site, gateway, at, store }
    }

    /// Kills the gateway, which says goodbye to nobody, and starts it where it was.
    async fn start_again(&mut self) {
        self.gateway.kill();
        self.gateway.ended().await;
        let at = (self.at.0.to_string(), self.at.1.to_string());
        let more = [("STORE_FILE", self.store.as_str())];
        (self.gateway, _) = self.site.start_gateway((&at.0, &at.1), &more).await;
    }

    /// What one agent is started with.
    fn config(&self, key: &Key) -> Config {
        let gateway = format!("https://localhost:{}", self.at.0.port());
        let environment = |name: &str| match name {
            "GATEWAY_URL" => Some(gateway.clone()),
            "ACCESS_KEY" => Some(key.secret().expose_secret().to_owned()),
            _ => None,
        };
        let mut problems = Problems::new();
        let table = agent_settings::TABLE;
        let flags = clap::Command::new("idle").args(settings::args(table)).get_matches_from(["idle"]);
        let layers = Layers::read(table, &flags, None, &environment, &mut problems);
        let config = Config::read(&layers, problems).expect("good settings");
        let file = Some(self.site.folder().join("ca.pem"));
        Config { roots: Roots::Named { file, folders: Vec::new() }, status_socket: None, ..config }
    }

    fn id(&self) -> String {
        self.gateway.id().to_string()
    }

    fn resident(&self) -> f64 {
        status_mib(&self.id(), "VmRSS")
    }
}

/// Waits until each of them has a session. None gives up, so this ends.
async fn all_attached(agents: &[Agent]) {
    let mut told = Instant::now();
    loop {
        let attached = agents.iter().filter(|agent| agent.state().borrow().is_attached()).count();
        if attached == agents.len() {
            return;
        }
        if told.elapsed() > Duration::from_secs(10) {
            told = Instant::now();
            println!("{attached} of {} agents are attached", agents.len());
        }
        sleep(Duration::from_millis(20)).await;
    }
}

const KIB_PER_AGENT: f64 = 60.0;
