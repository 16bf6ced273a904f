//! How much time a connection has left.

use std::future::Future;
use std::time::Duration;

use tokio::time::{self, Instant};

use super::{Error, Hop, Limits, Origin};

/// One limit a hop and one over all: a hop gets the smaller of its own and what is left of the whole.
#[derive(Debug)]
pub(super) struct Budget {
    origin: Origin,
    proxy: Option<Origin>,
    hop: Duration,
    ends: Instant,
}

impl Budget {
    /// Starts the clock.
    pub(super) fn start(origin: Origin, limits: Limits) -> Self {
        Self { origin, proxy: None, hop: limits.hop, ends: Instant::now() + limits.whole }
    }

    /// Takes note of the proxy that the connection goes through, for the error.
    pub(super) fn through(&mut self, proxy: &Origin) {
        self.proxy = Some(proxy.clone());
    }

    /// The time that a hop which starts now has.
    pub(super) fn limit(&self) -> Duration {
        self.hop.min(self.ends.saturating_duration_since(Instant::now()))
    }

    /// Waits for a hop for as long as it may take.
    pub(super) async fn within<F: Future>(&self, hop: Hop, work: F) -> Result<F::Output, Error> {
        let limit = self.limit();
        time::timeout(limit, work).await.map_err(|_| self.over(hop, limit))
    }

    pub(super) fn over(&self, hop: Hop, limit: Duration) -> Error {
        let (origin, proxy) = (self.origin.clone(), self.proxy.clone());
        Error::Timeout { origin, proxy, hop, limit, begun: false }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_hop_has_its_own_limit_or_what_is_left_of_the_whole() {
        let limits = Limits { hop: Duration::from_secs(10), whole: Duration::from_secs(15) };
        let budget = Budget::start("https://git.example.com".parse().unwrap(), limits);
        let first = budget.within(Hop::Connect, pending::<()>()).await.unwrap_err();
        assert!(
            matches!(first, Error::Timeout { hop: Hop::Connect, limit, .. } if limit == limits.hop),
            "{first}"
        );
        let second = budget.within(Hop::Tls, pending::<()>()).await.unwrap_err();
        let left = Duration::from_secs(5);
        assert!(matches!(second, Error::Timeout { hop: Hop::Tls, limit, .. } if limit == left), "{second}");
        assert_eq!(budget.limit(), Duration::ZERO);
    }
}
