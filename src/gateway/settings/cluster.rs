//! The settings that make a gateway one of several.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::table::row;
use crate::egress::serve::ServerTls;
use crate::egress::{ClientFiles, ClientIdentity, Egress, Leg, Roots, Settings};
use crate::gateway::cluster::Config;
use crate::ops::Tasks;
use crate::ops::settings::{Layers, Problems, Setting};

pub(super) const NATS: Setting = row(
    "cluster.nats",
    "cluster-nats",
    &["CLUSTER_NATS"],
    "",
    "URLs with commas between",
    "NATS servers with JetStream that several gateways share, such as `tls://nats:4222`; a gateway that is alone needs none.",
);
pub(super) const CREDENTIALS: Setting = row(
    "cluster.nats_credentials",
    "cluster-nats-credentials",
    &["CLUSTER_NATS_CREDENTIALS"],
    "",
    "path",
    "File with what NATS asks for: `USER:PASSWORD`, or a token; read at each connection.",
);
pub(super) const NATS_CA: Setting = row(
    "cluster.nats_ca",
    "cluster-nats-ca",
    &["CLUSTER_NATS_CA"],
    "",
    "path",
    "PEM file with the authority of the NATS servers' certificates; the platform's without it.",
);
pub(super) const BUCKET: Setting = row(
    "cluster.bucket",
    "cluster-bucket",
    &["CLUSTER_BUCKET"],
    "gitproxy",
    "letters, digits, `_` and `-`",
    "Key-value bucket of the gateways; made where it is missing.",
);
pub(super) const LISTEN: Setting = row(
    "peers.listen",
    "peers-listen",
    &["PEERS_LISTEN"],
    "0.0.0.0:7443",
    "address and port",
    "Where the other gateways forward calls to; listens only with `cluster.nats`.",
);
pub(super) const ADVERTISE: Setting = row(
    "peers.advertise",
    "peers-advertise",
    &["PEERS_ADVERTISE"],
    "",
    "host:port",
    "Where the other gateways reach this one; its certificate must be for this host.",
);
pub(super) const CERT: Setting = row(
    "peers.tls_cert",
    "peers-tls-cert",
    &["PEERS_TLS_CERT"],
    "",
    "path",
    "PEM file with the certificate chain that other gateways are shown, as server and as client; read again when it changes.",
);
pub(super) const KEY: Setting = row(
    "peers.tls_key",
    "peers-tls-key",
    &["PEERS_TLS_KEY"],
    "",
    "path",
    "PEM file with the private key of that certificate.",
);
pub(super) const CA: Setting = row(
    "peers.ca",
    "peers-ca",
    &["PEERS_CA"],
    "",
    "path",
    "PEM file with the authority of all gateways' certificates, and of nobody else's; read again when it changes.",
);

/// The gateway as one of several and where it listens for the others; `Some(None)` for one that is alone, `None` when
/// anything is wrong, which goes to `problems`.
pub(super) fn read(
    layers: &Layers,
    tasks: &Tasks,
    problems: &mut Problems,
) -> Option<Option<(Config, SocketAddr)>> {
    let nats: Vec<String> = layers.list("cluster.nats", problems);
    if nats.is_empty() {
        return Some(None);
    }
    for url in &nats {
        if !url.starts_with("nats://") && !url.starts_with("tls://") {
            problems.push(layers.problem("cluster.nats", &format!("`{url}` is no nats:// or tls:// URL")));
        }
    }
    let bucket = layers.required("cluster.bucket", problems);
    let listen = layers.required("peers.listen", problems);
    let advertise = layers.required::<String>("peers.advertise", problems);
    let files = ["peers.tls_cert", "peers.tls_key", "peers.ca"];
    let [certificate, key, ca] = files.map(|setting| layers.required::<PathBuf>(setting, problems));
    let nats_ca = layers.value::<PathBuf>("cluster.nats_ca", problems);
    let nats_roots = nats_ca.map_or(Roots::Platform, |path| only(&path));
    let nats_tls = trusting(layers, "cluster.nats_ca", nats_roots, tasks, problems);
    let (certificate, key, ca) = (certificate?, key?, ca?);
    let tls = ServerTls::mutual(&certificate, &key, &ca, &[b"h2"], tasks);
    let tls = tls.map_err(|error| unusable(layers, "peers.tls_cert", &error, problems)).ok();
    let identity = ClientIdentity::open(&ClientFiles { certificate, key }, tasks);
    let identity = identity.map_err(|error| unusable(layers, "peers.tls_cert", &error, problems)).ok()?;
    let egress = trusting(layers, "peers.ca", only(&ca), tasks, problems)?;
    let egress = egress.leg(Leg { identity: Some(identity.clone()), ..Leg::default() });
    let egress = egress.map_err(|error| unusable(layers, "peers.ca", &error, problems)).ok();
    let config = Config {
        nats,
        nats_credentials: layers.value("cluster.nats_credentials", problems),
        nats_tls: nats_tls?,
        bucket: bucket?,
        advertise: advertise?,
        tls: tls?,
        egress: egress?,
        identity,
        beat: Config::BEAT,
    };
    Some(Some((config, listen?)))
}

fn only(path: &Path) -> Roots {
    Roots::Named { file: Some(path.to_owned()), folders: Vec::new() }
}

fn trusting(
    layers: &Layers,
    setting: &str,
    roots: Roots,
    tasks: &Tasks,
    problems: &mut Problems,
) -> Option<Egress> {
    let egress = Egress::new(&Settings { roots, ..Settings::default() }, tasks);
    egress.map_err(|error| unusable(layers, setting, &error, problems)).ok()
}

fn unusable(layers: &Layers, setting: &str, error: &dyn std::error::Error, problems: &mut Problems) {
    problems.push(layers.problem(setting, &format!("cannot be used: {error}")));
}
