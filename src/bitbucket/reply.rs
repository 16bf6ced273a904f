//! An answer of Bitbucket, whole, with what is needed to judge it.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, Method, StatusCode};
use serde::de::DeserializeOwned;

use crate::bitbucket::Error;
use crate::bitbucket::error::{Doubt, Site};
use crate::bitbucket::request::Permission;
use crate::proto::Effect;

/// What was asked, as far as the judgement of the answer depends on it.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) effect: Effect,
    pub(super) permission: Permission,
    pub(super) site: Site,
}

impl Asked {
    /// Takes it from the request.
    pub(super) fn of<B>(request: &http::Request<B>, site: &Site) -> Self {
        let effect = if request.method() == Method::GET { Effect::Read } else { Effect::Write };
        let permission = request.extensions().get().copied().unwrap_or(Permission::RepoRead);
        Self { effect, permission, site: site.clone() }
    }
}

/// A whole answer.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) asked: Asked,
}

/// What the content type says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Json,
    Html,
    Other,
}

impl Reply {
    /// Reads the body.
    ///
    /// # Errors
    /// [`Error::Unreadable`]; after a write [`Error::Uncertain`], since it happened.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|error| match self.asked.effect {
            Effect::Write => Error::uncertain(Doubt::Unreadable, error),
            Effect::Read | Effect::Admin => Error::Unreadable {
                base: self.asked.site.base.clone(),
                problem: "it is not JSON of the expected form",
                source: Some(error),
            },
        })
    }

    /// Says that the body is JSON, but makes no sense.
    pub(super) fn unreadable(&self, problem: &'static str) -> Error {
        Error::Unreadable { base: self.asked.site.base.clone(), problem, source: None }
    }

    /// The user that Bitbucket took the token for; `None` for nobody, and for the synthetic user of a project's or
    /// repository's token (FACTS 1.2).
    pub(super) fn user(&self) -> Option<String> {
        user_name(&self.headers).filter(|name| !name.starts_with("access-token-user/"))
    }

    pub(super) fn kind(&self) -> Kind {
        kind(&self.headers)
    }
}

/// The name of the user that Bitbucket took the token for, a synthetic one too; `None` for nobody.
pub(super) fn user_name(headers: &HeaderMap) -> Option<String> {
    let name = headers.get("x-ausername")?.to_str().ok()?;
    // Percent-encoded: `a@b.com` travels as `a%40b.com`.
    let name = percent_encoding::percent_decode_str(name).decode_utf8_lossy().into_owned();
    Some(name).filter(|name| !name.is_empty())
}

/// What the content type says; Bitbucket names one whenever there is a body.
pub(super) fn kind(headers: &HeaderMap) -> Kind {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match media.as_str() {
        "application/json" => Kind::Json,
        "text/html" | "application/xhtml+xml" => Kind::Html,
        other if other.ends_with("+json") => Kind::Json,
        _ => Kind::Other,
    }
}

/// Whether Bitbucket itself answered: it numbers every request, and nothing in front of it does (FACTS 1.2).
pub(super) fn is_bitbucket(headers: &HeaderMap) -> bool {
    headers.contains_key("x-arequestid")
}

/// Whether Bitbucket itself answered, and took the token for somebody: no login page says so, not even Bitbucket's own.
pub(super) fn is_authenticated(headers: &HeaderMap) -> bool {
    ["x-ausername", "x-auserid", "x-asessionid"].iter().any(|name| headers.contains_key(*name))
}

/// The delay that the answer asks for; only the form in seconds is in use (FACTS 1.5).
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse::<u64>().ok()?;
    Some(Duration::from_secs(seconds.min(3600)))
}

#[cfg(test)]
impl Reply {
    /// An answer to a GET, as Bitbucket gives it.
    pub(super) fn of(status: u16, body: &str) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert("x-arequestid", http::HeaderValue::from_static("@1x1x1x0"));
        headers.insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json;charset=UTF-8"));
        Self {
            status: StatusCode::from_u16(status).expect("a status"),
            headers,
            body: Bytes::copy_from_slice(body.as_bytes()),
            asked: Asked {
                effect: Effect::Read,
                permission: Permission::RepoRead,
                site: Site { connection: "main".into(), base: "https://git.example".into() },
            },
        }
    }

    /// The same as the answer to a write.
    pub(super) fn of_write(status: u16, body: &str) -> Self {
        let mut reply = Self::of(status, body);
        reply.asked.effect = Effect::Write;
        reply
    }

    /// With another header; an empty value takes it away.
    pub(super) fn header(mut self, name: &'static str, value: &'static str) -> Self {
        if value.is_empty() {
            self.headers.remove(name);
        } else {
            self.headers.insert(name, http::HeaderValue::from_static(value));
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_is_decoded_and_a_synthetic_one_is_none() {
        let user = |name| Reply::of(200, "{}").header("x-ausername", name).user();
        assert_eq!(user("a%40b.com").as_deref(), Some("a@b.com"));
        assert_eq!(user("access-token-user%2F1%2F2"), None);
        assert_eq!(Reply::of(200, "{}").user(), None);
    }

    #[test]
    fn a_write_with_an_unreadable_answer_is_uncertain() {
        assert!(matches!(Reply::of(200, "<").json::<u32>(), Err(Error::Unreadable { .. })));
        assert!(matches!(Reply::of_write(200, "<").json::<u32>(), Err(Error::Uncertain { .. })));
    }

    #[test]
    fn parameters_and_letter_case_of_a_content_type_do_not_matter() {
        let of = |value| Reply::of(200, "").header("content-type", value).kind();
        assert_eq!(of("Application/JSON;charset=UTF-8"), Kind::Json);
        assert_eq!(of("TEXT/html; charset=utf-8"), Kind::Html);
        assert_eq!(of("text/plain"), Kind::Other);
    }

    #[test]
    fn a_delay_is_read_in_seconds_and_bounded() {
        let of = |value| retry_after(&Reply::of(429, "").header("retry-after", value).headers);
        assert_eq!(of("7"), Some(Duration::from_secs(7)));
        assert_eq!(of("999999"), Some(Duration::from_secs(3600)));
        assert_eq!(of("Wed, 21 Oct 2026 07:28:00 GMT"), None);
    }
}
