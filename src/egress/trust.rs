//! Whose certificates count.

use std::fmt;
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls_native_certs::{CertificateResult, load_certs_from_paths, load_native_certs};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use tracing::{info, warn};

/// The certificate authorities of the platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Roots {
    /// Where this system keeps them, or where `SSL_CERT_FILE` and `SSL_CERT_DIR` say.
    Platform,
    /// These instead, each of which must hold a certificate: what somebody names is meant to be used.
    Named {
        /// A PEM file.
        file: Option<PathBuf>,
        /// Folders of PEM files; every file is read, hash links are not needed.
        folders: Vec<PathBuf>,
    },
}

/// Certificate authorities of the customer, as PEM with any number of certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CaSource {
    /// In a file.
    File(PathBuf),
    /// Given directly.
    Pem {
        /// What to call it in logs and errors, such as the setting it came from.
        name: String,
        /// The PEM.
        pem: Vec<u8>,
    },
}

/// Why nobody can be trusted. It is fatal: trusting fewer than were named would fail later, and harder to explain.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// A source that was named cannot be used.
    #[error("{name} {what}")]
    Source {
        /// The file, folder or setting.
        name: String,
        /// What is wrong with it, as the rest of a sentence.
        what: String,
    },
    /// There is no certificate authority at all.
    #[error("no certificate authority is trusted: install ca-certificates, or name a CA file")]
    Nobody,
    /// The TLS library does not take the configuration.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
}

impl Roots {
    /// From the values of `SSL_CERT_FILE` and `SSL_CERT_DIR` (folders with colons in between), empty ones being unset.
    pub fn named(file: &str, folders: &str) -> Self {
        let file = (!file.is_empty()).then(|| PathBuf::from(file));
        let folders: Vec<PathBuf> =
            folders.split(':').filter(|path| !path.is_empty()).map(PathBuf::from).collect();
        if file.is_none() && folders.is_empty() { Self::Platform } else { Self::Named { file, folders } }
    }

    /// Finds out whether the named places hold certificates, before anything is built on them.
    ///
    /// # Errors
    /// [`TrustError::Source`] for the first that does not.
    pub fn check(&self) -> Result<(), TrustError> {
        match self {
            Self::Platform => Ok(()),
            Self::Named { .. } => load(self, &[]).map(drop),
        }
    }
}

impl CaSource {
    /// Finds out whether this holds certificates, before anything is built on it.
    ///
    /// # Errors
    /// [`TrustError::Source`] when it does not.
    pub fn check(&self) -> Result<(), TrustError> {
        add(&mut RootCertStore::empty(), self).map(drop)
    }
}

impl fmt::Display for CaSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Pem { name, .. } => f.write_str(name),
        }
    }
}

/// Loads all that is trusted, and logs how many certificates came from where.
pub(super) fn load(roots: &Roots, extra: &[CaSource]) -> Result<RootCertStore, TrustError> {
    let mut store = RootCertStore::empty();
    match roots {
        Roots::Platform => platform(&mut store),
        Roots::Named { file, folders } => {
            if let Some(path) = file {
                named(&mut store, path, load_certs_from_paths(Some(path), None))?;
            }
            for path in folders {
                named(&mut store, path, load_certs_from_paths(None, Some(path)))?;
            }
        }
    }
    for source in extra {
        let certificates = add(&mut store, source)?;
        info!(source = %source, certificates, "trusted beside the platform's");
    }
    if store.is_empty() { Err(TrustError::Nobody) } else { Ok(store) }
}

/// A platform's collection may have an odd one among hundreds; it is left out rather than fatal.
fn platform(store: &mut RootCertStore) {
    let found = load_native_certs();
    for error in &found.errors {
        warn!(%error, "a certificate of the platform is left out");
    }
    let (certificates, odd) = store.add_parsable_certificates(found.certs);
    info!(source = "platform", certificates, odd, "trusted");
}

fn named(store: &mut RootCertStore, path: &Path, found: CertificateResult) -> Result<(), TrustError> {
    let (certificates, odd) = store.add_parsable_certificates(found.certs);
    if certificates == 0 {
        let why = found.errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
        return Err(unusable(&path.display(), format!("holds no certificate in PEM{why}")));
    }
    // A broken file beside sound ones, which the loader would skip in silence.
    for error in &found.errors {
        warn!(source = %path.display(), %error, "a certificate is left out");
    }
    info!(source = %path.display(), certificates, odd, "trusted");
    Ok(())
}

/// Adds every certificate of a source, and says how many.
fn add(store: &mut RootCertStore, source: &CaSource) -> Result<usize, TrustError> {
    let certificates = read(source)?;
    for (at, certificate) in certificates.iter().enumerate() {
        let odd = |why| {
            unusable(source, format!("has a certificate (number {}) that cannot be used: {why}", at + 1))
        };
        store.add(certificate.clone()).map_err(odd)?;
    }
    Ok(certificates.len())
}

/// The certificates of a source, at least one.
fn read(source: &CaSource) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let pem = match source {
        CaSource::File(path) => {
            std::fs::read(path).map_err(|error| unusable(source, format!("cannot be read: {error}")))?
        }
        CaSource::Pem { pem, .. } => pem.clone(),
    };
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let certificates =
        certificates.map_err(|error| unusable(source, format!("is not sound PEM: {error}")))?;
    match certificates.is_empty() {
        false => Ok(certificates),
        true if pem.starts_with(DER) => {
            Err(unusable(source, "is DER, not PEM: convert it with `openssl x509 -inform der`".to_owned()))
        }
        true => {
            Err(unusable(source, "holds no certificate in PEM (`-----BEGIN CERTIFICATE-----`)".to_owned()))
        }
    }
}

fn unusable(source: &dyn fmt::Display, what: String) -> TrustError {
    TrustError::Source { name: source.to_string(), what }
}

/// How a DER certificate begins: a sequence with a length of two bytes.
const DER: &[u8] = &[0x30, 0x82];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::fixture::Ca;

    #[test]
    fn every_certificate_of_a_file_is_trusted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        std::fs::write(&path, format!("# ours\n{}\n{}", Ca::new("one").pem(), Ca::new("two").pem())).unwrap();
        let store = load(&only(&path), &[CaSource::File(path.clone())]).unwrap();
        assert_eq!(store.len(), 4, "two from each source, none in place of the other");
    }

    #[test]
    fn every_file_of_a_folder_is_read_without_hash_links() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for folder in [&one, &two] {
            std::fs::write(folder.path().join("ca.crt"), Ca::new("a").pem()).unwrap();
        }
        let both = format!("{}:{}", one.path().display(), two.path().display());
        assert_eq!(load(&Roots::named("", &both), &[]).unwrap().len(), 2);
    }

    #[test]
    fn a_named_source_without_a_certificate_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.crt");
        let good = folder.path().join("good.crt");
        std::fs::write(&good, Ca::new("good").pem()).unwrap();
        let der = Ca::new("der").der();
        let broken = "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n";
        let cut = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let cases: [(&[u8], &str); 5] = [
            (b"hello", "holds no certificate in PEM"),
            (b"", "holds no certificate in PEM"),
            (&der, "is DER, not PEM"),
            (broken.as_bytes(), "is not sound PEM"),
            (cut.as_bytes(), "(number 1) that cannot be used"),
        ];
        for (content, expected) in cases {
            std::fs::write(&path, content).unwrap();
            let text = load(&only(&good), &[CaSource::File(path.clone())]).unwrap_err().to_string();
            assert!(text.contains(expected) && text.contains("ca.crt"), "{text}");
            let text = load(&only(&path), &[]).unwrap_err().to_string();
            assert!(text.contains("holds no certificate") && text.contains("ca.crt"), "{text}");
        }
        let empty = tempfile::tempdir().unwrap();
        let text = load(&Roots::named("", &empty.path().display().to_string()), &[]).unwrap_err().to_string();
        assert!(text.contains(&empty.path().display().to_string()), "{text}");
        let text = load(&only(&good), &[CaSource::File("/nowhere/ca".into())]).unwrap_err().to_string();
        assert!(text.starts_with("/nowhere/ca cannot be read"), "{text}");
    }

    #[test]
    fn nothing_named_is_the_platform() {
        assert_eq!(Roots::named("", ":"), Roots::Platform);
    }

    fn only(path: &Path) -> Roots {
        Roots::Named { file: Some(path.to_owned()), folders: Vec::new() }
    }
}
