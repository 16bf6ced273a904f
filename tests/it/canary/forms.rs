//! The forms in which a secret could be in a text.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use gitproxy::ops::Key;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use secrecy::ExposeSecret as _;

/// A secret, and every form of it and of its secret part.
pub(crate) struct Secret {
    pub(crate) name: String,
    forms: Vec<String>,
}

impl Secret {
    /// A secret whose text is secret as a whole.
    pub(crate) fn new(name: &str, text: &str) -> Self {
        Self::of(name, &[text])
    }

    /// A key: as a whole, and without its id, which is no secret, and without its checksum.
    pub(crate) fn key(name: &str, key: &Key) -> Self {
        let text = key.secret().expose_secret();
        let tail = text.rsplit_once('_').expect("two underscores").1;
        Self::of(name, &[text, tail, &tail[..tail.len() - 6]])
    }

    /// An access token of Bitbucket: as a whole, and the part behind its number.
    pub(crate) fn token(name: &str, text: &str) -> Self {
        Self::of(name, &[text, text.rsplit_once('-').map_or(text, |(_, tail)| tail)])
    }

    /// A user with a password: the password alone, and both as `Basic` sends them.
    pub(crate) fn basic(name: &str, user: &str, password: &str) -> Self {
        Self::of(name, &[password, &format!("{user}:{password}")])
    }

    /// The lines that tell it.
    pub(crate) fn hits<'a>(&self, log: &'a str) -> Vec<&'a str> {
        log.lines().filter(|line| self.forms.iter().any(|form| line.contains(form))).collect()
    }

    fn of(name: &str, texts: &[&str]) -> Self {
        Self { name: name.to_owned(), forms: texts.iter().flat_map(|text| forms(text)).collect() }
    }
}

fn forms(text: &str) -> Vec<String> {
    let bytes = text.as_bytes();
    let hex = bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    let numbers = format!("{bytes:?}");
    let escaped = format!("{text:?}");
    let mut forms = vec![
        text.to_owned(),
        escaped.trim_matches('"').to_owned(),
        hex.to_uppercase(),
        hex,
        numbers.trim_matches(['[', ']']).to_owned(),
        percent_encode(bytes, NON_ALPHANUMERIC).to_string(),
        percent_encode(bytes, UNRESERVED).to_string(),
    ];
    forms
        .extend((0..3).flat_map(|before| [&STANDARD, &URL_SAFE].map(|engine| inside(engine, bytes, before))));
    forms
}

/// What is sure to be in the base64 of any text that has `bytes` after 3n + `before` others: the letters that hold bits of
/// `bytes` alone.
fn inside(engine: &base64::engine::GeneralPurpose, bytes: &[u8], before: usize) -> String {
    let padded = [&[0; 2][..before], bytes].concat();
    let encoded = engine.encode(&padded);
    let (first, last) = ((before * 8).div_ceil(6), padded.len() * 8 / 6);
    encoded[first..last].to_owned()
}

/// RFC 3986, 2.3: what most programs leave as it is.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

#[test]
fn a_secret_is_found_in_every_form_and_wherever_it_stands() {
    let secret = Secret::new("x", "s3cr+t/p%ss: \"w\"");
    let text = "s3cr+t/p%ss: \"w\"";
    for before in ["", "a", "ab", "abc"] {
        let whole = format!("{before}{text}!");
        let shown = [
            whole.clone(),
            format!("{whole:?}"),
            format!("{:?}", whole.as_bytes()),
            STANDARD.encode(&whole),
            URL_SAFE.encode(&whole),
            percent_encode(whole.as_bytes(), NON_ALPHANUMERIC).to_string(),
            percent_encode(whole.as_bytes(), UNRESERVED).to_string(),
            whole.bytes().map(|byte| format!("{byte:02x}")).collect(),
            whole.bytes().map(|byte| format!("{byte:02X}")).collect(),
        ];
        for line in shown {
            assert_eq!(secret.hits(&format!("first\nx={line} y\nlast")).len(), 1, "{line}");
        }
    }
    assert!(secret.hits("s3cr t p%ss").is_empty());
}

#[test]
fn the_secret_part_of_a_key_is_found_alone_and_its_id_is_none() {
    let key = Key::generate().expect("entropy");
    let text = key.secret().expose_secret();
    let secret = Secret::key("x", &key);
    assert_eq!(secret.hits(&text[15..58]).len(), 1);
    assert!(secret.hits(key.id()).is_empty());
}
