//! `gitproxy`: the agent.

use std::fmt::Display;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgMatches, Command};
use gitproxy::agent::{Agent, Config, settings, status};
use gitproxy::ops::Tasks;
use gitproxy::ops::settings::{self as layers, Layers, Problems};
use gitproxy::ops::tasks::Drained;
use gitproxy::ops::telemetry::{self, Format};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info, warn};

/// How the program ends; `--help` tells the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exit {
    /// It was asked to stop and did; `health`: yes.
    Done = 0,
    /// A fault of the program or the system; `health`: no.
    Failed = 1,
    /// The command line has no such form. clap ends the program with it.
    #[expect(dead_code, reason = "clap uses the number, the list is here")]
    Usage = 2,
    /// The settings cannot be used; a line for each problem went to standard error.
    Settings = 3,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  asked to stop, and drained; health: yes
  1  a fault of the program or the system; health: no
  2  the command line has no such form
  3  the settings cannot be used: one line for each problem on standard error
No answer of a gateway or a Bitbucket ends `run`.";

fn main() -> ExitCode {
    let matches = command().get_matches();
    let exit = match matches.subcommand() {
        Some(("health", flags)) => health(flags),
        Some((_, flags)) => run(flags),
        None => Exit::Failed,
    };
    ExitCode::from(exit as u8)
}

fn command() -> Command {
    let flags = || [layers::args(settings::FILE), layers::args(settings::TABLE)].concat();
    let question = clap::Arg::new(QUESTION).required(true).value_parser(["live", "ready"]);
    Command::new("gitproxy")
        .version(env!("CARGO_PKG_VERSION"))
        .about(
            "An on-premises SCM agent: gRPC commands through one outbound stream to Bitbucket Data Center.",
        )
        .after_help(EXIT_CODES)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            Command::new("run")
                .about("Attaches to the gateway and serves, for ever")
                .args(flags())
                .after_help(EXIT_CODES),
        )
        .subcommand(
            Command::new("health")
                .about("Asks the running agent by its status socket, for exec probes")
                .arg(question.help("live: the process works; ready: the gateway can send calls"))
                .args(flags())
                .after_help(EXIT_CODES),
        )
}

fn run(flags: &ArgMatches) -> Exit {
    let mut problems = Problems::new();
    let layers = read(flags, &mut problems);
    let log = log_settings(&layers, &mut problems);
    let config = match Config::read(&layers, problems) {
        Ok(config) => config,
        Err(problems) => return unusable(problems),
    };
    if let Some((format, filter)) = log
        && let Err(error) = telemetry::init(format, &filter)
    {
        return failed(error);
    }
    match runtime() {
        Ok(runtime) => runtime.block_on(serve(config)),
        Err(error) => failed(error),
    }
}

/// Small on purpose: the work is waiting, and each thread costs memory.
fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).max_blocking_threads(4).enable_all().build()
}

async fn serve(config: Config) -> Exit {
    let (tasks, grace) = (Tasks::new(), config.drain_grace);
    // Before anything else, so that a signal during start drains too.
    let (mut term, mut int) = match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(term), Ok(int)) => (term, int),
        (Err(error), _) | (_, Err(error)) => return failed(error),
    };
    let agent = match Agent::start(config, &tasks).await {
        Ok(agent) => agent,
        Err(error) => {
            error!(%error, "the settings cannot be used");
            return Exit::Settings;
        }
    };
    let cause = stopped(&mut term, &mut int).await;
    info!(instance = agent.instance(), cause, ?grace, "draining");
    tokio::select! {
        drained = tasks.finish(grace) => report(drained),
        cause = stopped(&mut term, &mut int) => warn!(cause, "asked twice to stop; calls in flight are cut"),
    }
    tasks.cut();
    Exit::Done
}

async fn stopped(term: &mut Signal, int: &mut Signal) -> &'static str {
    tokio::select! {
        _ = term.recv() => "SIGTERM",
        _ = int.recv() => "SIGINT",
    }
}

fn report(drained: Drained) {
    match drained {
        Drained::Clean => info!("drained"),
        Drained::Cut(tasks) => warn!(tasks, "the grace is over; what was left was cut"),
    }
}

/// A probe asks often and must be quick: nothing but the one setting is read, and there is no runtime.
fn health(flags: &ArgMatches) -> Exit {
    let mut problems = Problems::new();
    let layers = read(flags, &mut problems);
    let Some(socket) = layers.required::<PathBuf>("status.socket", &mut problems) else {
        return unusable(problems);
    };
    let told = match status::ask(&socket) {
        Ok(told) => told,
        Err(error) => return failed(format!("no answer at {}: {error}", socket.display())),
    };
    let ready = flags.get_one::<String>(QUESTION).is_some_and(|question| question == "ready");
    let good = if ready { told.ready } else { told.live };
    say(&mut io::stdout(), &format!("live: {}, ready: {}, link: {}", told.live, told.ready, told.link));
    if good { Exit::Done } else { Exit::Failed }
}

fn read(flags: &ArgMatches, problems: &mut Problems) -> Layers {
    let file = Layers::read(settings::FILE, flags, None, &layers::environment, problems);
    let file = file.value::<PathBuf>("config", problems);
    Layers::read(settings::TABLE, flags, file.as_deref(), &layers::environment, problems)
}

fn log_settings(layers: &Layers, problems: &mut Problems) -> Option<(Format, String)> {
    let format = layers.required::<Format>("log.format", problems);
    let filter = layers.required::<String>("log.filter", problems);
    if let Some(Err(error)) = filter.as_deref().map(telemetry::parse) {
        problems.push(layers.problem("log.filter", &error.to_string()));
    }
    Some((format?, filter?))
}

fn unusable(problems: Problems) -> Exit {
    for problem in problems {
        say(&mut io::stderr(), &format!("gitproxy: {problem}"));
    }
    Exit::Settings
}

fn failed(error: impl Display) -> Exit {
    say(&mut io::stderr(), &format!("gitproxy: {error}"));
    Exit::Failed
}

/// Writes a line; who closed the stream does not want it.
fn say(to: &mut impl io::Write, line: &str) {
    let _ = writeln!(to, "{line}");
}

const QUESTION: &str = "question";
