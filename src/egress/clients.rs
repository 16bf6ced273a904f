//! Whether a client's certificate is to be believed, against authorities that are replaced while they are in use.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};
use tracing::{info, warn};

use super::{Roots, TrustError, crypto, trust};
use crate::ops::{Tasks, watch};

/// The library's verifier over the authorities as they are now; it decides, and this only lets them be replaced.
#[derive(Debug)]
pub(super) struct ClientVerifier {
    authorities: PathBuf,
    current: ArcSwap<Arc<dyn ClientCertVerifier>>,
}

impl ClientVerifier {
    /// Loads the authorities, and loads them again when the file changes, in a task of `tasks`.
    pub(super) fn open(authorities: &Path, tasks: &Tasks) -> Result<Arc<Self>, TrustError> {
        let files = watch::Files::new([authorities]);
        let current = ArcSwap::from_pointee(load(authorities)?);
        let verifier = Arc::new(Self { authorities: authorities.to_owned(), current });
        let watched = Arc::clone(&verifier);
        watch::reload(tasks, files, watch::EVERY, move || watched.reload());
        Ok(verifier)
    }

    fn reload(&self) {
        match load(&self.authorities) {
            Ok(new) => {
                info!(file = %self.authorities.display(), "the authorities of clients were replaced");
                self.current.store(Arc::new(new));
            }
            Err(error) => warn!(%error, "the authorities of clients that were trusted before stay trusted"),
        }
    }
}

fn load(authorities: &Path) -> Result<Arc<dyn ClientCertVerifier>, TrustError> {
    let named = Roots::Named { file: Some(authorities.to_owned()), folders: Vec::new() };
    let store = Arc::new(trust::load(&named, &[])?.store);
    let verifier = WebPkiClientVerifier::builder_with_provider(store, crypto::provider()).build();
    // Of its errors, one is for no roots, and the other for revocation lists, which there are none of.
    verifier.map_err(|_| TrustError::Nobody)
}

impl ClientCertVerifier for ClientVerifier {
    /// None is named: peers have one certificate, and a list could only leave theirs out.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.current.load().verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.current.load().verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.current.load().verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.current.load().supported_verify_schemes()
    }
}
