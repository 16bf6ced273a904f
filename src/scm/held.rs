//! A connection that the cloud holds and that comes with the call.

use std::fmt;
use std::sync::Arc;

use prost::Message as _;
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use tonic::Code;
use url::{Host, Url};

use super::projects::Projects;
use crate::proto::tunnel::v1::HeldConnection;
use crate::proto::{Fault, Reason};

/// The connection that came with the call, as the stack took it from the headers; a request extension.
///
/// Its fields are as the gateway sent them; [`HeldSecret::settings`] judges them. Debug shows no token.
#[derive(Clone)]
pub struct HeldSecret(Arc<Held>);

struct Held {
    name: String,
    url: String,
    user: String,
    token: SecretString,
    projects: Vec<String>,
    auth: String,
}

/// The settings of a held connection, found usable.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its name.
    pub name: String,
    /// The server: https, or http on loopback; no user, query or fragment.
    pub base: Url,
    /// How to log in.
    pub credential: Credential,
    /// The user whom the token must belong to, where the cloud names one.
    pub user: Option<String>,
    /// What it may touch.
    pub projects: Projects,
}

/// How to log in; the secret is for the header alone.
#[derive(Debug, Clone)]
pub enum Credential {
    /// `authorization: Bearer token`.
    Bearer(SecretString),
    /// `authorization: Basic`.
    Basic {
        /// The login name.
        user: String,
        /// The password, or a token in its place.
        password: SecretString,
    },
}

impl HeldSecret {
    /// Reads an encoded `HeldConnection`; `None` for anything else.
    pub fn decode(encoded: &SecretSlice<u8>) -> Option<Self> {
        HeldConnection::decode(encoded.expose_secret()).ok().map(Self::from)
    }

    /// The connection's name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Parses the settings.
    ///
    /// # Errors
    /// CONNECTION_INVALID, which says what is wrong without repeating the token.
    pub fn settings(&self) -> Result<Settings, Fault> {
        self.parse().map_err(|problem| {
            let message =
                format!("connection `{}` cannot be used: {problem}; correct it at the gateway", self.name());
            Fault::new(Code::FailedPrecondition, Reason::ConnectionInvalid, message)
                .with("connection", self.name())
        })
    }

    fn parse(&self) -> Result<Settings, &'static str> {
        let held = &*self.0;
        if held.name.is_empty() {
            return Err("it has no name");
        }
        Ok(Settings {
            name: held.name.clone(),
            base: base_url(&held.url)?,
            credential: held.credential()?,
            user: Some(held.user.clone()).filter(|user| !user.is_empty()),
            projects: held.projects.iter().cloned().collect(),
        })
    }
}

impl Held {
    fn credential(&self) -> Result<Credential, &'static str> {
        let token = self.token.expose_secret();
        if token.is_empty() || token.chars().any(char::is_control) {
            return Err("its token is empty or has characters that no header can carry");
        }
        match self.auth.as_str() {
            "" | "bearer" => Ok(Credential::Bearer(self.token.clone())),
            // A colon would end the user's name in the header (RFC 7617, section 2).
            "basic" if self.user.is_empty() || self.user.contains(':') => {
                Err("basic authentication needs a user without a colon")
            }
            "basic" => Ok(Credential::Basic { user: self.user.clone(), password: self.token.clone() }),
            _ => Err("its authentication is neither bearer nor basic"),
        }
    }
}

impl From<HeldConnection> for HeldSecret {
    fn from(held: HeldConnection) -> Self {
        let HeldConnection { name, url, user, token, projects, auth } = held;
        Self(Arc::new(Held { name, url, user, token: token.into(), projects, auth }))
    }
}

impl fmt::Debug for HeldSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not even the URL: one that is malformed may carry a password.
        f.debug_struct("HeldSecret").field("name", &self.0.name).finish_non_exhaustive()
    }
}

/// Parses the base URL of a Bitbucket.
fn base_url(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "its URL is no URL")?;
    let host = url.host().ok_or("its URL names no host")?;
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&host) => {}
        "http" => return Err("its URL is http, which is accepted on loopback only"),
        _ => return Err("its URL is not https"),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("its URL carries a user or a password");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("its URL has a query or a fragment");
    }
    Ok(url)
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => ip.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(change: impl FnOnce(&mut HeldConnection)) -> HeldSecret {
        let mut held = HeldConnection {
            name: "main".into(),
            url: "https://git.example.com/bitbucket".into(),
            user: "ci".into(),
            token: "c4nary".into(),
            projects: vec!["SHOP".into()],
            auth: String::new(),
        };
        change(&mut held);
        held.into()
    }

    #[test]
    fn good_settings_are_parsed() {
        let settings = held(|_| {}).settings().expect("usable");
        assert_eq!(settings.base.as_str(), "https://git.example.com/bitbucket");
        assert!(matches!(settings.credential, Credential::Bearer(_)));
        assert_eq!(settings.user.as_deref(), Some("ci"));
        assert_eq!(held(|h| h.user.clear()).settings().expect("usable").user, None);
        assert!(settings.projects.contains("shop"));
        let basic = held(|h| h.auth = "basic".into()).settings().expect("usable");
        assert!(matches!(basic.credential, Credential::Basic { user, .. } if user == "ci"));
        for loopback in ["http://127.0.0.1:7990", "http://localhost:1/x", "http://[::1]:2"] {
            held(|h| h.url = loopback.into()).settings().expect(loopback);
        }
    }

    #[test]
    fn unusable_settings_are_refused_without_repeating_a_secret() {
        let urls = [
            "",
            "git",
            "http://10.0.0.1",
            "ftp://x",
            "https://u:c4nary@x",
            "https://x?c4nary",
            "https://x#y",
        ];
        let mut bad: Vec<_> = urls.iter().map(|url| held(|h| h.url = (*url).into())).collect();
        bad.push(held(|h| h.name.clear()));
        bad.push(held(|h| h.token.clear()));
        bad.push(held(|h| h.token = "c4nary\n".into()));
        bad.push(held(|h| h.auth = "c4nary".into()));
        bad.push(held(|h| (h.auth, h.user) = ("basic".into(), "a:b".into())));
        for held in bad {
            let fault = held.settings().unwrap_err();
            assert_eq!(fault.reason(), Reason::ConnectionInvalid);
            assert!(!format!("{fault} {fault:?} {held:?}").contains("c4nary"), "{fault:?}");
        }
    }

    #[test]
    fn debug_shows_no_token() {
        let held = held(|_| {});
        let shown = format!("{held:?} {:?}", held.settings());
        assert!(shown.contains("main") && !shown.contains("c4nary"), "{shown}");
    }
}
