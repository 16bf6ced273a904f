//! Certificates that end soon, said in time.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tracing::warn;

use super::Certificate;
use super::certificate::date;

/// When the certificates end that this process met: servers', proxies' and its own. Clones share it.
///
/// From 30 days before the end it is a WARN each time that a certificate is met, but once a day at most for each owner.
#[derive(Clone)]
pub struct Expiries {
    met: Arc<Mutex<BTreeMap<String, Met>>>,
    clock: Arc<dyn Fn() -> SystemTime + Send + Sync>,
}

/// What is known of one owner.
#[derive(Debug, Clone)]
struct Met {
    certificate: Certificate,
    at: SystemTime,
    warned: Option<SystemTime>,
}

impl Expiries {
    /// Takes note of a certificate of `whose`, such as `https://git.example.com:443` or `the client certificate of the
    /// gateway`, and warns if it is time.
    ///
    /// Of several within a day (the members of a chain, servers behind one name) the one that ends first counts; after
    /// a day without it, it is taken as replaced.
    pub fn saw(&self, whose: &str, certificate: &Certificate) {
        if let Some((kept, days)) = self.due(whose, certificate) {
            say(whose, &kept, days);
        }
    }

    /// Warns again of those that it is time for: a connection may last longer than the warnings before it.
    pub fn remind(&self) {
        let now = (self.clock)();
        let mut all = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        for (whose, met) in all.iter_mut() {
            if let Some(days) = met.due(now) {
                say(whose, &met.certificate, days);
            }
        }
    }

    /// The end of what each owner has, in the order of their names.
    pub fn all(&self) -> Vec<(String, SystemTime)> {
        let met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        met.iter().map(|(whose, met)| (whose.clone(), met.certificate.not_after)).collect()
    }

    /// Keeps what was seen; what is to be said of whose certificate, if it is time to warn.
    fn due(&self, whose: &str, certificate: &Certificate) -> Option<(Certificate, i64)> {
        let now = (self.clock)();
        let mut all = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        if !all.contains_key(whose) && all.len() >= MOST {
            return None;
        }
        let seen = Met { certificate: certificate.clone(), at: now, warned: None };
        let met = all.entry(whose.to_owned()).or_insert_with(|| seen.clone());
        if certificate.not_after <= met.certificate.not_after || is_past(met.at, now) {
            *met = Met { warned: met.warned, ..seen };
        }
        met.due(now).map(|days| (met.certificate.clone(), days))
    }

    fn with_clock(clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self { met: Arc::default(), clock: Arc::new(clock) }
    }
}

impl Default for Expiries {
    fn default() -> Self {
        Self::with_clock(SystemTime::now)
    }
}

impl fmt::Debug for Expiries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all()).finish()
    }
}

impl Met {
    /// How many days are left, if it is time to warn; it then counts as said.
    fn due(&mut self, now: SystemTime) -> Option<i64> {
        let days = self.certificate.days_left(now);
        let said = self.warned.is_some_and(|warned| !is_past(warned, now));
        if days >= SOON || said {
            return None;
        }
        self.warned = Some(now);
        Some(days)
    }
}

fn say(whose: &str, Certificate { subject, issuer, not_after, .. }: &Certificate, days: i64) {
    let not_after = date(*not_after);
    if days < 0 {
        warn!(whose, subject, issuer, not_after, "a certificate has expired: renew it");
    } else {
        warn!(whose, subject, issuer, not_after, days, "a certificate expires soon: renew it");
    }
}

/// Whether `then` is a day ago, or in the future since the clock was set back.
fn is_past(then: SystemTime, now: SystemTime) -> bool {
    now.duration_since(then).map_or(true, |passed| passed >= DAY)
}

/// Days before the end from which on it is said: time enough for the slowest of authorities.
pub(super) const SOON: i64 = 30;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How many owners are kept: connections that come with calls bring in new ones for as long as the process runs.
const MOST: usize = 1000;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::egress::fixture::Ca;

    #[test]
    fn the_end_is_said_once_a_day_from_thirty_days_before() {
        let (expiries, clock) = at_a_time();
        let mine = lasting(100);
        for (hours, due) in [
            (0, None),
            (70 * 24 - 1, None),
            (70 * 24, None),
            (70 * 24 + 1, Some(29)),
            (70 * 24 + 24, None),
            (70 * 24 + 25, Some(28)),
            (99 * 24 + 23, Some(0)),
            (100 * 24 + 23, Some(-1)),
            (100 * 24 + 24, None),
            (102 * 24, Some(-3)),
        ] {
            clock.store(hours, Ordering::Relaxed);
            assert_eq!(days(&expiries, "https://a", &mine), due, "after {hours} hours");
        }
        assert_eq!(days(&expiries, "https://b", &mine), Some(-3), "another owner's is another's");
        assert_eq!(days(&expiries, "https://b", &mine), None, "it was said today");
    }

    #[test]
    fn the_soonest_end_of_each_owner_is_kept_until_it_was_replaced() {
        let (expiries, clock) = at_a_time();
        for (whose, days) in [("b", 50), ("a", 90), ("a", 40), ("a", 365)] {
            expiries.saw(whose, &lasting(days));
        }
        let end = |days| lasting(days).not_after;
        assert_eq!(expiries.all(), [("a".to_owned(), end(40)), ("b".to_owned(), end(50))]);
        clock.store(25, Ordering::Relaxed);
        expiries.saw("a", &lasting(365));
        assert_eq!(expiries.all()[0], ("a".to_owned(), end(365)));
    }

    #[test]
    fn owners_without_end_take_no_memory_without_end() {
        let (expiries, _) = at_a_time();
        let mine = lasting(1);
        for owner in 0..MOST + 5 {
            expiries.saw(&owner.to_string(), &mine);
        }
        assert_eq!(expiries.all().len(), MOST);
    }

    #[test]
    fn who_is_not_met_again_is_reminded_of_all_the_same() {
        let (expiries, clock) = at_a_time();
        expiries.saw("a", &lasting(100));
        let warned = || expiries.met.lock().unwrap()["a"].warned;
        expiries.remind();
        assert_eq!(warned(), None, "it is not time");
        clock.store(75 * 24, Ordering::Relaxed);
        expiries.remind();
        assert_eq!(warned(), Some(SystemTime::UNIX_EPOCH + DAY * 75));
    }

    fn days(expiries: &Expiries, whose: &str, certificate: &Certificate) -> Option<i64> {
        expiries.due(whose, certificate).map(|(_, days)| days)
    }

    /// One whose time is so many hours after the epoch.
    fn at_a_time() -> (Expiries, Arc<AtomicU64>) {
        let hours = Arc::new(AtomicU64::new(0));
        let own = Arc::clone(&hours);
        let clock =
            move || SystemTime::UNIX_EPOCH + Duration::from_secs(60 * 60 * own.load(Ordering::Relaxed));
        (Expiries::with_clock(clock), hours)
    }

    /// A certificate that ends so many days after the epoch.
    fn lasting(days: u32) -> Certificate {
        let read = Certificate::read(&Ca::new("ours").der().into()).unwrap();
        Certificate { not_after: SystemTime::UNIX_EPOCH + DAY * days, ..read }
    }
}
