//! What the settings mean: parsed, complete, and all that is wrong with them at once.

mod client;
mod connection;
mod gateway;
mod held;
mod label;
mod listen;
mod outward;
mod proxy;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::bitbucket::Rate;
use crate::egress::push::Push;
use crate::egress::{self, CaSource, ClientFiles, CongestionControl, Guard, Proxies, Roots};
use crate::ops::settings::{Count, Layers, Period, Problems, Size};
use crate::scm::backend::Allowance;
use crate::tunnel;
use crate::tunnel::admit::Limits;

pub use connection::Connection;
pub use gateway::{AccessKey, GatewayUrl};
pub use listen::DebugListen;
pub use outward::Outward;
pub use proxy::ProxySettings;

/// How long a connection may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For one hop.
    pub hop: Duration,
    /// For all of them.
    pub whole: Duration,
}

impl Default for Patience {
    /// What egress takes for itself.
    fn default() -> Self {
        let egress::Settings { hop_timeout, connect_timeout, .. } = egress::Settings::default();
        Self { hop: hop_timeout, whole: connect_timeout }
    }
}

/// The settings of an agent, each of them usable as far as can be told without dialing.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to attach.
    pub gateway: GatewayUrl,
    /// What to attach with.
    pub access_key: AccessKey,
    /// The certificate to show to the gateway where it asks for one.
    pub gateway_client: Option<ClientFiles>,
    /// The platform's certificate authorities.
    pub roots: Roots,
    /// Those of the customer, trusted beside the platform's.
    pub extra_ca: Vec<CaSource>,
    /// Which connections go through which proxy.
    pub proxies: Proxies,
    /// The same for the gateway alone, in place of the common ones.
    pub gateway_proxies: Option<Proxies>,
    /// The same for every Bitbucket.
    pub bitbucket_proxies: Option<Proxies>,
    /// The Bitbuckets that the settings name, in the order of their names.
    pub connections: Vec<Connection>,
    /// How many servers the connections that come with calls may bring in.
    pub new_origins: Allowance,
    /// Where the connections that come with calls may go.
    pub guard: Guard,
    /// How both HTTP/2 connections of the link behave.
    pub link: tunnel::Options,
    /// How many calls of each class may be in flight.
    pub limits: Limits,
    /// What Bitbucket lets one user do.
    pub rate: Rate,
    /// Where local operators may call, if anywhere.
    pub debug: Option<DebugListen>,
    /// Where the token of a debug listener on TCP goes; a new file in the temporary folder without it.
    pub debug_token_file: Option<PathBuf>,
    /// Where to tell whether the agent is live and ready, if anywhere.
    pub status_socket: Option<PathBuf>,
    /// Where metrics and traces go, if anywhere.
    pub push: Push,
    /// How long a connection may take.
    pub patience: Patience,
    /// Free labels for Hello.
    pub labels: BTreeMap<String, String>,
    /// What dialed sockets use; `None` for what the system uses.
    pub congestion_control: Option<CongestionControl>,
    /// How long calls in flight may take once a drain began.
    pub drain_grace: Duration,
}

impl Config {
    /// Reads the settings out of their layers.
    ///
    /// # Errors
    /// Everything that is wrong, each with its name and where it came from; the text of a key or token is in none.
    pub fn read(layers: &Layers, mut problems: Problems) -> Result<Self, Problems> {
        let config = Self::collect(layers, &mut problems);
        problems.or(config)
    }

    fn collect(layers: &Layers, problems: &mut Problems) -> Option<Self> {
        // Each is read before any `?`, so that all problems are found.
        let gateway = layers.required("gateway.url", problems);
        let access_key = AccessKey::read(layers, problems);
        let gateway_client = client::files(layers, "gateway", problems);
        let (roots, extra_ca) = trust(layers, problems);
        let proxies = ProxySettings::read(layers, problems);
        let connections = connection::all(layers, problems);
        let new_origins = layers.required("limits.new_servers", problems);
        let guard = held::guard(layers, problems);
        let link = link(layers, problems);
        let limits = limits(layers, problems);
        let rate = rate(layers, problems);
        let debug = layers.value("debug.listen", problems);
        let debug_token_file = layers.value("debug.token_file", problems);
        let status_socket = layers.value("status.socket", problems);
        let push = Push::read(layers, problems);
        let patience = patience(layers, problems);
        let labels = label::all(layers, problems);
        let congestion_control = layers.value("tcp.congestion_control", problems);
        let drain_grace = layers.required::<Period>("drain.grace", problems);
        let ProxySettings { common, gateway: gateway_proxies, bitbucket: bitbucket_proxies } = proxies?;
        Some(Self {
            gateway: gateway?,
            access_key: access_key?,
            gateway_client,
            roots,
            extra_ca,
            proxies: common,
            gateway_proxies,
            bitbucket_proxies,
            connections,
            new_origins: Allowance(new_origins?),
            guard,
            link: link?,
            limits: limits?,
            rate: rate?,
            debug,
            debug_token_file,
            status_socket,
            push: push?,
            patience: patience?,
            labels,
            congestion_control,
            drain_grace: drain_grace?.0,
        })
    }
}

/// Whom to trust. What was named is looked into here, so that a CA that is not PEM is told with its setting and beside
/// whatever else is wrong.
fn trust(layers: &Layers, problems: &mut Problems) -> (Roots, Vec<CaSource>) {
    let file = layers.value::<String>(ROOT_FILE, problems).unwrap_or_default();
    let folders = layers.value::<String>(ROOT_FOLDERS, problems).unwrap_or_default();
    let given = layers.value::<String>(CA, problems);
    let given = given.map(|pem| CaSource::Pem { name: CA.to_owned(), pem: pem.into_bytes() });
    let files = layers.list::<PathBuf>(CA_FILES, problems).into_iter().map(CaSource::at);
    let extra = given.into_iter().map(|source| (CA, source));
    let extra: Vec<_> = extra.chain(files.map(|source| (CA_FILES, source))).collect();
    let checked = extra.iter().map(|(key, source)| (*key, source.check()));
    let mut checked: Vec<_> = checked.chain([(ROOT_FILE, Roots::named(&file, "").check(&[]))]).collect();
    // A folder that holds nothing counts only where nothing else does.
    let mut others: Vec<CaSource> = extra.iter().map(|(_, source)| source.clone()).collect();
    others.extend((!file.is_empty()).then(|| CaSource::File(file.clone().into())));
    others.retain(|source| source.check().is_ok());
    checked.push((ROOT_FOLDERS, Roots::named("", &folders).check(&others)));
    for (key, outcome) in checked {
        if let Err(error) = outcome {
            problems.push(layers.problem(key, &error.to_string()));
        }
    }
    (Roots::named(&file, &folders), extra.into_iter().map(|(_, source)| source).collect())
}

/// The limits of a connection; one hop of it cannot take longer than the whole.
fn patience(layers: &Layers, problems: &mut Problems) -> Option<Patience> {
    let Period(hop) = layers.required("egress.hop_timeout", problems)?;
    let Period(whole) = layers.required("egress.connect_timeout", problems)?;
    let bounds = LEAST_PATIENCE..=MOST_PATIENCE;
    for (key, given) in [("egress.hop_timeout", hop), ("egress.connect_timeout", whole)] {
        if !bounds.contains(&given) {
            problems.push(layers.problem(key, "is not between 100ms and 25s"));
            return None;
        }
    }
    Some(Patience { hop, whole })
}

fn link(layers: &Layers, problems: &mut Problems) -> Option<tunnel::Options> {
    let window = layers.required::<Size>("link.window", problems);
    let ping = layers.required::<Period>("link.ping", problems);
    let window = window.and_then(|Size(bytes)| {
        let fits = u32::try_from(bytes).ok().filter(|bytes| (LEAST_WINDOW..=MOST_WINDOW).contains(bytes));
        fits.or_else(|| {
            problems.push(layers.problem("link.window", "is not between 64KiB and 16MiB"));
            None
        })
    });
    let ping = ping.and_then(|Period(every)| {
        let fits = (LEAST_PING..=MOST_PING).contains(&every).then_some(every);
        fits.or_else(|| {
            problems.push(layers.problem("link.ping", "is not between 500ms and 9s"));
            None
        })
    });
    Some(tunnel::Options { window: window?, ping_every: ping?, ..tunnel::Options::default() })
}

fn limits(layers: &Layers, problems: &mut Problems) -> Option<Limits> {
    let unary = limit(layers, "limits.unary", problems);
    let bulk = limit(layers, "limits.bulk", problems);
    let watch = limit(layers, "limits.watch", problems);
    Some(Limits { unary: unary?, bulk: bulk?, watch: watch? })
}

fn rate(layers: &Layers, problems: &mut Problems) -> Option<Rate> {
    let burst = limit(layers, "rate.burst", problems);
    let per_second = limit(layers, "rate.per_second", problems);
    let whole = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Some(Rate { burst: whole(burst?), per_second: whole(per_second?) })
}

fn limit(layers: &Layers, key: &str, problems: &mut Problems) -> Option<usize> {
    let limit = layers.required(key, problems).map(|Count(count)| count as usize)?;
    if (1..=MOST_COUNT).contains(&limit) {
        return Some(limit);
    }
    problems.push(layers.problem(key, &format!("is not between 1 and {MOST_COUNT}")));
    None
}

const CA: &str = "trust.ca";
const CA_FILES: &str = "trust.ca_files";
const ROOT_FILE: &str = "trust.root_file";
const ROOT_FOLDERS: &str = "trust.root_folders";
/// One frame: below it, every frame would wait for a round trip.
const LEAST_WINDOW: u32 = 64 * 1024;
/// What a stalled stream may cost; 1024 of them are 16 GiB already.
const MOST_WINDOW: u32 = 16 * 1024 * 1024;
const LEAST_PING: Duration = Duration::from_millis(500);
/// Below the silence that ends the link, or an idle link would always end.
const MOST_PING: Duration = Duration::from_secs(9);
const LEAST_PATIENCE: Duration = Duration::from_millis(100);
/// What a dial of the link has for its connection.
const MOST_PATIENCE: Duration = Duration::from_secs(25);
const MOST_COUNT: usize = 100_000;

#[cfg(test)]
mod tests;
