//! The forms in which a secret could be in a text.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use gitproxy::ops::Key;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use secrecy::ExposeSecret as _;

/// A secret, and every form of it and of its secret part.
#[derive(Clone)]
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

    /// What a proxy is logged in to with: the password alone, both as `Basic` sends them, and both as a URL has them.
    pub(crate) fn login(name: &str, user: &str, password: &str) -> Self {
        let written =
            [user, password].map(|text| percent_encode(text.as_bytes(), NON_ALPHANUMERIC).to_string());
        Self::of(name, &[password, &format!("{user}:{password}"), &written.join(":"), &written[1]])
    }

    /// A private key in PEM: each line of it, and the bytes in it that are secret.
    pub(crate) fn pem(name: &str, pem: &str) -> Self {
        let lines: Vec<_> = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        let der = STANDARD.decode(lines.concat()).expect("PEM");
        let mut forms: Vec<_> = lines.iter().map(|line| (*line).to_owned()).collect();
        forms.extend(of_bytes(&der[SCALAR]));
        Self { name: name.to_owned(), forms }
    }

    /// The lines that tell it.
    pub(crate) fn hits<'a>(&self, log: &'a str) -> Vec<&'a str> {
        log.lines().filter(|line| self.forms.iter().any(|form| line.contains(form))).collect()
    }

    /// Whether it is in a text whose lines may be broken anywhere, as those of a table are.
    pub(crate) fn is_in_broken(&self, text: &str) -> bool {
        let joined = |text: &str| text.split_whitespace().collect::<String>();
        let text = joined(text);
        self.forms.iter().any(|form| text.contains(&joined(form)))
    }

    fn of(name: &str, texts: &[&str]) -> Self {
        Self { name: name.to_owned(), forms: texts.iter().flat_map(|text| forms(text)).collect() }
    }
}

fn forms(text: &str) -> Vec<String> {
    let json = |text: &str| serde_json::Value::from(text).to_string();
    let debug = format!("{text:?}");
    let (percent, unreserved) = (NON_ALPHANUMERIC, UNRESERVED);
    let percent = [percent, unreserved].map(|set| percent_encode(text.as_bytes(), set).to_string());
    let mut forms = vec![
        text.to_owned(),
        bare(&debug).to_owned(),
        bare(&json(text)).to_owned(),
        // A value that was formatted by `Debug` in a line of JSON.
        bare(&json(bare(&debug))).to_owned(),
        // What is left where only printable ASCII is shown.
        text.chars().filter(|c| matches!(c, ' '..='~')).collect(),
    ];
    forms.extend(percent.iter().map(|text| text.to_lowercase()));
    forms.extend(percent);
    forms.extend(of_bytes(text.as_bytes()));
    forms
}

/// Without the quotes around it.
fn bare(quoted: &str) -> &str {
    &quoted[1..quoted.len() - 1]
}

fn of_bytes(bytes: &[u8]) -> Vec<String> {
    let hex = bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    let numbers = format!("{bytes:?}");
    let mut forms = vec![hex.to_uppercase(), hex, numbers.trim_matches(['[', ']']).to_owned()];
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
/// Where the private number is in a key of P-256 as PKCS #8 (RFC 5958, RFC 5915), which is what the tests make.
const SCALAR: std::ops::Range<usize> = 36..68;

#[test]
fn a_secret_is_found_in_every_form_and_wherever_it_stands() {
    let text = "s3cr+t/p%ss\\: \"wörd\"";
    let secret = Secret::new("x", text);
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
            percent_encode(whole.as_bytes(), UNRESERVED).to_string().to_lowercase(),
            serde_json::json!({ "x": whole }).to_string(),
            serde_json::json!({ "x": format!("{whole:?}") }).to_string(),
            whole.replace('ö', ""),
            whole.bytes().map(|byte| format!("{byte:02x}")).collect(),
            whole.bytes().map(|byte| format!("{byte:02X}")).collect(),
        ];
        for line in shown {
            assert_eq!(secret.hits(&format!("first\nx={line} y\nlast")).len(), 1, "{line}");
        }
    }
    assert!(secret.hits("s3cr t p%ss").is_empty());
    assert!(secret.is_in_broken("cause: s3cr+t/p%ss\\:\n      \"wö\n      rd\""));
    assert!(!secret.is_in_broken("cause: s3cr+t/p%ss\\:\n"));
}

#[test]
fn the_secret_part_of_a_key_is_found_alone_and_its_id_is_none() {
    let key = Key::generate().expect("entropy");
    let text = key.secret().expose_secret();
    let secret = Secret::key("x", &key);
    assert_eq!(secret.hits(&text[15..58]).len(), 1);
    assert!(secret.hits(key.id()).is_empty());
}

#[test]
fn the_credentials_of_a_proxy_are_found_as_its_url_has_them_and_in_its_header() {
    let secret = Secret::login("x", "site robot", "p@ss:w\"rd");
    for line in [
        "p%40ss%3Aw%22rd",
        "site%20robot:p%40ss%3aw%22rd",
        "Basic c2l0ZSByb2JvdDpwQHNzOnciZA",
        "p@ss:w\\\"rd",
    ] {
        let shown = line.replace("c2l0ZSByb2JvdDpwQHNzOnciZA", &STANDARD.encode("site robot:p@ss:w\"rd"));
        assert_eq!(secret.hits(&shown).len(), 1, "{shown}");
    }
    assert!(secret.hits("site robot").is_empty(), "a user is no secret");
}

#[test]
fn a_private_key_is_found_by_any_line_of_it_and_by_its_number() {
    let key = crate::world::tls::Ca::new("x").issue(&["x"], &crate::world::tls::Oddity::None).key;
    let secret = Secret::pem("x", &key);
    let body: Vec<_> = key.lines().filter(|line| !line.starts_with('-')).collect();
    assert!(body.iter().all(|line| secret.hits(line).len() == 1));
    let der = STANDARD.decode(body.concat()).expect("base64");
    assert_eq!(der[34..36], [4, 32], "a string of 32 bytes follows");
    assert_eq!(secret.hits(&format!("{der:?}")).len(), 1);
    assert!(secret.hits("-----BEGIN PRIVATE KEY-----").is_empty());
}
