//! One probe's requests: each once, all within one limit of time; what their headers say on the way is kept.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::DATE;
use http::{HeaderMap, Request, StatusCode};
use tokio::time::{self, Instant};

use crate::bitbucket::error::refusal;
use crate::bitbucket::reply::{self, Reply};
use crate::bitbucket::{Client, Error};

/// What came of a request.
pub(super) type Answer = Result<Reply, Miss>;

/// No answer, or none that helps.
#[derive(Debug)]
pub(super) enum Miss {
    /// The probe's time was over, after so long.
    Slow(Duration),
    /// The request failed.
    Error(Error),
}

/// A probe under way.
#[derive(Debug)]
pub(super) struct Visit<'a> {
    client: &'a Client,
    until: Instant,
    seen: Mutex<Seen>,
}

/// What the headers of all answers say together.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// There was a 429.
    pub(super) limited: bool,
    /// What it asked for, in `Retry-After`.
    pub(super) retry_after: Option<Duration>,
    /// The last `X-RateLimit-Remaining` and `X-RateLimit-Limit`, where the server has them.
    pub(super) remaining: Option<u64>,
    /// See `remaining`.
    pub(super) limit: Option<u64>,
    /// How many seconds the server's clock is before ours; negative when it is behind.
    pub(super) ahead: Option<i64>,
}

impl<'a> Visit<'a> {
    pub(super) fn start(client: &'a Client, limit: Duration) -> Self {
        Self { client, until: Instant::now() + limit, seen: Mutex::default() }
    }

    pub(super) fn client(&self) -> &'a Client {
        self.client
    }

    /// When the probe's time is over.
    pub(super) fn until(&self) -> Instant {
        self.until
    }

    /// What was seen so far.
    pub(super) fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends a request and gives its answer, whatever it says.
    pub(super) async fn raw(&self, request: Request<Bytes>) -> Answer {
        let started = Instant::now();
        let reply = time::timeout_at(self.until, self.client.ask(&request)).await;
        let reply = reply.map_err(|_| Miss::Slow(started.elapsed()))?.map_err(Miss::Error)?;
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).note(&reply, SystemTime::now());
        Ok(reply)
    }

    /// Sends a request and judges its answer.
    pub(super) async fn ask(&self, request: Request<Bytes>) -> Answer {
        refusal::judge(self.raw(request).await?).map_err(Miss::Error)
    }
}

impl Seen {
    /// Takes from an answer what it says beside its body.
    pub(super) fn note(&mut self, reply: &Reply, now: SystemTime) {
        if reply.status == StatusCode::TOO_MANY_REQUESTS {
            self.limited = true;
            self.retry_after = self.retry_after.max(reply::retry_after(&reply.headers));
        }
        self.remaining = number(&reply.headers, "x-ratelimit-remaining").or(self.remaining);
        self.limit = number(&reply.headers, "x-ratelimit-limit").or(self.limit);
        self.ahead = ahead(&reply.headers, now).or(self.ahead);
    }
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

fn ahead(headers: &HeaderMap, now: SystemTime) -> Option<i64> {
    let theirs = httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()?;
    let seconds = |gap: Duration| i64::try_from(gap.as_secs()).unwrap_or(i64::MAX);
    Some(match theirs.duration_since(now) {
        Ok(before) => seconds(before),
        Err(behind) => -seconds(behind.duration()),
    })
}
