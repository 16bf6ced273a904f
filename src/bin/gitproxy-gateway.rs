//! `gitproxy-gateway`: the cloud side of gitproxy.
//!
//! Exit codes: 0 after a drain or a command that worked; 1 when it cannot serve, such as an address in use; 2 for a wrong
//! command line and for settings or a store that cannot be used, every problem on a line of its own.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use gitproxy::egress::push::Telemetry;
use gitproxy::egress::{self, CongestionControl, Egress, Leg, Plaintext};
use gitproxy::gateway::settings::{Log, Run, TABLE};
use gitproxy::gateway::store::FileStore;
use gitproxy::gateway::{self, Gateway};
use gitproxy::ops::lines::Lines;
use gitproxy::ops::settings::{self, Layers, Problems};
use gitproxy::ops::{Key, Tasks, descriptors, telemetry, watch};
use secrecy::ExposeSecret as _;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

/// Why it ends before it served.
enum Failure {
    /// What was asked for cannot be done as it was asked: exit code 2.
    Unusable(String),
    /// It could not be done: exit code 1.
    Failed(anyhow::Error),
}

fn main() -> ExitCode {
    let matches = command().get_matches();
    let done = match matches.subcommand() {
        Some(("keys", keys)) => new_key(keys.subcommand().is_some_and(|(_, new)| new.get_flag("json"))),
        Some(("settings-doc", _)) => print(&settings::markdown(TABLE)),
        Some(("run", flags)) => run(flags),
        // clap asks for a subcommand.
        Some(_) | None => Ok(()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Unusable(what)) => fail(&what, 2),
        Err(Failure::Failed(error)) => fail(&format!("{error:#}"), 1),
    }
}

fn command() -> Command {
    let file = Arg::new("settings").long("settings").value_name("FILE").value_parser(value_parser!(PathBuf));
    let json = Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print one JSON object");
    let run =
        Command::new("run")
            .about("Serves agents and callers until SIGTERM or SIGINT, then drains")
            .arg(file.help(
                "TOML file with settings; flags and environment win over it [environment: SETTINGS_FILE]",
            ))
            .args(settings::args(TABLE));
    let keys = Command::new("keys")
        .about("Access keys of agents and tokens of callers")
        .subcommand_required(true)
        .subcommand(
            Command::new("new")
                .about("Makes a key and shows it this once, with the row for the store")
                .arg(json),
        );
    Command::new("gitproxy-gateway")
        .version(env!("CARGO_PKG_VERSION"))
        .about("The cloud side of gitproxy: agents attach to it, cloud services call through it")
        .after_help("Exit codes: 0 done, 1 cannot serve, 2 wrong command line or unusable settings or store")
        .subcommand_required(true)
        .subcommand(run)
        .subcommand(keys)
        .subcommand(Command::new("settings-doc").hide(true).about("Prints every setting as Markdown"))
}

fn new_key(json: bool) -> Result<(), Failure> {
    // Without `std`, getrandom's error is none that anyhow takes.
    let key =
        Key::generate().map_err(|error| Failure::Failed(anyhow!("the system gives no entropy: {error}")))?;
    let (id, sha256, text) = (key.id(), key.digest(), key.secret().expose_secret());
    if json {
        return print(&format!("{}\n", serde_json::json!({ "key": text, "id": id, "sha256": sha256 })));
    }
    print(&format!(
        "key (shown this once, give it to the agent or caller):\n  {text}\n\
         row for the store, under an agent's `keys` or a caller's `tokens`:\n  \
         {{ id = \"{id}\", sha256 = \"{sha256}\" }}\n"
    ))
}

fn run(flags: &ArgMatches) -> Result<(), Failure> {
    let file = flags.get_one::<PathBuf>("settings").cloned();
    let file = file.or_else(|| {
        settings::environment("SETTINGS_FILE").filter(|path| !path.is_empty()).map(PathBuf::from)
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.context("runtime").map_err(Failure::Failed)?.block_on(async {
        let tasks = Tasks::new();
        let (run, _lines) = read(flags, file.as_deref(), &tasks)?;
        serve(run, &tasks).await
    })
}

/// Reads the settings and sets up logs.
fn read(flags: &ArgMatches, file: Option<&Path>, tasks: &Tasks) -> Result<(Run, Lines), Failure> {
    let mut problems = Problems::new();
    let layers = Layers::read(TABLE, flags, file, &settings::environment, &mut problems);
    let log = Log::read(&layers, &mut problems);
    let run = Run::read(&layers, tasks, &mut problems);
    let run = problems.or(run).map_err(|problems| Failure::Unusable(problems.to_string()))?;
    let lines = telemetry::init(log.format, &log.filter).context("logs").map_err(Failure::Failed)?;
    Ok((run, lines))
}

async fn serve(run: Run, tasks: &Tasks) -> Result<(), Failure> {
    match descriptors::raise() {
        Ok(most) => info!(most, "each session and each connection of a caller takes a file descriptor"),
        Err(error) => warn!(%error, "the limit of file descriptors cannot be raised"),
    }
    let store = FileStore::follow(&run.store, settings::environment, watch::EVERY, tasks)
        .map_err(|error| Failure::Unusable(format!("{:#}", anyhow::Error::new(error))))?;
    let gateway = async {
        // Before the listeners: a signal that comes right after they answer must drain and not kill.
        let signals = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let congestion_control = run.congestion_control.as_ref();
        let agents = listen("agents.listen", run.agents, congestion_control).await?;
        let callers = listen("callers.listen", run.callers, congestion_control).await?;
        let telemetry = push(&run, tasks)?;
        let config = gateway::Config { telemetry, ..run.gateway };
        let cluster = match run.cluster {
            Some((cluster, address)) => {
                Some((cluster, listen("peers.listen", address, congestion_control).await?))
            }
            None => None,
        };
        let store = Arc::clone(&store) as _;
        let gateway = Gateway::start_with(config, agents, callers, cluster, store, tasks)?;
        anyhow::Ok((gateway, signals))
    };
    let (gateway, (mut terminate, mut interrupt)) = gateway.await.map_err(Failure::Failed)?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    gateway.drain().await;
    tasks.finish(std::time::Duration::ZERO).await;
    Ok(())
}

/// Opens a listener; what it accepts uses its congestion control.
async fn listen(
    setting: &str,
    address: SocketAddr,
    congestion_control: Option<&CongestionControl>,
) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).await.with_context(|| format!("{setting} {address}"))?;
    if let Some(control) = congestion_control {
        control.apply(&listener).with_context(|| format!("tcp.congestion_control {control}"))?;
    }
    Ok(listener)
}

/// Begins to push metrics and traces; they have no secret, so that a collector may be spoken to without TLS.
fn push(run: &Run, tasks: &Tasks) -> anyhow::Result<Telemetry> {
    if run.push.metrics.is_none() && run.push.traces.is_none() {
        return Ok(Telemetry::default());
    }
    let egress = Egress::new(&egress::Settings::default(), tasks).context("whom to trust")?;
    let egress = egress.leg(Leg { plaintext: Plaintext::Anywhere, ..Leg::default() })?;
    let about = [
        ("service.version", env!("CARGO_PKG_VERSION").to_owned()),
        ("service.instance.id", run.gateway.name.clone()),
    ];
    Ok(run.push.start(&egress, "gitproxy-gateway", &about, tasks)?)
}

fn print(text: &str) -> Result<(), Failure> {
    let written = io::stdout().lock().write_all(text.as_bytes());
    written.context("standard output").map_err(Failure::Failed)
}

fn fail(what: &str, code: u8) -> ExitCode {
    let mut stderr = io::stderr().lock();
    for line in what.lines() {
        // If the standard error is gone, the code still tells.
        let _ = writeln!(stderr, "gitproxy-gateway: {line}");
    }
    ExitCode::from(code)
}
