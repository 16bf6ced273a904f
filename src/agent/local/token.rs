//! The bearer token of a debug listener on TCP, and the file that tells it to who may read it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use http::HeaderMap;
use http::header::AUTHORIZATION;
use secrecy::ExposeSecret as _;

use crate::ops::Key;

/// A token made at start, in a file with mode 0600 that goes when the token is dropped.
#[derive(Debug)]
pub(in crate::agent) struct Token {
    key: Key,
    digest: String,
    path: PathBuf,
}

impl Token {
    /// Makes a token and writes it to `path`, in place of what was there; to a new file in the temporary folder without.
    ///
    /// # Errors
    /// When the file cannot be made, or the system has no entropy.
    pub(in crate::agent) fn make(path: Option<&Path>) -> io::Result<Self> {
        let key = Key::generate().map_err(|error| io::Error::other(error.to_string()))?;
        let path = path.map_or_else(
            || std::env::temp_dir().join(format!("gitproxy-debug-{}.token", key.id())),
            Path::to_owned,
        );
        let mut file = fresh(&path).map_err(|error| {
            let path = path.display();
            io::Error::new(
                error.kind(),
                format!("cannot write the token to {path}: {error}; set debug.token_file to a file in a folder that this user may write"),
            )
        })?;
        let token = Self { digest: key.digest(), key, path };
        writeln!(file, "{}", token.key.secret().expose_secret())?;
        Ok(token)
    }

    /// Where it was written.
    pub(in crate::agent) fn path(&self) -> &Path {
        &self.path
    }

    /// The token itself.
    pub(in crate::agent) fn key(&self) -> &Key {
        &self.key
    }

    /// Whether the headers carry it as `authorization: Bearer …`.
    pub(super) fn is_in(&self, headers: &HeaderMap) -> bool {
        let sent = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let sent = sent
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        sent.and_then(|(_, token)| Key::parse(token).ok()).is_some_and(|key| key.matches(&self.digest))
    }
}

/// The file made anew, so that neither a link nor an open file of somebody else receives the token.
fn fresh(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

impl Drop for Token {
    fn drop(&mut self) {
        // It may be gone already, with its folder.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, value.parse().expect("ascii"))])
    }

    #[test]
    fn the_file_is_0600_holds_the_token_and_goes_with_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("token");
        fs::write(&path, "older").expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("set");
        let token = Token::make(Some(&path)).expect("made");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        let written = fs::read_to_string(&path).expect("readable");
        assert!(token.is_in(&headers(&format!("Bearer {}", written.trim()))));
        drop(token);
        assert!(!path.exists());
    }

    #[test]
    fn a_link_in_its_place_does_not_receive_the_token() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, target) = (folder.path().join("token"), folder.path().join("target"));
        fs::write(&target, "untouched").expect("written");
        std::os::unix::fs::symlink(&target, &path).expect("linked");
        let _token = Token::make(Some(&path)).expect("made");
        assert_eq!(fs::read_to_string(&target).expect("readable"), "untouched");
    }

    #[test]
    fn only_this_token_is_accepted_and_debug_does_not_show_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let token = Token::make(Some(&folder.path().join("token"))).expect("made");
        let other = Key::generate().expect("entropy");
        assert!(!token.is_in(&HeaderMap::new()));
        for wrong in
            [format!("Bearer {}", other.secret().expose_secret()), "Bearer x".into(), "Basic abc".into()]
        {
            assert!(!token.is_in(&headers(&wrong)));
        }
        assert!(!format!("{token:?}").contains(&token.key.secret().expose_secret()[15..]));
    }
    #[test]
    fn a_file_that_cannot_be_made_is_named_with_what_to_do() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("nowhere").join("token");
        let told = Token::make(Some(&path)).expect_err("no folder").to_string();
        assert!(
            told.contains(&path.display().to_string()) && told.contains("set debug.token_file to"),
            "{told}"
        );
    }
}
