//! The settings of `gitproxy-gateway`: the table, and what is made of it.

mod cluster;
mod table;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use self::table::TABLE;
use super::{Config, Shares};
use crate::egress::CongestionControl;
use crate::egress::push::{Push, Telemetry};
use crate::egress::serve::{self, ServerTls};
use crate::ops::Tasks;
use crate::ops::secret::is_misplaced;
use crate::ops::settings::{Count, Layers, Period, Problems, Size};
use crate::ops::telemetry;
use crate::tunnel::{self, admit, deadline};

/// What `gitproxy-gateway run` needs.
#[derive(Debug)]
pub struct Run {
    /// The gateway's own; its telemetry is off until [`Run::push`] is started.
    pub gateway: Config,
    /// The store's file.
    pub store: PathBuf,
    /// Where to listen for agents.
    pub agents: SocketAddr,
    /// Where to listen for callers.
    pub callers: SocketAddr,
    /// Where metrics and traces go.
    pub push: Push,
    /// What its listeners use; `None` for what the system uses.
    pub congestion_control: Option<CongestionControl>,
    /// What makes it one of several gateways, and where to listen for the others.
    pub cluster: Option<(super::cluster::Config, SocketAddr)>,
}

/// How to log; read on its own, so that even bad settings are reported in the form that was asked for.
#[derive(Debug)]
pub struct Log {
    /// The form of a line.
    pub format: telemetry::Format,
    /// What is logged.
    pub filter: String,
}

impl Log {
    /// Reads what concerns logs; what is wrong goes to `problems`.
    pub fn read(layers: &Layers, problems: &mut Problems) -> Self {
        let filter: String = layers.value("log.filter", problems).unwrap_or_default();
        if let Err(error) = telemetry::parse(&filter) {
            problems.push(layers.problem("log.filter", &error.to_string()));
        }
        let format = layers.value("log.format", problems).unwrap_or(telemetry::Format::Human);
        Self { format, filter }
    }
}

impl Run {
    /// Makes the configuration; `None` when anything is wrong, all of which goes to `problems`. Certificates are followed
    /// by `tasks`, so it needs a runtime.
    pub fn read(layers: &Layers, tasks: &Tasks, problems: &mut Problems) -> Option<Self> {
        let store = layers.required("store", problems);
        let agents = layers.required("agents.listen", problems);
        let callers = layers.required("callers.listen", problems);
        let push = Push::read(layers, problems);
        let congestion_control = layers.value("tcp.congestion_control", problems);
        let gateway = config(layers, tasks, problems);
        let cluster = cluster::read(layers, tasks, problems);
        Some(Self {
            gateway: gateway?,
            store: store?,
            agents: agents?,
            callers: callers?,
            push: push?,
            congestion_control,
            cluster: cluster?,
        })
    }
}

fn config(layers: &Layers, tasks: &Tasks, problems: &mut Problems) -> Option<Config> {
    let agents_tls = tls(layers, "agents", tasks, problems);
    let callers_tls = tls(layers, "callers", tasks, problems);
    let name = layers.value("name", problems);
    let handshakes = count(layers, "limits.handshakes", problems);
    let sessions = count(layers, "agents.sessions", problems);
    let limits = limits(layers, "", problems);
    let shares = shares(layers, problems);
    let unary_time = period(layers, "deadline.unary", problems);
    let bulk_idle = period(layers, "deadline.bulk_idle", problems);
    let tunnel = tunnel(layers, problems);
    let max_age = period(layers, "link.max_age", problems);
    let settle = period(layers, "drain.settle", problems);
    let grace = period(layers, "drain.grace", problems);
    Some(Config {
        name: name?,
        agents_tls: agents_tls?,
        callers_tls: callers_tls?,
        handshakes: handshakes?,
        sessions: sessions?,
        tunnel: tunnel?,
        deadlines: deadline::Defaults { unary: unary_time?, bulk_idle: bulk_idle? },
        limits: limits?,
        telemetry: Telemetry::default(),
        shares: shares?,
        max_age: max_age?,
        settle: settle?,
        grace: grace?,
    })
}

/// The bounds of each class, `whose` being the beginning of their names.
fn limits(layers: &Layers, whose: &str, problems: &mut Problems) -> Option<admit::Limits> {
    let mut count = |class: &str| count(layers, &format!("limits.{whose}{class}"), problems);
    let (unary, bulk, watch) = (count("unary"), count("bulk"), count("watch"));
    Some(admit::Limits { unary: unary?, bulk: bulk?, watch: watch? })
}

fn shares(layers: &Layers, problems: &mut Problems) -> Option<Shares> {
    let mut limits = |whose: &str| limits(layers, whose, problems);
    let (caller, tenant) = (limits("caller_"), limits("tenant_"));
    let (agent, session) = (limits("agent_"), limits("session_"));
    Some(Shares { caller: caller?, tenant: tenant?, agent: agent?, session: session? })
}

fn tunnel(layers: &Layers, problems: &mut Problems) -> Option<tunnel::Options> {
    let Size(window) = layers.value("link.window", problems)?;
    let max_streams = layers.value("link.max_streams", problems).map(|Count(count)| count);
    match u32::try_from(window) {
        Ok(window) if WINDOWS.contains(&window) => {
            Some(tunnel::Options { window, max_streams: max_streams?, ..tunnel::Options::default() })
        }
        Ok(_) | Err(_) => {
            problems.push(layers.problem("link.window", "is not from 64KiB to 64MiB"));
            None
        }
    }
}

fn tls(layers: &Layers, listener: &str, tasks: &Tasks, problems: &mut Problems) -> Option<ServerTls> {
    let settings = [format!("{listener}.tls_cert"), format!("{listener}.tls_key")];
    let [certificate, key] = settings.each_ref().map(|setting| layers.required::<PathBuf>(setting, problems));
    let (certificate, key) = (certificate?, key?);
    let tls = ServerTls::new(&certificate, &key, &[b"h2", b"http/1.1"], tasks);
    tls.map_err(|error| {
        let [of_certificate, of_key] = &settings;
        let at_fault = match &error {
            serve::Error::File { path, .. } if *path == key => of_key,
            serve::Error::Misplaced if !is_misplaced(&certificate) => of_key,
            serve::Error::Misplaced
            | serve::Error::File { .. }
            | serve::Error::Pair { .. }
            | serve::Error::Tls(_) => of_certificate,
        };
        problems.push(layers.problem(at_fault, &format!("cannot be used: {error}")));
    })
    .ok()
}

fn count(layers: &Layers, key: &str, problems: &mut Problems) -> Option<usize> {
    layers.value(key, problems).map(|Count(count)| count as usize)
}

fn period(layers: &Layers, key: &str, problems: &mut Problems) -> Option<Duration> {
    layers.value(key, problems).map(|Period(duration)| duration)
}

/// HTTP/2 begins with 64 KiB; 64 MiB carry 1 Gbit/s over half a second.
const WINDOWS: std::ops::RangeInclusive<u32> = (64 << 10)..=(64 << 20);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everything_wrong_is_told_at_once_with_its_name_and_source() {
        let env = |name: &str| match name {
            "AGENTS_LISTEN" => Some("here".to_owned()),
            "LINK_WINDOW" => Some("1GiB".to_owned()),
            "LIMIT_BULK" => Some("0".to_owned()),
            "CALLERS_TLS_CERT" => Some("/does/not/exist".to_owned()),
            "CALLERS_TLS_KEY" => Some("/nor/does/this".to_owned()),
            "RUST_LOG" => Some("gitproxy=loud".to_owned()),
            _ => None,
        };
        let mut problems = Problems::new();
        let layers = layers(&env, &mut problems);
        Log::read(&layers, &mut problems);
        assert!(Run::read(&layers, &Tasks::new(), &mut problems).is_none());
        let told: Vec<_> = problems.iter().map(|problem| problem.setting.as_str()).collect();
        let expected = [
            "log.filter",
            "store",
            "agents.listen",
            "agents.tls_cert",
            "agents.tls_key",
            "callers.tls_cert",
            "limits.bulk",
            "link.window",
        ];
        assert_eq!(told, expected, "{problems}");
        assert!(problems.to_string().contains("environment AGENTS_LISTEN"), "{problems}");
    }

    #[tokio::test]
    async fn a_file_without_a_key_is_told_by_the_name_of_the_key() {
        let folder = tempfile::tempdir().expect("folder");
        let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        for file in [&certificate, &key] {
            std::fs::write(file, made.cert.pem()).expect("written");
        }
        let env = |name: &str| match name {
            "CALLERS_TLS_CERT" => Some(certificate.display().to_string()),
            "CALLERS_TLS_KEY" => Some(key.display().to_string()),
            _ => None,
        };
        let mut problems = Problems::new();
        let layers = layers(&env, &mut problems);
        assert!(tls(&layers, "callers", &Tasks::new(), &mut problems).is_none());
        let told: Vec<_> = problems.iter().map(|problem| problem.setting.as_str()).collect();
        assert_eq!(told, ["callers.tls_key"], "{problems}");
    }

    #[tokio::test]
    async fn the_defaults_are_good() {
        let folder = tempfile::tempdir().expect("folder");
        let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        std::fs::write(&certificate, made.cert.pem()).expect("written");
        std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
        let path = |path: &PathBuf| Some(path.display().to_string());
        let env = |name: &str| match name {
            "STORE_FILE" => Some("store.toml".to_owned()),
            "AGENTS_TLS_CERT" | "CALLERS_TLS_CERT" => path(&certificate),
            "AGENTS_TLS_KEY" | "CALLERS_TLS_KEY" => path(&key),
            _ => None,
        };
        let mut problems = Problems::new();
        let layers = layers(&env, &mut problems);
        Log::read(&layers, &mut problems);
        let run = Run::read(&layers, &Tasks::new(), &mut problems);
        assert!(problems.is_empty(), "{problems}");
        let gateway = run.expect("made").gateway;
        assert_eq!(gateway.tunnel.window, 1 << 20);
        assert_eq!((gateway.shares, gateway.max_age), (Shares::default(), Duration::from_secs(3600)));
    }

    fn layers(env: &dyn Fn(&str) -> Option<String>, problems: &mut Problems) -> Layers {
        let flags = clap::Command::new("gitproxy-gateway")
            .args(crate::ops::settings::args(TABLE))
            .get_matches_from(["gitproxy-gateway"]);
        Layers::read(TABLE, &flags, None, env, problems)
    }
}
