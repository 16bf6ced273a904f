//! How it ends.

use std::process::ExitCode;

use gitproxy::egress::{Error, TlsFault};
use http::StatusCode;

/// The exit codes of GNU Wget 1.21, "Exit Status" in its manual; [`CODES`] tells the same in `--help`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    Done = 0,
    Generic = 1,
    Usage = 2,
    File = 3,
    Network = 4,
    Verification = 5,
    Login = 6,
    Protocol = 7,
    Refused = 8,
}

/// Why there is no answer to keep.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) code: Code,
    pub(super) what: String,
    /// What to do, where it is known.
    pub(super) remedy: String,
}

impl Failure {
    pub(super) fn new(code: Code, what: impl Into<String>) -> Self {
        Self { code, what: what.into(), remedy: String::new() }
    }

    /// A hop that failed, in the way out's own words.
    pub(super) fn of(error: &Error) -> Self {
        let advice = error.advice();
        let what = format!("{} failed: {}", error.hop(), error.why());
        let remedy = format!("{} ({})", advice.remedy, advice.link());
        Self { code: Code::of(error), what, remedy }
    }
}

impl Code {
    /// A proxy that refuses a tunnel is a failure of the network, as it is for GNU Wget, but for who has to log in.
    fn of(error: &Error) -> Self {
        match error {
            Error::OtherOrigin { .. } | Error::PlainHttp { .. } | Error::Forbidden { .. } => Self::Generic,
            Error::ProxyRefused { refusal, .. }
                if refusal.status == StatusCode::PROXY_AUTHENTICATION_REQUIRED =>
            {
                Self::Login
            }
            Error::ProxyTls { fault: TlsFault::Certificate(_), .. }
            | Error::Tls { fault: TlsFault::Certificate(_), .. } => Self::Verification,
            Error::Secured { .. } | Error::NoHttp2 { .. } => Self::Protocol,
            Error::ProxyResolve { .. }
            | Error::ProxyConnect { .. }
            | Error::ProxyTls { .. }
            | Error::ProxyRefused { .. }
            | Error::ProxyBroken { .. }
            | Error::Resolve { .. }
            | Error::Connect { .. }
            | Error::Timeout { .. }
            | Error::Tls { .. } => Self::Network,
        }
    }

    /// An answer that says no.
    pub(super) fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED => Self::Login,
            _ => Self::Refused,
        }
    }
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        (code as u8).into()
    }
}

/// For `--help`.
pub(super) const CODES: &str = "\
Exit codes, as GNU Wget has them:
  0  the server answered, and well
  1  the URL cannot be used, or the agent may not go there
  2  the command line, or the agent's settings, cannot be understood
  3  the answer cannot be written
  4  there is no connection, or it broke: name, TCP, proxy, TLS, time
  5  the certificate is not to be believed
  6  the server (401) or the proxy (407) wants a login, or another one
  7  what answers does not speak the protocol
  8  the server answered that it cannot or will not; more than 20 redirects
The settings are the agent's own, from its environment and its file.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_those_of_the_manual() {
        let codes = [
            Code::Done,
            Code::Generic,
            Code::Usage,
            Code::File,
            Code::Network,
            Code::Verification,
            Code::Login,
            Code::Protocol,
            Code::Refused,
        ];
        for (number, code) in codes.into_iter().enumerate() {
            assert_eq!(code as usize, number, "{code:?}");
            assert!(CODES.contains(&format!("\n  {number}  ")), "{number}");
        }
    }

    #[test]
    fn a_login_that_is_missing_is_told_from_other_answers() {
        assert_eq!(Code::of_status(StatusCode::UNAUTHORIZED), Code::Login);
        assert_eq!(Code::of_status(StatusCode::PROXY_AUTHENTICATION_REQUIRED), Code::Login);
        assert_eq!(Code::of_status(StatusCode::FORBIDDEN), Code::Refused);
        assert_eq!(Code::of_status(StatusCode::SERVICE_UNAVAILABLE), Code::Refused);
    }
}
