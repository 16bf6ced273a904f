//! The settings of `gitproxy-gateway`: the table, and what is made of it.

mod cluster;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::Config;
use crate::egress::serve::{self, ServerTls};
use crate::ops::Tasks;
use crate::ops::secret::is_misplaced;
use crate::ops::settings::{Count, Layers, Period, Problems, Secrecy, Setting, Size};
use crate::ops::telemetry;
use crate::tunnel::{self, admit, deadline};

/// Every setting of the gateway.
pub const TABLE: &[Setting] = &[
    row(
        "store",
        "store",
        &["STORE_FILE"],
        "",
        "path",
        "File with tenants, agents, callers and held connections; read again when it changes.",
    ),
    row(
        "name",
        "name",
        &["GATEWAY_NAME"],
        "gateway",
        "text",
        "Name of this gateway in the logs of both ends.",
    ),
    row(
        "agents.listen",
        "agents-listen",
        &["AGENTS_LISTEN"],
        "0.0.0.0:8443",
        "address and port",
        "Where agents attach; also answers `GET /health`.",
    ),
    row(
        "agents.tls_cert",
        "agents-tls-cert",
        &["AGENTS_TLS_CERT"],
        "",
        "path",
        "PEM file with the certificate chain of the agents' listener; read again when it changes.",
    ),
    row(
        "agents.tls_key",
        "agents-tls-key",
        &["AGENTS_TLS_KEY"],
        "",
        "path",
        "PEM file with the private key of the agents' listener.",
    ),
    row(
        "agents.sessions",
        "agents-sessions",
        &["AGENTS_SESSIONS"],
        "16",
        "number from 1",
        "Sessions of one agent.",
    ),
    row(
        "callers.listen",
        "callers-listen",
        &["CALLERS_LISTEN"],
        "0.0.0.0:9443",
        "address and port",
        "Where cloud services call.",
    ),
    row(
        "callers.tls_cert",
        "callers-tls-cert",
        &["CALLERS_TLS_CERT"],
        "",
        "path",
        "PEM file with the certificate chain of the callers' listener; read again when it changes.",
    ),
    row(
        "callers.tls_key",
        "callers-tls-key",
        &["CALLERS_TLS_KEY"],
        "",
        "path",
        "PEM file with the private key of the callers' listener.",
    ),
    row(
        "limits.handshakes",
        "handshakes",
        &["HANDSHAKES"],
        "256",
        "number from 1",
        "Handshakes in progress on each listener; what comes beyond is refused.",
    ),
    row(
        "limits.unary",
        "limit-unary",
        &["LIMIT_UNARY"],
        "1024",
        "number from 1",
        "Small calls in flight, of all callers.",
    ),
    row(
        "limits.bulk",
        "limit-bulk",
        &["LIMIT_BULK"],
        "256",
        "number from 1",
        "Transfers in flight, of all callers.",
    ),
    row(
        "limits.watch",
        "limit-watch",
        &["LIMIT_WATCH"],
        "1024",
        "number from 1",
        "Event streams in flight, of all callers.",
    ),
    row(
        "deadline.unary",
        "deadline-unary",
        &["DEADLINE_UNARY"],
        "60s",
        "duration such as 60s",
        "Time for a small call that has no deadline of its own.",
    ),
    row(
        "deadline.bulk_idle",
        "deadline-bulk-idle",
        &["DEADLINE_BULK_IDLE"],
        "60s",
        "duration such as 60s",
        "Longest time without progress of a transfer that has no deadline of its own.",
    ),
    row(
        "link.window",
        "link-window",
        &["LINK_WINDOW"],
        "1MiB",
        "size from 64KiB to 64MiB",
        "Stream window, inside and outside the tunnel: one stream carries at most this per round trip.",
    ),
    row(
        "link.max_streams",
        "link-max-streams",
        &["LINK_MAX_STREAMS"],
        "1024",
        "number from 1",
        "Calls in flight on one session.",
    ),
    row(
        "drain.settle",
        "drain-settle",
        &["DRAIN_SETTLE"],
        "5s",
        "duration such as 5s",
        "Time between not ready and refusing, for balancers to notice.",
    ),
    row(
        "drain.grace",
        "drain-grace",
        &["DRAIN_GRACE"],
        "20s",
        "duration such as 20s",
        "Time for calls in flight once the gateway drains; the rest is cut.",
    ),
    cluster::NATS,
    cluster::CREDENTIALS,
    cluster::NATS_CA,
    cluster::BUCKET,
    cluster::LISTEN,
    cluster::ADVERTISE,
    cluster::CERT,
    cluster::KEY,
    cluster::CA,
    row("log.format", "log-format", &["LOG_FORMAT"], "human", "`human` or `json`", "Form of the log lines."),
    row(
        "log.filter",
        "log-filter",
        &["RUST_LOG"],
        "info",
        "filter such as `info,gitproxy::gateway=debug`",
        "What is logged, in RUST_LOG's syntax.",
    ),
];

/// What `gitproxy-gateway run` needs.
#[derive(Debug)]
pub struct Run {
    /// The gateway's own.
    pub gateway: Config,
    /// The store's file.
    pub store: PathBuf,
    /// Where to listen for agents.
    pub agents: SocketAddr,
    /// Where to listen for callers.
    pub callers: SocketAddr,
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
        let gateway = config(layers, tasks, problems);
        let cluster = cluster::read(layers, tasks, problems);
        Some(Self { gateway: gateway?, store: store?, agents: agents?, callers: callers?, cluster: cluster? })
    }
}

fn config(layers: &Layers, tasks: &Tasks, problems: &mut Problems) -> Option<Config> {
    let agents_tls = tls(layers, "agents", tasks, problems);
    let callers_tls = tls(layers, "callers", tasks, problems);
    let name = layers.value("name", problems);
    let handshakes = count(layers, "limits.handshakes", problems);
    let sessions = count(layers, "agents.sessions", problems);
    let unary = count(layers, "limits.unary", problems);
    let bulk = count(layers, "limits.bulk", problems);
    let watch = count(layers, "limits.watch", problems);
    let unary_time = period(layers, "deadline.unary", problems);
    let bulk_idle = period(layers, "deadline.bulk_idle", problems);
    let tunnel = tunnel(layers, problems);
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
        limits: admit::Limits { unary: unary?, bulk: bulk?, watch: watch? },
        settle: settle?,
        grace: grace?,
    })
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

const fn row(
    key: &'static str,
    flag: &'static str,
    env: &'static [&'static str],
    default: &'static str,
    unit: &'static str,
    help: &'static str,
) -> Setting {
    Setting { key, flag, env, default, unit, secret: Secrecy::Plain, help }
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
        assert_eq!(run.expect("made").gateway.tunnel.window, 1 << 20);
    }

    fn layers(env: &dyn Fn(&str) -> Option<String>, problems: &mut Problems) -> Layers {
        let flags = clap::Command::new("gitproxy-gateway")
            .args(crate::ops::settings::args(TABLE))
            .get_matches_from(["gitproxy-gateway"]);
        Layers::read(TABLE, &flags, None, env, problems)
    }
}
