//! The leg of the settings: whether the rest can be tried at all.

use std::time::Duration;

use super::{Leg, Part, Report};
use crate::agent::{Config, Error};
use crate::ops::settings::{Problem, Problems};
use crate::ops::{Advice, Check, causes};

/// The report on settings that cannot be used: a failed check for each problem, and no other leg.
pub fn unusable(problems: &Problems) -> Report {
    report(problems.iter().map(check).collect())
}

/// The same, for certificates that went bad between the reading of the settings and their use.
pub(super) fn bad_files(error: &Error) -> Report {
    let advice = Advice::new(
        "a file of certificates that the settings name cannot be used any more; an agent that runs goes on with what it \
         read before, and would not start again",
        "correct the file: certificates that are trusted, or a client certificate with its key; the agent's own doctor \
         and its log name it",
        SECTION,
    );
    // The error names the file, which only the operator may see.
    report(vec![Check::failed(NAME, "certificates", advice).detail(causes(error))])
}

/// The leg of settings that can be used.
pub(super) fn usable(config: &Config) -> Leg {
    let found = match config.connections.len() {
        0 => "usable; no connection of their own".to_owned(),
        1 => "usable; 1 connection".to_owned(),
        more => format!("usable; {more} connections"),
    };
    leg(vec![Check::passed(NAME, found)])
}

fn report(checks: Vec<Check>) -> Report {
    Report { legs: vec![leg(checks)], took: Duration::ZERO }
}

fn leg(checks: Vec<Check>) -> Leg {
    Leg { part: Part::Settings, target: String::new(), checks }
}

fn check(problem: &Problem) -> Check {
    let Problem { setting, came_from, what, remedy } = problem;
    let remedy = if remedy.is_empty() { "correct or remove it" } else { remedy };
    let advice = Advice::new(format!("{setting} {what}"), remedy, SECTION);
    // Where it came from may be a path of this machine.
    Check::failed(NAME, setting, advice).detail(came_from)
}

const NAME: &str = "settings";
const SECTION: &str = "settings";

#[cfg(test)]
mod tests {
    use super::super::Ending;
    use super::*;

    #[test]
    fn every_problem_is_a_check_with_its_remedy() {
        let mut problems = Problems::new();
        for (setting, remedy) in [("gateway.url", "set --gateway-url to a https URL"), ("settings file", "")]
        {
            let (came_from, what) = ("file /etc/agent.toml".to_owned(), "is required".to_owned());
            problems.push(Problem {
                setting: setting.to_owned(),
                came_from,
                what,
                remedy: remedy.to_owned(),
            });
        }
        let report = unusable(&problems);
        assert_eq!(report.ending(), Ending::Settings);
        let checks = &report.legs[0].checks;
        let told: Vec<_> = checks
            .iter()
            .filter_map(Check::advice)
            .map(|it| (it.cause.as_str(), it.remedy.as_str()))
            .collect();
        let expected = [
            ("gateway.url is required", "set --gateway-url to a https URL"),
            ("settings file is required", "correct or remove it"),
        ];
        assert_eq!(told, expected);
        assert!(checks.iter().all(|check| !check.found.contains("/etc") && check.detail.contains("/etc")));
    }
}
