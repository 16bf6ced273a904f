//! Scheme, host and port: whom a connection goes to.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use http::Uri;
use rustls_pki_types::ServerName;
use url::Url;

/// Scheme, host and port of a URL; shown as `https://host:port`, always with the port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    scheme: Scheme,
    host: ServerName<'static>,
    port: u16,
}

/// How an origin is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Without TLS: this machine only.
    Http,
    /// With TLS.
    Https,
}

/// Why a URL has no origin. No variant repeats the URL, which may have a password in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAnOrigin {
    /// It is not a URL.
    #[error("is not a URL: {0}")]
    Url(#[from] url::ParseError),
    /// Another scheme, or none.
    #[error("is not an http:// or https:// URL")]
    Scheme,
    /// No host, or none that a certificate can name.
    #[error("has no valid host")]
    Host,
    /// A user, a path or a query where only an origin is wanted.
    #[error("has more than scheme, host and port")]
    More,
}

impl Origin {
    /// The origin of a URL; its user, path and query are not looked at.
    ///
    /// # Errors
    /// When the URL is not http or https, or its host is missing or odd.
    pub fn of(url: &Url) -> Result<Self, NotAnOrigin> {
        let scheme = Scheme::parse(url.scheme())?;
        let host = match url.host().ok_or(NotAnOrigin::Host)? {
            url::Host::Domain(name) => domain(name)?,
            url::Host::Ipv4(ip) => IpAddr::from(ip).into(),
            url::Host::Ipv6(ip) => IpAddr::from(ip).into(),
        };
        Ok(Self { scheme, host, port: url.port().unwrap_or(scheme.port()) })
    }

    /// The origin of a request's target.
    ///
    /// # Errors
    /// When the target is not absolute, not http or https, or its host is odd.
    pub fn of_uri(uri: &Uri) -> Result<Self, NotAnOrigin> {
        let scheme = Scheme::parse(uri.scheme_str().unwrap_or_default())?;
        let host = uri.host().ok_or(NotAnOrigin::Host)?;
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let host = match bare.parse::<IpAddr>() {
            Ok(ip) => ip.into(),
            Err(_) => domain(bare)?,
        };
        Ok(Self { scheme, host, port: uri.port_u16().unwrap_or(scheme.port()) })
    }

    /// How it is spoken to.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host, in lower case; an IPv6 address is without its brackets.
    pub fn host(&self) -> String {
        self.host.to_str().into_owned()
    }

    /// The port, the scheme's own where the URL had none.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it says by its name that it is this machine: a loopback address or `localhost`.
    pub fn is_loopback(&self) -> bool {
        self.ip().map_or_else(|| self.host.to_str() == "localhost", |ip| ip.is_loopback())
    }

    /// What its certificate must be for.
    pub(super) fn server_name(&self) -> ServerName<'static> {
        self.host.clone()
    }

    /// Its address, if it has no name that needs resolving.
    pub(super) fn ip(&self) -> Option<IpAddr> {
        let ServerName::IpAddress(ip) = self.host else { return None };
        Some(ip.into())
    }
}

impl Scheme {
    fn parse(text: &str) -> Result<Self, NotAnOrigin> {
        match text {
            "http" => Ok(Self::Http),
            "https" => Ok(Self::Https),
            _ => Err(NotAnOrigin::Scheme),
        }
    }

    fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl FromStr for Origin {
    type Err = NotAnOrigin;

    /// Reads a URL that has nothing but an origin.
    fn from_str(text: &str) -> Result<Self, NotAnOrigin> {
        let url = Url::parse(text)?;
        let origin = Self::of(&url)?;
        let user = !url.username().is_empty() || url.password().is_some();
        let more = user || url.path() != "/" || url.query().is_some() || url.fragment().is_some();
        if more { Err(NotAnOrigin::More) } else { Ok(origin) }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Https => "https",
        })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.host.to_str();
        let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{}://{open}{host}{close}:{}", self.scheme, self.port)
    }
}

fn domain(name: &str) -> Result<ServerName<'static>, NotAnOrigin> {
    ServerName::try_from(name.to_ascii_lowercase()).map_err(|_| NotAnOrigin::Host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_shown_with_its_port() {
        let shown = [
            ("https://Git.Example.com", "https://git.example.com:443"),
            ("http://localhost", "http://localhost:80"),
            ("https://127.0.0.1:7999/", "https://127.0.0.1:7999"),
            ("https://[::1]:8443", "https://[::1]:8443"),
        ];
        for (text, expected) in shown {
            assert_eq!(text.parse::<Origin>().map(|origin| origin.to_string()).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn a_url_and_a_request_to_it_have_the_same_origin() {
        for text in
            ["https://git.example.com/bitbucket/rest", "http://[::1]:80/x", "https://GIT.example.com:443/"]
        {
            let url = Origin::of(&Url::parse(text).unwrap()).unwrap();
            assert_eq!(Origin::of_uri(&text.parse().unwrap()), Ok(url), "{text}");
        }
    }

    #[test]
    fn what_is_no_origin_says_why() {
        let bad = [
            ("git.example.com", NotAnOrigin::Url(url::ParseError::RelativeUrlWithoutBase)),
            ("ssh://git.example.com", NotAnOrigin::Scheme),
            ("https://git.example.com/context", NotAnOrigin::More),
            ("https://me:secret@git.example.com", NotAnOrigin::More),
            ("https://-.example.com", NotAnOrigin::Host),
        ];
        for (text, why) in bad {
            assert_eq!(text.parse::<Origin>(), Err(why), "{text}");
        }
        assert_eq!(Origin::of_uri(&"/rest".parse().unwrap()), Err(NotAnOrigin::Scheme));
    }

    #[test]
    fn only_this_machine_is_loopback() {
        let cases = [
            ("http://localhost", true),
            ("http://127.8.0.1", true),
            ("http://[::1]", true),
            ("http://localhost.example.com", false),
            ("http://10.0.0.1", false),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<Origin>().unwrap().is_loopback(), expected, "{text}");
        }
    }
}
