//! The settings that make a gateway one of several.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use super::table::row;
use crate::egress::serve::ServerTls;
use crate::egress::{ClientFiles, ClientIdentity, Egress, Leg, Roots, Settings};
use crate::gateway::cluster::Config;
use crate::ops::Tasks;
use crate::ops::settings::{Layers, Problems, Secrecy, Setting};

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
    "File with what NATS asks for: `USER:PASSWORD`, a token, the seed of a user's NKey, or a `.creds` file; read at each connection.",
);
pub(super) const LOGIN: Setting = Setting {
    key: "cluster.nats_login",
    flag: "",
    env: &["CLUSTER_NATS_LOGIN"],
    default: "",
    unit: "secret",
    secret: Secrecy::Secret,
    help: "The same as a value, instead of a file.",
    chart: "",
};
pub(super) const NATS_CERT: Setting = row(
    "cluster.nats_cert",
    "cluster-nats-cert",
    &["CLUSTER_NATS_CERT"],
    "",
    "path",
    "PEM file with the certificate chain that NATS is shown where it asks for one; read again when it changes.",
);
pub(super) const NATS_KEY: Setting = row(
    "cluster.nats_key",
    "cluster-nats-key",
    &["CLUSTER_NATS_KEY"],
    "",
    "path",
    "PEM file with the private key of that certificate.",
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
        if let Err(why) = check(url) {
            problems.push(layers.problem("cluster.nats", &why));
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
    let nats_tls = nats_tls.and_then(|egress| showing(layers, &egress, tasks, problems));
    let nats_login = layers.source("cluster.nats_login", "cluster.nats_credentials", problems);
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
        nats_login,
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

/// Whether a gateway may talk with NATS at this URL. What it says names the URL only where no password can be in it.
fn check(url: &str) -> Result<(), String> {
    let parsed = async_nats::ServerAddr::from_str(url).map_err(|_| "holds what is no URL".to_owned())?;
    if parsed.has_user_pass() || url.contains('@') {
        return Err("holds a URL with a login: put that into `cluster.nats_credentials`".to_owned());
    }
    if url.starts_with("tls://") {
        return Ok(());
    }
    if !url.starts_with("nats://") {
        return Err(format!("`{url}` is no nats:// or tls:// URL"));
    }
    let host = parsed.host().trim_matches(['[', ']']);
    let here = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    let plain =
        format!("`{url}` is another machine and without TLS: write `tls://`, and see `cluster.nats_ca`");
    if here { Ok(()) } else { Err(plain) }
}

/// The same way to NATS with the certificate that it is shown, if there is one.
fn showing(layers: &Layers, egress: &Egress, tasks: &Tasks, problems: &mut Problems) -> Option<Egress> {
    let mut path = |setting| layers.value::<PathBuf>(setting, problems);
    let (certificate, key) = match (path("cluster.nats_cert"), path("cluster.nats_key")) {
        (None, None) => return Some(egress.clone()),
        (Some(certificate), Some(key)) => (certificate, key),
        (Some(_), None) => {
            problems.push(layers.problem("cluster.nats_key", "is missing: `cluster.nats_cert` is set"));
            return None;
        }
        (None, Some(_)) => {
            problems.push(layers.problem("cluster.nats_cert", "is missing: `cluster.nats_key` is set"));
            return None;
        }
    };
    let identity = ClientIdentity::open(&ClientFiles { certificate, key }, tasks);
    let identity = identity.map_err(|error| unusable(layers, "cluster.nats_cert", &error, problems)).ok()?;
    let shown = egress.leg(Leg { identity: Some(identity), ..Leg::default() });
    shown.map_err(|error| unusable(layers, "cluster.nats_cert", &error, problems)).ok()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_this_machine_in_the_clear() {
        for url in ["nats://127.0.0.1:4222", "nats://[::1]:4222", "nats://localhost", "tls://nats:4222"] {
            assert_eq!(check(url), Ok(()), "{url}");
        }
        for url in ["nats://nats:4222", "nats://10.0.0.1", "nats://127.0.0.1.example.com"] {
            assert!(check(url).expect_err("refused").contains(url), "{url}");
        }
        assert!(check("http://nats").is_err());
    }

    #[test]
    fn a_login_in_a_url_is_refused_and_not_repeated() {
        for url in ["tls://u:s3cret@nats:4222", "tls://s3cret@nats", "nats://u:s3cret@localhost:x"] {
            let why = check(url).expect_err("refused");
            assert!(!why.contains("s3cret"), "{why}");
        }
    }
}
