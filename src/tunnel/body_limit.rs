//! The body limit of a reverse proxy before the gateway: how it shows, and what to do about it.
//!
//! nginx counts the whole of a stream as the body of its request, and resets it beyond `client_max_body_size`, which is
//! 1 MiB unless somebody sets it (ngx_http_core_module). HTTP/2 says no more than that the stream was reset, so that only
//! the number of bytes sent tells this apart from other ends. It is taken for the cause just above that default, and only
//! while the stream was sending: a stream that reached any other size, or rested, ends for many reasons. A limit that
//! somebody set to another size is not named; the reverse proxy's own log has it.

use std::ops::RangeInclusive;
use std::time::Duration;

use tonic::{Code, Status};

use super::channel;
use crate::proto::{Fault, Reason};

/// What the operator should do, in one sentence.
pub const REMEDY: &str = "set `client_max_body_size 0` where nginx passes the gateway on (in an Ingress the annotation \
                          nginx.ingress.kubernetes.io/proxy-body-size: \"0\"), or lift the like limit of another proxy";

/// What a stream had sent when it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sent {
    /// So many bytes of messages and what gRPC puts around them, as a reverse proxy counts.
    pub(super) bytes: u64,
    /// The last of them so long before.
    pub(super) before: Duration,
}

/// Whether something else than gitproxy ended a stream: a status of its own says why.
pub(super) fn is_foreign(status: &Status) -> bool {
    channel::reset_of(status).is_some() || Reason::of(status).is_none()
}

/// The body limit, where `status` and the bytes sent speak for it; only for a stream whose connection lives on.
///
/// A status of gitproxy's own is never taken for it: the gateway said why.
pub(super) fn suspected(status: &Status, sent: Sent) -> Option<Fault> {
    let Sent { bytes, before } = sent;
    if !is_foreign(status) || !NEAR.contains(&bytes) || before > FRESH {
        return None;
    }
    let message = format!(
        "the stream was cut after about 1 MiB ({} KiB) was sent: most likely a reverse proxy before the gateway limits the \
         size of a request body, as nginx does by client_max_body_size, which is 1 MiB by default and counts the whole stream",
        bytes / 1024
    );
    Some(fault(message).with("sent", bytes.to_string()))
}

/// The body limit, said by the proxy itself.
pub(super) fn told(who: &str) -> Fault {
    fault(format!(
        "HTTP 413 Request Entity Too Large{who}: a reverse proxy before the gateway limits the size of a request body, as \
         nginx does by client_max_body_size"
    ))
}

fn fault(message: String) -> Fault {
    Fault::new(Code::Unavailable, Reason::BodyLimit, message)
}

const MIB: u64 = 1024 * 1024;

/// What a stream has sent when nginx's default ends it: more than that, by what was on its way. nginx grants 64 KiB at a
/// time unless told otherwise, and as much may be in the buffers of this end.
const NEAR: RangeInclusive<u64> = MIB..=MIB + MIB / 4;

/// The reset comes as soon as the limit is passed.
const FRESH: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(bytes: u64) -> Sent {
        Sent { bytes, before: Duration::ZERO }
    }

    #[test]
    fn a_stream_cut_at_one_mebibyte_names_the_limit_and_its_setting() {
        for more in [1, 70_000, 200_000] {
            let fault = suspected(&Status::internal("reset"), sent(MIB + more)).expect("suspected");
            assert_eq!(fault.reason(), Reason::BodyLimit);
            assert!(fault.message().contains("client_max_body_size"), "{fault}");
            assert!(fault.message().contains("after about 1 MiB ("), "{fault}");
        }
        assert!(REMEDY.contains("client_max_body_size 0") && REMEDY.contains("proxy-body-size: \"0\""));
    }

    #[test]
    fn other_ends_are_not_blamed_on_it() {
        let tenths = [0, 5, 9, 14, 15, 20, 23, 30, 40, 50, 60, 80, 100, 161, 1000, 40_960];
        for bytes in tenths.map(|tenth| tenth * MIB / 10) {
            assert!(suspected(&Status::internal("reset"), sent(bytes)).is_none(), "{bytes}");
        }
        let ours = Fault::new(Code::Unauthenticated, Reason::CredentialInvalid, "revoked").into();
        assert!(suspected(&ours, sent(MIB + 1)).is_none(), "the gateway said why");
    }

    #[test]
    fn a_stream_that_rested_was_not_cut_by_its_size() {
        let rested = Sent { bytes: MIB + 70_000, before: Duration::from_secs(3) };
        assert!(suspected(&Status::internal("reset"), rested).is_none());
    }
}
