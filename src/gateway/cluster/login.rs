//! What a gateway shows NATS, told apart by its form.

use async_nats::ConnectOptions;
use secrecy::{ExposeSecret as _, SecretString};

/// What NATS asks for.
enum Login<'a> {
    Password(&'a str, &'a str),
    Token(&'a str),
    /// The seed of a user's NKey.
    Seed(&'a str),
    /// A `.creds` file: a JWT and its seed.
    Credentials(&'a str),
}

/// A secret that is no login. It does not show it.
#[derive(Debug, thiserror::Error)]
#[error("the login for NATS has the form of a .creds file but no JWT and seed of a user")]
pub(super) struct Malformed;

/// Options with this login.
///
/// # Errors
/// When it begins like a `.creds` file and is none.
pub(super) fn options(secret: &SecretString) -> Result<ConnectOptions, Malformed> {
    Ok(match Login::of(secret.expose_secret()) {
        Login::Password(user, password) => {
            ConnectOptions::with_user_and_password(user.to_owned(), password.to_owned())
        }
        Login::Token(token) => ConnectOptions::with_token(token.to_owned()),
        Login::Seed(seed) => ConnectOptions::with_nkey(seed.to_owned()),
        // Its error quotes what it has read.
        Login::Credentials(text) => ConnectOptions::with_credentials(text).map_err(|_| Malformed)?,
    })
}

impl<'a> Login<'a> {
    fn of(text: &'a str) -> Self {
        let text = text.trim();
        let base32 = |byte: u8| matches!(byte, b'A'..=b'Z' | b'2'..=b'7');
        if text.contains(CREDENTIALS) {
            return Self::Credentials(text);
        }
        if text.len() == SEED && text.starts_with("SU") && text.bytes().all(base32) {
            return Self::Seed(text);
        }
        match text.split_once(':') {
            Some((user, password)) => Self::Password(user, password),
            None => Self::Token(text),
        }
    }
}

/// How the JWT in a `.creds` file begins.
const CREDENTIALS: &str = "-----BEGIN NATS USER JWT-----";
/// 2 bytes of prefix, 32 of seed and 2 of checksum, in base32.
const SEED: usize = 58;

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str) -> &'static str {
        match Login::of(text) {
            Login::Password("u", "p:q") => "password",
            Login::Password(..) => "another password",
            Login::Token(_) => "token",
            Login::Seed(_) => "seed",
            Login::Credentials(_) => "credentials",
        }
    }

    #[test]
    fn a_login_is_told_by_its_form() {
        let seed = format!("SU{}", "A2".repeat(28));
        assert_eq!(kind("u:p:q\n"), "password");
        assert_eq!(kind("s3cret"), "token");
        assert_eq!(kind(&seed), "seed");
        assert_eq!(kind(&seed.to_lowercase()), "token");
        assert_eq!(kind("-----BEGIN NATS USER JWT-----\nx:y"), "credentials");
    }

    #[test]
    fn what_is_no_credentials_file_is_not_quoted() {
        let text = SecretString::from("-----BEGIN NATS USER JWT-----\ns3cret".to_owned());
        let error = options(&text).expect_err("no seed").to_string();
        assert!(!error.contains("s3cret"), "{error}");
    }
}
