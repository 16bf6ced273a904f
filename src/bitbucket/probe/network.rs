//! The hops to Bitbucket, by the connector that the requests use.

use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::time::{self, Instant};

use super::blame;
use super::visit::{Miss, Visit};
use crate::bitbucket::Error;
use crate::bitbucket::error::Recovery;
use crate::bitbucket::transport;
use crate::egress::{self, Hop, Stream};
use crate::ops::Check;

/// What was found on the way.
pub(super) struct Walk {
    pub(super) checks: Vec<Check>,
    /// Whether it led to the end.
    pub(super) open: bool,
    /// What we refuse ourselves, which is not Bitbucket's fault.
    pub(super) forbidden: Option<Error>,
}

/// Opens a connection, to be closed at once. Over a transport of a test there is no way to walk.
pub(super) async fn walk(visit: &Visit<'_>) -> Walk {
    let Some(connector) = visit.client().connector() else {
        return Walk { checks: Vec::new(), open: true, forbidden: None };
    };
    let started = Instant::now();
    match time::timeout_at(visit.until(), connector.probe()).await {
        Ok((mut checks, Ok(stream))) => {
            let refusal = refused(stream).await;
            let open = refusal.is_none();
            if let Some((refusal, tls)) = refusal.zip(checks.iter_mut().find(|check| check.name == "tls")) {
                let found = format!("{}, and then a refusal", tls.found);
                *tls = Check::failed("tls", found, refusal.advice()).detail(refusal.detail()).took(tls.took);
            }
            Walk { checks, open, forbidden: None }
        }
        Ok((checks, Err(error))) => {
            let forbidden = (error.hop() == Hop::Check).then(|| unreachable(error));
            Walk { checks, open: false, forbidden }
        }
        Err(_) => {
            Walk { checks: vec![blame("tcp", Miss::Slow(started.elapsed()))], open: false, forbidden: None }
        }
    }
}

/// What a server says that does not like our certificate: with TLS 1.3 it says so only after our side of the handshake is
/// over, and then HTTP/2 would tell no more than that the connection closed.
async fn refused(mut stream: Stream) -> Option<egress::Error> {
    let first = time::timeout(LISTEN, stream.read_u8()).await.ok()?.err()?;
    egress::Error::in_text(stream.origin(), &first.to_string())
}

fn unreachable(error: egress::Error) -> Error {
    let (hop, says) = (transport::reason(error.hop()), error.to_string());
    Error::Unreachable { says, hop, recovery: Recovery::GiveUp, source: error.into() }
}

/// A round trip around the world; a server of HTTP/2 speaks at once, and one of HTTP/1.1 is silent until it is asked.
const LISTEN: Duration = Duration::from_millis(300);
