//! When the token ends, where Bitbucket shows it: `expiry`, and the warning in the log.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use http::Request;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;
use tracing::warn;

use super::login::Who;
use super::visit::Visit;
use crate::bitbucket::Client;
use crate::bitbucket::page::Page;
use crate::bitbucket::request::{Draft, Path, Permission};
use crate::bitbucket::wire::number;
use crate::ops::{Advice, Check};

/// What is known of the end of a connection's token.
#[derive(Debug, Default)]
pub(in crate::bitbucket) struct Expiry(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    ends: Option<SystemTime>,
    warned: Option<Instant>,
}

impl Client {
    /// When the token ends, as the last [`Client::probe`] found it; `None` where it does not end or nobody told.
    pub fn token_expires(&self) -> Option<SystemTime> {
        self.expiry().lock().ends
    }
}

impl Expiry {
    /// Keeps when the token ends; says whether somebody should be warned: from 30 days before, once a day.
    fn note(&self, ends: Option<SystemTime>, now: SystemTime) -> bool {
        let mut known = self.lock();
        known.ends = ends;
        let due = ends.is_some_and(|ends| days(ends, now) < SOON)
            && known.warned.is_none_or(|warned| warned.elapsed() >= DAY);
        if due {
            known.warned = Some(Instant::now());
        }
        due
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks for the token among those of its owner. That it is not shown is no fault.
pub(super) async fn look(visit: &Visit<'_>, who: &Who) -> Check {
    let started = Instant::now();
    find(visit, who).await.took(started.elapsed())
}

async fn find(visit: &Visit<'_>, who: &Who) -> Check {
    let client = visit.client();
    let Some(id) = id(&client.credential().secret()) else {
        return Check::skipped("expiry", "the credential is no token of a known form");
    };
    let Who::User(name) = who else {
        return Check::skipped("expiry", "Bitbucket does not show it to a token without a user");
    };
    let listed = match visit.ask(request(name)).await {
        Ok(reply) => Page::<Token>::read(&reply, 0).map(|page| page.values).unwrap_or_default(),
        Err(_) => Vec::new(),
    };
    let Some(own) = listed.into_iter().find(|token| token.is(&id)) else {
        return Check::skipped("expiry", "Bitbucket does not show it to this token");
    };
    let now = SystemTime::now();
    let ends = own.ends();
    let check = check(ends, now);
    if client.expiry().note(ends, now) {
        let days = ends.map(|ends| days(ends, now));
        warn!(connection = client.connection(), days, "the Bitbucket token ends soon; renew it");
    }
    check
}

/// `GET /rest/access-tokens/latest/users/{slug}`
fn request(user: &str) -> Request<Bytes> {
    let path = Path::rest("access-tokens").segment("users").segment(&slug(user));
    Draft::get(path, Permission::ProjectRead).page(0, MOST).empty()
}

/// A user's name in addresses (FACTS 2).
pub(super) fn slug(user: &str) -> String {
    let kept = |c: char| if c.is_alphanumeric() || "._-".contains(c) { c } else { '_' };
    user.to_lowercase().chars().map(kept).collect()
}

/// A token as its owner sees it. The official document has no `expiryDate`; clients read it, in milliseconds.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Token {
    #[serde(default)]
    id: Value,
    #[serde(default, deserialize_with = "number")]
    expiry_date: i64,
}

impl Token {
    fn is(&self, id: &str) -> bool {
        match &self.id {
            Value::String(own) => own == id,
            Value::Number(own) => own.to_string() == id,
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => false,
        }
    }

    fn ends(&self) -> Option<SystemTime> {
        let millis = u64::try_from(self.expiry_date).ok().filter(|millis| *millis > 0)?;
        UNIX_EPOCH.checked_add(Duration::from_millis(millis))
    }
}

fn check(ends: Option<SystemTime>, now: SystemTime) -> Check {
    let Some(ends) = ends else {
        return Check::passed("expiry", "the token does not expire");
    };
    let left = days(ends, now);
    let advice = |cause: &str| {
        Advice::new(cause, "make a new token in Bitbucket and give it to the connection", "expiry")
    };
    if ends <= now {
        return Check::failed("expiry", "the token has expired", advice("the token's time is over"));
    }
    let found = format!("the token ends in {left} days");
    if left < SOON {
        Check::warned("expiry", found, advice("the token ends within 30 days"))
    } else {
        Check::passed("expiry", found)
    }
}

/// Whole days from now, negative for a past time.
fn days(ends: SystemTime, now: SystemTime) -> i64 {
    let whole = |gap: Duration| i64::try_from(gap.as_secs() / DAY.as_secs()).unwrap_or(i64::MAX);
    ends.duration_since(now).map_or_else(|past| -whole(past.duration()), whole)
}

/// The number in a token's text: base64 of the number, a colon and random bytes, as the official document shows it; later
/// versions put `BBDC-` before it.
fn id(secret: &SecretString) -> Option<Zeroizing<String>> {
    let text = secret.expose_secret();
    let text = text.strip_prefix("BBDC-").unwrap_or(text);
    let bytes = Zeroizing::new(BASE64.decode(text).ok()?);
    let end = bytes.iter().position(|byte| *byte == b':')?;
    let number = std::str::from_utf8(bytes.get(..end)?).ok()?;
    let known = !number.is_empty() && number.len() <= 20 && number.bytes().all(|byte| byte.is_ascii_digit());
    known.then(|| Zeroizing::new(number.to_owned()))
}

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// From how many days before its end a token is a warning.
const SOON: i64 = 30;

/// How many tokens of a user are looked through.
const MOST: u32 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<String> {
        id(&text.into()).map(|id| id.to_string())
    }

    #[test]
    fn the_number_is_read_from_the_official_example() {
        let example = "MjUyOTczNTE1MDY5On2rDbID2EgYpH8AVOECHv0saruQ";
        assert_eq!(of(example).as_deref(), Some("252973515069"));
        assert_eq!(of(&format!("BBDC-{example}")).as_deref(), Some("252973515069"));
        for other in ["s3cret", "", "Zm9vOmJhcg==", "OmJhcg==", "password:with spaces"] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn the_number_is_the_same_as_a_text_and_as_a_number() {
        let token = |json: &str| serde_json::from_str::<Token>(json).expect("read");
        assert!(token(r#"{"id":"25"}"#).is("25") && token(r#"{"id":25}"#).is("25"));
        assert!(!token(r#"{"id":"250"}"#).is("25") && !token(r#"{"id":null}"#).is("25"));
        assert_eq!(token(r#"{"expiryDate":1000}"#).ends(), Some(UNIX_EPOCH + Duration::from_secs(1)));
        assert_eq!(token(r#"{"expiryDate":null}"#).ends(), None);
    }

    #[test]
    fn a_user_is_asked_for_by_the_slug() {
        let uri = request("Jane.Doe+x@example.com").uri().to_string();
        assert_eq!(uri, "/rest/access-tokens/latest/users/jane.doe_x_example.com?start=0&limit=1000");
    }

    #[test]
    fn from_thirty_days_before_it_is_a_warning() {
        let now = SystemTime::now();
        let outcome =
            |days: u64| check(Some(now + DAY * u32::try_from(days).unwrap()), now).outcome.to_string();
        assert_eq!(
            (outcome(31).as_str(), outcome(30).as_str(), outcome(29).as_str()),
            ("passed", "passed", "warned")
        );
        assert_eq!(check(Some(now - DAY), now).outcome.to_string(), "failed");
        assert_eq!(check(None, now).outcome.to_string(), "passed");
    }

    #[tokio::test(start_paused = true)]
    async fn the_log_warns_once_a_day() {
        let (expiry, now) = (Expiry::default(), SystemTime::now());
        let soon = Some(now + DAY * 3);
        assert!(!expiry.note(Some(now + DAY * 90), now) && !expiry.note(None, now));
        assert!(expiry.note(soon, now));
        assert!(!expiry.note(soon, now));
        tokio::time::advance(DAY).await;
        assert!(expiry.note(soon, now));
    }
}
