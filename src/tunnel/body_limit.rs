//! The body limit of a reverse proxy before the gateway: how it shows, and what to do about it.
//!
//! nginx counts the whole of a stream as the body of its request, and resets it beyond `client_max_body_size`, which is
//! 1 MiB unless somebody sets it (ngx_http_core_module). HTTP/2 says no more than that the stream was reset, so that only
//! the number of bytes sent tells this apart from other ends: people set round numbers, and what a stream has sent when
//! something else ends it is one only by chance.

use std::ops::RangeInclusive;

use tonic::{Code, Status};

use super::channel;
use crate::proto::{Fault, Reason};

/// What the operator should do, in one sentence.
pub const REMEDY: &str = "set `client_max_body_size 0` where nginx passes the gateway on (in an Ingress the annotation \
                          nginx.ingress.kubernetes.io/proxy-body-size: \"0\"), or lift the like limit of another proxy";

/// The body limit, where `status` and the bytes sent speak for it; only for a stream whose connection lives on.
///
/// A status of gitproxy's own is never taken for it: the gateway said why.
pub(super) fn suspected(status: &Status, sent: u64) -> Option<Fault> {
    let foreign = channel::reset_of(status).is_some() || Reason::of(status).is_none();
    let limit = LIMITS.iter().find(|limit| foreign && near(**limit * MIB).contains(&sent))?;
    let message = format!(
        "the stream was cut after about {limit} MiB ({} KiB) was sent: most likely a reverse proxy before the gateway limits \
         the size of a request body, as nginx does by client_max_body_size, which is 1 MiB by default and counts the whole \
         stream",
        sent / 1024
    );
    Some(fault(message).with("sent", sent.to_string()))
}

/// How many bytes an agent may have sent when a limit ends its stream: somewhat fewer, for what frames add, or more, for
/// what was on its way.
fn near(limit: u64) -> RangeInclusive<u64> {
    limit - UNDER..=limit + OVER.max(limit / 10)
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
const UNDER: u64 = MIB / 8;
/// A window (`link.window`) and the buffers around it.
const OVER: u64 = MIB;
/// The limits that people set, in MiB.
const LIMITS: &[u64] =
    &[1, 2, 3, 4, 5, 8, 10, 16, 20, 25, 32, 50, 64, 100, 128, 200, 256, 500, 512, 1000, 1024];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_cut_at_one_mebibyte_names_the_limit_and_its_setting() {
        let fault = suspected(&Status::internal("reset"), MIB + 70_000).expect("suspected");
        assert_eq!(fault.reason(), Reason::BodyLimit);
        assert!(fault.message().contains("client_max_body_size"), "{fault}");
        assert!(REMEDY.contains("client_max_body_size 0") && REMEDY.contains("proxy-body-size: \"0\""));
    }

    #[test]
    fn a_limit_that_somebody_raised_is_named_by_its_size() {
        for limit in [3, 8, 10, 100] {
            for sent in [limit * MIB - 20_000, limit * MIB + 70_000, limit * MIB + MIB] {
                let fault = suspected(&Status::internal("reset"), sent).expect("suspected");
                assert!(fault.message().contains("was sent: most likely a reverse proxy"), "{fault}");
            }
            let fault = suspected(&Status::internal("reset"), limit * MIB + 70_000).expect("suspected");
            assert!(fault.message().contains(&format!("after about {limit} MiB (")), "{fault}");
        }
    }

    #[test]
    fn other_ends_are_not_blamed_on_it() {
        for sent in [0, 500_000, 7 * MIB, 40 * MIB, 4096 * MIB] {
            assert!(suspected(&Status::internal("reset"), sent).is_none(), "{sent}");
        }
        let ours = Fault::new(Code::Unauthenticated, Reason::CredentialInvalid, "revoked").into();
        assert!(suspected(&ours, MIB).is_none(), "the gateway said why");
    }
}
