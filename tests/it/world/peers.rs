//! Certificates and listeners of gateways among themselves.

use std::net::TcpListener as Listener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gitproxy::egress::serve::ServerTls;
use gitproxy::egress::{ClientFiles, ClientIdentity, Egress, Leg, Roots, Settings};
use gitproxy::gateway::cluster::Config;
use gitproxy::ops::Tasks;
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use tokio::net::TcpListener;
use uuid::Uuid;

/// Beats are quick, so that a test sees a gateway vanish within two seconds.
pub(crate) const BEAT: Duration = Duration::from_millis(300);

/// A gateway's part in the cluster of this NATS, with a certificate of its own; the authority is in `folder`.
pub(crate) fn join(nats: &str, folder: &Path, tasks: &Tasks) -> (Config, TcpListener) {
    let (ca, files) = certificate(folder);
    let listener = Listener::bind("127.0.0.1:0").expect("bound");
    listener.set_nonblocking(true).expect("set");
    let advertise = format!("localhost:{}", listener.local_addr().expect("an address").port());
    let tls = ServerTls::mutual(&files.certificate, &files.key, &ca, &[b"h2"], tasks).expect("TLS");
    let identity = ClientIdentity::open(&files, tasks).expect("a certificate");
    let config = Config {
        nats: vec![nats.to_owned()],
        nats_login: None,
        nats_tls: Egress::new(&Settings { roots: only(&ca), ..Settings::default() }, tasks).expect("trust"),
        bucket: "gitproxy".to_owned(),
        advertise,
        tls,
        egress: egress(&ca, Some(identity.clone()), tasks),
        identity,
        beat: BEAT,
    };
    (config, TcpListener::from_std(listener).expect("a listener"))
}

/// A way out that trusts the authority alone, and shows this certificate.
pub(crate) fn egress(ca: &Path, identity: Option<ClientIdentity>, tasks: &Tasks) -> Egress {
    let egress = Egress::new(&Settings { roots: only(ca), ..Settings::default() }, tasks).expect("trust");
    egress.leg(Leg { identity, ..Leg::default() }).expect("a leg")
}

/// A new certificate for `localhost`, of the authority in the folder, which is made the first time.
pub(crate) fn certificate(folder: &Path) -> (PathBuf, ClientFiles) {
    let (ca, ca_key) = (folder.join("peers.pem"), folder.join("peers.key"));
    let key = match std::fs::read_to_string(&ca_key) {
        Ok(pem) => KeyPair::from_pem(&pem).expect("a key"),
        Err(_) => KeyPair::generate().expect("a key"),
    };
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    if !ca.exists() {
        std::fs::write(&ca_key, key.serialize_pem()).expect("written");
        std::fs::write(&ca, params.self_signed(&key).expect("a certificate").pem()).expect("written");
    }
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().expect("a key");
    let mut leaf = CertificateParams::new(vec!["localhost".to_owned()]).expect("names");
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let pem = leaf.signed_by(&key, &issuer).expect("a certificate").pem();
    let name = Uuid::new_v4().simple().to_string();
    let files = ClientFiles {
        certificate: folder.join(format!("{name}.crt")),
        key: folder.join(format!("{name}.key")),
    };
    std::fs::write(&files.certificate, pem).expect("written");
    std::fs::write(&files.key, key.serialize_pem()).expect("written");
    (ca, files)
}

fn only(ca: &Path) -> Roots {
    Roots::Named { file: Some(ca.to_owned()), folders: Vec::new() }
}
