//! Entries of the bucket that are of no use here.

use std::sync::PoisonError;

use tracing::warn;

use super::Shared;

impl Shared {
    /// Tells of such an entry the first time: it is written again with each beat.
    pub(in crate::gateway::cluster) fn odd(&self, key: &str, cause: &str) {
        let mut odd = self.odd.lock().unwrap_or_else(PoisonError::into_inner);
        if odd.len() < MOST && odd.insert(key.to_owned()) {
            let bucket = &self.config.bucket;
            warn!(
                key,
                cause,
                bucket,
                "an entry of the bucket is passed over: a gateway of another build or another program writes there"
            );
        }
    }
}

/// Who may write to the bucket can make up any number of keys. A cluster has some tens of gateways.
const MOST: usize = 256;
