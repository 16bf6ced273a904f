//! What the agent proves itself with where a server asks for a client certificate (mutual TLS).

use std::path::PathBuf;
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;

use super::pair::{self, Error, Pair};
use super::{Certificate, serve};
use crate::ops::Tasks;

/// Where a client certificate is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientFiles {
    /// The certificate chain in PEM, the client's own first.
    pub certificate: PathBuf,
    /// Its private key in PEM, not encrypted; it may be the same file.
    pub key: PathBuf,
}

/// A client certificate with its key, which follows its files; clones share it.
///
/// It is sent only to a server that asks for one, and only after that server's own certificate was found good.
#[derive(Debug, Clone)]
pub struct ClientIdentity {
    pair: Arc<Pair>,
}

impl ClientFiles {
    /// Finds out whether the files can be used, before anything is built on them.
    ///
    /// # Errors
    /// When they cannot; the error names the file.
    pub fn check(&self) -> Result<(), Error> {
        pair::read(&self.certificate, &self.key).map(drop)
    }
}

impl ClientIdentity {
    /// Reads the files, and reads them again when either changes, in a task of `tasks`. New files that cannot be used
    /// leave the old in use, with a WARN.
    ///
    /// # Errors
    /// When the files cannot be used now.
    pub fn open(files: &ClientFiles, tasks: &Tasks) -> Result<Self, Error> {
        Ok(Self { pair: Pair::open(&files.certificate, &files.key, tasks)? })
    }

    /// The certificate as it is now, to warn before it expires; `None` when it cannot be parsed.
    pub fn certificate(&self) -> Option<Certificate> {
        self.pair.current().cert.first().and_then(Certificate::read)
    }

    /// The SHA-256 of the certificate as it is now, in hexadecimal digits.
    pub fn fingerprint(&self) -> String {
        self.pair.current().cert.first().map(|der| serve::fingerprint(der)).unwrap_or_default()
    }

    pub(super) fn resolver(&self) -> Arc<dyn ResolvesClientCert> {
        Arc::<Pair>::clone(&self.pair)
    }
}

impl ResolvesClientCert for Pair {
    /// Gives the one certificate there is, whichever authorities the server says it would take: many servers leave
    /// some out of that list, and one that does not want ours can say so better than we can guess it.
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }

    fn has_certs(&self) -> bool {
        true
    }
}
