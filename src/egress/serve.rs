//! The server's side of TLS, with a certificate that is replaced while it serves.
//!
//! It is here and not with the listeners because the choice of the cryptographic library is here.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::zeroize::Zeroizing;
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};

use super::crypto;
use crate::ops::{Tasks, watch};

/// TLS for a listener; clones share the certificate.
#[derive(Clone)]
pub struct ServerTls {
    acceptor: TlsAcceptor,
}

/// Why a certificate and its key cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be used.
    #[error("{} {what}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// What is wrong with it, as the rest of a sentence.
        what: String,
    },
    /// They do not belong together, or are of a kind that cannot be served.
    #[error("the certificate {} cannot be served with the key {}: {source}", certificate.display(), key.display())]
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

impl ServerTls {
    /// Reads a certificate chain (PEM, the server's own first) and its key (PEM), and reads them again when either file
    /// changes, in a task of `tasks`. New files that cannot be served leave the old in use, with a WARN.
    ///
    /// `alpn` are the protocols to agree on, the preferred first; a client that offers only others is refused.
    ///
    /// # Errors
    /// When the files cannot be served now.
    pub fn new(certificate: &Path, key: &Path, alpn: &[&[u8]], tasks: &Tasks) -> Result<Self, Error> {
        let files = watch::Files::new([certificate, key]);
        let served = Arc::new(Served::open(certificate, key)?);
        let config = crypto::server(Arc::<Served>::clone(&served), alpn)?;
        watch::reload(tasks, files, watch::EVERY, move || served.reload());
        Ok(Self { acceptor: config.into() })
    }

    /// What does the handshake on an accepted connection; it has no timeout of its own.
    pub fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }
}

impl std::fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerTls").finish_non_exhaustive()
    }
}

/// The certificate that new handshakes get.
#[derive(Debug)]
struct Served {
    certificate: PathBuf,
    key: PathBuf,
    current: ArcSwap<CertifiedKey>,
}

impl Served {
    fn open(certificate: &Path, key: &Path) -> Result<Self, Error> {
        let current = ArcSwap::from_pointee(read(certificate, key)?);
        Ok(Self { certificate: certificate.to_owned(), key: key.to_owned(), current })
    }

    fn reload(&self) {
        match read(&self.certificate, &self.key) {
            Ok(new) => {
                self.current.store(Arc::new(new));
                info!(certificate = %self.certificate.display(), "a new certificate is served");
            }
            // A certificate that was replaced before its key looks like this for a moment.
            Err(error) => warn!(%error, "the old certificate stays in use"),
        }
    }
}

impl ResolvesServerCert for Served {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

fn read(certificate: &Path, key: &Path) -> Result<CertifiedKey, Error> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&content(certificate)?).collect();
    let chain = chain.map_err(|error| bad(certificate, format!("is not sound PEM: {error}")))?;
    if chain.is_empty() {
        return Err(bad(certificate, "holds no certificate in PEM".to_owned()));
    }
    let private = PrivateKeyDer::from_pem_slice(&content(key)?)
        .map_err(|error| bad(key, format!("holds no private key in PEM: {error}")))?;
    CertifiedKey::from_der(chain, private, &crypto::provider()).map_err(|source| Error::Pair {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        source,
    })
}

fn content(path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    let read = std::fs::read(path).map_err(|error| bad(path, format!("cannot be read: {error}")))?;
    Ok(Zeroizing::new(read))
}

fn bad(path: &Path, what: String) -> Error {
    Error::File { path: path.to_owned(), what }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tokio::time;

    use super::*;
    use crate::egress::fixture::{Ca, Identity};

    #[tokio::test(start_paused = true)]
    async fn a_new_certificate_is_served_and_a_bad_one_is_not() {
        let ca = Ca::new("ours");
        let pair = Pair::write(&ca.issue("localhost"));
        let served = Arc::new(Served::open(&pair.certificate, &pair.key).unwrap());
        let first = served.leaf();
        let watched = Arc::clone(&served);
        let files = watch::Files::new([&pair.certificate, &pair.key]);
        watch::reload(&Tasks::new(), files, watch::EVERY, move || watched.reload());

        fs::write(&pair.certificate, "no PEM").unwrap();
        time::sleep(watch::EVERY * 2).await;
        assert_eq!(served.leaf(), first);

        let second = ca.issue("localhost");
        fs::write(&pair.certificate, second.pem()).unwrap();
        time::sleep(watch::EVERY * 2).await;
        assert_eq!(served.leaf(), first, "the key is still the old one's");

        fs::write(&pair.key, second.key_pem()).unwrap();
        time::sleep(watch::EVERY * 2).await;
        assert_ne!(served.leaf(), first);
        assert_eq!(served.leaf(), second.der());
    }

    #[test]
    fn files_that_cannot_be_served_are_named() {
        let ca = Ca::new("ours");
        let pair = Pair::write(&ca.issue("localhost"));
        let open = || Served::open(&pair.certificate, &pair.key).unwrap_err().to_string();
        fs::write(&pair.key, ca.issue("localhost").key_pem()).unwrap();
        assert!(open().contains("tls.crt cannot be served with the key"), "{}", open());
        fs::write(&pair.key, "none").unwrap();
        assert!(open().contains("tls.key holds no private key"), "{}", open());
        fs::write(&pair.certificate, "none").unwrap();
        assert!(open().contains("tls.crt holds no certificate"), "{}", open());
        fs::remove_file(&pair.certificate).unwrap();
        assert!(open().contains("tls.crt cannot be read"), "{}", open());
    }

    impl Served {
        fn leaf(&self) -> Vec<u8> {
            self.current.load().cert[0].to_vec()
        }
    }

    struct Pair {
        certificate: PathBuf,
        key: PathBuf,
        _folder: tempfile::TempDir,
    }

    impl Pair {
        fn write(identity: &Identity) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
            fs::write(&certificate, identity.pem()).unwrap();
            fs::write(&key, identity.key_pem()).unwrap();
            Self { certificate, key, _folder: folder }
        }
    }
}
