//! The gateway's end of TLS, with a certificate that is read again when it changes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::{info, warn};

use crate::ops::{Tasks, watch};

/// A certificate chain and its key in two PEM files; clones share what was read.
#[derive(Clone)]
pub struct Identity {
    files: Arc<Files>,
    config: Arc<ArcSwap<ServerConfig>>,
}

#[derive(Debug)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

/// Why two files give no identity.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The certificate chain cannot be read.
    #[error("no certificate chain can be read from {}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// The key cannot be read.
    #[error("no private key can be read from {}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// They are not of one identity, or of a kind that is not supported.
    #[error("{} and {} do not fit together", certificate.display(), key.display())]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why.
        source: rustls::Error,
    },
}

impl Identity {
    /// Reads both files.
    ///
    /// # Errors
    /// When they are no PEM, hold no certificate or key, or do not fit together.
    pub fn open(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Result<Self, Error> {
        let files = Files { certificate: certificate.into(), key: key.into() };
        let config = ArcSwap::from(files.read()?);
        Ok(Self { files: Arc::new(files), config: Arc::new(config) })
    }

    /// Reads the files again when they change, until `tasks` drain. A pair that does not fit is logged, and the last good
    /// one stays: the two files of a renewal do not arrive together.
    pub fn follow(&self, tasks: &Tasks) {
        let own = self.clone();
        let files = watch::Files::new([&self.files.certificate, &self.files.key]);
        watch::reload(tasks, files, watch::EVERY, move || own.reload());
    }

    /// Shakes hands with a peer; connections that are open keep the certificate that they were opened with.
    pub(super) async fn accept(&self, tcp: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        TlsAcceptor::from(self.config.load_full()).accept(tcp).await
    }

    fn reload(&self) {
        let certificate = self.files.certificate.display();
        match self.files.read() {
            Ok(config) => {
                self.config.store(config);
                info!(%certificate, "certificate read again");
            }
            Err(error) => {
                warn!(%certificate, %error, "certificate cannot be used: keeping the last good one")
            }
        }
    }
}

impl Files {
    fn read(&self) -> Result<Arc<ServerConfig>, Error> {
        let chain =
            self.chain().map_err(|source| Error::Certificate { path: self.certificate.clone(), source })?;
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .map_err(|source| Error::Key { path: self.key.clone(), source })?;
        self.config(chain, key).map_err(|source| Error::Pair {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            source,
        })
    }

    fn chain(&self) -> Result<Vec<CertificateDer<'static>>, pem::Error> {
        let chain: Vec<_> = CertificateDer::pem_file_iter(&self.certificate)?.collect::<Result<_, _>>()?;
        if chain.is_empty() { Err(pem::Error::NoItemsFound) } else { Ok(chain) }
    }

    fn config(
        &self,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Arc<ServerConfig>, rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

/// Where the files are, for whoever asks which identity this is.
impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path: &Path = &self.files.certificate;
        f.debug_struct("Identity").field("certificate", &path).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_that_does_not_fit_is_refused_and_keeps_the_last_good_one() {
        let folder = tempfile::tempdir().expect("folder");
        let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
        let (one, two) = (self_signed(), self_signed());
        std::fs::write(&certificate, one.cert.pem()).expect("written");
        std::fs::write(&key, one.signing_key.serialize_pem()).expect("written");
        let identity = Identity::open(&certificate, &key).expect("a pair");
        let before = identity.config.load_full();

        std::fs::write(&certificate, two.cert.pem()).expect("written");
        identity.reload();
        assert!(Arc::ptr_eq(&before, &identity.config.load_full()), "half of a renewal");
        assert!(matches!(Identity::open(&certificate, &key), Err(Error::Pair { .. })));

        std::fs::write(&key, two.signing_key.serialize_pem()).expect("written");
        identity.reload();
        assert!(!Arc::ptr_eq(&before, &identity.config.load_full()));
    }

    #[test]
    fn what_is_no_pem_is_refused_by_name() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("tls.crt");
        std::fs::write(&path, "hello").expect("written");
        let error = Identity::open(&path, &path).expect_err("no PEM").to_string();
        assert!(error.contains("tls.crt"), "{error}");
    }

    fn self_signed() -> rcgen::CertifiedKey<rcgen::KeyPair> {
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate")
    }
}
