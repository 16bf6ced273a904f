//! The one choice of a cryptographic library.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, ResolvesServerCert};
use rustls::{ClientConfig, ServerConfig};

use super::identity::ClientIdentity;
use super::verify::Verifier;

/// What does our cryptography: aws-lc-rs, handed to each configuration and never made the process's default, so that no
/// dependency can put another one in its place.
///
/// Why not ring: certificate authorities of companies sign with P-521 too, which ring cannot verify; aws-lc-rs has the
/// hybrid post-quantum key exchange X25519MLKEM768; and where a customer needs FIPS 140-3, it is a feature of the same
/// library. The hybrid is offered, not preferred: its key share makes a first message that does not fit into one
/// packet, at which older TLS-inspecting middleboxes fail; a server that wants it can still ask for it.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// The client's side, TLS 1.2 and 1.3; with `identity`, it has a certificate to show where the server asks for one.
///
/// The library calls it dangerous to bring a verifier of one's own. This one does not decide: every question goes to the
/// library's own verifier, whose *yes* and *no* stand; it only puts facts to a *no*, and lets the roots be replaced
/// (`verify`, whose tests show that nothing is accepted that the library refuses).
pub(super) fn client(
    verifier: Arc<Verifier>,
    identity: Option<&ClientIdentity>,
    alpn: &[&[u8]],
) -> Result<Arc<ClientConfig>, rustls::Error> {
    let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(VERSIONS)?;
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
    let mut config = match identity {
        Some(identity) => builder.with_client_cert_resolver(identity.resolver()),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = protocols(alpn);
    // A resumed session shows no certificate, so an authority that was taken away, a certificate that has expired since
    // and a client certificate that was replaced would live on in it. Connections are few and long: it would save little.
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// The server's side, TLS 1.2 and 1.3.
pub(super) fn server(
    certificate: Arc<dyn ResolvesServerCert>,
    alpn: &[&[u8]],
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let builder = ServerConfig::builder_with_provider(provider()).with_protocol_versions(VERSIONS)?;
    let mut config = builder.with_no_client_auth().with_cert_resolver(certificate);
    config.alpn_protocols = protocols(alpn);
    Ok(Arc::new(config))
}

/// The server's side for peers, each of which must show a certificate that `clients` takes. Nothing is resumed, so that
/// every connection shows one.
pub(super) fn mutual(
    certificate: Arc<dyn ResolvesServerCert>,
    clients: Arc<dyn ClientCertVerifier>,
    alpn: &[&[u8]],
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let builder = ServerConfig::builder_with_provider(provider()).with_protocol_versions(VERSIONS)?;
    let mut config = builder.with_client_cert_verifier(clients).with_cert_resolver(certificate);
    config.alpn_protocols = protocols(alpn);
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

fn protocols(alpn: &[&[u8]]) -> Vec<Vec<u8>> {
    alpn.iter().map(|name| name.to_vec()).collect()
}

/// Said rather than left to the library's default, which features of other crates could change.
const VERSIONS: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];

#[cfg(test)]
mod tests {
    use rustls::{NamedGroup, SignatureScheme};

    use super::*;
    use crate::egress::fixture::Ca;
    use crate::egress::{CaSource, Roots};
    use crate::ops::Tasks;

    #[test]
    fn the_curves_of_companies_are_verified_and_the_hybrid_is_offered_last() {
        let provider = provider();
        let schemes = provider.signature_verification_algorithms.supported_schemes();
        for scheme in [SignatureScheme::ECDSA_NISTP384_SHA384, SignatureScheme::ECDSA_NISTP521_SHA512] {
            assert!(schemes.contains(&scheme), "{scheme:?}");
        }
        assert_eq!(provider.kx_groups.last().map(|group| group.name()), Some(NamedGroup::X25519MLKEM768));
    }

    #[test]
    fn nothing_becomes_the_default_of_the_process() {
        let ours = CaSource::Pem { name: "ours".to_owned(), pem: Ca::new("ours").pem().into_bytes() };
        let verifier = Verifier::open(&Roots::Platform, &[ours], &Tasks::new()).unwrap();
        client(verifier, None, &[b"h2"]).unwrap();
        assert!(CryptoProvider::get_default().is_none());
    }
}
