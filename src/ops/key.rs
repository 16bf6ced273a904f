//! Access keys of agents and tokens of callers: `gpk_<id>_<secret><checksum>`.
//!
//! The fixed form lets secret scanners find a leaked one, and the checksum tells a typo from a wrong key before anything
//! is sent. The id is no secret: it is what logs and the store speak of.

use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// A key or token, whole.
#[derive(Debug, Clone)]
pub struct Key {
    id: String,
    text: SecretString,
}

/// Why a text is no key. No variant repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It does not begin with `gpk_`.
    #[error("does not begin with `gpk_`")]
    Prefix,
    /// Its parts do not have the right number of letters and digits.
    #[error("does not have the form gpk_<id>_<secret> with {ID_LEN} and {TAIL_LEN} letters and digits")]
    Shape,
    /// Its checksum is wrong, as after a typo or a cut.
    #[error("has a wrong checksum: it was mistyped or cut")]
    Checksum,
}

impl Key {
    /// Makes a new key with 256 random bits.
    ///
    /// # Errors
    /// When the operating system gives no entropy.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let id = random_text(ID_LEN)?;
        let head = format!("{PREFIX}{id}_{}", random_text(SECRET_LEN)?);
        let text = format!("{head}{}", checksum(&head));
        Ok(Self { id, text: text.into() })
    }

    /// Reads a key; white space around it is ignored, since files end with a newline.
    ///
    /// # Errors
    /// When the text has not the form of a key or its checksum is wrong.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let text = text.trim();
        let rest = text.strip_prefix(PREFIX).ok_or(Malformed::Prefix)?;
        let (id, tail) = rest.split_once('_').ok_or(Malformed::Shape)?;
        let plain =
            |part: &str, len: usize| part.len() == len && part.bytes().all(|b| b.is_ascii_alphanumeric());
        if !plain(id, ID_LEN) || !plain(tail, TAIL_LEN) {
            return Err(Malformed::Shape);
        }
        let (head, sum) = text.split_at(text.len() - CHECKSUM_LEN);
        if checksum(head) != sum {
            return Err(Malformed::Checksum);
        }
        Ok(Self { id: id.to_owned(), text: text.into() })
    }

    /// The part that is no secret.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The whole text, for the header that carries it and for the one time that it is shown.
    pub fn secret(&self) -> &SecretString {
        &self.text
    }

    /// What a store keeps: the SHA-256 of the whole text, in lower-case hexadecimal.
    ///
    /// A plain hash is enough for 256 random bits: there is nothing to guess.
    pub fn digest(&self) -> String {
        hex(&Sha256::digest(self.text.expose_secret()))
    }

    /// Compares with what a store keeps, in constant time.
    pub fn matches(&self, digest: &str) -> bool {
        self.digest().as_bytes().ct_eq(digest.as_bytes()).into()
    }
}

fn random_text(len: usize) -> Result<String, getrandom::Error> {
    let mut text = String::with_capacity(len);
    while text.len() < len {
        let byte = (getrandom::u32()? & 0x3f) as usize;
        // Values past the alphabet are drawn again, so that every letter is as likely.
        text.extend(ALPHABET.get(byte).map(|&letter| char::from(letter)));
    }
    Ok(text)
}

fn checksum(head: &str) -> String {
    let sum = Sha256::digest(head);
    let mut number = u32::from_be_bytes([sum[0], sum[1], sum[2], sum[3]]) as usize;
    let mut text = String::with_capacity(CHECKSUM_LEN);
    for _ in 0..CHECKSUM_LEN {
        text.push(char::from(ALPHABET[number % ALPHABET.len()]));
        number /= ALPHABET.len();
    }
    text
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const PREFIX: &str = "gpk_";
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const ID_LEN: usize = 10;
/// 43 letters of 62 hold 256 bits.
const SECRET_LEN: usize = 43;
const CHECKSUM_LEN: usize = 6;
const TAIL_LEN: usize = SECRET_LEN + CHECKSUM_LEN;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_reads_back_and_matches_its_digest_only() {
        let key = Key::generate().expect("entropy");
        let again = Key::parse(&format!("{}\n", key.secret().expose_secret())).expect("well formed");
        assert_eq!(again.id(), key.id());
        assert!(again.matches(&key.digest()));
        assert!(!Key::generate().expect("entropy").matches(&key.digest()));
    }

    #[test]
    fn a_typo_is_told_from_a_wrong_key() {
        let key = Key::generate().expect("entropy");
        let text = key.secret().expose_secret();
        let swapped = if text.ends_with('a') { "b" } else { "a" };
        let typo = format!("{}{swapped}", &text[..text.len() - 1]);
        assert_eq!(Key::parse(&typo).expect_err("typo"), Malformed::Checksum);
        assert_eq!(Key::parse(&text[..20]).expect_err("cut"), Malformed::Shape);
        assert_eq!(Key::parse("hunter2").expect_err("other"), Malformed::Prefix);
    }

    #[test]
    fn neither_debug_nor_an_error_shows_the_secret() {
        let key = Key::generate().expect("entropy");
        let tail = &key.secret().expose_secret()[15..];
        assert!(!format!("{key:?}").contains(tail));
    }
}
