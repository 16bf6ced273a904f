//! One request, after routing: what a handler gets.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::app::App;
use crate::auth::Actor;
use crate::body::Body;
use crate::git::Git;
use crate::page::Page;
use crate::refusal::{Refusal, api, json_response};
use crate::store::Repo;

/// What a handler gives.
pub(crate) type Answer = Result<Response<Body>, Refusal>;

/// A routed request.
pub(crate) struct Call {
    pub(crate) app: Arc<App>,
    pub(crate) actor: Option<Actor>,
    pub(crate) params: HashMap<&'static str, String>,
    pub(crate) query: Query,
    pub(crate) headers: HeaderMap,
    /// The repository in the path.
    pub(crate) repo: Option<Repo>,
    pub(crate) body: Option<Incoming>,
}

impl Call {
    /// A parameter of the path, decoded.
    pub(crate) fn param(&self, name: &str) -> &str {
        self.params.get(name).map_or("", String::as_str)
    }

    /// The repository in the path.
    pub(crate) fn repo(&self) -> Result<&Repo, Refusal> {
        // Only a route without {slug} has none, so this is a mistake in the table.
        self.repo.as_ref().ok_or(Refusal::NoRoute)
    }

    /// The repository's git.
    pub(crate) fn git(&self) -> Result<Git, Refusal> {
        self.repo().map(Repo::git)
    }

    /// The user who asks; a token without one is refused, since the write needs an author (FACTS.md 1.7).
    pub(crate) fn user(&self) -> Result<&str, Refusal> {
        let message = "This operation requires a user; the access token has none.";
        self.actor
            .as_ref()
            .and_then(|actor| actor.user.as_deref())
            .ok_or_else(|| api(StatusCode::FORBIDDEN, "AuthorisationException", message))
    }

    /// Who the caller's words are by: the user, or the name that a token without one goes by.
    pub(crate) fn author(&self) -> String {
        self.actor.as_ref().map_or_else(String::new, |actor| actor.label.clone())
    }

    /// The page that is asked for, 25 by default.
    pub(crate) fn page(&self, cap: usize) -> Result<Page, Refusal> {
        Page::of(&self.query, 25, cap)
    }

    /// The body as JSON; an empty one is `{}`.
    pub(crate) async fn json(&mut self) -> Result<Value, Refusal> {
        let bytes = self.bytes().await?;
        if bytes.is_empty() {
            return Ok(Value::Object(serde_json::Map::new()));
        }
        if !is_json(&self.headers) {
            return Err(Refusal::Bare(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        serde_json::from_slice(&bytes).map_err(|error| unreadable(&error))
    }

    /// The body as JSON, whatever kind it says it is.
    pub(crate) async fn any_json(&mut self) -> Result<Value, Refusal> {
        let bytes = self.bytes().await?;
        serde_json::from_slice(&bytes).map_err(|error| unreadable(&error))
    }

    async fn bytes(&mut self) -> Result<Bytes, Refusal> {
        let Some(body) = self.body.take() else { return Ok(Bytes::new()) };
        let whole = Limited::new(body, MAX_JSON).collect().await;
        whole
            .map(http_body_util::Collected::to_bytes)
            .map_err(|_| Refusal::Bare(StatusCode::PAYLOAD_TOO_LARGE))
    }
}

fn unreadable(error: &serde_json::Error) -> Refusal {
    let exception = "com.fasterxml.jackson.databind.JsonMappingException";
    api(StatusCode::BAD_REQUEST, exception, error.to_string())
}

/// Whether a request says that its body is JSON.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.to_ascii_lowercase().starts_with("application/json"))
}

/// 200 with JSON.
#[expect(clippy::unnecessary_wraps, reason = "it is the last line of handlers, which can refuse")]
pub(crate) fn ok(value: &Value) -> Answer {
    Ok(json_response(StatusCode::OK, value))
}

/// 204.
#[expect(clippy::unnecessary_wraps, reason = "it is the last line of handlers, which can refuse")]
pub(crate) fn no_content() -> Answer {
    let mut response = Response::new(crate::body::full(Bytes::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

/// 201 with JSON and its address.
pub(crate) fn created(location: &str, value: &Value) -> Answer {
    let mut response = json_response(StatusCode::CREATED, value);
    let location = location.parse().map_err(|_| Refusal::Bare(StatusCode::INTERNAL_SERVER_ERROR))?;
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}

/// The decoded query.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query string.
    pub(crate) fn parse(text: &str) -> Self {
        let decode =
            |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
        let pair = |part: &str| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (decode(name), decode(value))
        };
        Self(text.split('&').filter(|part| !part.is_empty()).map(pair).collect())
    }

    /// Every value of a name that is not empty.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let named = self.0.iter().filter(|(key, value)| key == name && !value.is_empty());
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// Whether a name is there and does not say `false`: `?blame` is as good as `?blame=true`.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, value)| key == name && value != "false")
    }

    /// The first value of a name; an empty one counts as absent.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }
}

/// More than the longest JSON that the interface takes.
const MAX_JSON: usize = 8 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_decoded_and_plus_is_a_space() {
        let query = Query::parse("at=refs%2Fheads%2Fa+b&blame&limit=");
        assert_eq!(query.get("at"), Some("refs/heads/a b"));
        assert_eq!(query.get("limit"), None);
    }
}
