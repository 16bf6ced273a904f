//! Bitbucket's clock, and who the token's user is.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::DATE;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::bitbucket::reply::Reply;
use crate::bitbucket::request::{Draft, Path, Permission};
use crate::bitbucket::{Client, Error};

/// What an answer of Bitbucket told.
#[derive(Debug, Clone)]
pub(in crate::bitbucket) struct Bearings {
    /// The user whom Bitbucket takes the token for; `None` for a token without one.
    pub(in crate::bitbucket) user: Option<String>,
    /// What Bitbucket's clock said, in milliseconds; whole seconds.
    date_ms: i64,
    /// When that was asked for, and when it had come.
    asked: Instant,
    came: Instant,
}

/// From when on something is a call's.
#[derive(Debug, Clone, Copy)]
pub(in crate::bitbucket) struct Since {
    /// When the call began.
    pub(super) began: Instant,
    /// When its key was made, by the caller's clock.
    pub(super) key_made: Option<SystemTime>,
}

/// The newest bearings, for a while: the token may come to be another user's.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<Option<Bearings>>);

impl Known {
    pub(super) async fn of(&self, client: &Client) -> Result<Bearings, Error> {
        // Held while asking: who comes meanwhile waits for the one answer.
        let mut known = self.0.lock().await;
        if let Some(known) = known.as_ref().filter(|known| known.came.elapsed() < FRESH) {
            return Ok(known.clone());
        }
        let path = Path::rest("api").segment("projects");
        let asked = Instant::now();
        let reply = client.send(Draft::get(path, Permission::ProjectRead).page(0, 1).empty()).await?;
        let bearings = Bearings::of(&reply, client.user(), asked);
        *known = Some(bearings.clone());
        Ok(bearings)
    }
}

impl Bearings {
    fn of(reply: &Reply, configured: Option<&str>, asked: Instant) -> Self {
        let date = reply.headers.get(DATE).and_then(|date| date.to_str().ok());
        // A proxy may take it away; then our clock must do.
        let date = date.and_then(|date| httpdate::parse_http_date(date).ok()).unwrap_or_else(SystemTime::now);
        let user = reply.user().or_else(|| configured.map(str::to_owned));
        Self { user, date_ms: milliseconds(date), asked, came: Instant::now() }
    }

    /// Whether a user of this name is the token's.
    pub(in crate::bitbucket) fn is_me(&self, name: &str) -> bool {
        self.user.as_deref().is_some_and(|user| user.eq_ignore_ascii_case(name))
    }

    /// The time by Bitbucket's clock, in milliseconds, that `since` is not after: when the call began.
    pub(in crate::bitbucket) fn call_began(&self, since: Since) -> i64 {
        // Bitbucket's clock stood at `date_ms` or up to a second later, before the answer had come.
        let passed = since.began.checked_duration_since(self.came).map(signed);
        self.date_ms + passed.unwrap_or_else(|| -signed(self.came.duration_since(since.began)))
    }

    /// The same from when the call's key was made; without a key, from when the call began.
    ///
    /// A key from the future was made by a clock that is ahead, so that it counts as made now.
    pub(in crate::bitbucket) fn key_made(&self, since: Since) -> i64 {
        let Some(made) = since.key_made else { return self.call_began(since) };
        let latest = self.date_ms + SECOND + signed(self.asked.elapsed());
        milliseconds(made).min(latest)
    }

    /// The later of both: what this attempt itself may have made.
    pub(in crate::bitbucket) fn attempt(&self, since: Since) -> i64 {
        self.call_began(since).max(self.key_made(since))
    }
}

fn milliseconds(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).map_or(0, signed)
}

fn signed(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX / 4)
}

const FRESH: Duration = Duration::from_secs(60);
/// The resolution of a `Date`, in milliseconds.
const SECOND: i64 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn bearings(asked: Instant) -> Bearings {
        let reply = Reply::of(200, "{}").header("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        Bearings::of(&reply.header("x-ausername", "jane"), None, asked)
    }

    /// The `Date` above.
    const DATE_MS: i64 = 784_111_777_000;

    fn made(ms: i64) -> Option<SystemTime> {
        Some(UNIX_EPOCH + Duration::from_millis(u64::try_from(ms).unwrap()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_began_when_bitbuckets_clock_says() {
        let began = Instant::now();
        tokio::time::advance(Duration::from_secs(3)).await;
        let bearings = bearings(Instant::now());
        assert_eq!(bearings.call_began(Since { began, key_made: None }), DATE_MS - 3000);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(bearings.call_began(Since { began: Instant::now(), key_made: None }), DATE_MS + 2000);
        assert!(bearings.is_me("Jane") && !bearings.is_me("joe"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_counts_from_when_it_was_made_and_never_from_the_future() {
        let began = Instant::now();
        let bearings = bearings(began);
        let at = |key_made| Since { began, key_made };
        assert_eq!(bearings.key_made(at(made(DATE_MS - 60_000))), DATE_MS - 60_000);
        assert_eq!(bearings.key_made(at(made(DATE_MS + 60_000))), DATE_MS + SECOND);
        assert_eq!(bearings.key_made(at(None)), DATE_MS);
        assert_eq!(bearings.attempt(at(made(DATE_MS - 60_000))), DATE_MS);
        assert_eq!(bearings.attempt(at(made(DATE_MS + 500))), DATE_MS + 500);
    }
}
