use tokio::time::{self, Duration};

use crate::ops::secret::SecretFile;

use super::*;

#[test]
fn a_proxy_is_read_as_a_url_or_as_host_and_port() {
    let cases = [
        ("http://proxy.corp:3128", "http://proxy.corp:3128"),
        ("HTTP://Proxy.Corp:3128/", "http://proxy.corp:3128"),
        ("https://proxy.corp:8443", "https://proxy.corp:8443"),
        ("proxy.corp:3128", "http://proxy.corp:3128"),
        ("  proxy.corp:3128\n", "http://proxy.corp:3128"),
        ("user:secret@proxy.corp:3128", "http://proxy.corp:3128"),
        ("http://proxy.corp", "http://proxy.corp:80"),
        ("https://proxy.corp", "https://proxy.corp:443"),
        ("proxy", "http://proxy:80"),
        ("10.1.2.3:8080", "http://10.1.2.3:8080"),
        ("[fd00::1]:8080", "http://[fd00::1]:8080"),
        ("http://bücher.example:3128", "http://xn--bcher-kva.example:3128"),
    ];
    for (text, expected) in cases {
        assert_eq!(text.parse::<Proxy>().unwrap().to_string(), expected, "{text}");
    }
}

#[test]
fn user_and_password_are_decoded_and_then_encoded() {
    let cases = [
        ("http://user:p%40ss@proxy.corp:3128", Some("user:p@ss")),
        ("http://user:p@ss@proxy.corp:3128", Some("user:p@ss")),
        ("http://user:pa%3Ass:word@proxy.corp", Some("user:pa:ss:word")),
        ("http://CORP%5Crobot:100%@proxy.corp", Some("CORP\\robot:100%")),
        ("http://user:p%2Fw%3f%23%25@proxy.corp", Some("user:p/w?#%")),
        ("http://m%C3%BCller:stra%C3%9Fe@proxy.corp", Some("müller:straße")),
        ("http://müller:straße@proxy.corp", Some("müller:straße")),
        ("http://user:@proxy.corp", Some("user:")),
        ("http://user@proxy.corp", Some("user:")),
        ("http://:token@proxy.corp", Some(":token")),
        ("http://@proxy.corp", None),
        ("http://:@proxy.corp", None),
        ("http://proxy.corp", None),
    ];
    for (text, expected) in cases {
        assert_eq!(shown_to(&text.parse().unwrap()).as_deref(), expected, "{text}");
    }
    // With `/` and `+`, the two characters that tell base64 from its form for URLs.
    let standard: Proxy = "http://u:%3F%3F%3E%3E~~~@proxy.corp".parse().unwrap();
    let header = standard.authorization().unwrap();
    assert_eq!(header.to_str().unwrap(), "Basic dTo/Pz4+fn5+");
    assert!(header.is_sensitive());
}

#[test]
fn what_is_no_proxy_says_why_and_never_repeats_the_text() {
    let url = |error| NotAProxy::Origin(NotAnOrigin::Url(error));
    let cases = [
        ("", NotAProxy::Empty),
        (" \n", NotAProxy::Empty),
        ("socks5://robot:hunter2@proxy.corp:1080", NotAProxy::Socks),
        ("SOCKS5H://proxy.corp", NotAProxy::Socks),
        ("socks4://proxy.corp", NotAProxy::Socks),
        ("ftp://proxy.corp", NotAProxy::Scheme),
        ("robot:hunter2://proxy.corp", NotAProxy::Scheme),
        ("http://proxy.corp:3128/path", NotAProxy::More),
        ("http://proxy.corp:3128?hunter2", NotAProxy::More),
        ("http://robot:hunter2#@proxy.corp:3128", NotAProxy::More),
        ("http://robot:hunter2/@proxy.corp:3128", NotAProxy::More),
        ("http://robot:hunter2@proxy.corp:99999", url(url::ParseError::InvalidPort)),
        ("http://robot:hunter2", url(url::ParseError::InvalidPort)),
        ("http://robot:hunter2@proxy.corp:0", NotAProxy::PortZero),
        ("http://robot:hunter2@", url(url::ParseError::EmptyHost)),
        ("http://robot:hunter2@-.corp", NotAProxy::Origin(NotAnOrigin::Host)),
        ("http://robot:hun\nter2@proxy.corp", NotAProxy::Control),
        ("http://robot:hunter2%0d%0aX@proxy.corp", BadCredentials::Control.into()),
        ("http://ro%00bot:hunter2@proxy.corp", BadCredentials::Control.into()),
        ("http://ro%3Abot:hunter2@proxy.corp", BadCredentials::ColonInUser.into()),
        ("http://robot:hunter2%FF@proxy.corp", BadCredentials::NotUtf8.into()),
    ];
    for (text, why) in cases {
        let error = text.parse::<Proxy>().unwrap_err();
        assert_eq!(error, why, "{text}");
        for shown in [error.to_string(), format!("{error:?}")] {
            assert!(!shown.contains("hunter2") && !shown.contains("robot"), "{shown}");
        }
    }
    assert!(NotAProxy::Socks.to_string().contains("supported are http:// and https://"));
}

#[test]
fn neither_debug_nor_display_shows_a_credential() {
    let proxy: Proxy = "http://robot:hunter2@proxy.corp:3128".parse().unwrap();
    let header = proxy.authorization().unwrap();
    assert_eq!(proxy.to_string(), "http://proxy.corp:3128");
    assert_eq!(format!("{proxy:?}"), "Proxy(http://proxy.corp:3128, credentials: some)");
    assert_eq!(format!("{header:?}"), "Sensitive");
}

#[tokio::test(start_paused = true)]
async fn credentials_of_a_file_are_taken_as_they_are_and_followed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("credentials");
    std::fs::write(&path, "robot:p%40ss:w\u{f6}rd\r\nsecond line\n").unwrap();
    let source = || Source::File(SecretFile::open(&path).unwrap());
    let proxy = "proxy.corp:3128".parse::<Proxy>().unwrap().or_credentials(source());
    assert_eq!(shown_to(&proxy).as_deref(), Some("robot:p%40ss:w\u{f6}rd"));
    assert_eq!(proxy.check_credentials(), Ok(()));

    std::fs::write(&path, "robot:rotated").unwrap();
    time::advance(Duration::from_secs(1)).await;
    assert_eq!(shown_to(&proxy).as_deref(), Some("robot:rotated"));

    let own = "http://user:own@proxy.corp".parse::<Proxy>().unwrap().or_credentials(source());
    assert_eq!(shown_to(&own).as_deref(), Some("user:own"), "those of the URL win");
}

#[tokio::test(start_paused = true)]
async fn a_file_without_credentials_gives_no_header_and_is_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("credentials");
    for (content, why) in [("hunter2", BadCredentials::NoColon), ("robot:hun\tter2", BadCredentials::Control)]
    {
        std::fs::write(&path, content).unwrap();
        let source = Source::File(SecretFile::open(&path).unwrap());
        let proxy = "proxy.corp:3128".parse::<Proxy>().unwrap().or_credentials(source);
        assert_eq!(proxy.authorization(), None);
        let error = proxy.check_credentials().unwrap_err();
        assert_eq!(error, why);
        for shown in [error.to_string(), format!("{proxy:?}")] {
            assert!(!shown.contains("hun"), "{shown}");
        }
    }
}

/// What the proxy would decode.
fn shown_to(proxy: &Proxy) -> Option<String> {
    let header = proxy.authorization()?;
    let encoded = header.to_str().unwrap().strip_prefix("Basic ").unwrap();
    Some(String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap())
}
