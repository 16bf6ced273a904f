//! What it says, all of it on standard error: standard output is for the answer.

use std::io;

use clap::ArgMatches;
use gitproxy::egress::{Connector, Route, Way};
use http::Response;

use super::code::{Code, Failure};
use super::{HEADERS, QUIET, TERSE, say};

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Nothing,
    Failures,
    All,
}

/// Who says it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Talk {
    level: Level,
    headers: bool,
}

impl Talk {
    pub(super) fn new(matches: &ArgMatches) -> Self {
        let level = match (matches.get_flag(QUIET), matches.get_flag(TERSE)) {
            (true, _) => Level::Nothing,
            (false, true) => Level::Failures,
            (false, false) => Level::All,
        };
        Self { level, headers: matches.get_flag(HEADERS) }
    }

    pub(super) fn is_quiet(self) -> bool {
        self.level == Level::Nothing
    }

    /// Where it goes, and which way.
    pub(super) fn way(self, connector: &Connector) {
        if self.level < Level::All {
            return;
        }
        let Route { way, because, .. } = connector.route();
        let way = match way {
            Way::Direct => "direct".to_owned(),
            Way::Through(proxy) => format!("through {proxy}"),
        };
        say(&mut io::stderr(), &format!("{}: {way}: {because}", connector.origin()));
    }

    /// What came back.
    pub(super) fn answer<B>(self, answer: &Response<B>) {
        let line = format!("{:?} {}", answer.version(), answer.status());
        if self.headers {
            say(&mut io::stderr(), &format!("  {line}"));
            for (name, value) in answer.headers() {
                say(&mut io::stderr(), &format!("  {name}: {}", printable(value.as_bytes())));
            }
        } else if self.level == Level::All {
            say(&mut io::stderr(), &line);
        }
    }

    /// Where a redirect leads to.
    pub(super) fn redirect(self, to: &url::Url) {
        if self.level == Level::All {
            say(&mut io::stderr(), &format!("redirected to {}", to.origin().ascii_serialization()));
        }
    }

    /// Why it ends as it does. What the command line lacks is said in any case, as GNU Wget does.
    pub(super) fn failure(self, failure: &Failure) -> Code {
        if !self.is_quiet() || failure.code == Code::Usage {
            say(&mut io::stderr(), &format!("wget: {}", failure.what));
            if !failure.remedy.is_empty() {
                say(&mut io::stderr(), &format!("wget: {}", failure.remedy));
            }
        }
        failure.code
    }
}

/// A header as text that does nothing to a terminal.
fn printable(value: &[u8]) -> String {
    String::from_utf8_lossy(value).chars().map(|char| if char.is_control() { '?' } else { char }).collect()
}
