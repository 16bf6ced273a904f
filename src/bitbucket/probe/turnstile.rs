//! One probe at a time, and no second one with a login that was just refused: Bitbucket counts those, and wants a CAPTCHA
//! after a few (FACTS 1.7), while who asks for probes need not be who knows the token.

use std::time::Duration;

use http::HeaderValue;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;

use super::Findings;
use super::site::Product;
use crate::bitbucket::account::Credential;
use crate::ops::Check;

/// The way into a client's probes.
#[derive(Debug, Default)]
pub(in crate::bitbucket) struct Turnstile(Mutex<Last>);

/// The last login that was refused.
#[derive(Debug, Default)]
pub(super) struct Last(Option<Refused>);

#[derive(Debug)]
struct Refused {
    at: Instant,
    /// What was refused; it is marked as sensitive. A new one may be tried at once.
    shown: HeaderValue,
    checks: Vec<Check>,
    product: Product,
}

impl Turnstile {
    /// Waits until no other probe is under way.
    pub(super) async fn enter(&self) -> MutexGuard<'_, Last> {
        self.0.lock().await
    }
}

impl Last {
    /// What was found with the same credential, if it was refused less than [`PAUSE`] ago.
    pub(super) fn recall(&self, credential: &Credential) -> Option<Findings> {
        let Refused { at, shown, checks, product } = self.0.as_ref()?;
        let ago = at.elapsed();
        if ago >= PAUSE || credential.header().ok().as_ref() != Some(shown) {
            return None;
        }
        let mut checks = checks.clone();
        for check in checks.iter_mut().filter(|check| is_refusal(check)) {
            check.found = format!("{} (asked {} s ago)", check.found, ago.as_secs());
        }
        Some(Findings { checks, product: product.clone(), ..Findings::default() })
    }

    /// Keeps what was found, if the login was refused.
    pub(super) fn keep(&mut self, findings: &Findings, credential: &Credential) {
        let refused = findings.checks.iter().any(is_refusal);
        let shown = credential.header().ok().filter(|_| refused);
        let (checks, product) = (&findings.checks, &findings.product);
        self.0 = shown.map(|shown| Refused {
            at: Instant::now(),
            shown,
            checks: checks.clone(),
            product: product.clone(),
        });
    }
}

/// Whether a check says that the login was refused: what is too slow or too often is told in another section.
fn is_refusal(check: &Check) -> bool {
    check.is_failed() && check.advice().is_some_and(|advice| LOGIN.contains(&advice.section))
}

const LOGIN: &[&str] = &["token", "captcha", "licence"];

/// How long a refused login is not tried again. Bitbucket wants a CAPTCHA after five in a row by default, and forgets them
/// only when one succeeds, so that this slows down and does not prevent.
const PAUSE: Duration = Duration::from_secs(30);
