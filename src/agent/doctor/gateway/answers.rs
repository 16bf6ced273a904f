//! What the gateway's answers mean, as checks.

use std::time::Duration;

use tonic::Status;
use tonic_types::StatusExt as _;

use super::{ATTACH, CLOCK, ROUND_TRIP, TRANSFER};
use crate::agent::Failure;
use crate::ops::{Advice, Check};
use crate::proto::Reason;
use crate::tunnel::probe::{Cut, Transferred};

/// The greeting was refused, or never answered: the link says the same.
pub(super) fn refused(failure: &Failure) -> Check {
    let found = match failure {
        Failure::Refused(status) => found(status),
        Failure::Cut(_) => "hung up without an answer".to_owned(),
        Failure::Unreachable(_) | Failure::Slow(_) => "no answer".to_owned(),
    };
    Check::failed(ATTACH, found, failure.advice())
}

/// How far away the gateway is.
pub(super) fn round_trip(took: Duration) -> Check {
    let found = format!("{} ms", took.as_millis());
    let check = if took <= FAR {
        Check::passed(ROUND_TRIP, found)
    } else {
        let cause = format!("an answer of the gateway takes longer than {} ms", FAR.as_millis());
        let remedy = "raise link.window at both ends if transfers are slow: a stream carries one window each round trip";
        Check::warned(ROUND_TRIP, found, Advice::new(cause, remedy, "slow-link"))
    };
    check.took(took)
}

/// How far this machine's clock is ahead of the gateway's, in milliseconds, where the gateway told its time.
pub(super) fn clock(ahead: Option<i64>) -> Check {
    let Some(ahead) = ahead else { return Check::skipped(CLOCK, "this gateway does not tell its time") };
    let apart = Duration::from_millis(ahead.unsigned_abs());
    let side = if ahead < 0 { "behind" } else { "ahead of" };
    let found = format!("{:.1} s {side} the gateway's", apart.as_secs_f64());
    let cause = format!("the clock of this machine is {} s {side} the gateway's", apart.as_secs());
    let advice =
        Advice::new(cause, "let NTP set the clock of this machine, and look at the gateway's", "clock");
    match apart {
        apart if apart <= SKEWED => Check::passed(CLOCK, found),
        apart if apart <= WRONG => Check::warned(CLOCK, found, advice),
        // Certificates that were made a moment ago are not valid yet, and those of minutes are over.
        _ => Check::failed(CLOCK, found, advice),
    }
}

/// The probe went through.
pub(super) fn transferred(done: &Transferred) -> Check {
    let [up, down] = [done.up, done.down].map(|took| format!("{:.1} s", took.as_secs_f64()));
    let found = format!("2 MiB were there after {up} and back after {down}");
    if done.up.max(done.down) <= SLOW {
        return Check::passed(TRANSFER, found);
    }
    let cause = format!("2 MiB took longer than {} s one way", SLOW.as_secs());
    let remedy = "look for a slow link, or for a proxy that inspects or holds back what passes";
    Check::warned(TRANSFER, found, Advice::new(cause, remedy, "slow-link"))
}

/// The probe did not go through.
pub(super) fn cut_short(cut: &Cut) -> Check {
    let found = format!("cut after {} KiB sent and {} KiB received", cut.sent / 1024, cut.received / 1024);
    let check = match Reason::of(&cut.status) {
        // The gateway takes one probe of an agent at a time.
        Some(Reason::Busy) => Check::skipped(TRANSFER, "another instance of this agent is being examined"),
        Some(Reason::BodyLimit | Reason::NotGrpc) => {
            Check::failed(TRANSFER, found, Failure::from(cut.status.clone()).advice())
        }
        _ => {
            let cause =
                "something between here and the gateway ends a stream that carries data, or the gateway went";
            let remedy =
                "take limits of size and time for request bodies off every reverse proxy before the gateway";
            // No limit of a size is below: what ended it earlier was a time, or the end of a hop.
            let section = if cut.sent >= SMALLEST_LIMIT { "body-limit" } else { "idle-timeout" };
            Check::failed(TRANSFER, found, Advice::new(cause, remedy, section))
        }
    };
    check.detail(format!("{:?}: {}", cut.status.code(), cut.status.message()))
}

fn found(status: &Status) -> String {
    let reason = status.get_details_error_info().map(|info| info.reason);
    match reason {
        Some(reason) if !reason.is_empty() => format!("{:?}, {reason}", status.code()),
        Some(_) | None => format!("{:?}", status.code()),
    }
}

/// A round trip around the world takes about 300 ms.
const FAR: Duration = Duration::from_millis(500);
/// In bytes; nginx's own default.
const SMALLEST_LIMIT: u64 = 1 << 20;
const SLOW: Duration = Duration::from_secs(5);
const SKEWED: Duration = Duration::from_secs(60);
const WRONG: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;
    use crate::ops::Outcome;
    use crate::proto::Fault;

    #[track_caller]
    fn section(check: &Check) -> &'static str {
        check.advice().map_or("", |advice| advice.section)
    }

    #[test]
    fn a_skew_of_a_minute_warns_and_one_of_five_fails() {
        for (ahead, word) in [
            (0, "passed"),
            (-60_000, "passed"),
            (60_001, "warned"),
            (-300_000, "warned"),
            (300_001, "failed"),
        ] {
            assert_eq!(clock(Some(ahead)).outcome.to_string(), word, "{ahead}");
        }
        assert_eq!(clock(Some(-61_000)).found, "61.0 s behind the gateway's");
        assert_eq!(section(&clock(Some(i64::MIN))), "clock");
    }

    #[test]
    fn a_gateway_that_does_not_tell_its_time_is_not_compared() {
        assert_eq!(clock(None).outcome, Outcome::Skipped);
    }

    #[test]
    fn a_refusal_is_an_attach_check_with_the_advice_of_the_link() {
        let cases = [
            (Reason::CredentialInvalid, "access-key"),
            (Reason::ProtocolTooOld, "version"),
            (Reason::BodyLimit, "body-limit"),
            (Reason::NotGrpc, "not-grpc"),
        ];
        for (reason, expected) in cases {
            let status = Status::from(Fault::new(Code::Unavailable, reason, "no"));
            let check = refused(&status.into());
            assert_eq!((check.name, section(&check)), ("attach", expected), "{reason:?}");
        }
        assert_eq!(section(&refused(&Status::unknown("what?").into())), "not-grpc");
        assert_eq!(
            section(&refused(&Failure::Cut(crate::egress::WANTS_CERTIFICATE.into()))),
            "client-certificate"
        );
    }

    #[test]
    fn a_slow_transfer_warns_and_a_cut_one_fails() {
        let took = |up, down| {
            transferred(&Transferred { up: Duration::from_secs(up), down: Duration::from_secs(down) })
        };
        assert_eq!(took(5, 1).outcome, Outcome::Passed);
        assert_eq!(section(&took(1, 6)), "slow-link");
        let status = Status::internal("reset");
        let check = cut_short(&Cut { sent: 1 << 20, received: 0, status });
        assert!(check.is_failed() && check.found.contains("1024 KiB sent"), "{check:?}");
        assert_eq!(section(&check), "body-limit");
        let early = cut_short(&Cut { sent: 0, received: 0, status: Status::internal("reset") });
        assert_eq!(section(&early), "idle-timeout");
        let status = Fault::new(Code::ResourceExhausted, Reason::Busy, "later").into();
        assert_eq!(cut_short(&Cut { sent: 0, received: 0, status }).outcome, Outcome::Skipped);
    }

    #[test]
    fn a_far_gateway_is_warned_of() {
        assert_eq!(round_trip(FAR).outcome, Outcome::Passed);
        assert_eq!(section(&round_trip(FAR * 2)), "slow-link");
    }
}
