//! Which way a connection goes: straight, or through a forward proxy.
//!
//! [`Proxies`] decides from the settings alone, without a look-up of a name: behind a proxy, names are the proxy's to
//! resolve. `address` is one proxy with its credentials, `no_proxy` the list of exceptions (its rules are in
//! `docs/no_proxy.md`), `tunnel` the CONNECT that asks a proxy for a way through.

mod address;
mod no_proxy;
pub(super) mod tunnel;

use std::net::IpAddr;

use super::{Origin, Scheme};

pub use address::{BadCredentials, NotAProxy, Proxy};
pub use no_proxy::{BadEntry, Fault, NoProxy};

/// Which proxy serves which origins; by default none serves any.
#[derive(Debug, Clone, Default)]
pub struct Proxies(Choice);

/// A way, and why it is this one.
#[derive(Debug, Clone)]
pub struct Route {
    /// The way.
    pub way: Way,
    /// One sentence, without its full stop, that names the entry of NO_PROXY that matches, or what else decided.
    pub because: String,
    /// Whether a setting decided, rather than that the origin is this machine.
    pub by_settings: bool,
}

/// How an origin is reached.
#[derive(Debug, Clone)]
pub enum Way {
    /// Without a proxy.
    Direct,
    /// Through this one: by CONNECT where the origin is https, or by requests in absolute form where it is http.
    Through(Proxy),
}

#[derive(Debug, Clone)]
enum Choice {
    /// Somebody said so, which tells more than that nobody said anything.
    Never,
    ByScheme {
        http: Option<Proxy>,
        https: Option<Proxy>,
        except: NoProxy,
    },
    Always(Proxy),
}

impl Proxies {
    /// One proxy for http and one for https, as `HTTP_PROXY` and `HTTPS_PROXY` name them, and the exceptions of both.
    pub fn new(http: Option<Proxy>, https: Option<Proxy>, except: NoProxy) -> Self {
        Self(Choice::ByScheme { http, https, except })
    }

    /// One proxy for everything but this machine: what overrides the settings of the environment, NO_PROXY included.
    pub fn always(proxy: Proxy) -> Self {
        Self(Choice::Always(proxy))
    }

    /// No proxy for anything: what overrides the settings of the environment.
    pub fn none() -> Self {
        Self(Choice::Never)
    }

    /// Decides the way to an origin.
    ///
    /// `localhost` and loopback addresses are never proxied, whatever the settings say: to a proxy they would mean
    /// itself. Go does the same.
    pub fn route(&self, origin: &Origin) -> Route {
        if is_this_machine(origin) {
            let here = Route::direct("localhost and loopback addresses are never proxied");
            return Route { by_settings: false, ..here };
        }
        match &self.0 {
            Choice::Never => Route::direct("`none` is set for this leg alone, and decides"),
            Choice::Always(proxy) => {
                Route::through(proxy, "a proxy is set for this leg alone, and NO_PROXY does not apply to it")
            }
            Choice::ByScheme { http, https, except } => {
                let proxy = match origin.scheme() {
                    Scheme::Http => http,
                    Scheme::Https => https,
                };
                by_scheme(origin, proxy.as_ref(), except)
            }
        }
    }
}

impl Route {
    fn direct(because: impl Into<String>) -> Self {
        Self { way: Way::Direct, because: because.into(), by_settings: true }
    }

    fn through(proxy: &Proxy, because: impl Into<String>) -> Self {
        Self { way: Way::Through(proxy.clone()), because: because.into(), by_settings: true }
    }
}

impl Default for Choice {
    fn default() -> Self {
        Self::ByScheme { http: None, https: None, except: NoProxy::default() }
    }
}

fn by_scheme(origin: &Origin, proxy: Option<&Proxy>, except: &NoProxy) -> Route {
    let (scheme, host, port) = (origin.scheme(), bare(&origin.host()), origin.port());
    let Some(proxy) = proxy else {
        return Route::direct(format!("no proxy is set for {scheme}"));
    };
    match except.matching(origin) {
        Some(entry) => Route::direct(format!("the entry `{entry}` of NO_PROXY matches {host} port {port}")),
        None if except.is_empty() => {
            Route::through(proxy, format!("a proxy is set for {scheme}, and NO_PROXY is empty"))
        }
        None => Route::through(
            proxy,
            format!("a proxy is set for {scheme}, and no entry of NO_PROXY matches {host} port {port}"),
        ),
    }
}

/// `localhost`, with the dot at the end or without, or an address of the loopback, also one in the form of the other
/// family (`::ffff:127.0.0.1`).
fn is_this_machine(origin: &Origin) -> bool {
    match origin.ip() {
        Some(ip) => unwrapped(ip).is_loopback(),
        None => bare(&origin.host()) == "localhost",
    }
}

/// A name without the dot at its end, which only says that the name is complete (RFC 1034, section 3.1).
fn bare(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_owned()
}

/// The IPv4 address where one is mapped into IPv6 (RFC 4291, section 2.5.5.2): both reach the same host.
fn unwrapped(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_scheme_has_its_proxy_and_the_route_says_so() {
        let proxies = Proxies::new(Some(proxy("plain.corp")), Some(proxy("secure.corp")), NoProxy::default());
        let (way, because) = route(&proxies, "https://git.example.com");
        assert_eq!(way, "http://secure.corp:3128");
        assert_eq!(because, "a proxy is set for https, and NO_PROXY is empty");
        assert_eq!(route(&proxies, "http://git.example.com").0, "http://plain.corp:3128");
    }

    #[test]
    fn the_entry_that_matches_is_named_as_it_was_written() {
        let except = "*.example.org, .Example.COM:443".parse().unwrap();
        let proxies = Proxies::new(None, Some(proxy("proxy.corp")), except);
        let (way, because) = route(&proxies, "https://git.example.com.");
        assert_eq!(way, "direct");
        assert_eq!(because, "the entry `.Example.COM:443` of NO_PROXY matches git.example.com port 443");
        let (way, because) = route(&proxies, "https://git.example.com:7990");
        assert_eq!(way, "http://proxy.corp:3128");
        assert_eq!(
            because,
            "a proxy is set for https, and no entry of NO_PROXY matches git.example.com port 7990"
        );
    }

    #[test]
    fn without_a_proxy_everything_is_direct() {
        let only_http = Proxies::new(Some(proxy("proxy.corp")), None, NoProxy::default());
        for proxies in [Proxies::default(), only_http] {
            let (way, because) = route(&proxies, "https://git.example.com");
            assert_eq!((&*way, &*because), ("direct", "no proxy is set for https"));
        }
        let (way, because) = route(&Proxies::none(), "https://git.example.com");
        assert_eq!((&*way, &*because), ("direct", "`none` is set for this leg alone, and decides"));
    }

    #[test]
    fn an_override_heeds_no_list_of_exceptions() {
        let (way, because) = route(&Proxies::always(proxy("proxy.corp")), "http://git.example.com");
        assert_eq!(way, "http://proxy.corp:3128");
        assert_eq!(because, "a proxy is set for this leg alone, and NO_PROXY does not apply to it");
    }

    #[test]
    fn this_machine_is_never_behind_a_proxy() {
        let set = Proxies::new(Some(proxy("proxy.corp")), Some(proxy("proxy.corp")), NoProxy::default());
        let here = [
            "http://localhost:7990",
            "https://LOCALHOST",
            "https://localhost.",
            "http://127.0.0.1",
            "https://127.255.255.254",
            "https://[::1]:8443",
            "https://[::ffff:127.0.0.1]",
        ];
        for proxies in [set, Proxies::always(proxy("proxy.corp"))] {
            for url in here {
                let (way, because) = route(&proxies, url);
                assert_eq!(way, "direct", "{url}");
                assert_eq!(because, "localhost and loopback addresses are never proxied", "{url}");
            }
            for url in ["https://localhost.example.com", "https://128.0.0.1", "https://[::2]"] {
                assert_eq!(route(&proxies, url).0, "http://proxy.corp:3128", "{url}");
            }
        }
    }

    #[test]
    fn debug_shows_no_credential() {
        let proxy: Proxy = "http://robot:hunter2@proxy.corp:3128".parse().unwrap();
        let proxies = Proxies::new(Some(proxy.clone()), Some(proxy.clone()), NoProxy::default());
        let route = proxies.route(&"https://git.example.com".parse().unwrap());
        for shown in [format!("{proxies:?}"), format!("{route:?}"), format!("{:?}", Proxies::always(proxy))] {
            assert!(shown.contains("proxy.corp"), "{shown}");
            assert!(!shown.contains("hunter2") && !shown.contains("robot"), "{shown}");
        }
    }

    fn proxy(host: &str) -> Proxy {
        format!("http://{host}:3128").parse().unwrap()
    }

    fn route(proxies: &Proxies, url: &str) -> (String, String) {
        let Route { way, because, .. } = proxies.route(&url.parse().unwrap());
        let way = match way {
            Way::Direct => "direct".to_owned(),
            Way::Through(proxy) => proxy.to_string(),
        };
        (way, because)
    }
}
