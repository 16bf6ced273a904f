//! The whole house in one process: a simulated Bitbucket, a gateway, an agent, and a cloud service that does a job.
//!
//! Each has a port of its own on 127.0.0.1, with TLS where the network would be. The job is an ordinary one: find an
//! outdated dependency, fix it on a branch, open a pull request, explain it on the line, and wait for the build. Nothing
//! here reaches around the gateway: the job sees Bitbucket only through it.

mod certificates;
mod cloud;
mod grpcurl;
mod house;
mod job;
mod manifest;
mod report;

use std::fmt::Display;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Parser;
use gitproxy::ops::lines::Lines;
use gitproxy::ops::telemetry::{self, Format};
use tokio::signal::unix::{Signal, SignalKind, signal};

use self::cloud::Cloud;
use self::house::House;
use self::report::{Report, Stopped};

/// Does a whole job through gateway, agent and a simulated Bitbucket, all in this one process.
///
/// Then it stays, and prints grpcurl lines to paste into another shell, until Ctrl-C.
#[derive(Debug, Parser)]
#[command(name = "demo", after_help = EXIT_CODES)]
struct Args {
    /// End after the job instead of staying
    #[arg(long)]
    once: bool,
    /// Leave the git repositories in DIR, a new or an empty folder, as DIR/shop/web-shop.git and so on
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// What to log to standard error, such as `info` or `info,gitproxy::tunnel=debug`
    #[arg(long, value_name = "FILTER", default_value = "warn")]
    log: String,
}

const EXIT_CODES: &str = "\
It needs `git`, and no network but 127.0.0.1.

Exit codes:
  0  every step was ok, and everything has stopped cleanly
  1  a step failed, or something did not start or stop
  2  the command line has no such form";

fn main() -> ExitCode {
    let args = Args::parse();
    match prepare(&args).and_then(|(runtime, _lines)| runtime.block_on(demo(&args))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// The log is written as long as the second part is there.
fn prepare(args: &Args) -> anyhow::Result<(tokio::runtime::Runtime, Lines)> {
    let lines = telemetry::init(Format::Human, &args.log).with_context(|| format!("--log {}", args.log))?;
    if let Some(folder) = &args.keep {
        check_free(folder)?;
    }
    Ok((tokio::runtime::Runtime::new().context("no runtime")?, lines))
}

/// The simulator makes its repositories anew, so old ones must not be in their place.
fn check_free(folder: &Path) -> anyhow::Result<()> {
    match fs::read_dir(folder).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => {
            bail!("--keep {}: something is in it already; name a new or an empty folder", folder.display())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("--keep {}", folder.display())),
    }
}

async fn demo(args: &Args) -> anyhow::Result<()> {
    let mut signals = Signals::new().context("no signals")?;
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let mut report = Report::new();
    let started = tokio::select! {
        started = House::start(folder.path(), args.keep.as_deref(), &mut report) => started,
        () = signals.stop() => bail!("stopped while it started"),
    };
    let Ok(house) = started else {
        report.print();
        bail!("it did not start; --log info tells more");
    };
    let done = tokio::select! {
        done = work(&house, &mut report) => done,
        () = signals.stop() => Err(report.interrupted()),
    };
    report.print();
    if done.is_ok() {
        stay(args, &house, &mut signals).await;
    }
    house.stop().await?;
    match done {
        Ok(()) => Ok(()),
        Err(Stopped) => bail!("the job is not done; --log info tells more"),
    }
}

async fn work(house: &House, report: &mut Report) -> Result<(), Stopped> {
    say("\nDoing the job as a cloud service would, through the gateway…");
    let cloud = report.step("connect to the gateway", Cloud::connect(house)).await?;
    job::run(&cloud, report).await
}

/// Tells what is there to look at; without `--once`, until somebody asks to stop.
async fn stay(args: &Args, house: &House, signals: &mut Signals) {
    if args.keep.is_some() {
        let repository = house.repositories().join("shop/web-shop.git");
        say("\nThe repositories stay where they are. The commit is on its branch:");
        say(format!("git clone --branch {} {}", job::BRANCH, grpcurl::quoted(&repository.to_string_lossy())));
    }
    if args.once {
        return;
    }
    say(format!("\n{}", grpcurl::lines(house)));
    say("Ctrl-C ends the demo.");
    signals.stop().await;
    say("\nStopping: the agent drains, then the gateway.");
}

/// What asks the demo to stop. Made before anything else, so that no signal ends it half way.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn stop(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Writes a line; who closed standard output does not want it.
fn say(line: impl Display) {
    let _ = writeln!(io::stdout().lock(), "{line}");
}

fn complain(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "demo: {line}");
}
