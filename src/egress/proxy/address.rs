//! Where a proxy is, and with which credentials it lets us through.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use percent_encoding::percent_decode_str;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};
use tracing::warn;

use crate::egress::{NotAnOrigin, Origin};
use crate::ops::secret::Source;

/// A forward proxy; neither `Debug` nor `Display` shows its credentials.
///
/// It reads `http://user:p%40ss@proxy.corp:3128`, `https://proxy.corp` for a proxy that is itself spoken to with TLS,
/// and, as curl and Go do, `proxy.corp:3128` as http. Without a port it is the scheme's, 80 or 443, as in Go; curl
/// takes 1080 then, which is the port of SOCKS. User and password are percent-decoded.
#[derive(Clone)]
pub struct Proxy {
    origin: Origin,
    /// `user:password`, as it goes into the header before its encoding.
    credentials: Option<Source>,
}

/// Why a text names no proxy. It completes a sentence, and never repeats the text, which may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAProxy {
    /// Nothing is there.
    #[error("is empty")]
    Empty,
    /// A line end or the like.
    #[error("has a control character in it")]
    Control,
    /// SOCKS, in one of its versions.
    #[error("is a SOCKS proxy; supported are http:// and https:// proxies, spoken to with CONNECT")]
    Socks,
    /// Another scheme.
    #[error("has a scheme that is not supported; supported are http:// and https://")]
    Scheme,
    /// A path, a query or a fragment.
    #[error(
        "has more than scheme, user, password, host and port; `/`, `?` and `#` in a user or a password are written %2F, %3F and %23"
    )]
    More,
    /// No host, or no valid host or port.
    #[error("{0}")]
    Origin(#[from] NotAnOrigin),
    /// Port 0.
    #[error("has port 0, which nothing listens on")]
    PortZero,
    /// The user or the password.
    #[error("{0}")]
    Credentials(#[from] BadCredentials),
}

/// Why a text is not `user:password`. It completes a sentence, and never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadCredentials {
    /// No colon between user and password.
    #[error("is not of the form user:password")]
    NoColon,
    /// A colon in the user: the proxy would take what follows it for the password (RFC 7617, section 2).
    #[error("has a colon in the user, which Basic authentication cannot carry")]
    ColonInUser,
    /// A control character (forbidden by RFC 7617, section 2).
    #[error("has a control character in the user or the password")]
    Control,
    /// Bytes that are not UTF-8 once they are percent-decoded.
    #[error("has a user or a password that is not UTF-8 once it is percent-decoded")]
    NotUtf8,
}

impl Proxy {
    /// Where it is, without the credentials.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// What it is to be shown, `Basic` with the credentials as they are now; marked sensitive.
    ///
    /// Where a file has no usable credentials any more there is a WARN and no header, so that the proxy's own answer
    /// (407) names the hop.
    pub fn authorization(&self) -> Option<HeaderValue> {
        let current = self.credentials.as_ref()?.current();
        match basic(&current) {
            Ok(header) => Some(header),
            Err(why) => {
                warn!(proxy = %self, %why, "the credentials of the proxy are not usable");
                None
            }
        }
    }

    /// The same with credentials from elsewhere, unless its URL had some.
    ///
    /// The first line of the source is `user:password` as it is, not percent-encoded; a file is followed, so that a new
    /// password counts from the next connection on.
    #[must_use]
    pub fn or_credentials(self, source: Source) -> Self {
        Self { credentials: self.credentials.or(Some(source)), ..self }
    }

    /// Whether the credentials, if it has any, are usable as they are now: for a look at start, before the first dial.
    ///
    /// # Errors
    /// When they are not `user:password`.
    pub fn check_credentials(&self) -> Result<(), BadCredentials> {
        self.credentials.as_ref().map_or(Ok(()), |source| basic(&source.current()).map(drop))
    }
}

impl FromStr for Proxy {
    type Err = NotAProxy;

    /// Reads a URL or `host:port`; white space around it is dropped.
    fn from_str(text: &str) -> Result<Self, NotAProxy> {
        let text = text.trim();
        if text.is_empty() {
            return Err(NotAProxy::Empty);
        }
        if text.contains(char::is_control) {
            return Err(NotAProxy::Control);
        }
        // By hand rather than by `Url`, which would keep copies of the password that nobody wipes.
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (supported(scheme)?, rest),
            None => ("http", text),
        };
        let (authority, more) = rest.split_at(rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len()));
        if !matches!(more, "" | "/") {
            return Err(NotAProxy::More);
        }
        // The last one, as curl and browsers do: an `@` in a password is often left as it is.
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        let origin: Origin = format!("{scheme}://{host}").parse()?;
        if origin.port() == 0 {
            return Err(NotAProxy::PortZero);
        }
        let credentials = user.map(decoded).transpose()?.flatten().map(Source::Fixed);
        Ok(Self { origin, credentials })
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.origin.fmt(f)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let credentials = if self.credentials.is_some() { "some" } else { "none" };
        write!(f, "Proxy({}, credentials: {credentials})", self.origin)
    }
}

fn supported(scheme: &str) -> Result<&'static str, NotAProxy> {
    match scheme.to_ascii_lowercase().as_str() {
        "http" => Ok("http"),
        "https" => Ok("https"),
        "socks" | "socks4" | "socks4a" | "socks5" | "socks5h" => Err(NotAProxy::Socks),
        _ => Err(NotAProxy::Scheme),
    }
}

/// The part of a URL before the `@`, as `user:password`; none where both are empty.
fn decoded(userinfo: &str) -> Result<Option<SecretString>, BadCredentials> {
    let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
    let (user, password) = (percent_decoded(user)?, percent_decoded(password)?);
    if user.contains(':') {
        return Err(BadCredentials::ColonInUser);
    }
    if user.contains(char::is_control) || password.contains(char::is_control) {
        return Err(BadCredentials::Control);
    }
    if user.is_empty() && password.is_empty() {
        return Ok(None);
    }
    Ok(Some([user.as_str(), ":", password.as_str()].concat().into()))
}

/// A `%` that begins no escape stays as it is.
fn percent_decoded(text: &str) -> Result<Zeroizing<String>, BadCredentials> {
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| BadCredentials::NotUtf8)?;
    Ok(Zeroizing::new(decoded.into_owned()))
}

/// `Basic` and the standard base64 of `user:password` (RFC 7617).
fn basic(credentials: &SecretString) -> Result<HeaderValue, BadCredentials> {
    let line = credentials.expose_secret().lines().next().unwrap_or_default();
    if !line.contains(':') {
        return Err(BadCredentials::NoColon);
    }
    if line.contains(char::is_control) {
        return Err(BadCredentials::Control);
    }
    // Of its full size at once: a buffer that grows leaves copies behind.
    let mut value = Zeroizing::new(String::with_capacity("Basic ".len() + line.len().div_ceil(3) * 4));
    value.push_str("Basic ");
    STANDARD.encode_string(line, &mut value);
    let mut header = HeaderValue::from_str(&value).expect("base64 is visible ASCII");
    header.set_sensitive(true);
    Ok(header)
}

#[cfg(test)]
mod tests;
