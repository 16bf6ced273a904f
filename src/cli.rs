//! The command line: which forms there are, and one file for each.

mod doctor;
mod exit;
mod explain;
mod health;
mod run;
mod status;
mod wget;

use std::ffi::OsString;
use std::fmt::Display;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command};
use gitproxy::agent::settings;
use gitproxy::ops::settings::{self as layers, Layers, Problems};
use gitproxy::ops::telemetry::{self, Format};

use exit::Exit;

/// Does what the command line says; which program it is for, its first word tells.
pub(crate) fn main() -> ExitCode {
    if wget::is_meant(std::env::args_os().next()) { wget::main().into() } else { agent().into() }
}

fn agent() -> Exit {
    let matches = match command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => return misunderstood(&error),
    };
    match matches.subcommand() {
        Some(("run", flags)) => run::run(flags),
        Some(("health", flags)) => health::health(flags),
        Some(("status", flags)) => status::status(flags),
        Some(("doctor", flags)) => doctor::doctor(flags),
        Some(("egress", below)) => match below.subcommand() {
            Some(("explain", flags)) => explain::explain(flags),
            Some(_) | None => Exit::Failed,
        },
        // clap has let nothing else through.
        Some(_) | None => Exit::Failed,
    }
}

/// Says what clap says, but for passwords of URLs: it repeats what it does not expect.
fn misunderstood(error: &clap::Error) -> Exit {
    let told = without_passwords(&error.render().to_string(), std::env::args_os());
    if error.use_stderr() {
        say(&mut io::stderr(), told.trim_end());
        Exit::Usage
    } else {
        say(&mut io::stdout(), told.trim_end());
        Exit::Done
    }
}

/// Blanks what stands before the last `@` of an argument, and behind the `?` or `#` of a URL.
fn without_passwords(text: &str, args: impl Iterator<Item = OsString>) -> String {
    args.fold(text.to_owned(), |text, arg| {
        let arg = arg.to_string_lossy();
        let rest = arg.split_once("://").map_or(&*arg, |(_, rest)| rest);
        let user = rest.rsplit_once('@').map_or("", |(user, _)| user);
        let query = rest[user.len()..].split_once(['?', '#']).map_or("", |(_, query)| query);
        [user, query].iter().filter(|part| !part.is_empty()).fold(text, |text, part| text.replace(part, "…"))
    })
}

fn command() -> Command {
    let form = |name: &'static str, about: &'static str| {
        let flags = [layers::args(settings::FILE), layers::args(settings::TABLE)].concat();
        Command::new(name).about(about).args(flags).after_help(exit::CODES)
    };
    let question = Arg::new(QUESTION).required(true).value_parser(["live", "ready"]);
    let json = Arg::new(JSON).long("json").action(ArgAction::SetTrue);
    let url = Arg::new(URL).required(true).value_name("URL");
    let explain = form("explain", "Says which way a connection to a URL would go, for either leg, and why")
        .arg(url.help("Such as https://git.example.com; nothing is sent there"));
    Command::new("gitproxy")
        .version(env!("CARGO_PKG_VERSION"))
        .about(
            "An on-premises SCM agent: gRPC commands through one outbound stream to Bitbucket Data Center.",
        )
        .after_help(exit::CODES)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(form("run", "Attaches to the gateway and serves, for ever"))
        .subcommand(
            form(
                "doctor",
                "Walks every hop to the gateway and to each Bitbucket, and names the one that fails",
            )
            .arg(json.clone().help("One JSON object, as docs/doctor.schema.json has it, in place of the table")),
        )
        .subcommand(
            form(
                "status",
                "Asks the running agent by its status socket: link, sessions, last error, memory, last commands",
            )
            .arg(json.help("One JSON object, as docs/status.schema.json has it, in place of the table")),
        )
        .subcommand(
            Command::new("egress")
                .about("Answers questions about the way out")
                .subcommand_required(true)
                .arg_required_else_help(true)
                .subcommand(explain),
        )
        .subcommand(
            form("health", "Asks the running agent by its status socket, for exec probes")
                .arg(question.help("live: the process works; ready: the gateway can send calls")),
        )
}

/// Reads flags, environment and the file that they name.
fn read(flags: &ArgMatches, problems: &mut Problems) -> Layers {
    let file = Layers::read(settings::FILE, flags, None, &layers::environment, problems);
    let file = file.value::<PathBuf>("config", problems);
    Layers::read(settings::TABLE, flags, file.as_deref(), &layers::environment, problems)
}

fn log_settings(layers: &Layers, problems: &mut Problems) -> Option<(Format, String)> {
    let format = layers.required::<Format>("log.format", problems);
    let filter = layers.required::<String>(FILTER, problems);
    if let Some(Err(error)) = filter.as_deref().map(telemetry::parse) {
        problems.push(layers.problem(FILTER, &error.to_string()));
    }
    Some((format?, filter?))
}

/// Runs `work` to its end on a runtime of its own.
///
/// One thread does all of it: the work is waiting, and handing a call from thread to thread costs more than the call
/// (a quarter of the time and 1 MiB, measured by the benchmark `product`). Look-ups of names block a thread for as long as
/// the system takes, which with a dead name server is half a minute: there are enough for several of them, and none
/// keeps the process from ending.
fn on_runtime<T>(work: impl Future<Output = T>) -> io::Result<T> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.max_blocking_threads(16).enable_all().build()?;
    let done = runtime.block_on(work);
    runtime.shutdown_background();
    Ok(done)
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
const JSON: &str = "json";
const URL: &str = "url";
const FILTER: &str = "log.filter";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_of_an_argument_is_repeated() {
        for arg in [
            "https://u:c4nary@h/x",
            "u:c4nary@h",
            "--x=http://u:c4 nary@c4nary@h",
            "https://h/?t=c4nary#c4nary",
        ] {
            let told =
                without_passwords(&format!("unexpected argument '{arg}' found"), [arg.into()].into_iter());
            assert!(!told.contains("nary") && told.contains("unexpected argument '"), "{told}");
        }
        assert_eq!(without_passwords("a plain 'word'", ["word".into()].into_iter()), "a plain 'word'");
    }
}
