//! Whether a remote gives back a credential that it was shown.
//!
//! Error pages of proxies and of debugging servers do that, and what they say is quoted to operators and callers. The
//! credential is looked for in the forms that such a page has: as the header had it, decoded, and as JSON and URLs write it.

use std::sync::Arc;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderValue, PROXY_AUTHORIZATION};
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use secrecy::zeroize::Zeroizing;

/// The credentials of one request, to be found in its answer; clones share them. They are wiped when the last is dropped.
#[derive(Clone, Default)]
pub struct Echo {
    forms: Arc<[Zeroizing<Vec<u8>>]>,
}

impl Echo {
    /// Those of `Authorization` and `Proxy-Authorization`.
    pub fn of(headers: &HeaderMap) -> Self {
        let shown = [AUTHORIZATION, PROXY_AUTHORIZATION];
        Self::in_values(shown.iter().flat_map(|name| headers.get_all(name)))
    }

    /// Those of values of such headers.
    pub fn in_values<'a>(values: impl IntoIterator<Item = &'a HeaderValue>) -> Self {
        Self { forms: values.into_iter().flat_map(forms).collect() }
    }

    /// Whether one of them is in a text.
    pub fn is_in(&self, text: impl AsRef<[u8]>) -> bool {
        let text = text.as_ref();
        self.forms.iter().any(|form| text.windows(form.len()).any(|window| window == form.as_slice()))
    }

    /// Takes each header out that has one of them in its value.
    pub fn silence(&self, headers: &mut HeaderMap) {
        let told = |(name, value): (&http::HeaderName, &HeaderValue)| self.is_in(value).then(|| name.clone());
        let telling: Vec<_> = headers.iter().filter_map(told).collect();
        for name in telling {
            headers.remove(name);
        }
    }
}

impl std::fmt::Debug for Echo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Echo").finish_non_exhaustive()
    }
}

/// The forms of one value. One that is so short that it would be found everywhere is left out.
fn forms(value: &HeaderValue) -> Vec<Zeroizing<Vec<u8>>> {
    let text = value.as_bytes();
    let (scheme, credential) = match text.iter().position(|byte| *byte == b' ') {
        Some(space) => (&text[..space], text[space..].trim_ascii()),
        None => (&text[..0], text),
    };
    let mut all =
        vec![bytes(credential.strip_suffix(b"==").or(credential.strip_suffix(b"=")).unwrap_or(credential))];
    if scheme.eq_ignore_ascii_case(b"basic")
        && let Ok(decoded) = PADDED_OR_NOT.decode(credential).map(Zeroizing::new)
    {
        let password =
            decoded.iter().position(|byte| *byte == b':').map_or(&[][..], |colon| &decoded[colon + 1..]);
        for part in [&decoded[..], password] {
            all.push(bytes(part));
            all.push(bytes(percent_encode(part, NON_ALPHANUMERIC).to_string().as_bytes()));
            let json = Zeroizing::new(serde_json::Value::from(String::from_utf8_lossy(part)).to_string());
            all.push(bytes(json.trim_matches('"').as_bytes()));
        }
    }
    all.retain(|form| form.len() >= SHORTEST);
    all
}

fn bytes(text: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(text.to_vec())
}

/// A password of fewer bytes may stand in any text by chance; with its user in front it is found all the same.
const SHORTEST: usize = 8;
const PADDED_OR_NOT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[cfg(test)]
mod tests {
    use super::*;

    fn echo(value: &'static str) -> Echo {
        Echo::in_values([&HeaderValue::from_static(value)])
    }

    #[test]
    fn a_token_is_found_wherever_it_stands() {
        let echo = echo("Bearer c4nary-token");
        for text in ["c4nary-token", "You sent Bearer c4nary-token.", "{\"c4nary-token\":1}"] {
            assert!(echo.is_in(text), "{text}");
        }
        for text in ["", "Bearer", "c4nary", "c4nary-toke"] {
            assert!(!echo.is_in(text), "{text}");
        }
    }

    #[test]
    fn a_password_is_found_as_the_header_has_it_and_decoded() {
        // printf '%s' 'robot:p@ss "w"ö!' | base64
        let echo = echo("Basic cm9ib3Q6cEBzcyAidyLDtiE=");
        let shown = [
            "cm9ib3Q6cEBzcyAidyLDtiE=",
            "cm9ib3Q6cEBzcyAidyLDtiE",
            "robot:p@ss \"w\"ö!",
            "hello p@ss \"w\"ö!",
            r#"{"sent":"p@ss \"w\"ö!"}"#,
            "https://robot%3Ap%40ss%20%22w%22%C3%B6%21/",
        ];
        for text in shown {
            assert!(echo.is_in(text), "{text}");
        }
        assert!(!echo.is_in("robot Basic p@ss"));
    }

    #[test]
    fn a_short_password_is_not_found_in_every_text() {
        // printf '%s' 'robot:al' | base64
        let echo = echo("Basic cm9ib3Q6YWw=");
        assert!(!echo.is_in("alice") && echo.is_in("robot:al"));
    }

    #[test]
    fn headers_that_give_it_back_are_taken_out_and_others_stay() {
        let mut headers = HeaderMap::new();
        for (name, value) in
            [("server", "nginx"), ("x-echo", "Bearer c4nary-token"), ("x-ausername", "alice")]
        {
            headers.insert(name, HeaderValue::from_static(value));
        }
        echo("Bearer c4nary-token").silence(&mut headers);
        let mut left: Vec<_> = headers.keys().map(http::HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["server", "x-ausername"]);
    }

    #[test]
    fn it_does_not_show_what_it_looks_for() {
        assert_eq!(format!("{:?}", echo("Bearer c4nary-token")), "Echo { .. }");
    }
}
