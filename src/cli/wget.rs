//! `wget`: the check that documents tell people to type, by the agent's own way out.
//!
//! The image has no other `wget`, and none that is somebody else's would tell the truth: it would read other settings, or
//! the same in another way. This one knows the options that such a check needs, and GNU Wget's exit codes; it has no
//! option that turns off the verification of certificates.

mod answer;
mod code;
mod fetch;
mod login;
mod talk;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command};
use gitproxy::agent::config::Outward;
use gitproxy::agent::{Patience, WayOut};
use gitproxy::egress::{NotAnOrigin, Origin};
use gitproxy::ops::Tasks;
use gitproxy::ops::settings::Problems;
use gitproxy::ops::telemetry::{self, Format};
use url::Url;

use self::code::{CODES, Code, Failure};
use self::login::Login;
use self::talk::Talk;
use super::{URL, misunderstood, on_runtime, read, say};

/// What is to be done with the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Output {
    /// It is looked at, and not kept.
    Nowhere,
    Stdout,
    File(PathBuf),
}

/// What the command line asks for.
struct Asked {
    /// Without user, password and fragment.
    url: Url,
    login: Option<Login>,
    output: Output,
    /// How long a connection and each part of the answer may take.
    limit: Option<Duration>,
}

/// Whether the program was called by the name of the other one, whatever folder that is in.
pub(super) fn is_meant(called: Option<OsString>) -> bool {
    called.is_some_and(|path| Path::new(&path).file_name().is_some_and(|name| name == NAME))
}

/// Does what the command line says.
pub(super) fn main() -> Code {
    let matches = match command().try_get_matches_from(std::env::args_os().map(in_one_word)) {
        Ok(matches) => matches,
        Err(error) => {
            let told = error.use_stderr();
            misunderstood(&error);
            return if told { Code::Usage } else { Code::Done };
        }
    };
    if matches.get_flag(UNVERIFIED) {
        return Talk::new(&matches).failure(&Failure::new(Code::Usage, REFUSED));
    }
    let talk = Talk::new(&matches);
    match Asked::read(&matches).and_then(|asked| run(&asked, &talk)) {
        Ok(()) => Code::Done,
        Err(failure) => talk.failure(&failure),
    }
}

fn run(asked: &Asked, talk: &Talk) -> Result<(), Failure> {
    if !talk.is_quiet()
        && let Err(error) = telemetry::init(Format::Human, "warn")
    {
        return Err(Failure::new(Code::Generic, error.to_string()));
    }
    let settings = settings(asked.limit)?;
    let done = on_runtime(async {
        let tasks = Tasks::new();
        let patience = settings.patience();
        let way = WayOut::open(settings, &tasks);
        let way = way.map_err(|error| Failure::new(Code::Usage, error.to_string()))?;
        fetch::fetch(asked, &way, patience, talk).await
    });
    done.unwrap_or_else(|error| Err(Failure::new(Code::Generic, error.to_string())))
}

/// The agent's settings, as its environment and its file have them: its flags are another process's.
fn settings(limit: Option<Duration>) -> Result<Outward, Failure> {
    let mut problems = Problems::new();
    let layers = read(&ArgMatches::default(), &mut problems);
    let outward = Outward::read(&layers, problems).map_err(|problems| {
        let lines: Vec<String> = problems.into_iter().map(|problem| problem.to_string()).collect();
        Failure::new(Code::Usage, lines.join("\nwget: "))
    })?;
    Ok(match limit {
        Some(limit) => outward.with_patience(Patience { hop: limit, whole: limit }),
        None => outward,
    })
}

impl Asked {
    fn read(matches: &ArgMatches) -> Result<Self, Failure> {
        let text = matches.get_one::<String>(URL).map_or("", String::as_str);
        // Without the text: it may have a password in it.
        let wrong = |why: NotAnOrigin| {
            let what = format!("the URL {why}; give one such as https://gateway.example.com/health");
            Failure::new(Code::Generic, what)
        };
        let mut url = Url::parse(text).map_err(|why| wrong(why.into()))?;
        Origin::of(&url).map_err(wrong)?;
        let login = Login::take(&mut url).map_err(|why| Failure::new(Code::Generic, why))?;
        url.set_fragment(None);
        let output = match matches.get_one::<String>(OUTPUT).map(String::as_str) {
            _ if matches.get_flag(SPIDER) => Output::Nowhere,
            Some("-") => Output::Stdout,
            Some(path) => Output::File(path.into()),
            None => return Err(Failure::new(Code::Usage, NO_OUTPUT)),
        };
        Ok(Self { url, login, output, limit: matches.get_one(LIMIT).copied() })
    }
}

fn command() -> Command {
    let flag = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
    };
    Command::new(NAME)
        .version(env!("CARGO_PKG_VERSION"))
        .about("Asks a server by GET or HEAD, by the very way out that the agent takes with the same settings.")
        .after_help(CODES)
        .arg(flag(QUIET, "Says nothing: the exit code tells").short('q'))
        .arg(flag(TERSE, "Says what fails, and not the way; also -nv").conflicts_with(QUIET))
        .arg(flag(VERBOSE, "As without it").short('v').conflicts_with_all([QUIET, TERSE]))
        .arg(flag(HEADERS, "Shows the headers of each answer").short('S'))
        .arg(flag(SPIDER, "Looks whether it is there, by HEAD, and keeps nothing"))
        .arg(
            Arg::new(OUTPUT)
                .short('O')
                .long(OUTPUT)
                .value_name("FILE")
                .help("Where the answer goes: a file, or - for standard output"),
        )
        .arg(Arg::new(LIMIT).short('T').long(LIMIT).value_name("SECONDS").value_parser(seconds).help(
            "How long a connection may take, then the head of the answer, then each part of it; 30 unless given, \
             and egress.connect_timeout for the connection",
        ))
        .arg(
            Arg::new(TRIES)
                .short('t')
                .long(TRIES)
                .value_name("NUMBER")
                .value_parser(clap::value_parser!(u32))
                .help("Taken for the sake of scripts: there is one try"),
        )
        .arg(flag(UNVERIFIED, "Is refused").hide(true))
        .arg(Arg::new(URL).value_name("URL").required_unless_present(UNVERIFIED).help("http:// or https://"))
}

/// GNU's one option of two letters behind a single dash.
fn in_one_word(arg: OsString) -> OsString {
    if arg == "-nv" { "--no-verbose".into() } else { arg }
}

/// A time as `-T` has it: seconds, also with decimals.
fn seconds(text: &str) -> Result<Duration, String> {
    let parsed = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let fits = parsed.filter(|limit| (SHORTEST..=LONGEST).contains(limit));
    fits.ok_or_else(|| "give seconds, from 0.1 to 86400".to_owned())
}

const NAME: &str = "wget";
const QUIET: &str = "quiet";
const TERSE: &str = "no-verbose";
const VERBOSE: &str = "verbose";
const HEADERS: &str = "server-response";
const SPIDER: &str = "spider";
const OUTPUT: &str = "output-document";
const LIMIT: &str = "timeout";
const TRIES: &str = "tries";
const UNVERIFIED: &str = "no-check-certificate";
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(86_400);
const REFUSED: &str = "--no-check-certificate is refused: certificates are always verified, here as in the agent; add the \
                       authority's certificate to trust.ca_files (chart: customCaCert)";
const NO_OUTPUT: &str =
    "say where the answer goes: --spider to keep nothing, -O - for standard output, -O FILE for a file";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_name_makes_the_other_program() {
        for (called, meant) in [
            ("wget", true),
            ("/usr/bin/wget", true),
            ("./wget", true),
            ("gitproxy", false),
            ("/wget/gitproxy", false),
            ("/usr/bin/wget2", false),
        ] {
            assert_eq!(is_meant(Some(called.into())), meant, "{called}");
        }
        assert!(!is_meant(None));
    }

    #[test]
    fn a_time_has_decimals_and_bounds() {
        assert_eq!(seconds("5"), Ok(Duration::from_secs(5)));
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for bad in ["0", "-1", "x", "", "1e9", "inf", "NaN", "5s"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_forms_that_scripts_have_are_understood() {
        for line in [
            "wget -q --spider https://h/health",
            "wget --no-verbose --tries=1 --spider https://h/health",
            "wget -nv -t 1 -T 5 -O /dev/null https://h/health",
            "wget -qO- https://h/health",
            "wget -q -O - https://h/health",
            "wget -S --spider --timeout=2.5 https://h/health",
        ] {
            let words = line.split(' ').map(|word| in_one_word(word.into()));
            let matches =
                command().try_get_matches_from(words).unwrap_or_else(|error| panic!("{line}: {error}"));
            Asked::read(&matches).unwrap_or_else(|failure| panic!("{line}: {}", failure.what));
        }
    }

    #[test]
    fn the_flags_are_consistent() {
        command().debug_assert();
    }
}
