//! The client certificate of a leg.

use std::path::PathBuf;

use crate::egress::{ClientFiles, PairError};
use crate::ops::secret::is_misplaced;
use crate::ops::settings::{Layers, Problems};

/// Reads `client_cert_file` and `client_key_file` below `prefix`: both or neither, and usable together.
pub(super) fn files(layers: &Layers, prefix: &str, problems: &mut Problems) -> Option<ClientFiles> {
    let (cert_key, key_key) = (format!("{prefix}.client_cert_file"), format!("{prefix}.client_key_file"));
    let certificate = layers.value::<PathBuf>(&cert_key, problems);
    let key = layers.value::<PathBuf>(&key_key, problems);
    let (missing, given) = match (certificate, key) {
        (Some(certificate), Some(key)) => {
            return checked(layers, [&cert_key, &key_key], ClientFiles { certificate, key }, problems);
        }
        (None, None) => return None,
        (None, Some(_)) => (cert_key, key_key),
        (Some(_), None) => (key_key, cert_key),
    };
    problems.push(layers.problem(&missing, &format!("is required, since {given} is set")));
    None
}

fn checked(
    layers: &Layers,
    [cert_key, key_key]: [&str; 2],
    files: ClientFiles,
    problems: &mut Problems,
) -> Option<ClientFiles> {
    let Err(error) = files.check() else { return Some(files) };
    let setting = match &error {
        // One file may be both: then it is the certificate's, which is read first.
        PairError::File { path, .. } if *path == files.key && files.key != files.certificate => key_key,
        PairError::Misplaced if !is_misplaced(&files.certificate) => key_key,
        PairError::Misplaced | PairError::File { .. } | PairError::Pair { .. } | PairError::Tls(_) => {
            cert_key
        }
    };
    problems.push(layers.problem(setting, &error.to_string()));
    None
}
