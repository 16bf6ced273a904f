//! What a connection's Bitbucket is, whom it takes the token for, and what the token may do.
//!
//! The hops first, then the REST interface; each thing looked at is a [`Check`]. What a check says is a pure function of
//! what was asked and answered, in the file of its subject; here is only the order. Nothing is asked twice, and nothing
//! after a refused login: Bitbucket counts those, and wants a CAPTCHA after a few (FACTS 1.7).

mod access;
mod advice;
mod excess;
mod expiry;
mod limits;
mod login;
mod network;
mod site;
mod turnstile;
mod visit;

use std::time::Duration;

use futures_util::future::join;
use tokio::time::Instant;

pub(super) use self::expiry::Expiry;
use self::login::{Login, Who};
use self::site::{Product, Version};
pub(super) use self::turnstile::Turnstile;
use self::visit::{Miss, Visit};
use crate::bitbucket::{Client, Error, projects};
use crate::ops::{Advice, Check};

/// What a probe found, as far as it came.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// In the order of the way: the hops, then as in [`NAMES`].
    pub(super) checks: Vec<Check>,
    /// What the server says of itself.
    pub(super) product: Product,
    /// The user that Bitbucket takes the token for.
    pub(super) user: Option<String>,
    /// The connection's projects that the token can see.
    pub(super) visible: Vec<String>,
    /// Those that it cannot.
    pub(super) hidden: Vec<String>,
    /// What kept it from being tried at all: our own guard.
    pub(super) forbidden: Option<Error>,
}

impl Client {
    /// Looks at every hop to Bitbucket, at the server, and at what the token is and may do; within 13 s, and reading
    /// only. Another probe of the client is waited for; and for 30 s after a refused login the same credential is not tried
    /// again, but the same told.
    ///
    /// Every name of a REST check is there, skipped where there was nothing to try. A token that ends within 30 days is
    /// logged as a warning too, once a day.
    pub async fn probe(&self) -> Vec<Check> {
        self.examine().await.checks
    }

    /// The same with what the checks have in words only.
    pub(super) async fn examine(&self) -> Findings {
        let mut last = self.turnstile().enter().await;
        if let Some(found) = last.recall(self.credential()) {
            return found;
        }
        let visit = Visit::start(self, LIMIT);
        let mut findings = Findings::default();
        let why = match findings.look(&visit).await {
            Ok(()) => NOT_NEEDED,
            Err(Ended(why)) => why,
        };
        findings.complete(why);
        last.keep(&findings, self.credential());
        findings
    }
}

/// Why the rest of the checks is not tried.
struct Ended(&'static str);

impl Findings {
    async fn look(&mut self, visit: &Visit<'_>) -> Result<(), Ended> {
        self.reach(visit).await?;
        let looked = self.recognise(visit).await;
        // These know from every answer, the one that ended the way included.
        let looked = match looked {
            Ok(()) => self.log_in(visit).await,
            Err(ended) => Err(ended),
        };
        self.checks.extend(limits::checks(&visit.seen()));
        looked
    }

    /// The hops.
    async fn reach(&mut self, visit: &Visit<'_>) -> Result<(), Ended> {
        let network::Walk { checks, open, forbidden } = network::walk(visit).await;
        self.checks.extend(checks);
        self.forbidden = forbidden;
        if open { Ok(()) } else { Err(Ended("there is no connection to Bitbucket")) }
    }

    /// Whether a Bitbucket is there, and which.
    async fn recognise(&mut self, visit: &Visit<'_>) -> Result<(), Ended> {
        let started = Instant::now();
        let (status, properties) =
            join(visit.raw(site::status_request()), visit.ask(site::open_request())).await;
        // Some single sign-ons let only those with a token pass.
        let properties = match properties {
            Err(Miss::Error(error)) if site::wants_login(&error) => visit.ask(site::request()).await,
            other => other,
        };
        let properties = match properties {
            Err(Miss::Error(error)) if login::is_refusal(&error) => {
                self.checks.push(site::status(status, Version::Unknown).took(started.elapsed()));
                let refused = login::refused(error, visit.client().credential());
                self.checks.push(refused.took(started.elapsed()));
                return Err(Ended(OUTSIDE));
            }
            other => other,
        };
        let (version, product) = site::version(properties, visit.client().base());
        let (version, known) = (version.took(started.elapsed()), product.is_some());
        let status = site::status(status, if known { Version::Known } else { Version::Unknown });
        let stopped = site::is_stopped(&status);
        self.checks.push(status.took(started.elapsed()));
        // That it is starting says more than that its version cannot be asked for.
        if !(stopped && version.is_failed()) {
            self.checks.push(version);
        }
        self.product = product.unwrap_or_default();
        match (known, stopped) {
            (true, _) => Ok(()),
            (false, true) => Err(Ended("Bitbucket is not running")),
            (false, false) => Err(Ended("there is no Bitbucket to ask")),
        }
    }

    /// Whom Bitbucket takes the token for, and then what that one may do.
    async fn log_in(&mut self, visit: &Visit<'_>) -> Result<(), Ended> {
        let started = Instant::now();
        let answer = visit.raw(projects::first()).await;
        let took = started.elapsed();
        let login = login::read(answer, visit.client().credential());
        let who = match login {
            Login::Refused(check) => {
                self.checks.push(check.took(took));
                return Err(Ended(OUTSIDE));
            }
            Login::In(who) => who,
        };
        self.checks.push(login::user(&who, visit.client().user()));
        self.checks.extend(login::let_in());
        if let Who::User(name) = &who {
            self.user = Some(name.clone());
        }
        let (access, expiry) = join(access::look(visit, &who), expiry::look(visit, &who)).await;
        self.checks.push(login::token(&who, access.proven).took(took));
        self.checks.extend(access.checks);
        self.checks.push(expiry);
        (self.visible, self.hidden) = (access.visible, access.hidden);
        Ok(())
    }

    /// Says of what was not tried that it was not, and brings all into their order.
    fn complete(&mut self, why: &str) {
        for name in NAMES {
            if !self.checks.iter().any(|check| check.name == *name) {
                self.checks.push(Check::skipped(name, format!("not tried: {why}")));
            }
        }
        // The hops have no place among the names, and stay before all others as they came.
        self.checks.sort_by_key(|check| NAMES.iter().position(|name| *name == check.name));
    }
}

/// A failed check for an answer that did not come as it should.
fn blame(name: &'static str, miss: Miss) -> Check {
    match miss {
        Miss::Slow(took) => {
            let advice = Advice::new(
                "Bitbucket, or what stands before it, did not answer in time",
                "look at the load of Bitbucket and of the proxies before it, then try again",
                "bitbucket-unavailable",
            );
            Check::failed(name, format!("took longer than {} s", LIMIT.as_secs()), advice).took(took)
        }
        Miss::Error(error) => advice::failed(name, error),
    }
}

/// The checks of the REST interface, in their order.
const NAMES: &[&str] = &[
    "status",
    "version",
    "token",
    "user",
    "captcha",
    "licence",
    "projects",
    "write",
    "excess",
    "expiry",
    "rate-limit",
    "clock",
];

/// How long a probe may take, hops included: what is not done by then counts as failed. A proxy that answers CONNECT
/// after 6 s works, and is dialed twice: for the hops, and for the requests.
const LIMIT: Duration = Duration::from_secs(13);

const OUTSIDE: &str = "Bitbucket does not let the token in";

/// No check is without a word when all were tried; this is for the reader of a bug report.
const NOT_NEEDED: &str = "nothing was there to try";

#[cfg(test)]
mod tests;
