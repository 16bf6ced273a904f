//! Whether a server's certificate is to be believed, against roots that are replaced while they are in use.

mod rejected;

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tracing::{info, warn};

use super::trust::{self, Trusted};
use super::{CaSource, Roots, TrustError, crypto};
use crate::ops::{Tasks, watch};

pub use rejected::{Kind, Rejected};

/// The library's verifier (webpki) over the roots as they are now.
///
/// It never decides anything itself: what the library takes it takes, what the library refuses it refuses, and adds to
/// the refusal what was presented and what is trusted, which the library does not tell.
#[derive(Debug)]
pub(super) struct Verifier {
    roots: Roots,
    extra: Vec<CaSource>,
    current: ArcSwap<State>,
}

/// The roots of one moment.
#[derive(Debug)]
struct State {
    trusted: Trusted,
    webpki: Arc<WebPkiServerVerifier>,
}

impl Verifier {
    /// Loads what is trusted, and loads it again when a file or folder that was named changes, in a task of `tasks`. A
    /// new state that cannot be used leaves the old in use, with a WARN. The platform's own store is read again only
    /// then: it changes with the system that the process runs on.
    pub(super) fn open(roots: &Roots, extra: &[CaSource], tasks: &Tasks) -> Result<Arc<Self>, TrustError> {
        let files = watch::Files::new(paths(roots, extra));
        let current = ArcSwap::from_pointee(State::load(roots, extra)?);
        let verifier = Arc::new(Self { roots: roots.clone(), extra: extra.to_vec(), current });
        if !files.is_empty() {
            let watched = Arc::clone(&verifier);
            watch::reload(tasks, files, watch::EVERY, move || watched.reload());
        }
        Ok(verifier)
    }

    /// What is trusted, as in `140 of the platform, 2 of /etc/backline/ca/ca.crt`.
    pub(super) fn summary(&self) -> String {
        self.current.load().trusted.to_string()
    }

    fn reload(&self) {
        match State::load(&self.roots, &self.extra) {
            Ok(new) => {
                info!(trusted = %new.trusted, "the trusted certificates were replaced");
                self.current.store(Arc::new(new));
            }
            Err(error) => warn!(%error, "the certificates that were trusted before stay trusted"),
        }
    }
}

impl State {
    fn load(roots: &Roots, extra: &[CaSource]) -> Result<Self, TrustError> {
        let trusted = trust::load(roots, extra)?;
        let store = Arc::new(trusted.store.clone());
        let webpki = WebPkiServerVerifier::builder_with_provider(store, crypto::provider()).build();
        // Of its errors, one is for no roots, and the other for revocation lists, which there are none of.
        let webpki = webpki.map_err(|_| TrustError::Nobody)?;
        Ok(Self { trusted, webpki })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let state = self.current.load();
        let verified =
            state.webpki.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        verified.map_err(|error| {
            let Error::InvalidCertificate(why) = error else { return error };
            let chain: Vec<_> = std::iter::once(end_entity).chain(intermediates).collect();
            let rejected = Rejected::new(why, &chain, &state.trusted);
            Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(rejected))))
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.current.load().webpki.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.current.load().webpki.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.current.load().webpki.supported_verify_schemes()
    }
}

/// The files and folders that were named.
fn paths(roots: &Roots, extra: &[CaSource]) -> Vec<PathBuf> {
    let named = match roots {
        Roots::Platform => Vec::new(),
        Roots::Named { file, folders } => file.iter().chain(folders).cloned().collect(),
    };
    let customers = extra.iter().filter_map(|source| match source {
        CaSource::File(path) | CaSource::Folder(path) => Some(path.clone()),
        CaSource::Pem { .. } => None,
    });
    named.into_iter().chain(customers).collect()
}

#[cfg(test)]
mod tests;
