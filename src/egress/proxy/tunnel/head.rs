//! The head of a proxy's answer, read to its last byte and not one further.

use std::io;

use http::StatusCode;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::{Progress, Refused, schemes};
use crate::ops::Echo;

/// What an answer says in its head.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) reason: String,
    pub(super) schemes: Vec<String>,
}

/// Reads heads until one is final; interim ones (1xx) are skipped, and count towards the limit. Words that give the
/// credentials back are left out.
pub(super) async fn read<S: AsyncRead + Unpin>(
    stream: &mut S,
    sent: &Echo,
    progress: &Progress,
) -> Result<Head, Refused> {
    let mut left = LONGEST;
    loop {
        let bytes = one(stream, &mut left, progress).await?;
        let head = parse(&bytes, sent)?;
        if !head.status.is_informational() {
            return Ok(head);
        }
    }
}

/// Reads until the empty line.
///
/// A byte at a time: what is behind the head belongs to the tunnel, and a stream cannot take bytes back. That is some
/// hundred small reads once for each connection.
async fn one<S: AsyncRead + Unpin>(
    stream: &mut S,
    left: &mut usize,
    progress: &Progress,
) -> Result<Vec<u8>, Refused> {
    let mut head = Vec::with_capacity(256);
    while !complete(&head) {
        *left = left.checked_sub(1).ok_or(Refused::TooLong)?;
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            // Also what TLS says where the proxy hangs up without taking leave.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(Refused::Closed),
            Err(error) => return Err(Refused::Io(error)),
        }
        progress.note();
        // At once, since what speaks something else (a TLS alert, a banner of SSH) will send no empty line.
        let known = head.len().min(START.len());
        if head[..known] != START[..known] {
            return Err(Refused::NotHttp);
        }
    }
    Ok(head)
}

/// Whether the empty line is there; a bare LF ends a line, too (RFC 9112, section 2.2).
fn complete(head: &[u8]) -> bool {
    head.ends_with(b"\n\r\n") || head.ends_with(b"\n\n")
}

fn parse(bytes: &[u8], sent: &Echo) -> Result<Head, Refused> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    // The status matters more than a header that somebody misspelt.
    let mut config = httparse::ParserConfig::default();
    config.ignore_invalid_headers_in_responses(true);
    config.allow_obsolete_multiline_headers_in_responses(true);
    match config.parse_response(&mut response, bytes) {
        Ok(httparse::Status::Complete(_)) => {}
        Err(httparse::Error::TooManyHeaders) => return Err(Refused::TooLong),
        Ok(httparse::Status::Partial) | Err(_) => return Err(Refused::NotHttp),
    }
    let code = response.code.ok_or(Refused::NotHttp)?;
    let status = StatusCode::from_u16(code).map_err(|_| Refused::NotHttp)?;
    let offers =
        response.headers.iter().filter(|header| header.name.eq_ignore_ascii_case("proxy-authenticate"));
    let offers: Vec<_> = offers.map(|header| String::from_utf8_lossy(header.value)).collect();
    let mut schemes = schemes::of(offers.iter().map(AsRef::as_ref));
    schemes.retain(|scheme| !sent.is_in(scheme));
    // Before it is cut, which could leave a part of them.
    let reason = response.reason.filter(|reason| !sent.is_in(reason)).unwrap_or_default();
    Ok(Head { status, reason: printable(reason), schemes })
}

/// What may be shown of a reason phrase.
fn printable(reason: &str) -> String {
    reason.chars().filter(|c| matches!(c, ' '..='~')).take(REASON).collect::<String>().trim().to_owned()
}

/// How many bytes of heads are read.
pub(super) const LONGEST: usize = 16 * 1024;
/// What every answer of HTTP/1 begins with.
const START: &[u8] = b"HTTP/1.";
/// How many headers are read; squid's error pages have about fifteen.
const HEADERS: usize = 128;
/// How many characters of a reason phrase are kept.
const REASON: usize = 100;
