//! Whose certificates count.

mod pem;

use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls_native_certs::{CertificateResult, load_certs_from_paths, load_native_certs};
use rustls_pki_types::CertificateDer;
use tracing::{info, warn};

/// The certificate authorities of the platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Roots {
    /// Where this system keeps them, or where `SSL_CERT_FILE` and `SSL_CERT_DIR` say.
    Platform,
    /// These instead.
    Named {
        /// A PEM file, which must hold a certificate: what somebody names is meant to be used.
        file: Option<PathBuf>,
        /// Folders of PEM files; every file is read, hash links are not needed. One that is missing or holds no
        /// certificate is left out with a WARN, as OpenSSL and Go do in silence, unless nobody is left then.
        folders: Vec<PathBuf>,
    },
}

/// Certificate authorities of the customer: PEM with any number of certificates, or base64 of such PEM, in either case
/// with any white space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CaSource {
    /// In a file.
    File(PathBuf),
    /// In the files of a folder: all but those whose names begin with a dot, without going into folders in it. A file
    /// that holds no certificate is left out with a WARN.
    Folder(PathBuf),
    /// Given directly.
    Pem {
        /// What to call it in logs and errors, such as the setting it came from.
        name: String,
        /// The PEM.
        pem: Vec<u8>,
    },
}

/// Why nobody can be trusted. It is fatal: trusting fewer than were named would fail later, and harder to explain.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// A source that was named cannot be used.
    #[error("{name} {what}")]
    Source {
        /// The file, folder or setting.
        name: String,
        /// What is wrong with it, as the rest of a sentence.
        what: String,
    },
    /// There is no certificate authority at all.
    #[error("no certificate authority is trusted: install ca-certificates, or name a CA file")]
    Nobody,
    /// The TLS library does not take the configuration.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
}

impl Roots {
    /// From the values of `SSL_CERT_FILE` and `SSL_CERT_DIR` (folders with colons in between), empty ones being unset.
    pub fn named(file: &str, folders: &str) -> Self {
        let file = (!file.is_empty()).then(|| PathBuf::from(file));
        let folders: Vec<PathBuf> =
            folders.split(':').filter(|path| !path.is_empty()).map(PathBuf::from).collect();
        if file.is_none() && folders.is_empty() { Self::Platform } else { Self::Named { file, folders } }
    }

    /// Finds out whether the named places hold certificates, before anything is built on them.
    ///
    /// # Errors
    /// [`TrustError::Source`] for a file that does not, and for the first folder where neither another one nor `others`,
    /// which have been checked, gives any.
    pub fn check(&self, others: &[CaSource]) -> Result<(), TrustError> {
        match self {
            Self::Platform => Ok(()),
            Self::Named { .. } => gather(self, others).map(drop),
        }
    }
}

impl CaSource {
    /// A file or a folder, whichever is there now.
    pub fn at(path: PathBuf) -> Self {
        if path.is_dir() { Self::Folder(path) } else { Self::File(path) }
    }

    /// Finds out whether this holds certificates, before anything is built on it.
    ///
    /// # Errors
    /// [`TrustError::Source`] when it does not.
    pub fn check(&self) -> Result<(), TrustError> {
        Loading::default().customers(self)
    }
}

impl fmt::Display for CaSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) | Self::Folder(path) => write!(f, "{}", path.display()),
            Self::Pem { name, .. } => f.write_str(name),
        }
    }
}

/// All that is trusted.
#[derive(Debug)]
pub(super) struct Trusted {
    /// The authorities, each once.
    pub(super) store: RootCertStore,
    /// Where they came from, in the order in which they were read.
    pub(super) sources: Vec<Source>,
}

/// How many certificates a source gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    /// The file, folder or setting; `the platform`.
    pub(super) name: String,
    /// Those that no source before it gave.
    pub(super) certificates: usize,
    /// Those that were trusted already.
    pub(super) repeated: usize,
}

impl fmt::Display for Trusted {
    /// As in `140 of the platform, 2 of /etc/backline/ca/ca.crt`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sources: Vec<String> = self.sources.iter().map(ToString::to_string).collect();
        f.write_str(&sources.join(", "))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.certificates, self.name)?;
        if self.repeated > 0 { write!(f, " ({} more of it trusted already)", self.repeated) } else { Ok(()) }
    }
}

/// Loads all that is trusted, and logs how many certificates came from where.
pub(super) fn load(roots: &Roots, extra: &[CaSource]) -> Result<Trusted, TrustError> {
    let Loading { trusted, left_out, .. } = gather(roots, extra)?;
    for why in &left_out {
        warn!(%why, "the folder of certificates is left out");
    }
    for Source { name, certificates, repeated } in &trusted.sources {
        info!(source = name, certificates, repeated, "trusted");
    }
    Ok(trusted)
}

fn gather(roots: &Roots, extra: &[CaSource]) -> Result<Loading, TrustError> {
    let mut loading = Loading::default();
    match roots {
        Roots::Platform => loading.platform(),
        Roots::Named { file, folders } => {
            if let Some(path) = file {
                loading.named(path, load_certs_from_paths(Some(path), None))?;
            }
            for path in folders {
                let named = loading.named(path, load_certs_from_paths(None, Some(path)));
                loading.left_out.extend(named.err());
            }
        }
    }
    for source in extra {
        loading.customers(source)?;
    }
    if !loading.trusted.store.is_empty() {
        return Ok(loading);
    }
    Err(loading.left_out.into_iter().next().unwrap_or(TrustError::Nobody))
}

/// What has been read so far.
struct Loading {
    trusted: Trusted,
    seen: HashSet<CertificateDer<'static>>,
    /// What is wrong with the folders that gave nothing.
    left_out: Vec<TrustError>,
}

impl Default for Loading {
    fn default() -> Self {
        let trusted = Trusted { store: RootCertStore::empty(), sources: Vec::new() };
        Self { trusted, seen: HashSet::new(), left_out: Vec::new() }
    }
}

impl Loading {
    /// A platform's collection may have an odd one among hundreds; it is left out rather than fatal.
    fn platform(&mut self) {
        let found = load_native_certs();
        for error in &found.errors {
            warn!(%error, "a certificate of the platform is left out");
        }
        self.sound("the platform".to_owned(), found.certs);
    }

    fn named(&mut self, path: &Path, found: CertificateResult) -> Result<(), TrustError> {
        if self.sound(path.display().to_string(), found.certs) == 0 {
            let why = found.errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
            return Err(unusable(&path.display(), format!("holds no certificate in PEM{why}")));
        }
        // A broken file beside sound ones, which the loader would skip in silence.
        for error in &found.errors {
            warn!(source = %path.display(), %error, "a certificate is left out");
        }
        Ok(())
    }

    fn customers(&mut self, source: &CaSource) -> Result<(), TrustError> {
        let certificates = match source {
            CaSource::Pem { pem, .. } => usable(pem),
            CaSource::File(path) => file(path),
            CaSource::Folder(path) => folder(path),
        };
        let certificates = certificates.map_err(|what| unusable(source, what))?;
        self.sound(source.to_string(), certificates);
        Ok(())
    }

    /// Adds those that can be used, and says how many of them there are.
    fn sound(&mut self, name: String, found: Vec<CertificateDer<'static>>) -> usize {
        let mut source = Source { name, certificates: 0, repeated: 0 };
        for certificate in found {
            if self.seen.contains(&certificate) {
                source.repeated += 1;
                continue;
            }
            match self.trusted.store.add(certificate.clone()) {
                Ok(()) => source.certificates += 1,
                Err(error) => {
                    warn!(source = source.name, %error, "a certificate is left out");
                    continue;
                }
            }
            self.seen.insert(certificate);
        }
        let usable = source.certificates + source.repeated;
        self.trusted.sources.push(source);
        usable
    }
}

/// The certificates of a file.
fn file(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let unreadable = |error| format!("cannot be read: {error}");
    // A pipe or a device may never end.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err("is not a regular file".to_owned());
    }
    let mut content = Vec::new();
    let opened = File::open(path).map_err(unreadable)?;
    opened.take(LARGEST + 1).read_to_end(&mut content).map_err(unreadable)?;
    if content.len() as u64 > LARGEST {
        return Err(format!("is larger than {} MiB", LARGEST >> 20));
    }
    usable(&content)
}

/// The certificates of a folder's files. A volume of Kubernetes has its versions in folders below `..data`, and each
/// file as a link into it: the links are followed, the rest begins with a dot.
fn folder(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let entries = std::fs::read_dir(path).map_err(|error| format!("cannot be read: {error}"))?;
    let files = entries
        .filter_map(Result::ok)
        .filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."));
    let mut files: Vec<PathBuf> = files.map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    files.sort();
    let mut certificates = Vec::new();
    for path in files {
        match file(&path) {
            Ok(found) => certificates.extend(found),
            Err(what) => {
                warn!(file = %path.display(), what, "the file is left out of the trusted certificates")
            }
        }
    }
    if certificates.is_empty() {
        Err("holds no file with a certificate in PEM".to_owned())
    } else {
        Ok(certificates)
    }
}

/// The certificates of a content, each of which must be one that can be trusted: somebody put it there to be used.
fn usable(content: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates = pem::certificates(content)?;
    for (at, certificate) in certificates.iter().enumerate() {
        let add = RootCertStore::empty().add(certificate.clone());
        add.map_err(|why| format!("has a certificate (number {}) that cannot be used: {why}", at + 1))?;
    }
    Ok(certificates)
}

fn unusable(source: &dyn fmt::Display, what: String) -> TrustError {
    TrustError::Source { name: source.to_string(), what }
}

/// The most bytes of a file: all public authorities together take a quarter of a MiB.
const LARGEST: u64 = 16 << 20;

#[cfg(test)]
mod tests;
