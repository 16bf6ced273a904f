//! Causes and remedies for what Bitbucket, or the way there, answers: for the cloud too.

use crate::bitbucket::Error;
use crate::bitbucket::error::{Refusal, Stranger};
use crate::egress;
use crate::ops::{Advice, Check};
use crate::proto::{Fault, Reason};

/// A failed check for an error.
pub(super) fn failed(name: &'static str, error: Error) -> Check {
    let (detail, found) = (error.log(), found(&error));
    Check::failed(name, found, of(error)).detail(detail)
}

/// Why, and what to do.
pub(super) fn of(error: Error) -> Advice {
    match error {
        Error::Unreachable { says, hop, source, .. } => match egress::Error::among(source.as_ref()) {
            Some(said) => said.advice(),
            None => Advice::new(says, "look at the checks of the hops", section(hop)),
        },
        Error::Cut { .. } | Error::Uncertain { .. } => Advice::new(
            "the connection ended or stalled before Bitbucket's answer was whole",
            "look at the proxies and firewalls between the agent and Bitbucket, and at Bitbucket's log",
            "bitbucket-unavailable",
        ),
        Error::NotBitbucket { stranger, .. } => {
            let [cause, remedy] = stranger.in_words();
            let section = match stranger {
                Stranger::ClientCertificate => "client-certificate",
                Stranger::Tls => "not-tls",
                Stranger::LoginPage
                | Stranger::Redirect { .. }
                | Stranger::Loop
                | Stranger::NotFoundPage
                | Stranger::OtherType => "not-bitbucket",
            };
            Advice::new(cause, remedy, section)
        }
        Error::Unreadable { problem, .. } => Advice::new(
            format!("the answer is not what Bitbucket Data Center 7.21 to 10 gives: {problem}"),
            "check the host and the context path of the connection's base URL",
            "not-bitbucket",
        ),
        Error::TooLarge { .. } => Advice::new(
            "what answers sends more than any answer of Bitbucket has",
            "check the host and the context path of the connection's base URL",
            "not-bitbucket",
        ),
        Error::Unavailable { speaker, status, .. } => {
            let [cause, remedy] = speaker.in_words(status);
            Advice::new(cause, remedy, "bitbucket-unavailable")
        }
        Error::RateLimited { .. } => rate_limit(),
        Error::TokenInvalid { .. } => token(),
        Error::Refused(refusal) => refused(&refusal),
        Error::TooOld { .. } | Error::RouteMissing => Advice::new(
            "this Bitbucket does not have the REST resource",
            "upgrade Bitbucket to a version that has it",
            "version",
        ),
        error @ (Error::Account { .. }
        | Error::Field { .. }
        | Error::BranchName { .. }
        | Error::PageToken
        | Error::ResumeToken
        | Error::OutsideProject { .. }
        | Error::InPart { .. }
        | Error::NoBuild { .. }
        | Error::NoLogs { .. }
        | Error::Xsrf) => {
            Advice::new(Fault::from(error).message(), "correct the connection's settings", "settings")
        }
    }
}

/// The credential is refused.
pub(super) fn token() -> Advice {
    Advice::new(
        "Bitbucket refuses the token: it is wrong, expired or revoked, or this Bitbucket does not allow its kind of \
         authentication",
        "make a new HTTP access token in Bitbucket and give it to the connection",
        "token",
    )
}

/// Requests are refused for their number.
pub(super) fn rate_limit() -> Advice {
    Advice::new(
        "Bitbucket's rate limit for the token's user is used up",
        "give the connection a user of its own, or have an administrator exempt the user or raise the limit",
        "rate-limit",
    )
}

fn refused(refusal: &Refusal) -> Advice {
    match (refusal.reason, refusal.exception.as_str()) {
        (Reason::CaptchaRequired, _) => Advice::new(
            "Bitbucket wants a CAPTCHA after failed logins of the token's user",
            "log in once in a browser as that user, or have an administrator clear the CAPTCHA; then correct the credential",
            "captcha",
        ),
        (_, NO_SEAT) => Advice::new(
            "the token's user has no licence for Bitbucket",
            "have an administrator give the user access to Bitbucket, or use another user's token",
            "licence",
        ),
        _ => Advice::new(
            Fault::from(Error::Refused(Box::new(refusal.clone()))).message(),
            "have an administrator give the token's user the permission",
            "projects",
        ),
    }
}

fn section(hop: Reason) -> &'static str {
    SECTIONS.iter().find(|(of, _)| *of == hop).map_or("tcp", |(_, section)| section)
}

/// A few words for the head of the check.
fn found(error: &Error) -> String {
    match error {
        Error::Unreachable { source, .. } => match egress::Error::among(source.as_ref()) {
            Some(egress::Error::ProxyRefused { refusal, .. }) => {
                format!("the proxy answers HTTP {}", refusal.status.as_u16())
            }
            Some(_) | None => "no connection".to_owned(),
        },
        Error::Cut { .. } | Error::Uncertain { .. } => "the answer did not arrive whole".to_owned(),
        Error::NotBitbucket { .. } | Error::Unreadable { .. } | Error::TooLarge { .. } => {
            "what answers is not Bitbucket".to_owned()
        }
        Error::Unavailable { status, .. } => format!("HTTP {status}"),
        Error::RateLimited { .. } => "HTTP 429".to_owned(),
        Error::TokenInvalid { .. } => "the token is refused".to_owned(),
        Error::Refused(refusal) => format!("refused (HTTP {})", refusal.status.as_u16()),
        Error::TooOld { .. } | Error::RouteMissing => "there is no such REST resource".to_owned(),
        Error::Account { .. } => "the connection cannot be used".to_owned(),
        Error::Field { .. }
        | Error::BranchName { .. }
        | Error::PageToken
        | Error::ResumeToken
        | Error::OutsideProject { .. }
        | Error::InPart { .. }
        | Error::NoBuild { .. }
        | Error::NoLogs { .. }
        | Error::Xsrf => "nothing could be asked".to_owned(),
    }
}

const SECTIONS: &[(Reason, &str)] = &[
    (Reason::EgressDns, "dns"),
    (Reason::EgressConnect, "tcp"),
    (Reason::EgressProxy, "proxy-refused"),
    (Reason::EgressTls, "tls"),
    (Reason::OriginRefused, "address-refused"),
];

/// What Bitbucket throws for an account without a seat (FACTS 1.4).
pub(super) const NO_SEAT: &str = "NoAccessAuthenticationException";
