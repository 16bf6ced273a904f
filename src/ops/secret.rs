//! Secrets that live in files and rotate.
//!
//! The values are `secrecy` types from the byte that is read on: they have no `Display`, and their `Debug` hides them.

mod misplaced;

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;
use tracing::{info, warn};

pub use self::misplaced::{MISPLACED, is_misplaced};

/// Where a secret comes from.
#[derive(Debug, Clone)]
pub enum Source {
    /// A value that stays, as one from the environment.
    Fixed(SecretString),
    /// A file, whose value follows it.
    File(SecretFile),
}

/// A secret in a file that is read again when it is used, at most once a second; clones share what was read.
///
/// A file that went bad (gone, empty, not text) leaves the last good value in use, with one WARN: that is what a token
/// looks like while somebody replaces it.
#[derive(Debug, Clone)]
pub struct SecretFile {
    path: Arc<Path>,
    state: Arc<Mutex<State>>,
}

/// Why a file gives no secret. No variant shows its content.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such file, and what should be its path may be the secret itself.
    #[error("{MISPLACED}")]
    Misplaced,
    /// It cannot be read.
    #[error("cannot read a secret from {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Nothing but white space is in it.
    #[error("{} is empty", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// It is more than a secret can be: over 64 KiB.
    #[error("{} is larger than a secret: over {LONGEST} bytes", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// It is not UTF-8.
    #[error("{} is not text", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
    },
}

#[derive(Debug)]
struct State {
    value: SecretString,
    read_at: Instant,
    health: Health,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    Good,
    Bad,
}

impl Source {
    /// The value as it is now.
    pub fn current(&self) -> SecretString {
        match self {
            Self::Fixed(value) => value.clone(),
            Self::File(file) => file.current(),
        }
    }
}

impl SecretFile {
    /// Reads the file for the first time.
    ///
    /// # Errors
    /// When it gives no secret: unreadable, empty, over 64 KiB or not text, or not there.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let path = path.into();
        // Only here: a path that was once read is one.
        if is_misplaced(&path) {
            return Err(Error::Misplaced);
        }
        let state = State { value: read(&path)?, read_at: Instant::now(), health: Health::Good };
        Ok(Self { path: path.into(), state: Arc::new(Mutex::new(state)) })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The value as it is now, or the last good one.
    ///
    /// It reads the file rather than compare its times: a secret is a few bytes, and a change within the granularity
    /// of a file system's clock is not missed.
    pub fn current(&self) -> SecretString {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.read_at.elapsed() >= FRESH {
            state.read_at = Instant::now();
            self.refresh(&mut state);
        }
        state.value.clone()
    }

    fn refresh(&self, state: &mut State) {
        match read(&self.path) {
            Ok(value) => {
                if value.expose_secret() != state.value.expose_secret() {
                    info!(path = %self.path.display(), "the secret was replaced");
                }
                state.value = value;
                state.health = Health::Good;
            }
            Err(error) => {
                if state.health == Health::Good {
                    warn!(%error, "the secret's last good value stays in use");
                }
                state.health = Health::Bad;
            }
        }
    }
}

/// Reads a secret once; white space around it is dropped, since files end with a newline.
///
/// # Errors
/// When the file gives no secret: unreadable, empty, over 64 KiB or not text.
pub fn read(path: &Path) -> Result<SecretString, Error> {
    let path_buf = || path.to_owned();
    let unreadable = |source| Error::Unreadable { path: path_buf(), source };
    // A pipe or a device may never end.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(unreadable(io::Error::other("not a regular file")));
    }
    // Of its full size at once: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST + 1));
    let file = File::open(path).map_err(unreadable)?;
    file.take(LONGEST as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > LONGEST {
        return Err(Error::TooLong { path: path_buf() });
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| Error::NotText { path: path_buf() })?.trim();
    if text.is_empty() { Err(Error::Empty { path: path_buf() }) } else { Ok(text.into()) }
}

/// For how long a value is used without another look at the file.
const FRESH: Duration = Duration::from_secs(1);
const LONGEST: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use tokio::time;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_replaced_file_is_seen_within_a_second() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, "old\n").unwrap();
        let file = SecretFile::open(&path).unwrap();
        fs::write(&path, "new\n").unwrap();
        assert_eq!(file.current().expose_secret(), "old", "no second look within a second");
        time::advance(FRESH).await;
        assert_eq!(file.current().expose_secret(), "new");
        assert_eq!(Source::File(file.clone()).current().expose_secret(), "new");
    }

    #[tokio::test(start_paused = true)]
    async fn a_swapped_symlink_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("one"), "first").unwrap();
        fs::write(at("two"), "other").unwrap();
        std::os::unix::fs::symlink(at("one"), at("token")).unwrap();
        let file = SecretFile::open(at("token")).unwrap();
        std::os::unix::fs::symlink(at("two"), at("next")).unwrap();
        fs::rename(at("next"), at("token")).unwrap();
        time::advance(FRESH).await;
        assert_eq!(file.current().expose_secret(), "other");
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_gone_bad_leaves_the_last_good_value() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, "good").unwrap();
        let file = SecretFile::open(&path).unwrap();
        for bad in [&b" \n"[..], b"\xff\xfe", &[b'a'; LONGEST + 1]] {
            fs::write(&path, bad).unwrap();
            time::advance(FRESH).await;
            assert_eq!(file.current().expose_secret(), "good");
        }
        fs::remove_file(&path).unwrap();
        time::advance(FRESH).await;
        assert_eq!(file.current().expose_secret(), "good");
        assert_eq!(file.state.lock().unwrap().health, Health::Bad);
    }

    #[test]
    fn what_gives_no_secret_is_told_apart_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let error = SecretFile::open(&path).unwrap_err();
        assert!(matches!(error, Error::Unreadable { .. }) && error.to_string().contains("token"), "{error}");
        fs::write(&path, "").unwrap();
        assert!(matches!(SecretFile::open(&path), Err(Error::Empty { .. })));
        fs::write(&path, [0xff]).unwrap();
        assert!(matches!(SecretFile::open(&path), Err(Error::NotText { .. })));
        assert!(matches!(SecretFile::open(folder.path()), Err(Error::Unreadable { .. })));
    }

    #[test]
    fn a_secret_in_place_of_its_path_is_not_shown() {
        let error = SecretFile::open("robot:hunter2").unwrap_err();
        assert!(error.to_string().contains("if it is the secret itself"), "{error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }

    #[test]
    fn debug_hides_the_value() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, "hunter2").unwrap();
        let shown = format!("{:?}", Source::File(SecretFile::open(&path).unwrap()));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
