//! When a request may be sent, by the budget of its user.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use tokio::time::Instant;
use tracing::debug;

use super::{Client, bounded};
use crate::bitbucket::Error;
use crate::bitbucket::budget::{Exhausted, Place, Ticket};
use crate::bitbucket::error::Limiter;
use crate::bitbucket::reply::{self, Asked, Kind, Reply};
use crate::bitbucket::request::Anonymous;
use crate::ops::{Call, Urgency};

/// That an attempt was answered from behind Bitbucket's limiter, whatever the answer means for the command; clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Proof(Arc<AtomicBool>);

impl Proof {
    /// Looks at the head of the answer.
    pub(super) fn of<B>(&self, response: Response<B>) -> Response<B> {
        self.0.store(is_behind_limiter(response.status(), response.headers()), Ordering::Relaxed);
        response
    }

    fn is_given(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Client {
    /// What it works for.
    pub(in crate::bitbucket) fn call(&self) -> &Call {
        &self.call
    }

    /// Until when a request may wait for its turn. A watch waits for as long as its caller does.
    pub(super) fn patience(&self) -> Option<Instant> {
        self.call.deadline.or(match self.call.urgency {
            Urgency::Interactive => Some(Instant::now() + PATIENCE),
            Urgency::Watch => None,
        })
    }

    /// Does `attempt` in its turn, and again after a 429 if there is time until `patience` is over.
    ///
    /// A write too: Bitbucket's limiter stands before everything that a request does, so that a refused one provably did
    /// not happen (FACTS 1.5).
    pub(super) async fn paced<T, F>(
        &self,
        request: &Request<Bytes>,
        asked: &Asked,
        patience: Option<Instant>,
        attempt: impl Fn(Proof) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        if is_free(request) {
            return bounded(asked, attempt(Proof::default())).await;
        }
        let mut place = Place::Last;
        let mut left = REFUSALS;
        loop {
            let budget = self.inner.purse.budget();
            let began = Instant::now();
            let ticket = budget.take_at(place, self.call.urgency, patience).await;
            self.telemetry.waited(self.connection(), began.elapsed());
            let ticket = ticket.map_err(|exhausted| self.exhausted(exhausted))?;
            let proof = Proof::default();
            let outcome = bounded(asked, attempt(proof.clone())).await;
            match &outcome {
                Ok(_) => ticket.passed(),
                Err(Error::RateLimited { retry_after, .. }) => {
                    ticket.refused(*retry_after);
                    debug!(?retry_after, left, "Bitbucket refused a request for its rate");
                    if left > 0 {
                        left -= 1;
                        // It has had its turn already.
                        place = Place::First;
                        continue;
                    }
                }
                // A 404 or a veto has passed the limiter as well as a success has.
                Err(_) if proof.is_given() => ticket.passed(),
                Err(_) => {}
            }
            return outcome;
        }
    }

    /// The leave for a request that does not wait, since it wants to see what comes; `None` where it costs nothing.
    pub(super) fn charge(&self, request: &Request<Bytes>) -> Option<Ticket> {
        (!is_free(request)).then(|| self.inner.purse.budget().charge())
    }

    /// Tells the budget what a request that did not wait has met.
    pub(super) fn settle(&self, ticket: Option<Ticket>, outcome: &Result<Reply, Error>) {
        let (Some(ticket), Ok(reply)) = (ticket, outcome) else { return };
        if reply.status == StatusCode::TOO_MANY_REQUESTS {
            ticket.refused(reply::retry_after(&reply.headers));
        } else if is_behind_limiter(reply.status, &reply.headers)
            || (reply.status.is_success() && reply.kind() == Kind::Json)
        {
            ticket.passed();
        }
    }

    /// Takes over whom Bitbucket took a request for.
    pub(super) fn heard<B>(&self, request: &Request<Bytes>, response: &Response<B>) {
        if is_free(request) {
            return;
        }
        let (headers, purse) = (response.headers(), &self.inner.purse);
        match reply::user_name(headers) {
            Some(name) => purse.named(&name),
            // Only Bitbucket itself knows whose a token is; the rest may have lost the name on the way.
            None if response.status() == StatusCode::UNAUTHORIZED && reply::is_bitbucket(headers) => {
                purse.disowned();
            }
            None => {}
        }
    }

    fn exhausted(&self, Exhausted { retry_after }: Exhausted) -> Error {
        let base = self.inner.site.base.clone();
        Error::RateLimited { base, limiter: Limiter::Agent, retry_after: Some(retry_after) }
    }
}

/// Only what is authenticated is counted (FACTS 1.5).
fn is_free(request: &Request<Bytes>) -> bool {
    request.extensions().get::<Anonymous>().is_some()
}

/// Whether an answer shows that the limiter let the request pass: Bitbucket has looked whose it is, and that is before the
/// limiter. A proxy's page shows nothing.
fn is_behind_limiter(status: StatusCode, headers: &HeaderMap) -> bool {
    status != StatusCode::TOO_MANY_REQUESTS && reply::is_authenticated(headers)
}

/// How long a request of a call without a deadline may wait: less than the stack gives a transfer until something moves.
const PATIENCE: Duration = Duration::from_secs(45);

/// How often a request is sent again after a 429. Each halves the rate, and after four it is at its least.
const REFUSALS: u32 = 8;

#[cfg(test)]
mod tests;
