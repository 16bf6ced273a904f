//! The doctor: walks every hop to the gateway and to each Bitbucket, and says which one fails, why, and what to do.
//!
//! The checks live where the hop is: `egress` has those of the network, `tunnel` those of the gateway, `bitbucket` those
//! of the server. Here they are arranged: legs side by side, one after the other on a leg, and all of them within
//! [`BUDGET`]. A [`Report`] is what comes out, for people ([`Report::table`]) and for programs ([`Report::json`]).

mod bitbucket;
mod gateway;
mod json;
mod limits;
mod remote;
mod report;
mod settings;
mod table;

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::Config;
use super::ways::Ways;
use crate::bitbucket::Budgets;
use crate::ops::{Advice, Check, Tasks};

pub(super) use remote::remote;
pub use report::{Ending, Leg, Part, Report, Verdict};
pub use settings::unusable;
pub use table::Colour;

/// The time for a whole examination. What is not through by then is a failed check that says so.
pub const BUDGET: Duration = Duration::from_secs(14);

/// The tasks of one examination, which end with it.
struct Opened(Tasks);

/// Walks every way that the settings name, with connections of its own. It takes at most [`BUDGET`] and a moment.
pub async fn examine(config: &Config, tasks: &Tasks) -> Report {
    examine_within(config, &Budgets::new(config.rate), tasks).await
}

/// As [`examine`], for a process that has budgets already.
async fn examine_within(config: &Config, budgets: &Budgets, tasks: &Tasks) -> Report {
    let start = Instant::now();
    let deadline = start + BUDGET;
    let opened = Opened(tasks.group());
    let ways = match Ways::open(config, limits::within_budget(config.patience), &opened.0) {
        Ok(ways) => ways,
        Err(error) => return settings::bad_files(&error),
    };
    let gateway = gateway::leg(config, &ways.gateway, &opened.0, deadline);
    let ends = config.connections.iter().zip(&ways.bitbuckets);
    let bitbuckets =
        join_all(ends.map(|(end, egress)| bitbucket::leg(&end.account, egress, budgets, deadline)));
    let (gateway, bitbuckets) = tokio::join!(gateway, bitbuckets);
    let mut legs = vec![gateway];
    legs.extend(bitbuckets);
    for leg in &mut legs {
        limits::excuse(&mut leg.checks, config.patience);
    }
    legs.insert(0, settings::usable(config));
    if config.connections.is_empty() {
        legs.push(bitbucket::held());
    }
    Report { legs, took: start.elapsed() }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.0.cut();
    }
}

/// Appends those of `names` that were not checked, as skipped, and says after which failure.
fn skip_rest(checks: &mut Vec<Check>, names: &[&'static str]) {
    let Some(failed) = checks.iter().rfind(|check| check.is_failed()).map(|check| check.name) else { return };
    for name in names {
        if !checks.iter().any(|check| check.name == *name) {
            checks.push(Check::skipped(name, format!("not tried: {failed} failed")));
        }
    }
}

/// A check that the end of the budget cut short.
fn unfinished(name: &'static str, section: &'static str, took: Duration) -> Check {
    let advice = Advice::new(
        format!("it was not through when the examination's {} s were over", BUDGET.as_secs()),
        "look for a slow or lossy link, or a proxy or server under load, and try again",
        section,
    );
    Check::failed(name, "not finished", advice).took(took)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_after_a_failure_is_skipped_and_says_after_which() {
        let mut checks = vec![Check::passed("attach", "fine"), unfinished("transfer", "slow-link", BUDGET)];
        skip_rest(&mut checks, &["attach", "round-trip", "transfer", "clock"]);
        let seen: Vec<_> = checks.iter().map(|check| (check.name, check.outcome.to_string())).collect();
        let expected =
            [("attach", "passed"), ("transfer", "failed"), ("round-trip", "skipped"), ("clock", "skipped")];
        assert_eq!(seen, expected.map(|(name, outcome)| (name, outcome.to_owned())));
        assert_eq!(checks[2].found, "not tried: transfer failed");
    }

    #[test]
    fn nothing_is_skipped_where_nothing_failed() {
        let mut checks = vec![Check::passed("attach", "fine")];
        skip_rest(&mut checks, &["attach", "clock"]);
        assert_eq!(checks.len(), 1);
    }
}
