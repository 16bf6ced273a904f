//! Where a Bitbucket is, who asks, and what may be touched.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Uri};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use crate::bitbucket::Error;
use crate::bitbucket::names::Projects;
use crate::ops::secret::Source;

/// A connection as the adapter needs it.
#[derive(Debug, Clone)]
pub struct Account {
    /// The connection's name, for messages.
    pub name: String,
    /// The base URL, context path included, such as `https://git.example/bitbucket`.
    pub base: Url,
    /// Who asks.
    pub credential: Credential,
    /// The user whom Bitbucket must take the credential for, where the settings name one.
    pub user: Option<String>,
    /// The projects that may be touched.
    pub projects: Projects,
}

/// How requests are authenticated. The secret is asked for at each request, so that a rotated one is used at once.
#[derive(Clone)]
pub enum Credential {
    /// An HTTP access token: a person's, a project's or a repository's.
    Bearer(Source),
    /// A user with a password or a personal access token. Fresh installations of 10.x refuse it (FACTS 1.7).
    Basic {
        /// The login name.
        user: String,
        /// The password or token.
        password: Source,
    },
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bearer(_) => f.write_str("Bearer"),
            Self::Basic { user, .. } => write!(f, "Basic({user})"),
        }
    }
}

impl Credential {
    /// The token or password as it is now.
    pub(super) fn secret(&self) -> SecretString {
        match self {
            Self::Bearer(token) => token.current(),
            Self::Basic { password, .. } => password.current(),
        }
    }

    /// The name to log in with; a token needs none.
    pub(super) fn login(&self) -> Option<&str> {
        match self {
            Self::Bearer(_) => None,
            Self::Basic { user, .. } => Some(user),
        }
    }

    /// The value for `Authorization`, marked sensitive.
    ///
    /// # Errors
    /// When the secret has characters that no header can carry, such as a line break.
    pub(super) fn header(&self) -> Result<HeaderValue, http::header::InvalidHeaderValue> {
        let text = match self {
            Self::Bearer(token) => prefixed("Bearer ", &token.current()),
            Self::Basic { user, password } => basic(user, &password.current()),
        };
        let mut value = HeaderValue::from_str(&text)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

fn prefixed(scheme: &str, token: &SecretString) -> Zeroizing<String> {
    Zeroizing::new(format!("{scheme}{}", token.expose_secret()))
}

fn basic(user: &str, password: &SecretString) -> Zeroizing<String> {
    let pair = Zeroizing::new(format!("{user}:{}", password.expose_secret()));
    let encoded = Zeroizing::new(STANDARD.encode(pair.as_bytes()));
    Zeroizing::new(format!("Basic {}", *encoded))
}

/// A base URL whose parts are checked: what every request's path is put under.
#[derive(Debug, Clone)]
pub(super) struct Base {
    url: Url,
    /// Without a slash at the end.
    text: String,
}

impl Base {
    /// Checks the account's URL.
    ///
    /// # Errors
    /// [`Error::Account`] for another scheme than http and https, and for a user, query or fragment.
    pub(super) fn of(account: &Account) -> Result<Self, Error> {
        let url = &account.base;
        let problem = if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            "its URL must begin with https:// and a host"
        } else if !url.username().is_empty() || url.password().is_some() {
            "its URL must not hold a user or password"
        } else if url.query().is_some() || url.fragment().is_some() {
            "its URL must not have a query or a fragment"
        } else {
            let text = url.as_str().trim_end_matches('/').to_owned();
            return Ok(Self { url: url.clone(), text });
        };
        Err(Error::Account { connection: account.name.clone(), problem })
    }

    /// The URL without a slash at the end.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Puts a request's path and query under the base.
    pub(super) fn join(&self, below: &Uri) -> Result<Uri, http::uri::InvalidUri> {
        Uri::try_from(format!("{}{below}", self.text))
    }

    /// What stands below the base, for a redirect from `from` that stays in the REST interface; `None` for any other.
    pub(super) fn below(&self, from: &Uri, location: &str) -> Option<Uri> {
        if location.is_empty() {
            return None;
        }
        // Relative to where the request went, dots resolved.
        let from = Url::parse(&self.join(from).ok()?.to_string()).ok()?;
        let target = from.join(location).ok()?;
        if target.origin() != self.url.origin() {
            return None;
        }
        let context = self.url.path().trim_end_matches('/');
        let path = target.path().strip_prefix(context)?;
        let query = target.query().map(|query| format!("?{query}")).unwrap_or_default();
        path.starts_with("/rest/").then(|| Uri::try_from(format!("{path}{query}")).ok())?
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::bitbucket::names::ProjectKey;

    /// An account for tests, with one project.
    pub(in crate::bitbucket) fn account(base: &str) -> Account {
        Account {
            name: "main".into(),
            base: Url::parse(base).expect("a URL"),
            credential: Credential::Bearer(Source::Fixed("s3cret".into())),
            user: None,
            projects: ["SHOP", "~jane"].iter().map(|key| ProjectKey::parse(key).expect("a key")).collect(),
        }
    }

    #[test]
    fn the_context_path_stays_and_slashes_do_not_double() {
        for base in ["https://git.example/bitbucket", "https://git.example/bitbucket/"] {
            let base = Base::of(&account(base)).expect("good");
            let joined = base.join(&Uri::from_static("/rest/api/latest/projects?limit=1")).expect("a URI");
            assert_eq!(joined, "https://git.example/bitbucket/rest/api/latest/projects?limit=1");
        }
    }

    #[test]
    fn a_url_with_a_user_or_a_query_is_refused() {
        for bad in
            ["https://u:p@git.example", "https://git.example/?x=1", "ftp://git.example", "https://x/#f"]
        {
            assert!(matches!(Base::of(&account(bad)), Err(Error::Account { .. })), "{bad}");
        }
    }

    #[test]
    fn a_redirect_stays_below_the_rest_interface_or_is_none() {
        let base = Base::of(&account("https://git.example/bitbucket")).expect("good");
        let from = Uri::from_static("/rest/api/latest/projects/SHOP/repos/old?x=1");
        let below = |to| base.below(&from, to).map(|uri| uri.to_string());
        let moved = Some("/rest/api/latest/projects/SHOP/repos/new?x=1".to_owned());
        assert_eq!(below("https://git.example/bitbucket/rest/api/latest/projects/SHOP/repos/new?x=1"), moved);
        assert_eq!(below("/bitbucket/rest/api/latest/projects/SHOP/repos/new?x=1"), moved);
        for outside in [
            "https://sso.example/login",
            "https://sso.example/bitbucket/rest/api/latest/x",
            "//sso.example/bitbucket/rest/api/latest/x",
            "/\\sso.example/bitbucket/rest/api/latest/x",
            "https://git.example@sso.example/bitbucket/rest/api/latest/x",
            "https://git.example.sso.example/bitbucket/rest/api/latest/x",
            "https://127.0.0.1/bitbucket/rest/api/latest/x",
            "http://git.example/bitbucket/rest/api/latest/x",
            "https://git.example:8443/bitbucket/rest/api/latest/x",
            "/bitbucket/login?next=/rest/",
            "/rest/api/latest/x",
            "/bitbucket/rest/../login",
            "/bitbucketx/rest/api",
        ] {
            assert_eq!(below(outside), None, "{outside}");
        }
    }

    #[test]
    fn the_header_is_sensitive_and_debug_shows_no_secret() {
        let bearer = Credential::Bearer(Source::Fixed("s3cret".into()));
        let header = bearer.header().expect("a header");
        assert!(header.is_sensitive());
        assert_eq!(header.as_bytes(), b"Bearer s3cret");
        let basic = Credential::Basic { user: "jane".into(), password: Source::Fixed("s3cret".into()) };
        assert_eq!(basic.header().expect("a header").as_bytes(), b"Basic amFuZTpzM2NyZXQ=");
        assert!(!format!("{bearer:?} {basic:?} {header:?}").contains("s3cret"));
        assert!(Credential::Bearer(Source::Fixed("a\nb".into())).header().is_err());
    }
}
