//! The server's side of TLS, with a certificate that is replaced while it serves.
//!
//! It is here and not with the listeners because the choice of the cryptographic library is here.

use std::path::Path;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

use super::crypto;
use super::pair::Pair;
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

impl ResolvesServerCert for Pair {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}
