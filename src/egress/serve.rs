//! The server's side of TLS, with a certificate that is replaced while it serves.
//!
//! It is here and not with the listeners because the choice of the cryptographic library is here.

use std::path::Path;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use sha2::{Digest as _, Sha256};
use tokio_rustls::TlsAcceptor;

use super::clients::ClientVerifier;
use super::pair::Pair;
use super::{TrustError, crypto};
use crate::ops::Tasks;

pub use super::pair::Error;

/// TLS for a listener; clones share the certificate.
#[derive(Clone)]
pub struct ServerTls {
    acceptor: TlsAcceptor,
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
        let served = Pair::open(certificate, key, tasks)?;
        Ok(Self { acceptor: crypto::server(served, alpn)?.into() })
    }

    /// As [`ServerTls::new`], and every client must show a certificate of an authority in the PEM file `clients`, which is
    /// read again when it changes.
    ///
    /// # Errors
    /// When the files cannot be used now.
    pub fn mutual(
        certificate: &Path,
        key: &Path,
        clients: &Path,
        alpn: &[&[u8]],
        tasks: &Tasks,
    ) -> Result<Self, MutualError> {
        let clients = ClientVerifier::open(clients, tasks)?;
        let served = Pair::open(certificate, key, tasks)?;
        let config = crypto::mutual(served, clients, alpn).map_err(Error::from)?;
        Ok(Self { acceptor: config.into() })
    }

    /// What does the handshake on an accepted connection; it has no timeout of its own.
    pub fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }
}

/// Why TLS that asks for a client's certificate cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum MutualError {
    /// The own certificate or its key.
    #[error(transparent)]
    Own(#[from] Error),
    /// The authorities of clients.
    #[error(transparent)]
    Clients(#[from] TrustError),
}

impl std::fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerTls").finish_non_exhaustive()
    }
}

/// The SHA-256 of a certificate (DER), in hexadecimal digits.
pub fn fingerprint(certificate: &[u8]) -> String {
    use std::fmt::Write as _;

    Sha256::digest(certificate).iter().fold(String::with_capacity(64), |mut text, byte| {
        // A text takes everything.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl ResolvesServerCert for Pair {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}
