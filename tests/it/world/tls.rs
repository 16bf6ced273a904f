//! A certificate authority that lives as long as a test.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

/// See the module.
pub(crate) struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    /// What a server has to send beside its own certificate.
    path: String,
}

/// A certificate with what leads to the root, and its key, both PEM.
pub(crate) struct Identity {
    pub(crate) chain: String,
    pub(crate) key: String,
}

/// What is odd about a certificate.
#[derive(PartialEq, Eq)]
pub(crate) enum Oddity {
    None,
    /// It ended in 2020.
    Expired,
    /// It begins in 4000.
    NotYetValid,
    /// It is a client's.
    Client,
    /// The intermediates that lead to the root are left out.
    Alone,
}

impl Ca {
    pub(crate) fn new(name: &str) -> Self {
        let (params, key) = (authority(name), KeyPair::generate().expect("a key"));
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { issuer: Issuer::new(params, key), pem, path: String::new() }
    }

    /// An authority that this one has signed.
    pub(crate) fn intermediate(&self, name: &str) -> Self {
        let (params, key) = (authority(name), KeyPair::generate().expect("a key"));
        let pem = params.signed_by(&key, &self.issuer).expect("a certificate").pem();
        let path = format!("{pem}{}", self.path);
        Self { issuer: Issuer::new(params, key), pem, path }
    }

    /// The authority's own certificate.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// A new certificate for these names, the first of which is its subject's.
    pub(crate) fn issue(&self, names: &[&str], oddity: &Oddity) -> Identity {
        let key = KeyPair::generate().expect("a key");
        let mut certificate = leaf(names, oddity).signed_by(&key, &self.issuer).expect("a certificate").pem();
        if *oddity != Oddity::Alone {
            certificate.push_str(&self.path);
        }
        Identity { chain: certificate, key: key.serialize_pem() }
    }

    /// Writes a new certificate for `localhost` and `gateway.test` and its key, and gives both paths.
    pub(crate) fn write(&self, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        self.issue(&["localhost", "gateway.test"], &Oddity::None).write(folder, name)
    }
}

impl Identity {
    /// One that only itself vouches for.
    pub(crate) fn self_signed(names: &[&str]) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = leaf(names, &Oddity::None);
        // Some machine trusts its own `localhost`, and this is to be a stranger everywhere.
        params.distinguished_name.push(DnType::CommonName, "nobody's friend");
        let chain = params.self_signed(&key).expect("a certificate").pem();
        Self { chain, key: key.serialize_pem() }
    }

    /// Writes both, and gives their paths.
    pub(crate) fn write(&self, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        let paths = (folder.join(format!("{name}.crt")), folder.join(format!("{name}.key")));
        std::fs::write(&paths.0, &self.chain).expect("written");
        std::fs::write(&paths.1, &self.key).expect("written");
        paths
    }
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn leaf(names: &[&str], oddity: &Oddity) -> CertificateParams {
    let mut params = CertificateParams::new(names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
    let params = params.as_mut().expect("names");
    params.distinguished_name.push(DnType::CommonName, names[0]);
    params.use_authority_key_identifier_extension = true;
    let usage = match oddity {
        Oddity::Client => ExtendedKeyUsagePurpose::ClientAuth,
        Oddity::None | Oddity::Expired | Oddity::NotYetValid | Oddity::Alone => {
            ExtendedKeyUsagePurpose::ServerAuth
        }
    };
    params.extended_key_usages = vec![usage];
    match oddity {
        Oddity::Expired => params.not_after = date_time_ymd(2020, 1, 1),
        Oddity::NotYetValid => params.not_before = date_time_ymd(4000, 1, 1),
        Oddity::None | Oddity::Client | Oddity::Alone => {}
    }
    params.clone()
}
