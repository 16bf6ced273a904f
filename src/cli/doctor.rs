//! `gitproxy doctor`, and the same before `gitproxy run --preflight`.

use std::io::{self, IsTerminal};

use clap::ArgMatches;
use gitproxy::agent::Config;
use gitproxy::agent::doctor::{self, Colour, Ending, Report};
use gitproxy::ops::settings::{self as layers, Layers, Problems};
use gitproxy::ops::telemetry::{self, Format};
use gitproxy::ops::{Outcome, Tasks};
use tracing::{error, info, warn};

use super::exit::Exit;
use super::{FILTER, JSON, failed, log_settings, on_runtime, read, say};

/// Examines, and tells the result on standard output.
pub(super) fn doctor(flags: &ArgMatches) -> Exit {
    let mut problems = Problems::new();
    let layers = read(flags, &mut problems);
    let log = log_settings(&layers, &mut problems);
    let report = match Config::read(&layers, problems) {
        Err(problems) => doctor::unusable(&problems),
        Ok(config) => {
            let lines = log.map(|(format, filter)| telemetry::init(format, &quiet(&layers, filter)));
            let _lines = match lines.transpose() {
                Ok(lines) => lines,
                Err(error) => return failed(error),
            };
            match on_runtime(async { doctor::examine(&config, &Tasks::new()).await }) {
                Ok(report) => report,
                Err(error) => return failed(error),
            }
        }
    };
    let shown = if flags.get_flag(JSON) { report.json() } else { report.table(colour(&io::stdout())) };
    say(&mut io::stdout(), shown.trim_end());
    Exit::Examined(report.ending())
}

/// Examines before `run`, and says how to end where there is no point in going on.
pub(super) async fn preflight(config: &Config, format: Format) -> Result<(), Exit> {
    let report = doctor::examine(config, &Tasks::new()).await;
    match format {
        Format::Human => say(&mut io::stderr(), report.table(colour(&io::stderr())).trim_end()),
        Format::Json => log(&report),
    }
    let ending = report.ending();
    if ending == Ending::Good { Ok(()) } else { Err(Exit::Examined(ending)) }
}

/// Without a word from the operator, the log is for what the report does not say.
fn quiet(layers: &Layers, filter: String) -> String {
    if layers.came_from(FILTER) == "default" { "warn".to_owned() } else { filter }
}

/// A line for each check and one for the verdict.
fn log(report: &Report) {
    for leg in &report.legs {
        for check in &leg.checks {
            let (name, leg, found, detail) = (check.name, leg.part.to_string(), &check.found, &check.detail);
            let outcome = check.outcome.to_string();
            let took_ms = u64::try_from(check.took.as_millis()).unwrap_or(u64::MAX);
            match &check.outcome {
                Outcome::Passed | Outcome::Skipped => {
                    info!(leg, check = name, outcome, found, detail, took_ms, "preflight")
                }
                Outcome::Warned(it) => {
                    warn!(
                        leg,
                        check = name,
                        outcome,
                        found,
                        detail,
                        cause = it.cause,
                        remedy = it.remedy,
                        docs = it.link(),
                        took_ms,
                        "preflight"
                    )
                }
                Outcome::Failed(it) => {
                    error!(
                        leg,
                        check = name,
                        outcome,
                        found,
                        detail,
                        cause = it.cause,
                        remedy = it.remedy,
                        docs = it.link(),
                        took_ms,
                        "preflight"
                    )
                }
            }
        }
    }
    let ending = report.ending();
    info!(verdict = %report.verdict(), exit_code = ending.code(), meaning = ending.meaning(), "preflight is over");
}

/// Colour is for who looks at a terminal and has not asked for none (<https://no-color.org>).
fn colour(stream: &impl IsTerminal) -> Colour {
    let unwanted = layers::environment("NO_COLOR").is_some_and(|value| !value.is_empty());
    if stream.is_terminal() && !unwanted { Colour::On } else { Colour::Off }
}
