//! The time that an examination gives a connection, and what is said where the agent has more.

use std::time::Duration;

use crate::agent::config::Patience;
use crate::ops::{Advice, Check, Outcome};

/// As much as the agent itself has, so that what works is not told as broken, but no more than lets a hop that hangs be
/// named within the budget.
pub(super) fn within_budget(own: Patience) -> Patience {
    Patience { hop: own.hop.min(MOST.hop), whole: own.whole.min(MOST.whole) }
}

/// Makes a warning of a hop that failed because this limit was over, where the agent would have waited longer: it may work
/// there, and then `run --preflight` must go on.
pub(super) fn excuse(checks: &mut [Check], own: Patience) {
    let given = within_budget(own);
    let Some(at) = checks.iter().position(Check::is_failed) else { return };
    let (took, name) = (checks[at].took, checks[at].name);
    let whole: Duration = checks[..=at].iter().map(|check| check.took).sum();
    let longer = if took >= given.hop {
        (own.hop > given.hop).then_some(own.hop)
    } else if whole >= given.whole {
        (own.whole > given.whole).then_some(own.whole)
    } else {
        None
    };
    let (Some(longer), Outcome::Failed(advice)) = (longer, &checks[at].outcome) else { return };
    if !HOPS.contains(&name) {
        return;
    }
    let cause = format!(
        "{}; the agent waits {} s, for which an examination has no time, so that it may work there",
        advice.cause,
        longer.as_secs()
    );
    let (remedy, section) = (advice.remedy.clone(), advice.section);
    checks[at].outcome = Outcome::Warned(Advice::new(cause, remedy, section));
    checks[at].found = format!("not finished within the doctor's {} s", took.min(given.whole).as_secs());
    let failed = format!("not tried: {name} failed");
    for check in checks.iter_mut().filter(|check| check.found == failed) {
        check.found = format!("not tried: {name} was not finished");
    }
}

/// What the budget of 14 s has room for, with a moment for what comes after a slow way. One hop may use it all.
const MOST: Patience = Patience { hop: Duration::from_secs(12), whole: Duration::from_secs(12) };

/// The checks of the hops that these limits end.
const HOPS: &[&str] = &["proxy-dns", "proxy-tcp", "proxy-tls", "tunnel", "dns", "tcp", "tls", "alpn"];

#[cfg(test)]
mod tests {
    use super::super::BUDGET;
    use super::*;

    fn own(hop: u64, whole: u64) -> Patience {
        Patience { hop: Duration::from_secs(hop), whole: Duration::from_secs(whole) }
    }

    fn walked(millis: u64) -> Vec<Check> {
        let advice = Advice::new("it took longer", "look at the proxy", "proxy-stalled");
        vec![
            Check::passed("proxy-tcp", "connected").took(Duration::from_secs(1)),
            Check::failed("tunnel", "no answer", advice).took(Duration::from_millis(millis)),
            Check::skipped("tls", "not tried: tunnel failed"),
        ]
    }

    #[track_caller]
    fn excused(millis: u64, own: Patience) -> Vec<Check> {
        let mut checks = walked(millis);
        excuse(&mut checks, own);
        checks
    }

    #[test]
    fn a_hop_has_the_time_that_the_agent_gives_it_within_the_budget() {
        let told = |hop, whole| {
            let Patience { hop, whole } = within_budget(own(hop, whole));
            (hop.as_secs(), whole.as_secs())
        };
        assert_eq!(told(10, 20), (10, 12), "the defaults");
        assert_eq!(told(2, 5), (2, 5));
        assert_eq!(told(25, 25), (12, 12));
        assert!(MOST.whole < BUDGET);
    }

    #[test]
    fn a_hop_that_only_the_doctor_did_not_wait_for_is_a_warning() {
        for (millis, own) in [(12_001, own(20, 25)), (11_000, own(20, 25))] {
            let checks = excused(millis, own);
            assert!(!checks.iter().any(Check::is_failed), "{checks:?}");
            assert_eq!(checks[2].found, "not tried: tunnel was not finished");
            let advice = checks[1].advice().unwrap();
            assert!(advice.cause.contains("the agent waits 2"), "{advice:?}");
            assert_eq!(advice.section, "proxy-stalled");
        }
    }

    #[test]
    fn a_hop_that_the_agent_would_not_wait_for_either_or_that_failed_before_stays_a_failure() {
        for (millis, own) in [(10_001, own(10, 20)), (3_000, own(20, 25)), (5_000, own(5, 5))] {
            assert_eq!(excused(millis, own), walked(millis), "{millis}");
        }
    }
}
