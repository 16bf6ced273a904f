//! User and password of a URL.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use percent_encoding::percent_decode_str;
use secrecy::zeroize::Zeroizing;
use url::Url;

/// A value for `Authorization`, marked sensitive: `Basic` and the base64 of `user:password` (RFC 7617).
#[derive(Clone)]
pub(super) struct Login(HeaderValue);

impl Login {
    /// Takes the login out of a URL, where it has one.
    pub(super) fn take(url: &mut Url) -> Result<Option<Self>, &'static str> {
        if url.username().is_empty() && url.password().is_none() {
            return Ok(None);
        }
        let mut line = Zeroizing::new(Vec::new());
        line.extend(percent_decode_str(url.username()));
        if line.contains(&b':') {
            return Err("the user in the URL has a colon, which no server could tell from the end of it");
        }
        line.push(b':');
        line.extend(percent_decode_str(url.password().unwrap_or_default()));
        url.set_username("")
            .and_then(|()| url.set_password(None))
            .map_err(|()| "the URL has no valid host")?;
        let mut value = Zeroizing::new("Basic ".to_owned());
        STANDARD.encode_string(&*line, &mut value);
        let mut header = HeaderValue::from_str(&value).map_err(|_| "the login in the URL cannot be sent")?;
        header.set_sensitive(true);
        Ok(Some(Self(header)))
    }

    /// The value of the header.
    pub(super) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_leaves_the_url_decoded() {
        let mut url = Url::parse("https://me:p%40ss@git.example.com/x").unwrap();
        let login = Login::take(&mut url).unwrap().expect("one");
        assert_eq!(url.as_str(), "https://git.example.com/x");
        assert_eq!(login.header(), format!("Basic {}", STANDARD.encode("me:p@ss")));
        assert!(login.header().is_sensitive());
        assert!(Login::take(&mut url).unwrap().is_none());
        assert!(Login::take(&mut Url::parse("https://a%3Ab:c@h/").unwrap()).is_err());
    }
}
