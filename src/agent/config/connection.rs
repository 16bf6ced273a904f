//! The connections that the settings name.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::str::FromStr;

use url::Url;

use super::client;
use crate::bitbucket::{Account, Credential, ProjectKey, Projects};
use crate::egress::{ClientFiles, NotAnOrigin, Origin, Plaintext, Scheme};
use crate::ops::secret::{SecretFile, Source};
use crate::ops::settings::{Layers, Problems, Switch};

/// A Bitbucket that the settings name, and how to get to it.
#[derive(Debug, Clone)]
pub struct Connection {
    /// Which one, as whom, and what may be touched there.
    pub account: Account,
    /// The certificate to show where the server asks for one.
    pub client: Option<ClientFiles>,
    /// Whether the token may travel without TLS to a server that is not this machine.
    pub plaintext: Plaintext,
}

/// A connection's server.
struct Base(Url);

/// Why a text is no server.
#[derive(Debug, thiserror::Error)]
enum NoServer {
    #[error("{0}; give one such as https://git.example.com/bitbucket")]
    Form(#[from] NotAnOrigin),
    #[error("has a user, a query or a fragment: give scheme, host, port and context path only")]
    Extra,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Auth {
    Bearer,
    Basic,
}

struct Project(ProjectKey);

/// Reads every `[connections.NAME]`, and `default` also where only the environment or flags have it.
pub(super) fn all(layers: &Layers, problems: &mut Problems) -> Vec<Connection> {
    let mut names: BTreeSet<String> =
        layers.table("connections").iter().map(|section| section.name().to_owned()).collect();
    if KEYS.iter().any(|key| layers.came_from(&format!("connections.{DEFAULT}.{key}")) != "not set") {
        names.insert(DEFAULT.to_owned());
    }
    names.iter().filter_map(|name| one(layers, name, problems)).collect()
}

fn one(layers: &Layers, name: &str, problems: &mut Problems) -> Option<Connection> {
    let key = |key: &str| format!("connections.{name}.{key}");
    // Each is read before any `?`, so that all problems are found.
    let base = layers.required::<Base>(&key("url"), problems);
    let user = layers.value::<String>(&key("user"), problems).filter(|user| !user.is_empty());
    let credential = credential(layers, &key, user.clone(), problems);
    let client = client::files(layers, &format!("connections.{name}"), problems);
    let plaintext = plaintext(layers, &key, base.as_ref(), problems);
    let projects = layers.list::<Project>(&key("projects"), problems);
    if projects.is_empty() && layers.came_from(&key("projects")) == "not set" {
        problems.push(
            layers
                .problem(&key("projects"), "is required: without projects the connection may touch nothing"),
        );
    }
    let projects: Projects = projects.into_iter().map(|Project(key)| key).collect();
    let account = Account { name: name.to_owned(), base: base?.0, credential: credential?, user, projects };
    Some(Connection { account, client, plaintext: plaintext? })
}

/// A token in the clear is somebody's decision, never the consequence of a URL alone.
fn plaintext(
    layers: &Layers,
    key: &dyn Fn(&str) -> String,
    base: Option<&Base>,
    problems: &mut Problems,
) -> Option<Plaintext> {
    let Switch(allowed) = layers.required(&key("allow_http"), problems)?;
    if allowed {
        return Some(Plaintext::Anywhere);
    }
    if base.is_some_and(Base::is_in_the_clear) {
        let problem = format!(
            "is not https, so that everybody on the way could read the token; plain http is accepted for a loopback \
             address only, unless {} is true",
            key("allow_http")
        );
        problems.push(layers.problem(&key("url"), &problem));
        return None;
    }
    Some(Plaintext::LoopbackOnly)
}

fn credential(
    layers: &Layers,
    key: &dyn Fn(&str) -> String,
    user: Option<String>,
    problems: &mut Problems,
) -> Option<Credential> {
    let auth = layers.required::<Auth>(&key("auth"), problems);
    let path = layers.required::<PathBuf>(&key("token_file"), problems);
    let opened = path.map(SecretFile::open).transpose();
    let token = opened.unwrap_or_else(|error| {
        problems.push(layers.problem(&key("token_file"), &error.to_string()));
        None
    });
    if auth? == Auth::Bearer {
        return token.map(|token| Credential::Bearer(Source::File(token)));
    }
    // A colon would end the user's name in the header (RFC 7617, section 2).
    match user.filter(|user| !user.contains(':')) {
        Some(user) => token.map(|token| Credential::Basic { user, password: Source::File(token) }),
        None => {
            problems
                .push(layers.problem(&key("user"), "must be a name without a colon, since `auth` is basic"));
            None
        }
    }
}

impl From<Account> for Connection {
    /// Without a client certificate, and with TLS.
    fn from(account: Account) -> Self {
        Self { account, client: None, plaintext: Plaintext::default() }
    }
}

impl Base {
    /// Whether it is http, and not to this machine.
    fn is_in_the_clear(&self) -> bool {
        Origin::of(&self.0).is_ok_and(|origin| origin.scheme() == Scheme::Http && !origin.is_loopback())
    }
}

impl FromStr for Base {
    type Err = NoServer;

    fn from_str(text: &str) -> Result<Self, NoServer> {
        let url = Url::parse(text).map_err(NotAnOrigin::from)?;
        Origin::of(&url)?;
        let bare = url.username().is_empty() && url.password().is_none();
        if !bare || url.query().is_some() || url.fragment().is_some() {
            return Err(NoServer::Extra);
        }
        Ok(Self(url))
    }
}

impl FromStr for Auth {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "bearer" => Ok(Self::Bearer),
            "basic" => Ok(Self::Basic),
            _ => Err("is neither bearer nor basic"),
        }
    }
}

impl FromStr for Project {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        ProjectKey::parse(text).map(Self)
    }
}

/// The connection that flags and environment can give.
const DEFAULT: &str = "default";
/// Those of its keys that have no default: one of them makes the connection.
const KEYS: &[&str] = &["url", "user", "token_file", "projects", "client_cert_file", "client_key_file"];
