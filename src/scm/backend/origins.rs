//! Which servers calls may bring in, so that nobody scans a network by them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tonic::Code;
use tracing::info;
use url::Url;

use crate::proto::{Fault, Reason};

/// How many origins that the agent does not know yet may be named in an hour by connections that come with calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance(pub usize);

impl Default for Allowance {
    /// More than most customers have servers, and hopeless for a scan.
    fn default() -> Self {
        Self(10)
    }
}

/// The origins that calls have named. One that is not named for a day is forgotten, so at most a day's allowance is kept.
#[derive(Debug)]
pub(super) struct Origins {
    allowance: Allowance,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// When each was named last.
    known: HashMap<String, Instant>,
    /// When those of the last hour were named first, the oldest at the front.
    fresh: VecDeque<Instant>,
}

impl Origins {
    pub(super) fn new(allowance: Allowance) -> Self {
        Self { allowance, seen: Mutex::default() }
    }

    /// Lets a known origin pass, and a new one as far as the allowance goes; the rest is ORIGIN_REFUSED.
    pub(super) fn admit(&self, base: &Url) -> Result<(), Fault> {
        let (origin, now) = (base.origin().ascii_serialization(), Instant::now());
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.forget(now);
        if let Some(named) = seen.known.get_mut(&origin) {
            *named = now;
            return Ok(());
        }
        if seen.fresh.len() >= self.allowance.0 {
            return Err(refused(&origin, self.allowance));
        }
        info!(origin, "a call brought a connection to a server that is new here");
        seen.fresh.push_back(now);
        seen.known.insert(origin, now);
        Ok(())
    }
}

impl Seen {
    fn forget(&mut self, now: Instant) {
        self.known.retain(|_, named| now.duration_since(*named) < DAY);
        while self.fresh.front().is_some_and(|first| now.duration_since(*first) >= HOUR) {
            self.fresh.pop_front();
        }
    }
}

fn refused(origin: &str, Allowance(most): Allowance) -> Fault {
    let message = format!(
        "connections that come with calls have named {most} new servers within an hour, which is the most that the \
         agent's settings allow; `{origin}` is one more"
    );
    Fault::new(Code::PermissionDenied, Reason::OriginRefused, message)
}

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests {
    use tokio::time;

    use super::*;

    fn admit(origins: &Origins, base: &str) -> Result<(), Reason> {
        origins.admit(&base.parse().expect("a URL")).map_err(|fault| fault.reason())
    }

    #[tokio::test(start_paused = true)]
    async fn few_new_servers_an_hour_are_let_in_and_known_ones_always() {
        let origins = Origins::new(Allowance(2));
        assert_eq!(admit(&origins, "https://a.example/x"), Ok(()));
        assert_eq!(admit(&origins, "https://b.example"), Ok(()));
        assert_eq!(admit(&origins, "https://c.example"), Err(Reason::OriginRefused));
        assert_eq!(admit(&origins, "https://a.example/y"), Ok(()), "the same origin");
        assert_eq!(admit(&origins, "https://a.example:8443"), Err(Reason::OriginRefused), "another port");
        time::advance(HOUR).await;
        assert_eq!(admit(&origins, "https://c.example"), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_nobody_names_for_a_day_is_new_again() {
        let origins = Origins::new(Allowance(1));
        assert_eq!(admit(&origins, "https://a.example"), Ok(()));
        time::advance(DAY).await;
        assert_eq!(admit(&origins, "https://b.example"), Ok(()));
        assert_eq!(admit(&origins, "https://a.example"), Err(Reason::OriginRefused));
    }
}
