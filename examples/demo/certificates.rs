//! A certificate authority for one run, and the gateway's certificate by it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

/// Where the files are, all PEM.
#[derive(Debug)]
pub(crate) struct Files {
    /// What clients trust.
    pub(crate) ca: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// Makes the files in `folder`. The authority's own key is forgotten, so that it never signs anything else.
pub(crate) fn make(folder: &Path) -> anyhow::Result<Files> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.distinguished_name.push(DnType::CommonName, "gitproxy demo CA");
    let key = KeyPair::generate()?;
    let ca = params.self_signed(&key)?;
    let issuer = Issuer::new(params, key);

    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(names)?.signed_by(&key, &issuer)?;
    let write = |name: &str, text: String| {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| path.display().to_string())?;
        anyhow::Ok(path)
    };
    Ok(Files {
        ca: write("ca.crt", ca.pem())?,
        certificate: write("gateway.crt", certificate.pem())?,
        key: write("gateway.key", key.serialize_pem())?,
    })
}
