//! What an examination found, and what it comes to.

use std::fmt;
use std::time::Duration;

use crate::ops::{Check, Outcome};

/// Everything that was checked.
#[derive(Debug, Clone)]
pub struct Report {
    /// The ways that were walked, the settings first.
    pub legs: Vec<Leg>,
    /// How long all of it took; the legs were walked side by side.
    pub took: Duration,
}

/// One way, from this process to where it ends.
#[derive(Debug, Clone)]
pub struct Leg {
    /// What it leads to.
    pub part: Part,
    /// The URL at its end; empty where there is none.
    pub target: String,
    /// What was checked on it, in this order.
    pub checks: Vec<Check>,
}

/// What a leg leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Nothing: whether the settings can be used at all.
    Settings,
    /// The gateway.
    Gateway,
    /// The Bitbucket of the connection of this name.
    Bitbucket(String),
    /// The Bitbuckets of connections that the cloud holds, which cannot be examined before a call brings one.
    Held,
}

/// How a leg or a whole examination went: as its worst check did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Nothing was there to try.
    Skipped,
    /// All is well.
    Passed,
    /// It works, and somebody should look.
    Warned,
    /// It does not work.
    Failed,
}

/// What a program should end with after an examination; the numbers are for scripts and stay as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// No check failed.
    Good = 0,
    /// The settings cannot be used.
    Settings = 3,
    /// A check on the way to the gateway failed, and none on the way to a Bitbucket.
    Gateway = 4,
    /// A check on the way to a Bitbucket failed, and none on the way to the gateway.
    Bitbucket = 5,
    /// Checks on both kinds of ways failed.
    Both = 6,
}

impl Report {
    /// As the worst leg went.
    pub fn verdict(&self) -> Verdict {
        self.legs.iter().map(Leg::verdict).max().unwrap_or(Verdict::Skipped)
    }

    /// What a program should end with.
    pub fn ending(&self) -> Ending {
        let failed = |which: fn(&Part) -> bool| {
            self.legs.iter().any(|leg| which(&leg.part) && leg.verdict() == Verdict::Failed)
        };
        let gateway = failed(|part| *part == Part::Gateway);
        let bitbucket = failed(|part| matches!(part, Part::Bitbucket(_) | Part::Held));
        if failed(|part| *part == Part::Settings) {
            return Ending::Settings;
        }
        match (gateway, bitbucket) {
            (false, false) => Ending::Good,
            (true, false) => Ending::Gateway,
            (false, true) => Ending::Bitbucket,
            (true, true) => Ending::Both,
        }
    }

    /// One sentence that says what it comes to, and names the first check that went wrong on each leg.
    pub fn sentence(&self) -> String {
        match self.verdict() {
            Verdict::Skipped | Verdict::Passed => "All is well.".to_owned(),
            Verdict::Warned => {
                format!("It works, but somebody should look at {}.", self.worst(Verdict::Warned))
            }
            Verdict::Failed => format!("It does not work: {} failed.", self.worst(Verdict::Failed)),
        }
    }

    fn worst(&self, verdict: Verdict) -> String {
        let first = |leg: &Leg| {
            let check = leg.checks.iter().find(|check| Verdict::of(check) == verdict)?;
            Some(if leg.part == Part::Settings {
                leg.part.to_string()
            } else {
                format!("{} ({})", check.name, leg.part)
            })
        };
        let named: Vec<String> = self.legs.iter().filter_map(first).collect();
        named.join(" and ")
    }
}

impl Leg {
    /// As its worst check went.
    pub fn verdict(&self) -> Verdict {
        self.checks.iter().map(Verdict::of).max().unwrap_or(Verdict::Skipped)
    }
}

impl Verdict {
    pub(super) fn of(check: &Check) -> Self {
        match check.outcome {
            Outcome::Passed => Self::Passed,
            Outcome::Warned(_) => Self::Warned,
            Outcome::Failed(_) => Self::Failed,
            Outcome::Skipped => Self::Skipped,
        }
    }
}

impl Ending {
    /// The exit code.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// What the exit code says, as the rest of a sentence about the examination.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Good => "no check failed",
            Self::Settings => "the settings cannot be used",
            Self::Gateway => "a check on the way to the gateway failed",
            Self::Bitbucket => "a check on the way to a Bitbucket failed",
            Self::Both => "checks on the ways to the gateway and to a Bitbucket failed",
        }
    }
}

impl fmt::Display for Part {
    /// Its stable name: `settings`, `gateway`, `bitbucket NAME`, or `bitbucket` alone for [`Part::Held`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings => f.write_str("settings"),
            Self::Gateway => f.write_str("gateway"),
            Self::Bitbucket(name) => write!(f, "bitbucket {name}"),
            Self::Held => f.write_str("bitbucket"),
        }
    }
}

impl fmt::Display for Verdict {
    /// The word of an outcome: `passed`, `warned`, `failed` or `skipped`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Skipped => "skipped",
            Self::Passed => "passed",
            Self::Warned => "warned",
            Self::Failed => "failed",
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::ops::Advice;

    /// A report whose legs have one check each.
    pub(in crate::agent::doctor) fn report(legs: impl IntoIterator<Item = (Part, Check)>) -> Report {
        let legs = legs.into_iter().map(|(part, check)| {
            let target = if part == Part::Settings { "" } else { "https://there.example.com" };
            Leg { part, target: target.to_owned(), checks: vec![check] }
        });
        Report { legs: legs.collect(), took: Duration::from_millis(1234) }
    }

    pub(in crate::agent::doctor) fn failed(name: &'static str) -> Check {
        Check::failed(name, "it broke", Advice::new("A cause.", "A remedy.", "tls"))
    }

    fn warned(name: &'static str) -> Check {
        Check::warned(name, "soon", Advice::new("A cause.", "A remedy.", "expiry"))
    }

    fn main() -> Part {
        Part::Bitbucket("main".to_owned())
    }

    #[test]
    fn the_ending_tells_which_ways_failed() {
        let (ok, bad) = (Check::passed("tls", "fine"), failed("tls"));
        let ending = |gateway: &Check, bitbucket: &Check| {
            report([(Part::Gateway, gateway.clone()), (main(), bitbucket.clone())]).ending().code()
        };
        assert_eq!(
            [ending(&ok, &ok), ending(&bad, &ok), ending(&ok, &bad), ending(&bad, &bad)],
            [0, 4, 5, 6]
        );
        assert_eq!(ending(&warned("expiry"), &Check::skipped("token", "not tried")), 0);
        assert_eq!(report([(Part::Settings, bad.clone()), (Part::Gateway, bad)]).ending().code(), 3);
    }

    #[test]
    fn the_sentence_names_the_first_failed_check_of_each_leg() {
        let bad = report([
            (Part::Gateway, failed("dns")),
            (main(), failed("token")),
            (Part::Held, warned("expiry")),
        ]);
        assert_eq!(bad.sentence(), "It does not work: dns (gateway) and token (bitbucket main) failed.");
        let fair = report([(Part::Gateway, warned("clock")), (main(), Check::passed("token", "alice"))]);
        assert_eq!(fair.sentence(), "It works, but somebody should look at clock (gateway).");
        assert_eq!(report([(Part::Gateway, Check::passed("tls", "fine"))]).sentence(), "All is well.");
    }

    #[test]
    fn what_was_skipped_is_neither_good_nor_bad() {
        let leg = report([(Part::Held, Check::skipped("settings", "none"))]).legs.remove(0);
        assert_eq!(leg.verdict(), Verdict::Skipped);
        let all = report([
            (Part::Gateway, Check::passed("tls", "fine")),
            (Part::Held, Check::skipped("settings", "none")),
        ]);
        assert_eq!(all.verdict(), Verdict::Passed);
    }
}
