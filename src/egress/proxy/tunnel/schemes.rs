//! The schemes of authentication in `Proxy-Authenticate` (RFC 9110, section 11.6.1).

/// The schemes of all the challenges of all the headers, in their order and spelling, each once.
///
/// A header holds any number of challenges, and their parameters have commas between them as the challenges have:
/// `Negotiate, Basic realm="a, b", charset="UTF-8"` offers Negotiate and Basic.
pub(in crate::egress) fn of<'a>(headers: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut schemes: Vec<String> = Vec::new();
    for scheme in headers.flat_map(elements).filter_map(scheme) {
        if schemes.len() < MOST && !schemes.iter().any(|known| known.eq_ignore_ascii_case(scheme)) {
            schemes.push(scheme.to_owned());
        }
    }
    schemes
}

/// The parts between the commas, except commas inside quotes.
fn elements(header: &str) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    let split = header.split(|c: char| {
        let ends = c == ',' && !quoted;
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && quoted && !escaped;
        ends
    });
    split.collect()
}

/// The scheme that an element begins with, unless it is a parameter (`name=value`) of the challenge before it.
fn scheme(element: &str) -> Option<&str> {
    let element = element.trim();
    let end = element.find(|c: char| !is_token(c)).unwrap_or(element.len());
    let (name, rest) = element.split_at(end);
    let parameter = rest.trim_start().starts_with('=');
    let alone = rest.is_empty() || rest.starts_with([' ', '\t']);
    (!name.is_empty() && name.len() <= LONGEST && alone && !parameter).then_some(name)
}

/// A character of a token (RFC 9110, section 5.6.2).
fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

/// How many schemes are kept, and how long one is: the registry has a dozen, all of them short.
const MOST: usize = 16;
const LONGEST: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_told_from_their_parameters() {
        let cases: [(&[&str], &[&str]); 11] = [
            (&[r#"Basic realm="squid""#], &["Basic"]),
            (&[r#"Negotiate, NTLM, Basic realm="a, b""#], &["Negotiate", "NTLM", "Basic"]),
            (&["Negotiate", "NTLM", r#"Basic realm="x""#], &["Negotiate", "NTLM", "Basic"]),
            (
                &[r#"Digest realm="a", qop="auth,auth-int", nonce = "b", algorithm=MD5, Basic realm=x"#],
                &["Digest", "Basic"],
            ),
            (&[r#"Basic realm="a \", NTLM, \" b", Negotiate"#], &["Basic", "Negotiate"]),
            (&[r#"Basic realm="a\\", NTLM"#], &["Basic", "NTLM"]),
            (&["NTLM TlRMTVNTUAACAAAA==, Negotiate oYG2MIGzoAMK"], &["NTLM", "Negotiate"]),
            (&["basic realm=a", "BASIC realm=b"], &["basic"]),
            (&["", " , ,", "=x", "\u{fffd}NTLM", "Basic\"x\""], &[]),
            (&[r#"Basic realm="never closed, NTLM"#], &["Basic"]),
            (&[",Kerberos"], &["Kerberos"]),
        ];
        for (headers, expected) in cases {
            assert_eq!(of(headers.iter().copied()), expected, "{headers:?}");
        }
    }

    #[test]
    fn a_proxy_that_offers_no_end_of_schemes_fills_no_memory() {
        let many: Vec<String> = (0..100).map(|number| format!("Scheme{number}")).collect();
        assert_eq!(of([many.join(", ").as_str()].into_iter()).len(), MOST);
        assert!(of([&*"x".repeat(LONGEST + 1)].into_iter()).is_empty());
    }
}
