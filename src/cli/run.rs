//! `gitproxy run`: the agent, from its start to its drain.

use clap::ArgMatches;
use gitproxy::agent::{Agent, Config};
use gitproxy::ops::Tasks;
use gitproxy::ops::settings::{Problems, Switch};
use gitproxy::ops::tasks::Drained;
use gitproxy::ops::telemetry::{self, Format};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info, warn};

use super::exit::Exit;
use super::{doctor, failed, log_settings, on_runtime, read, unusable};

/// What comes before the agent.
#[derive(Debug, Clone, Copy)]
enum Before {
    /// Nothing.
    Nothing,
    /// The doctor, who tells in this form.
    Preflight(Format),
}

/// Runs the agent until it is asked to stop.
pub(super) fn run(flags: &ArgMatches) -> Exit {
    let mut problems = Problems::new();
    let layers = read(flags, &mut problems);
    let log = log_settings(&layers, &mut problems);
    let preflight = layers.required::<Switch>("preflight", &mut problems);
    let config = match Config::read(&layers, problems) {
        Ok(config) => config,
        Err(problems) => return unusable(problems),
    };
    let Some((format, filter)) = log else {
        return on_runtime(serve(config, Before::Nothing)).unwrap_or_else(failed);
    };
    let _lines = match telemetry::init(format, &filter) {
        Ok(lines) => lines,
        Err(error) => return failed(error),
    };
    let before = if preflight == Some(Switch(true)) { Before::Preflight(format) } else { Before::Nothing };
    on_runtime(serve(config, before)).unwrap_or_else(failed)
}

async fn serve(config: Config, before: Before) -> Exit {
    let (tasks, grace) = (Tasks::new(), config.drain_grace);
    // Before anything else, so that a signal during start drains too.
    let (mut term, mut int) = match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(term), Ok(int)) => (term, int),
        (Err(error), _) | (_, Err(error)) => return failed(error),
    };
    if let Before::Preflight(format) = before {
        tokio::select! {
            examined = doctor::preflight(&config, format) => {
                if let Err(exit) = examined {
                    return exit;
                }
            }
            _ = stopped(&mut term, &mut int) => return Exit::Done,
        }
    }
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
        drained = tasks.finish_calls(grace) => report(drained),
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
