//! The body limit of a reverse proxy before the gateway: how it shows, and what to do about it.
//!
//! nginx counts the whole of a stream as the body of its request, and resets it beyond `client_max_body_size`, which is
//! 1 MiB unless somebody sets it (ngx_http_core_module). HTTP/2 says no more than that the stream was reset, so that only
//! the number of bytes sent tells this apart from other ends.

use tonic::{Code, Status};

use super::channel;
use crate::proto::{Fault, Reason};

/// What the operator should do, in one sentence.
pub const REMEDY: &str = "set `client_max_body_size 0` where nginx passes the gateway on (in an Ingress the annotation \
                          nginx.ingress.kubernetes.io/proxy-body-size: \"0\"), or lift the like limit of another proxy";

/// How many bytes an agent may have sent when a limit of 1 MiB ends its stream: somewhat fewer, for what frames add,
/// or more, for what was on its way.
pub(super) const SUSPECT: std::ops::RangeInclusive<u64> = 1024 * 1024 - 128 * 1024..=2 * 1024 * 1024;

/// The body limit, where `status` and the bytes sent speak for it; only for a stream whose connection lives on.
///
/// A status of gitproxy's own is never taken for it: the gateway said why.
pub(super) fn suspected(status: &Status, sent: u64) -> Option<Fault> {
    let foreign = channel::reset_of(status).is_some() || Reason::of(status).is_none();
    (foreign && SUSPECT.contains(&sent)).then(|| {
        fault(format!(
            "the stream was cut after about 1 MiB ({} KiB) was sent: a reverse proxy before the gateway limits the size of a \
             request body, as nginx does by client_max_body_size, which is 1 MiB by default and counts the whole stream",
            sent / 1024
        ))
        .with("sent", sent.to_string())
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    #[test]
    fn a_stream_cut_at_one_mebibyte_names_the_limit_and_its_setting() {
        let fault = suspected(&Status::internal("reset"), MIB + 70_000).expect("suspected");
        assert_eq!(fault.reason(), Reason::BodyLimit);
        assert!(fault.message().contains("client_max_body_size"), "{fault}");
        assert!(REMEDY.contains("client_max_body_size 0") && REMEDY.contains("proxy-body-size: \"0\""));
    }

    #[test]
    fn other_ends_are_not_blamed_on_it() {
        for sent in [0, 500_000, 3 * MIB] {
            assert!(suspected(&Status::internal("reset"), sent).is_none(), "{sent}");
        }
        let ours = Fault::new(Code::Unauthenticated, Reason::CredentialInvalid, "revoked").into();
        assert!(suspected(&ours, MIB).is_none(), "the gateway said why");
    }
}
