//! Which failed calls provably did nothing at the other end.

use std::error::Error;
use std::sync::Arc;

use tonic::Status;

/// The call was refused or came back before any of it was written.
#[derive(Debug, thiserror::Error)]
#[error("the call was not sent")]
pub(super) struct Unsent(#[source] pub(super) Option<h2::Error>);

/// Whether the call that failed so was provably not processed by the peer, so that it may be sent elsewhere.
///
/// Only a status of [`super::Channel`] or of [`unprocessed`] can be, and the former only for one of these:
/// - None of it was written.
/// - The peer reset its stream with REFUSED_STREAM, which says so (RFC 9113, 8.7).
/// - Its stream is above the last one that the peer names in GOAWAY, which says so too (RFC 9113, 6.8). h2 (0.4) ends with
///   the error of a *received* GOAWAY those streams alone, and calls that it did not open for it; what was open when the
///   connection ended gets an I/O error, and what this end broke a GOAWAY of its own. One more can get it: a call whose
///   stream was opened but whose body was not touched, when GOAWAY came in between; without a message of its own no
///   method has begun.
pub fn is_unprocessed(status: &Status) -> bool {
    let mut cause = status.source();
    while let Some(error) = cause {
        if error.is::<Unsent>() || error.downcast_ref().is_some_and(says_so) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Says of a status that the call it ends was not processed, as another process has told or as this one knows.
pub fn unprocessed(mut status: Status) -> Status {
    status.set_source(Arc::new(Unsent(None)));
    status
}

fn says_so(error: &h2::Error) -> bool {
    let refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
    error.is_remote() && (refused || error.is_go_away())
}
