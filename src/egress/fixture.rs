//! Certificate authorities for tests.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair};
use rustls::server::{ClientCertVerifierBuilder, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use super::crypto;

/// A certificate authority that lives as long as a test.
pub(crate) struct Ca {
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
}

/// A server's certificate with its key.
pub(crate) struct Identity {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Ca {
    pub(crate) fn new(name: &str) -> Self {
        let (params, key) = (authority(name), KeyPair::generate().unwrap());
        let certificate = params.self_signed(&key).unwrap();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    /// The same with a key for another algorithm.
    pub(crate) fn of_ed25519(name: &str) -> Self {
        let (params, key) = (authority(name), KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap());
        let certificate = params.self_signed(&key).unwrap();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    /// A certificate for `host`, a name or an address.
    pub(crate) fn issue(&self, host: &str) -> Identity {
        self.sign(&CertificateParams::new([host.to_owned()]).unwrap())
    }

    /// One whose time is long over.
    pub(crate) fn issue_expired(&self, host: &str) -> Identity {
        let mut params = CertificateParams::new([host.to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2002, 1, 1);
        self.sign(&params)
    }

    /// One that ends so many days from now.
    pub(crate) fn issue_for_days(&self, host: &str, days: u32) -> Identity {
        let mut params = CertificateParams::new([host.to_owned()]).unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        params.not_after = rcgen::date_time_ymd(1970, 1, 1) + now + DAY * days;
        self.sign(&params)
    }

    /// A certificate for several hosts.
    pub(crate) fn issue_for(&self, hosts: &[&str]) -> Identity {
        let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
        self.sign(&CertificateParams::new(hosts).unwrap())
    }

    /// One with no host at all, as people had them who relied on the common name.
    pub(crate) fn issue_for_common_name(&self, host: &str) -> Identity {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, host);
        self.sign(&params)
    }

    /// One with or without the mark of an authority.
    pub(crate) fn issue_as(&self, host: &str, is_ca: IsCa) -> Identity {
        let mut params = CertificateParams::new([host.to_owned()]).unwrap();
        params.is_ca = is_ca;
        self.sign(&params)
    }

    /// One whose time has not come.
    pub(crate) fn issue_not_yet_valid(&self, host: &str) -> Identity {
        let mut params = CertificateParams::new([host.to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(4000, 1, 1);
        self.sign(&params)
    }

    /// An authority below this one.
    pub(crate) fn intermediate(&self, name: &str) -> Self {
        self.below(authority(name))
    }

    /// One that ends in so many days.
    pub(crate) fn intermediate_for(&self, name: &str, days: u64) -> Self {
        let mut params = authority(name);
        params.not_after = (SystemTime::now() + Duration::from_secs(days * 24 * 60 * 60)).into();
        self.below(params)
    }

    fn below(&self, params: CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    pub(crate) fn pem(&self) -> String {
        self.certificate.pem()
    }

    pub(crate) fn der(&self) -> Vec<u8> {
        self.certificate.der().to_vec()
    }

    fn sign(&self, params: &CertificateParams) -> Identity {
        let key = KeyPair::generate().unwrap();
        Identity { certificate: params.signed_by(&key, &self.issuer).unwrap(), key }
    }
}

impl Identity {
    /// A server that is its own authority: with the mark of an authority, as `openssl req -x509` makes it, or without.
    pub(crate) fn self_signed(host: &str, is_ca: IsCa) -> Self {
        let mut params = CertificateParams::new([host.to_owned()]).unwrap();
        params.is_ca = is_ca;
        let key = KeyPair::generate().unwrap();
        Self { certificate: params.self_signed(&key).unwrap(), key }
    }

    pub(crate) fn pem(&self) -> String {
        self.certificate.pem()
    }

    pub(crate) fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    pub(crate) fn key_der(&self) -> Vec<u8> {
        self.key.serialize_der()
    }

    pub(crate) fn der(&self) -> Vec<u8> {
        self.certificate.der().to_vec()
    }
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // In place of the library's own common name, not beside it.
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// A certificate and its key in files, for as long as it lives.
pub(crate) struct Files {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    _folder: tempfile::TempDir,
}

impl Files {
    pub(crate) fn write(identity: &Identity) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
        std::fs::write(&certificate, identity.pem()).unwrap();
        std::fs::write(&key, identity.key_pem()).unwrap();
        Self { certificate, key, _folder: folder }
    }
}

/// TLS 1.3 with a server that lets in only clients with a certificate of `ca`.
pub(crate) fn asking_for_certificates(ca: &Ca, identity: &Identity) -> TlsAcceptor {
    asking(identity, b"h2", clients_of(ca))
}

/// The same with another protocol, and a server that lets in those without a certificate too.
pub(crate) fn asking_without_insisting(ca: &Ca, identity: &Identity, alpn: &[u8]) -> TlsAcceptor {
    asking(identity, alpn, clients_of(ca).allow_unauthenticated())
}

fn clients_of(ca: &Ca) -> ClientCertVerifierBuilder {
    let mut roots = RootCertStore::empty();
    roots.add(ca.der().into()).unwrap();
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), crypto::provider())
}

fn asking(identity: &Identity, alpn: &[u8], clients: ClientCertVerifierBuilder) -> TlsAcceptor {
    let mut config = ServerConfig::builder_with_provider(crypto::provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_client_cert_verifier(clients.build().unwrap())
        .with_single_cert(vec![identity.der().into()], identity.key_der().try_into().unwrap())
        .unwrap();
    config.alpn_protocols = vec![alpn.to_vec()];
    Arc::new(config).into()
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
