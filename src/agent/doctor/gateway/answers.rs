//! What the gateway's answers mean, as checks.

use std::time::Duration;

use tonic::Status;
use tonic_types::StatusExt as _;

use super::{ATTACH, CLOCK, ROUND_TRIP, TRANSFER};
use crate::ops::{Advice, Check};
use crate::proto::Reason;
use crate::tunnel::probe::{Cut, Transferred};

/// The greeting was refused, or never answered.
pub(super) fn refused(status: &Status) -> Check {
    Check::failed(ATTACH, found(status), advice(status))
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
        Some(Reason::BodyLimit | Reason::NotGrpc) => Check::failed(TRANSFER, found, advice(&cut.status)),
        _ => {
            let cause = "something between here and the gateway ends a stream that carries data";
            let remedy =
                "take limits of size and time for request bodies off every reverse proxy before the gateway";
            Check::failed(TRANSFER, found, Advice::new(cause, remedy, "body-limit"))
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

/// Why the gateway, or what stands in its place, did not do as it was asked, and what helps.
fn advice(status: &Status) -> Advice {
    let told = || format!("the gateway says: {}", status.message().trim_end_matches('.'));
    match Reason::of(status) {
        Some(Reason::CredentialInvalid | Reason::RoleMissing) => Advice::new(
            "the gateway does not accept the access key",
            "put a valid access key into ACCESS_KEY or ACCESS_KEY_FILE: this one is unknown or revoked",
            "access-key",
        ),
        Some(Reason::ProtocolTooOld) => {
            Advice::new(told(), "upgrade the older of agent and gateway: the message says which", "version")
        }
        Some(Reason::BodyLimit) => Advice::new(
            "a reverse proxy before the gateway limits the size of a request body, and takes the stream for one",
            "take the limit off: client_max_body_size 0 in nginx, or the annotation \
             nginx.ingress.kubernetes.io/proxy-body-size: \"0\" of an Ingress",
            "body-limit",
        ),
        Some(Reason::NotGrpc) => not_grpc(status),
        Some(Reason::Busy | Reason::Draining) => {
            Advice::new(told(), "try again in a minute: the gateway takes no new session now", "bad-gateway")
        }
        Some(Reason::TunnelLost) => Advice::new(
            "what listens there hung up without an answer",
            "check gateway.url: what listens there may not be a gitproxy gateway, or not speak HTTP/2",
            "not-grpc",
        ),
        _ => Advice::new(
            format!("what answers is not a gitproxy gateway: {}", status.message().trim_end_matches('.')),
            "check gateway.url, and what stands before the gateway",
            "not-grpc",
        ),
    }
}

fn not_grpc(status: &Status) -> Advice {
    let facts = status.get_details_error_info().map(|info| info.metadata).unwrap_or_default();
    let code = facts.get("http_status").map_or("", String::as_str);
    let cause = format!("plain HTTP answered where gRPC should: {}", status.message().trim_end_matches('.'));
    match code {
        "502" | "503" | "504" => Advice::new(
            cause,
            "look at the reverse proxy before the gateway: it cannot reach the gateway, or not by gRPC (HTTP/2)",
            "bad-gateway",
        ),
        _ => Advice::new(
            cause,
            "check gateway.url: a login page, a proxy or another server answers there",
            "not-grpc",
        ),
    }
}

/// A round trip around the world takes about 300 ms.
const FAR: Duration = Duration::from_millis(500);
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
    fn each_refusal_has_its_section() {
        let cases = [
            (Reason::CredentialInvalid, "access-key"),
            (Reason::ProtocolTooOld, "version"),
            (Reason::BodyLimit, "body-limit"),
            (Reason::NotGrpc, "not-grpc"),
            (Reason::Busy, "bad-gateway"),
            (Reason::TunnelLost, "not-grpc"),
        ];
        for (reason, expected) in cases {
            let check = refused(&Fault::new(Code::Unavailable, reason, "no").into());
            assert_eq!((check.name, section(&check)), ("attach", expected), "{reason:?}");
        }
        let bare = refused(&Status::unknown("what?"));
        assert_eq!(section(&bare), "not-grpc");
        let bad =
            Fault::new(Code::Unavailable, Reason::NotGrpc, "502 Bad Gateway").with("http_status", "502");
        let bad = refused(&bad.into());
        assert_eq!(section(&bad), "bad-gateway");
        assert!(bad.advice().is_some_and(|advice| advice.cause.contains("Bad Gateway")), "{bad:?}");
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
    }

    #[test]
    fn a_far_gateway_is_warned_of() {
        assert_eq!(round_trip(FAR).outcome, Outcome::Passed);
        assert_eq!(section(&round_trip(FAR * 2)), "slow-link");
    }
}
