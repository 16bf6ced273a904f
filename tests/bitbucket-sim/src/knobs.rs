//! Faults and limits that tests switch on while the simulator runs.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};
use tokio::time::Instant;

/// What goes wrong with a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// The request is handled after this long.
    Delay(Duration),
    /// This status (a 5xx, say) with an `errors` envelope; nothing is performed.
    Status(u16),
    /// 429 as from the rate limiter, with `Retry-After` when given (seconds); nothing is performed.
    TooManyRequests(Option<u64>),
    /// 200 with an HTML login page, as a single sign-on proxy answers; nothing is performed.
    LoginPage,
    /// 302 to an HTML login page; nothing is performed.
    LoginRedirect,
    /// The answer never comes; nothing is performed.
    Stall,
    /// The answer's body breaks after this many bytes.
    CutAfter(u64),
    /// The request is performed, then the connection drops: the answer is lost.
    DropAnswer,
    /// The route does not exist in this release; nothing is performed.
    NoRoute,
}

/// A fault, which requests it hits, and how often.
#[derive(Clone, Debug)]
pub struct Rule {
    fault: Fault,
    method: Option<String>,
    path: Option<String>,
    left: Option<u32>,
    every: u32,
    seen: u32,
    after: Option<RuleId>,
}

impl Rule {
    /// Hits every request, until it is removed.
    #[must_use]
    pub fn new(fault: Fault) -> Self {
        Self { fault, method: None, path: None, left: None, every: 1, seen: 0, after: None }
    }

    /// Hits only requests with this method.
    #[must_use]
    pub fn method(self, method: &str) -> Self {
        Self { method: Some(method.to_owned()), ..self }
    }

    /// Hits only requests whose path and query, as sent, contain this text.
    #[must_use]
    pub fn path(self, part: &str) -> Self {
        Self { path: Some(part.to_owned()), ..self }
    }

    /// Hits this many requests, then is spent.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { left: Some(times), ..self }
    }

    /// Hits only each `every`-th of the requests that it would hit: the second, the fourth and so on for 2.
    #[must_use]
    pub fn every(self, every: u32) -> Self {
        Self { every: every.max(1), ..self }
    }

    /// Hits only once another rule has hit a request.
    #[must_use]
    pub fn after(self, rule: RuleId) -> Self {
        Self { after: Some(rule), ..self }
    }

    /// Counts a request that the rule names; whether it is one of those to hit.
    fn due(&mut self) -> bool {
        self.seen = self.seen.wrapping_add(1);
        self.seen.is_multiple_of(self.every)
    }

    fn hits(&self, method: &str, path: &str, have_hit: &BTreeSet<u64>) -> bool {
        self.left != Some(0)
            && self.after.is_none_or(|rule| have_hit.contains(&rule.0))
            && self.method.as_deref().is_none_or(|wanted| wanted == method)
            && self.path.as_deref().is_none_or(|part| path.contains(part))
    }
}

/// What a server says of itself at `/status`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// It works.
    #[default]
    Running,
    /// It is starting; REST answers 503.
    Starting,
    /// It is being backed up or moved; REST answers 503.
    Maintenance,
    /// It did not start; REST answers 503.
    Error,
    /// Nobody has set it up yet; REST answers 503.
    FirstRun,
}

impl State {
    /// The product's word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Starting => "STARTING",
            Self::Maintenance => "MAINTENANCE",
            Self::Error => "ERROR",
            Self::FirstRun => "FIRST_RUN",
        }
    }

    /// Whether everything but `/status` is refused.
    pub(crate) fn holds_back(self) -> bool {
        self != Self::Running
    }
}

/// Names a rule, to remove it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleId(u64);

/// The product's rate limit: a token bucket for each user.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateLimit {
    /// The most tokens that a bucket holds; the product's default is 60.
    pub capacity: u32,
    /// Tokens that come back each second; the product's default is 5.
    pub per_second: f64,
    /// Whether a 429 says `Retry-After` (seen on 10.4, reported of old ones, promised nowhere).
    pub retry_after: bool,
}

/// What one user may, in place of the limit of all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Allowance {
    /// As much as the user wants.
    Everything,
    /// A limit of the user's own.
    Own(RateLimit),
}

struct Bucket {
    tokens: f64,
    filled: Instant,
}

#[derive(Default)]
struct Settings {
    next: u64,
    rules: Vec<(RuleId, Rule)>,
    /// The rules that have hit something.
    have_hit: BTreeSet<u64>,
    limit: Option<RateLimit>,
    buckets: HashMap<String, Bucket>,
    allowances: BTreeMap<String, Allowance>,
    plain_refusals: bool,
    tickets: Option<Arc<Semaphore>>,
    state: State,
    merge_races: u32,
    unknown_merges: u32,
    diff_lines: Option<usize>,
}

/// The switches of one simulator; they may be turned at any time.
#[derive(Default)]
pub struct Knobs {
    settings: Mutex<Settings>,
}

impl Knobs {
    /// Adds a rule. All rules that hit a request apply, in the order in which they were added.
    pub fn add(&self, rule: Rule) -> RuleId {
        let mut settings = self.lock();
        settings.next += 1;
        let id = RuleId(settings.next);
        settings.rules.push((id, rule));
        id
    }

    /// Removes a rule.
    pub fn remove(&self, id: RuleId) {
        self.lock().rules.retain(|(other, _)| *other != id);
    }

    /// Removes every rule and the rate limit; the server is running.
    pub fn clear(&self) {
        *self.lock() = Settings::default();
    }

    /// Sets the rate limit, with full buckets; none is the product's default.
    pub fn rate_limit(&self, limit: Option<RateLimit>) {
        let mut settings = self.lock();
        settings.limit = limit;
        settings.buckets.clear();
    }

    /// Whether a 429 is a plain text, as some clients met it, in place of the `errors` envelope.
    pub fn plain_refusals(&self, plain: bool) {
        self.lock().plain_refusals = plain;
    }

    /// Limits the calls that run git at a time: further ones get 503. None, the default, for no limit.
    pub fn tickets(&self, tickets: Option<usize>) {
        self.lock().tickets = tickets.map(|tickets| Arc::new(Semaphore::new(tickets)));
    }

    /// A place among the calls that run git; an error when all are taken.
    pub(crate) fn ticket(&self) -> Result<Option<OwnedSemaphorePermit>, TryAcquireError> {
        let tickets = self.lock().tickets.clone();
        tickets.map(Semaphore::try_acquire_owned).transpose()
    }

    /// Whether a 429 is a plain text.
    pub(crate) fn refuses_plainly(&self) -> bool {
        self.lock().plain_refusals
    }

    /// The limit of all.
    pub(crate) fn current_limit(&self) -> Option<RateLimit> {
        self.lock().limit
    }

    /// Gives a user a limit of their own, with a full bucket; none for the limit of all.
    pub(crate) fn allow(&self, user: &str, allowance: Option<Allowance>) {
        let mut settings = self.lock();
        settings.buckets.remove(user);
        settings.allowances.remove(user);
        settings.allowances.extend(allowance.map(|allowance| (user.to_owned(), allowance)));
    }

    /// The users with a limit of their own.
    pub(crate) fn allowances(&self) -> Vec<(String, Allowance)> {
        self.lock().allowances.iter().map(|(name, allowance)| (name.clone(), *allowance)).collect()
    }

    /// Sets the server's state.
    pub fn state(&self, state: State) {
        self.lock().state = state;
    }

    /// Lets so many merges lose a race: each is refused as if the target had moved while merging.
    pub fn merge_races(&self, times: u32) {
        self.lock().merge_races = times;
    }

    /// Answers so many checks of a merge with the outcome UNKNOWN, as right after a pull request was opened.
    pub fn unknown_merges(&self, times: u32) {
        self.lock().unknown_merges = times;
    }

    /// Truncates JSON diffs after so many lines; none for the product's default of 10,000.
    pub fn diff_lines(&self, lines: Option<usize>) {
        self.lock().diff_lines = lines;
    }

    /// Whether this merge loses a race.
    pub(crate) fn take_merge_race(&self) -> bool {
        take(&mut self.lock().merge_races)
    }

    /// Whether this check does not know the outcome yet.
    pub(crate) fn take_unknown_merge(&self) -> bool {
        take(&mut self.lock().unknown_merges)
    }

    /// The most lines of a JSON diff.
    pub(crate) fn most_diff_lines(&self) -> usize {
        self.lock().diff_lines.unwrap_or(DIFF_LINES)
    }

    /// The server's state.
    pub(crate) fn current_state(&self) -> State {
        self.lock().state
    }

    /// The faults of one request; each counts as used.
    pub(crate) fn hit(&self, method: &str, path: &str) -> Vec<Fault> {
        let mut settings = self.lock();
        let mut faults = Vec::new();
        let Settings { rules, have_hit, .. } = &mut *settings;
        for (id, rule) in rules {
            if !rule.hits(method, path, have_hit) || !rule.due() {
                continue;
            }
            have_hit.insert(id.0);
            rule.left = rule.left.map(|left| left - 1);
            faults.push(rule.fault.clone());
        }
        settings.rules.retain(|(_, rule)| rule.left != Some(0));
        faults
    }

    /// Takes a token of a user's bucket; when it is empty, the fault to answer with.
    pub(crate) fn spend(&self, user: &str) -> Option<Fault> {
        let mut settings = self.lock();
        let limit = match settings.allowances.get(user) {
            _ if settings.limit.is_none() => return None,
            Some(Allowance::Everything) => return None,
            Some(Allowance::Own(own)) => *own,
            None => settings.limit?,
        };
        let now = Instant::now();
        let full = f64::from(limit.capacity);
        let bucket = settings.buckets.entry(user.to_owned()).or_insert(Bucket { tokens: full, filled: now });
        let earned = now.duration_since(bucket.filled).as_secs_f64() * limit.per_second;
        bucket.tokens = (bucket.tokens + earned).min(full);
        bucket.filled = now;
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return None;
        }
        let wait = ((1.0 - bucket.tokens) / limit.per_second.max(0.001)).ceil().max(1.0);
        Some(Fault::TooManyRequests(limit.retry_after.then_some(wait as u64)))
    }

    fn lock(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn take(left: &mut u32) -> bool {
    let some = *left > 0;
    *left = left.saturating_sub(1);
    some
}

/// `page.max.diff.lines`.
const DIFF_LINES: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_may_hit_only_each_third_request() {
        let knobs = Knobs::default();
        knobs.add(Rule::new(Fault::DropAnswer).method("POST").every(3).times(1));
        let hits: Vec<bool> = (0..7).map(|_| !knobs.hit("POST", "/x").is_empty()).collect();
        assert_eq!(hits, [false, false, true, false, false, false, false]);
        assert!(knobs.hit("GET", "/x").is_empty());
    }

    #[test]
    fn a_rule_may_wait_for_another_to_hit() {
        let knobs = Knobs::default();
        let first = knobs.add(Rule::new(Fault::DropAnswer).method("POST").times(1));
        knobs.add(Rule::new(Fault::Status(500)).method("GET").after(first));
        assert!(knobs.hit("GET", "/x").is_empty());
        assert_eq!(knobs.hit("POST", "/x"), [Fault::DropAnswer]);
        assert_eq!(knobs.hit("GET", "/x"), [Fault::Status(500)]);
    }

    #[test]
    fn a_rule_hits_only_what_it_names_and_only_so_often() {
        let knobs = Knobs::default();
        knobs.add(Rule::new(Fault::Status(503)).method("GET").path("/branches").times(1));
        assert!(knobs.hit("POST", "/x/branches").is_empty());
        assert!(knobs.hit("GET", "/x/commits").is_empty());
        assert_eq!(knobs.hit("GET", "/x/branches"), [Fault::Status(503)]);
        assert!(knobs.hit("GET", "/x/branches").is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_bucket_is_one_users_and_refills() {
        let knobs = Knobs::default();
        knobs.rate_limit(Some(RateLimit { capacity: 1, per_second: 0.5, retry_after: true }));
        assert_eq!(knobs.spend("alice"), None);
        assert_eq!(knobs.spend("alice"), Some(Fault::TooManyRequests(Some(2))));
        assert_eq!(knobs.spend("bob"), None);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(knobs.spend("alice"), None);
    }
}
