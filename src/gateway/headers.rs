//! Which headers cross the gateway, in either direction. What is not named here does not.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use prost::Message as _;
use secrecy::ExposeSecret as _;
use tonic::Code;
use tonic::body::Body;

use super::name::Name;
use super::store::{Caller, Held};
use crate::proto::tunnel::v1::HeldConnection;
use crate::proto::{Fault, Reason};
use crate::tunnel;

/// What a caller says about where its call shall go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Destination {
    /// `gitproxy-agent`.
    pub(super) agent: Option<Name>,
    /// `gitproxy-connection`.
    pub(super) connection: Option<Name>,
    /// `gitproxy-label`, each of which the instance must have.
    pub(super) labels: Vec<Label>,
    /// `gitproxy-wait`.
    pub(super) patience: Patience,
}

/// What an operator says of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Label {
    /// Such as `zone`.
    pub(super) key: String,
    /// Such as `b`.
    pub(super) value: String,
}

/// What a call does when no instance takes it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Patience {
    /// It fails at once.
    #[default]
    None,
    /// It waits for one, until its deadline.
    Waits,
}

impl Destination {
    /// Reads the reserved headers that a caller may send.
    ///
    /// # Errors
    /// HEADER_RESERVED for every other `gitproxy-*` header, for one but a label sent twice, and for a malformed value.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Fault> {
        let stranger = headers.keys().find(|name| reserved(name) && !FROM_CALLERS.contains(&name.as_str()));
        if let Some(name) = stranger {
            return Err(refused(name.as_str(), "may be set by gitproxy only; remove it"));
        }
        Ok(Self {
            agent: name(headers, AGENT)?,
            connection: name(headers, CONNECTION)?,
            labels: labels(headers)?,
            patience: patience(headers)?,
        })
    }
}

impl std::fmt::Display for Label {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}={}", self.key, self.value)
    }
}

/// The caller's headers that travel to the agent.
pub(super) fn forwarded(headers: &HeaderMap) -> HeaderMap {
    kept(headers, |name, value| match name.as_str() {
        "content-type" | "user-agent" | "traceparent" | "tracestate" | "idempotency-key" => true,
        "te" => value.as_bytes() == b"trailers",
        name => name.starts_with("grpc-"),
    })
}

/// Adds who calls, for the agent's policy and audit.
pub(super) fn sign(headers: &mut HeaderMap, caller: &Caller) {
    headers.insert(TENANT, plain(&caller.tenant));
    headers.insert(CALLER, plain(&caller.name));
}

/// Names the connection that the call is for.
pub(super) fn direct(headers: &mut HeaderMap, connection: &Name) {
    headers.insert(CONNECTION, plain(connection));
}

/// Hands over a connection that the cloud holds, secret included.
pub(super) fn entrust(headers: &mut HeaderMap, held: Held) {
    let message = HeldConnection {
        name: held.name.to_string(),
        url: held.url,
        user: held.user,
        token: held.token.expose_secret().to_owned(),
        projects: held.projects,
        auth: held.auth.as_str().to_owned(),
    };
    let text = STANDARD.encode(message.encode_to_vec());
    let mut value = HeaderValue::try_from(text).expect("base64 is plain ASCII");
    // So that neither a log nor HPACK's table keeps it.
    value.set_sensitive(true);
    headers.insert(HELD, value);
}

/// Keeps of an agent's answer what callers may see, in headers and trailers. One that breaks ends with a status.
pub(super) fn returned(answer: http::Response<Body>) -> http::Response<Body> {
    use http_body_util::BodyExt as _;

    let (mut parts, body) = answer.into_parts();
    parts.headers = kept(&parts.headers, |name, _| visible(name));
    let body = tunnel::in_words(body).map_frame(|frame| match frame.into_trailers() {
        Ok(trailers) => http_body::Frame::trailers(kept(&trailers, |name, _| visible(name))),
        Err(data) => data,
    });
    http::Response::from_parts(parts, Body::new(body))
}

fn visible(name: &HeaderName) -> bool {
    let name = name.as_str();
    name == "content-type" || name.starts_with("grpc-") || name.starts_with(RESERVED)
}

fn kept(headers: &HeaderMap, keep: impl Fn(&HeaderName, &HeaderValue) -> bool) -> HeaderMap {
    let pairs = headers.iter().filter(|(name, value)| keep(name, value));
    // Appends, where a name comes twice.
    let mut found = HeaderMap::new();
    pairs.for_each(|(name, value)| {
        found.append(name.clone(), value.clone());
    });
    found
}

fn reserved(name: &HeaderName) -> bool {
    name.as_str().starts_with(RESERVED)
}

fn name(headers: &HeaderMap, header: &'static str) -> Result<Option<Name>, Fault> {
    let Some(value) = once(headers, header)? else { return Ok(None) };
    match Name::parse(value) {
        Ok(name) => Ok(Some(name)),
        Err(malformed) => Err(refused(header, &malformed.to_string())),
    }
}

fn labels(headers: &HeaderMap) -> Result<Vec<Label>, Fault> {
    let values = headers.get_all(LABEL);
    if values.iter().count() > LABELS {
        return Err(refused(LABEL, &format!("was sent more than {LABELS} times")));
    }
    values.iter().map(|value| label(value.to_str().unwrap_or_default())).collect()
}

fn label(text: &str) -> Result<Label, Fault> {
    let sized = |part: &str| (1..=LABEL_PART).contains(&part.len());
    match text.split_once('=') {
        Some((key, value)) if sized(key) && sized(value) => {
            Ok(Label { key: key.to_owned(), value: value.to_owned() })
        }
        Some(_) | None => {
            let problem = format!("must be `key=value`, either of 1 to {LABEL_PART} plain characters");
            Err(refused(LABEL, &problem))
        }
    }
}

fn patience(headers: &HeaderMap) -> Result<Patience, Fault> {
    match once(headers, WAIT)? {
        None | Some("false") => Ok(Patience::None),
        Some("true") => Ok(Patience::Waits),
        Some(_) => Err(refused(WAIT, "must be `true` or `false`")),
    }
}

/// The value of a header that may be sent once; an empty text where it is no plain text.
fn once<'a>(headers: &'a HeaderMap, header: &'static str) -> Result<Option<&'a str>, Fault> {
    let mut values = headers.get_all(header).iter();
    let value = values.next();
    if values.next().is_some() {
        return Err(refused(header, "was sent more than once"));
    }
    Ok(value.map(|value| value.to_str().unwrap_or_default()))
}

fn refused(header: &str, problem: &str) -> Fault {
    Fault::new(Code::InvalidArgument, Reason::HeaderReserved, format!("the header `{header}` {problem}"))
        .with("header", header)
}

fn plain(name: &Name) -> HeaderValue {
    HeaderValue::from_str(name.as_str()).expect("a name is plain ASCII")
}

/// Every name with this prefix is gitproxy's.
const RESERVED: &str = "gitproxy-";
pub(super) const AGENT: &str = "gitproxy-agent";
pub(super) const CONNECTION: &str = "gitproxy-connection";
pub(super) const LABEL: &str = "gitproxy-label";
pub(super) const WAIT: &str = "gitproxy-wait";
/// What a caller may send.
const FROM_CALLERS: [&str; 4] = [AGENT, CONNECTION, LABEL, WAIT];
/// As many as an instance may have.
const LABELS: usize = 16;
/// Characters of a key, and of a value.
const LABEL_PART: usize = 63;
pub(super) const TENANT: &str = "gitproxy-tenant";
const CALLER: &str = "gitproxy-caller";
pub(super) const HELD: &str = "gitproxy-connection-bin";

#[cfg(test)]
mod tests;
