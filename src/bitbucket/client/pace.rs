//! When a request may be sent, by the budget of its user.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use tokio::time::Instant;
use tracing::debug;

use super::{Client, bounded};
use crate::bitbucket::Error;
use crate::bitbucket::budget::{Exhausted, Place, Ticket};
use crate::bitbucket::error::Limiter;
use crate::bitbucket::reply::{self, Asked, Reply};
use crate::bitbucket::request::Anonymous;
use crate::ops::{Call, Urgency};

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
        attempt: impl Fn() -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        if is_free(request) {
            return bounded(asked, attempt()).await;
        }
        let budget = &self.inner.budget;
        let mut place = Place::Last;
        let mut left = REFUSALS;
        loop {
            let ticket = budget.take_at(place, self.call.urgency, patience).await;
            let ticket = ticket.map_err(|exhausted| self.exhausted(exhausted))?;
            let outcome = bounded(asked, attempt()).await;
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
                Err(_) => {}
            }
            return outcome;
        }
    }

    /// The leave for a request that does not wait, since it wants to see what comes; `None` where it costs nothing.
    pub(super) fn charge(&self, request: &Request<Bytes>) -> Option<Ticket> {
        (!is_free(request)).then(|| self.inner.budget.charge())
    }

    /// Tells the budget what a request that did not wait has met.
    pub(super) fn settle(&self, ticket: Option<Ticket>, outcome: &Result<Reply, Error>) {
        let (Some(ticket), Ok(reply)) = (ticket, outcome) else { return };
        if reply.status == StatusCode::TOO_MANY_REQUESTS {
            ticket.refused(reply::retry_after(&reply.headers));
        } else {
            ticket.passed();
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

/// How long a request of a call without a deadline may wait: less than the stack gives a transfer until something moves.
const PATIENCE: Duration = Duration::from_secs(45);

/// How often a request is sent again after a 429. Each halves the rate, and after four it is at its least.
const REFUSALS: u32 = 8;

#[cfg(test)]
mod tests;
