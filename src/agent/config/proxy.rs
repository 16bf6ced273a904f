//! Which connections go through which proxy.

use secrecy::ExposeSecret as _;

use crate::egress::{NoProxy, Proxies, Proxy, Scheme};
use crate::ops::secret::{SecretFile, Source};
use crate::ops::settings::{Layers, Problems};

/// The proxies of both legs: those that the environment names for every program, and what either leg has in their place.
#[derive(Debug, Clone, Default)]
pub struct ProxySettings {
    /// For whatever has none of its own.
    pub common: Proxies,
    /// For the gateway, if it has its own; NO_PROXY does not count then.
    pub gateway: Option<Proxies>,
    /// For every Bitbucket, if they have their own; NO_PROXY does not count then.
    pub bitbucket: Option<Proxies>,
}

impl ProxySettings {
    /// The setting that makes [`ProxySettings::gateway`].
    pub const GATEWAY: &str = "gateway.proxy";
    /// The setting that makes [`ProxySettings::bitbucket`].
    pub const BITBUCKET: &str = "bitbucket.proxy";

    /// The settings that make [`ProxySettings::common`] for origins of a scheme: the proxy, and the exceptions from it.
    pub fn common(scheme: Scheme) -> [&'static str; 2] {
        match scheme {
            Scheme::Http => [HTTP, NO_PROXY],
            Scheme::Https => [HTTPS, NO_PROXY],
        }
    }

    /// Reads them out of the layers; none of the settings is required. What is bad is told without its value, which may
    /// have a password in it.
    pub fn read(layers: &Layers, problems: &mut Problems) -> Option<Self> {
        // Each is read before any `?`, so that all problems are found.
        let credentials = credentials(layers, problems);
        let http = proxy(layers, HTTP, credentials.as_ref(), problems);
        let https = proxy(layers, HTTPS, credentials.as_ref(), problems);
        let except = except(layers, problems);
        let gateway = own(layers, Self::GATEWAY, credentials.as_ref(), problems);
        let bitbucket = own(layers, Self::BITBUCKET, credentials.as_ref(), problems);
        Some(Self { common: Proxies::new(http?, https?, except?), gateway: gateway?, bitbucket: bitbucket? })
    }
}

/// The file for the proxies whose URLs have no user and password.
fn credentials(layers: &Layers, problems: &mut Problems) -> Option<Source> {
    let path = layers.value::<String>(CREDENTIALS_FILE, problems)?;
    let opened = SecretFile::open(path).map(Source::File);
    opened.map_err(|error| problems.push(layers.problem(CREDENTIALS_FILE, &error.to_string()))).ok()
}

/// `None` for a bad one, `Some(None)` where it is not set.
fn proxy(
    layers: &Layers,
    key: &str,
    credentials: Option<&Source>,
    problems: &mut Problems,
) -> Option<Option<Proxy>> {
    let Some(text) = layers.secret(key) else { return Some(None) };
    parse(layers, key, text.expose_secret(), credentials, problems).map(Some)
}

fn own(
    layers: &Layers,
    key: &str,
    credentials: Option<&Source>,
    problems: &mut Problems,
) -> Option<Option<Proxies>> {
    let Some(text) = layers.secret(key) else { return Some(None) };
    Some(Some(match text.expose_secret().trim() {
        none if none.eq_ignore_ascii_case(NONE) => Proxies::none(),
        url => Proxies::always(parse(layers, key, url, credentials, problems)?),
    }))
}

fn parse(
    layers: &Layers,
    key: &str,
    text: &str,
    credentials: Option<&Source>,
    problems: &mut Problems,
) -> Option<Proxy> {
    if let Some(word) = NO_HOSTS.iter().find(|word| word.eq_ignore_ascii_case(text.trim())) {
        let what = match key {
            HTTP | HTTPS => format!("is `{word}`, which is no proxy: leave it unset where there is none"),
            _ => format!("is `{word}`, which is no proxy: the word for none is `{NONE}`"),
        };
        problems.push(layers.problem(key, &what));
        return None;
    }
    let parsed: Result<Proxy, _> = text.parse();
    let proxy = parsed.map_err(|why| problems.push(layers.problem(key, &why.to_string()))).ok()?;
    let proxy = match credentials {
        Some(source) => proxy.or_credentials(source.clone()),
        None => proxy,
    };
    let checked = proxy.check_credentials();
    // The credentials in a URL were checked when it was parsed.
    checked.map_err(|why| problems.push(layers.problem(CREDENTIALS_FILE, &why.to_string()))).ok()?;
    Some(proxy)
}

fn except(layers: &Layers, problems: &mut Problems) -> Option<NoProxy> {
    let entries = layers.list::<String>(NO_PROXY, problems).join(",");
    entries.parse().map_err(|why| problems.push(layers.problem(NO_PROXY, &format!("{why}")))).ok()
}

const HTTP: &str = "proxy.http";
const HTTPS: &str = "proxy.https";
const NO_PROXY: &str = "proxy.no_proxy";
/// Of a leg's own setting, in any case of letters: no proxy.
const NONE: &str = "none";
/// What people write for no proxy; as a host it would be one on port 80, which nobody has.
const NO_HOSTS: &[&str] = &[NONE, "no", "off", "false", "direct", "disabled", "null", "true"];
const CREDENTIALS_FILE: &str = "proxy.credentials_file";
