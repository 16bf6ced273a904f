//! What the headers of all answers tell beside: `rate-limit` and `clock`.

use super::advice;
use super::visit::Seen;
use crate::ops::{Advice, Check};

/// Both.
pub(super) fn checks(seen: &Seen) -> [Check; 2] {
    [rate_limit(seen), clock(seen)]
}

/// Data Center shows its limiter only by refusing (FACTS 1.5); a proxy or a later version may say more.
fn rate_limit(seen: &Seen) -> Check {
    let of = seen.limit.map(|limit| format!(" of {limit}")).unwrap_or_default();
    match (seen.limited, seen.remaining) {
        (true, _) => {
            let back = seen.retry_after.map(|delay| format!(", again in {} s", delay.as_secs()));
            let found = format!("requests are refused{}", back.unwrap_or_default());
            Check::warned("rate-limit", found, advice::rate_limit())
        }
        (false, Some(0)) => Check::warned("rate-limit", format!("0{of} requests left"), advice::rate_limit()),
        (false, Some(left)) => Check::passed("rate-limit", format!("{left}{of} requests left")),
        // An answer has a date (RFC 9110, section 6.6.1).
        (false, None) if seen.ahead.is_none() => {
            Check::skipped("rate-limit", "no answer of Bitbucket's tells of one")
        }
        (false, None) => Check::passed("rate-limit", "no limit seen"),
    }
}

/// A wrong clock breaks no request, but certificates, times in logs and the reading of builds.
fn clock(seen: &Seen) -> Check {
    let Some(ahead) = seen.ahead else {
        return Check::skipped("clock", "Bitbucket's answers have no date");
    };
    let gap = ahead.unsigned_abs();
    if gap <= TOLERATED {
        return Check::passed("clock", "the same as here, within a minute");
    }
    let side = if ahead > 0 { "ahead of" } else { "behind" };
    let advice = Advice::new(
        "the clocks of Bitbucket and of the agent's host differ by more than a minute",
        "have both follow a time server",
        "clock",
    );
    Check::warned("clock", format!("{gap} s {side} the agent's"), advice)
}

/// In seconds; a date is in whole ones, and an answer may be old by its time under way.
const TOLERATED: u64 = 60;

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::bitbucket::reply::Reply;

    fn seen(replies: &[Reply]) -> Seen {
        // 1994-11-06T08:49:37Z.
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        replies.iter().fold(Seen::default(), |mut seen, reply| {
            seen.note(reply, now);
            seen
        })
    }

    fn outcome(check: &Check) -> (String, String) {
        (check.outcome.to_string(), check.found.clone())
    }

    #[test]
    fn a_429_is_a_warning_that_says_when_to_come_back() {
        let refused = Reply::of(429, "").header("retry-after", "7");
        let check = rate_limit(&seen(&[Reply::of(200, "{}"), refused, Reply::of(200, "{}")]));
        assert_eq!(outcome(&check), ("warned".into(), "requests are refused, again in 7 s".into()));
        let dated = Reply::of(200, "{}").header("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(outcome(&rate_limit(&seen(&[dated]))), ("passed".into(), "no limit seen".into()));
    }

    #[test]
    fn where_nobody_answered_no_limit_is_said_to_be_unseen() {
        assert_eq!(rate_limit(&Seen::default()).outcome.to_string(), "skipped");
    }

    #[test]
    fn what_is_left_is_told_where_a_header_has_it() {
        let of = |left| {
            Reply::of(200, "{}").header("x-ratelimit-limit", "60").header("x-ratelimit-remaining", left)
        };
        assert_eq!(
            outcome(&rate_limit(&seen(&[of("41")]))),
            ("passed".into(), "41 of 60 requests left".into())
        );
        assert_eq!(outcome(&rate_limit(&seen(&[of("0")]))).0, "warned");
    }

    #[test]
    fn a_clock_is_compared_both_ways() {
        let at = |date| outcome(&clock(&seen(&[Reply::of(200, "{}").header("date", date)]))).1;
        assert_eq!(at("Sun, 06 Nov 1994 08:50:30 GMT"), "the same as here, within a minute");
        assert_eq!(at("Sun, 06 Nov 1994 08:51:37 GMT"), "120 s ahead of the agent's");
        assert_eq!(at("Sun, 06 Nov 1994 08:47:37 GMT"), "120 s behind the agent's");
        assert_eq!(at("yesterday"), "Bitbucket's answers have no date");
    }
}
