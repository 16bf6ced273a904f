//! What a probe found out, as it travels.

use std::time::Duration;

use crate::ops::{Check, Outcome};
use crate::proto::scm::v1 as pb;

/// Leaves the operator's `detail` behind.
impl From<&Check> for pb::Check {
    fn from(check: &Check) -> Self {
        let (cause, remedy, docs) = match check.advice() {
            Some(advice) => (advice.cause.clone(), advice.remedy.clone(), advice.link()),
            None => Default::default(),
        };
        Self {
            kind: pb::CheckKind::named(check.name).into(),
            outcome: outcome(&check.outcome).into(),
            found: check.found.clone(),
            cause,
            remedy,
            docs,
            duration_ms: millis(check.took),
            reason: pb::Reason::Unspecified.into(),
        }
    }
}

fn outcome(outcome: &Outcome) -> pb::CheckOutcome {
    match outcome {
        Outcome::Passed => pb::CheckOutcome::Passed,
        Outcome::Warned(_) => pb::CheckOutcome::Warned,
        Outcome::Failed(_) => pb::CheckOutcome::Failed,
        Outcome::Skipped => pb::CheckOutcome::Skipped,
    }
}

fn millis(took: Duration) -> u32 {
    u32::try_from(took.as_millis()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Advice;

    #[test]
    fn a_failed_check_travels_with_cause_remedy_and_link_but_without_detail() {
        let advice = Advice::new("nobody answers", "open the port", "tcp");
        let check =
            Check::failed("tcp", "refused", advice).detail("10.1.2.3:443").took(Duration::from_millis(7));
        let sent = pb::Check::from(&check);
        assert_eq!((sent.kind(), sent.outcome()), (pb::CheckKind::Tcp, pb::CheckOutcome::Failed));
        assert_eq!((sent.cause.as_str(), sent.remedy.as_str()), ("nobody answers", "open the port"));
        assert_eq!((sent.docs.as_str(), sent.duration_ms), ("docs/troubleshooting.md#tcp", 7));
        assert!(!format!("{sent:?}").contains("10.1.2.3"), "{sent:?}");
    }
}
