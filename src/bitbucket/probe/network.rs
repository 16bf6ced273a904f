//! The hops to Bitbucket, by the connector that the requests use.

use tokio::time::{self, Instant};

use super::blame;
use super::visit::{Miss, Visit};
use crate::bitbucket::Error;
use crate::bitbucket::error::Recovery;
use crate::bitbucket::transport;
use crate::egress::{self, Hop};
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
        Ok((checks, Ok(_))) => Walk { checks, open: true, forbidden: None },
        Ok((checks, Err(error))) => {
            let forbidden = (error.hop() == Hop::Check).then(|| unreachable(error));
            Walk { checks, open: false, forbidden }
        }
        Err(_) => {
            Walk { checks: vec![blame("tcp", Miss::Slow(started.elapsed()))], open: false, forbidden: None }
        }
    }
}

fn unreachable(error: egress::Error) -> Error {
    let (hop, says) = (transport::reason(error.hop()), error.to_string());
    Error::Unreachable { says, hop, recovery: Recovery::GiveUp, source: error.into() }
}
