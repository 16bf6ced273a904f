//! Certificates out of what people put into a setting or a file.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::{self, PemObject as _, SectionKind};

/// Every certificate of a text, at least one: PEM, or base64 of PEM as a Helm value has it, in each case with any white
/// space, line ends of Windows, a byte order mark, and comments between the certificates.
///
/// What is not that gives the rest of a sentence that says what it is and what to do.
pub(super) fn certificates(content: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = text(content)?;
    foreign(&text)?;
    let sections = <(SectionKind, Vec<u8>)>::pem_slice_iter(one_marker_a_line(&text).as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| format!("is not sound PEM: {}", unsound(&error)))?;
    let certificates = sections.into_iter().filter(|(kind, _)| *kind == SectionKind::Certificate);
    let certificates: Vec<_> = certificates.map(|(_, der)| CertificateDer::from(der)).collect();
    if certificates.is_empty() { Err(NOTHING.to_owned()) } else { Ok(certificates) }
}

/// The PEM, whether it came as it is or in base64.
fn text(content: &[u8]) -> Result<Cow<'_, str>, String> {
    let content = content.strip_prefix(MARK).unwrap_or(content);
    if is_der(content) {
        return Err("is DER, not PEM: convert it with `openssl x509 -inform der`".to_owned());
    }
    if UTF_16.iter().any(|mark| content.starts_with(mark)) {
        return Err("is text in UTF-16: save it as UTF-8".to_owned());
    }
    let text = String::from_utf8_lossy(content);
    if text.contains(BEGIN) {
        return Ok(text);
    }
    let bare: Vec<u8> = content.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let decoded = BASE64.decode(bare).map_err(|_| NOTHING.to_owned())?;
    if is_der(&decoded) {
        return Err("is base64 of DER, which lacks the lines `-----BEGIN CERTIFICATE-----` and `-----END \
                    CERTIFICATE-----` around it: give the PEM, or base64 of the PEM"
            .to_owned());
    }
    let decoded = String::from_utf8_lossy(decoded.strip_prefix(MARK).unwrap_or(&decoded)).into_owned();
    if decoded.contains(BEGIN) { Ok(decoded.into()) } else { Err(NOTHING.to_owned()) }
}

/// Refuses what would be left out in silence, or does not belong into a list of authorities at all.
fn foreign(text: &str) -> Result<(), String> {
    let labels = text.split(BEGIN).skip(1).filter_map(|rest| rest.trim_start().split("-----").next());
    for label in labels {
        let what = match label {
            "TRUSTED CERTIFICATE" => {
                "holds a `TRUSTED CERTIFICATE`, a form that only OpenSSL reads: convert it with `openssl x509 -in \
                 FILE -out ca.pem`"
            }
            "PKCS7" | "CMS" => {
                "holds PKCS #7: take the certificates out of it with `openssl pkcs7 -print_certs -in FILE -out ca.pem`"
            }
            "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => {
                "holds a request for a certificate: give the certificate of the authority that signs it"
            }
            key if key.ends_with("PRIVATE KEY") => {
                "holds a private key, which must not be here: leave only the certificates in it"
            }
            _ => continue,
        };
        return Err(what.to_owned());
    }
    Ok(())
}

/// The library shows lines as lists of bytes, which nobody reads.
#[expect(clippy::wildcard_enum_match_arm, reason = "the library's enum is open; the rest has one remedy")]
fn unsound(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::MissingSectionEnd { .. } => {
            "a certificate has no line `-----END CERTIFICATE-----`; was it cut short?"
        }
        pem::Error::IllegalSectionStart { .. } => {
            "a line that begins with `-----BEGIN` does not end with `-----`"
        }
        pem::Error::Base64Decode(_) => "what is between BEGIN and END is not base64",
        _ => "it cannot be read",
    }
}

/// Puts each marker on a line of its own: variables lose line ends to spaces, and YAML indents.
fn one_marker_a_line(text: &str) -> String {
    let apart = text
        .replace(r"\n", "\n")
        .replace("-----BEGIN CERTIFICATE-----", "\n-----BEGIN CERTIFICATE-----\n")
        .replace("-----END CERTIFICATE-----", "\n-----END CERTIFICATE-----\n");
    apart.lines().map(str::trim).collect::<Vec<_>>().join("\n")
}

/// How a DER certificate begins: a sequence whose length takes one or two bytes more.
fn is_der(content: &[u8]) -> bool {
    matches!(content, [0x30, 0x81 | 0x82, ..])
}

const BEGIN: &str = "-----BEGIN";
const NOTHING: &str = "holds no certificate in PEM (`-----BEGIN CERTIFICATE-----`)";
/// The byte order mark of UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";
const UTF_16: [&[u8]; 2] = [b"\xff\xfe", b"\xfe\xff"];
/// The standard alphabet; padding is often lost when a value is copied.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[cfg(test)]
mod tests {
    use base64::prelude::BASE64_STANDARD;

    use super::*;
    use crate::egress::fixture::Ca;

    #[test]
    fn pem_is_read_in_every_shape_in_which_people_have_it() {
        let (one, two) = (Ca::new("one"), Ca::new("two"));
        let plain = format!("# ours\n{}\nand the old one:\n{}", one.pem(), two.pem());
        let encoded = BASE64_STANDARD.encode(&plain);
        let wrapped: String = encoded
            .as_bytes()
            .chunks(60)
            .map(|line| format!(" {}\r\n", String::from_utf8_lossy(line)))
            .collect();
        let shapes = [
            plain.clone(),
            plain.replace('\n', "\r\n"),
            plain.replace('\n', "\r"),
            format!("\u{feff}{plain}"),
            plain.lines().map(|line| format!("      {line}  \n")).collect(),
            format!("{}{}", one.pem(), two.pem()).replace('\n', " "),
            format!("{}{}", one.pem(), two.pem()).replace('\n', r"\n"),
            format!("{}{}", one.pem().trim(), two.pem()),
            encoded.clone(),
            format!("\n{encoded}\n"),
            wrapped,
            encoded.trim_end_matches('=').to_owned(),
            BASE64_STANDARD.encode(format!("\u{feff}{}", plain.replace('\n', "\r\n"))),
        ];
        for shape in shapes {
            let read = certificates(shape.as_bytes()).unwrap_or_else(|what| panic!("{what}: {shape:?}"));
            assert_eq!(read, [one.der().into(), two.der().into()], "{shape:?}");
        }
    }

    #[test]
    fn what_is_no_pem_is_told_with_what_to_do() {
        let ca = Ca::new("ours");
        let other = |label: &str| ca.pem().replace(" CERTIFICATE", &format!(" {label}")).into_bytes();
        let beside = format!("{}{}", ca.pem(), ca.issue("localhost").key_pem());
        let cases: [(Vec<u8>, &str); 14] = [
            (ca.der(), "openssl x509 -inform der"),
            (BASE64_STANDARD.encode(ca.der()).into_bytes(), "base64 of DER"),
            (other("TRUSTED CERTIFICATE"), "openssl x509 -in"),
            (other("PKCS7"), "openssl pkcs7 -print_certs"),
            (other("CERTIFICATE REQUEST"), "request for a certificate"),
            (other("RSA PRIVATE KEY"), "private key"),
            (beside.clone().into_bytes(), "private key"),
            (BASE64_STANDARD.encode(beside).into_bytes(), "private key"),
            (b"\xff\xfe-\0-\0".to_vec(), "UTF-16"),
            (b"hello".to_vec(), "no certificate in PEM"),
            (b"/etc/ca.pem".to_vec(), "no certificate in PEM"),
            (Vec::new(), "no certificate in PEM"),
            (b"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n".to_vec(), "is not sound PEM"),
            (ca.pem().replace("-----END", "").into_bytes(), "is not sound PEM: a certificate has no line"),
        ];
        for (content, expected) in cases {
            let what = certificates(&content).unwrap_err();
            assert!(what.contains(expected), "{expected} is not in {what}");
        }
    }
}
