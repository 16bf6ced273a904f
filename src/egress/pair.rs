//! A certificate chain with its private key, in two files that are replaced while they are in use.
//!
//! Both ends of TLS need one: a listener that serves it (`serve`), and a client that is asked for it (`identity`).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::zeroize::Zeroizing;
use tracing::{info, warn};

use super::crypto;
use crate::ops::secret::{MISPLACED, is_misplaced};
use crate::ops::{Tasks, watch};

/// Why a certificate and its key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such file, and what should be its path may be the key itself.
    #[error("{MISPLACED}")]
    Misplaced,
    /// A file cannot be used.
    #[error("{} {what}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// What is wrong with it, as the rest of a sentence.
        what: String,
    },
    /// They do not belong together, or are of a kind that cannot be used.
    #[error("the certificate {} cannot be used with the key {}: {source}", certificate.display(), key.display())]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What the TLS library said.
        source: rustls::Error,
    },
    /// The TLS library does not take the configuration.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
}

/// What new handshakes get.
#[derive(Debug)]
pub(super) struct Pair {
    certificate: PathBuf,
    key: PathBuf,
    current: ArcSwap<CertifiedKey>,
}

impl Pair {
    /// Reads a certificate chain (PEM, the own certificate first) and its key (PEM), and reads them again when either
    /// file changes, in a task of `tasks`. New files that cannot be used leave the old in use, with a WARN.
    pub(super) fn open(certificate: &Path, key: &Path, tasks: &Tasks) -> Result<Arc<Self>, Error> {
        let files = watch::Files::new([certificate, key]);
        let current = ArcSwap::from_pointee(read(certificate, key)?);
        let pair = Arc::new(Self { certificate: certificate.to_owned(), key: key.to_owned(), current });
        let watched = Arc::clone(&pair);
        watch::reload(tasks, files, watch::EVERY, move || watched.reload());
        Ok(pair)
    }

    /// The pair as it is now.
    pub(super) fn current(&self) -> Arc<CertifiedKey> {
        self.current.load_full()
    }

    fn reload(&self) {
        match read(&self.certificate, &self.key) {
            Ok(new) => {
                self.current.store(Arc::new(new));
                info!(certificate = %self.certificate.display(), "a new certificate is in use");
            }
            // A certificate that was replaced before its key looks like this for a moment.
            Err(error) => warn!(%error, "the old certificate stays in use"),
        }
    }
}

/// Finds out whether two files can be used together.
pub(super) fn read(certificate: &Path, key: &Path) -> Result<CertifiedKey, Error> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&content(certificate)?).collect();
    let chain = chain.map_err(|error| bad(certificate, format!("is not sound PEM: {error}")))?;
    if chain.is_empty() {
        return Err(bad(certificate, "holds no certificate in PEM".to_owned()));
    }
    let private = private(key)?;
    CertifiedKey::from_der(chain, private, &crypto::provider()).map_err(|source| Error::Pair {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        source,
    })
}

fn private(key: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    let pem = content(key)?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|error| {
        let encrypted = [&b"ENCRYPTED PRIVATE KEY-----"[..], b"Proc-Type: 4,ENCRYPTED"];
        if encrypted.iter().any(|mark| pem.windows(mark.len()).any(|part| part == *mark)) {
            return bad(key, "holds an encrypted private key: decrypt it with `openssl pkey`".to_owned());
        }
        bad(key, format!("holds no private key in PEM: {error}"))
    })
}

fn content(path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    match std::fs::read(path) {
        Ok(read) => Ok(Zeroizing::new(read)),
        Err(_) if is_misplaced(path) => Err(Error::Misplaced),
        Err(error) => Err(bad(path, format!("cannot be read: {error}"))),
    }
}

fn bad(path: &Path, what: String) -> Error {
    Error::File { path: path.to_owned(), what }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tokio::time;

    use super::*;
    use crate::egress::fixture::{Ca, Files};

    #[tokio::test(start_paused = true)]
    async fn a_new_certificate_is_in_use_and_a_bad_one_is_not() {
        let ca = Ca::new("ours");
        let files = Files::write(&ca.issue("localhost"));
        let pair = Pair::open(&files.certificate, &files.key, &Tasks::new()).unwrap();
        let leaf = || pair.current().cert[0].to_vec();
        let first = leaf();

        fs::write(&files.certificate, "no PEM").unwrap();
        time::sleep(watch::EVERY * 2).await;
        assert_eq!(leaf(), first);

        let second = ca.issue("localhost");
        fs::write(&files.certificate, second.pem()).unwrap();
        time::sleep(watch::EVERY * 2).await;
        assert_eq!(leaf(), first, "the key is still the old one's");

        fs::write(&files.key, second.key_pem()).unwrap();
        time::sleep(watch::EVERY * 2).await;
        assert_ne!(leaf(), first);
        assert_eq!(leaf(), second.der());
    }

    #[test]
    fn files_that_cannot_be_used_are_named() {
        let ca = Ca::new("ours");
        let files = Files::write(&ca.issue("localhost"));
        let open = || read(&files.certificate, &files.key).unwrap_err().to_string();
        fs::write(&files.key, ca.issue("localhost").key_pem()).unwrap();
        assert!(open().contains("tls.crt cannot be used with the key"), "{}", open());
        fs::write(&files.key, "none").unwrap();
        assert!(open().contains("tls.key holds no private key"), "{}", open());
        for encrypted in [
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
            "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n",
        ] {
            fs::write(&files.key, encrypted).unwrap();
            assert!(open().contains("tls.key holds an encrypted private key"), "{}", open());
        }
        fs::write(&files.certificate, "none").unwrap();
        assert!(open().contains("tls.crt holds no certificate"), "{}", open());
        fs::remove_file(&files.certificate).unwrap();
        assert!(open().contains("tls.crt cannot be read"), "{}", open());
        let pem = ca.issue("localhost").key_pem();
        let error = read(&files.key, Path::new(&pem)).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("PRIVATE"), "{error:?}");
    }
}
