//! Who may stand behind a connection that another gateway has opened.

use super::Shared;

/// The gateways that had the certificate of a connection when it was opened: several may share one.
#[derive(Debug)]
pub(in crate::gateway::cluster) struct Guest {
    /// SHA-256 of the certificate.
    fingerprint: String,
    gateways: Vec<String>,
}

impl Shared {
    /// Waits until a live gateway has the certificate with this SHA-256.
    pub(in crate::gateway::cluster) async fn guest(&self, fingerprint: &str) -> Guest {
        let mut changes = self.changes.subscribe();
        loop {
            let gateways: Vec<_> = {
                let known = self.known();
                let having = known.gateways.iter().filter(|(_, it)| it.entry.certificate == fingerprint);
                having.map(|(id, _)| id.clone()).collect()
            };
            if !gateways.is_empty() {
                return Guest { fingerprint: fingerprint.to_owned(), gateways };
            }
            // The sender lives as long as this.
            let _ = changes.changed().await;
        }
    }

    /// Whether one of them is live, whatever certificate it has by now, or another that has the same.
    pub(in crate::gateway::cluster) fn is_live(&self, guest: &Guest) -> bool {
        let known = self.known();
        guest.gateways.iter().any(|id| known.gateways.contains_key(id))
            || known.gateways.values().any(|it| it.entry.certificate == guest.fingerprint)
    }
}
