//! How gRPC says things in HTTP headers.

use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use tonic::Status;

use super::Body;

/// A response without a body that says how the call ended (trailers-only).
pub fn status_response(status: Status) -> http::Response<Body> {
    status.into_http()
}

/// The trailers that say how the call ended.
pub fn status_trailers(status: &Status) -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(3);
    // A status of ours always has a valid form; without it, the code alone still tells the caller that the call failed.
    if status.add_header(&mut trailers).is_err() {
        trailers.insert("grpc-status", HeaderValue::from_static("2"));
    }
    trailers
}

/// Reads `grpc-timeout`: `Ok(None)` without one.
///
/// # Errors
/// When the header is there but is not 1 to 8 digits and a unit of `H M S m u n` (gRPC over HTTP/2, "Timeout").
pub fn timeout_of(headers: &HeaderMap) -> Result<Option<Duration>, MalformedTimeout> {
    let Some(value) = headers.get(TIMEOUT) else { return Ok(None) };
    parse(value).map(Some).ok_or(MalformedTimeout)
}

/// Writes `grpc-timeout` in the finest unit that fits into 8 digits, rounded up, so that a call with time left never
/// travels with none.
pub fn set_timeout(headers: &mut HeaderMap, left: Duration) {
    let (count, unit) = UNITS
        .iter()
        .rev()
        .map(|&(unit, nanos)| (left.as_nanos().div_ceil(nanos), unit))
        .find(|&(count, _)| count <= MOST)
        .unwrap_or((MOST, 'H'));
    if let Ok(value) = HeaderValue::try_from(format!("{count}{unit}")) {
        headers.insert(TIMEOUT, value);
    }
}

/// `grpc-timeout` has no valid form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`grpc-timeout` is not 1 to 8 digits and a unit of H, M, S, m, u or n")]
pub struct MalformedTimeout;

fn parse(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?;
    let unit = text.chars().next_back()?;
    let digits = &text[..text.len() - unit.len_utf8()];
    if !(1..=8).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (_, nanos) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let nanos = digits.parse::<u128>().ok()? * nanos;
    Some(Duration::new(u64::try_from(nanos / NANOS_A_SECOND).ok()?, (nanos % NANOS_A_SECOND) as u32))
}

const TIMEOUT: &str = "grpc-timeout";
const MOST: u128 = 99_999_999;
const NANOS_A_SECOND: u128 = 1_000_000_000;

/// Unit and its length in nanoseconds, the coarsest first.
const UNITS: [(char, u128); 6] = [
    ('H', 3600 * NANOS_A_SECOND),
    ('M', 60 * NANOS_A_SECOND),
    ('S', NANOS_A_SECOND),
    ('m', 1_000_000),
    ('u', 1000),
    ('n', 1),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(timeout: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(http::HeaderName::from_static(TIMEOUT), HeaderValue::from_static(timeout))])
    }

    #[test]
    fn every_unit_is_read() {
        let cases = [
            ("2H", Duration::from_secs(7200)),
            ("3M", Duration::from_secs(180)),
            ("4S", Duration::from_secs(4)),
            ("5m", Duration::from_millis(5)),
            ("6u", Duration::from_micros(6)),
            ("7n", Duration::from_nanos(7)),
        ];
        for (text, expected) in cases {
            assert_eq!(timeout_of(&headers(text)), Ok(Some(expected)), "{text}");
        }
    }

    #[test]
    fn what_is_no_timeout_is_refused() {
        for text in ["", "S", "1", "1s", "-1S", "1.5S", "123456789S", "1 S", "SS"] {
            assert_eq!(timeout_of(&headers(text)), Err(MalformedTimeout), "{text}");
        }
        assert_eq!(timeout_of(&HeaderMap::new()), Ok(None));
    }

    #[test]
    fn what_is_written_reads_back_and_never_becomes_none() {
        for left in [Duration::from_nanos(1), Duration::from_millis(1500), Duration::from_secs(86_400 * 30)] {
            let mut written = HeaderMap::new();
            set_timeout(&mut written, left);
            let read = timeout_of(&written).expect("well formed").expect("there");
            assert!(
                read >= left && read < left + left / 1000 + Duration::from_nanos(2),
                "{left:?} became {read:?}"
            );
        }
    }
}
