//! A secret that stands where its file's path belongs.
//!
//! Messages name a file, so that such a mistake would print the secret whole.

use std::io::ErrorKind;
use std::path::Path;

use crate::ops::Key;

/// Whether what should be the path of a secret's file may be the secret itself, so that no message may show it.
///
/// It may, where nothing is there and it does not read as a path: one from the root with a folder in it, or from `.` or
/// `..`, of letters, digits, `.`, `-`, `_` and `/`. A relative path of a file that is gone is taken for a secret too:
/// tokens are base64, which has slashes.
pub fn is_misplaced(path: &Path) -> bool {
    let absent = path.metadata().is_err_and(|error| error.kind() != ErrorKind::PermissionDenied);
    absent && !path.to_str().is_some_and(reads_as_a_path)
}

fn reads_as_a_path(text: &str) -> bool {
    let rooted = text.strip_prefix('/').is_some_and(|rest| rest.contains('/'));
    let begun = rooted || text.starts_with("./") || text.starts_with("../");
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/.-_".contains(&byte);
    begun && text.bytes().all(plain) && !text.split('/').any(|part| Key::parse(part).is_ok())
}

/// What to say in place of the path: the rest of a sentence whose subject is the setting or `a path`.
pub const MISPLACED: &str = "names no file; if it is the secret itself, put that into a file and name the file by its whole \
                             path (it is not shown here)";

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn what_may_be_a_secret_is_told_from_what_reads_as_a_path() {
        let key = Key::generate().unwrap();
        let key = key.secret().expose_secret();
        let secrets = [
            key,
            &format!("/run/{key}"),
            "NjM3OTgxOTk1MjM4OrM+bXl/Zm9v",
            "/hunter2",
            "/hunter/2+x=",
            "robot:s3cret",
            "token",
            "-----BEGIN PRIVATE KEY-----\nMIIE/vAI\n-----END PRIVATE KEY-----",
            &"x".repeat(5000),
            "a\0b",
        ];
        for text in secrets {
            assert!(is_misplaced(Path::new(text)), "{text}");
        }
        for text in ["/nowhere/tls.key", "/run/secrets/access-key", "./token", "../secrets/token_1"] {
            assert!(!is_misplaced(Path::new(text)), "{text}");
        }
    }

    #[test]
    fn what_is_there_is_a_file_whatever_it_is_called() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("robot:s3cret+=");
        assert!(is_misplaced(&path));
        std::fs::write(&path, "x").unwrap();
        assert!(!is_misplaced(&path));
        assert!(!is_misplaced(Path::new("src")));
    }
}
