//! From Bitbucket's answer to an [`Error`]: the status, the envelope of exceptions, and who answered (FACTS 1.4, 1.5, 1.8).
//!
//! Exceptions are told by the simple name of their class: the packages differ between versions, and the messages are
//! reworded and translated.

use http::StatusCode;
use serde::Deserialize;

use crate::bitbucket::Error;
use crate::bitbucket::error::{Doubt, Limiter, Refusal, Speaker, Stranger};
use crate::bitbucket::reply::{self, Kind, Reply};
use crate::bitbucket::request::Permission;
use crate::bitbucket::wire::text;
use crate::proto::{Effect, Reason};

/// Bitbucket's envelope. A 404 for an unknown route has `status-code` in place of `errors`.
#[derive(Debug, Default, Deserialize)]
struct Envelope {
    #[serde(default)]
    errors: Vec<Exception>,
    #[serde(default, rename = "status-code")]
    status_code: Option<u16>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Exception {
    #[serde(default, deserialize_with = "text")]
    message: String,
    #[serde(default, deserialize_with = "text")]
    exception_name: String,
    #[serde(default)]
    existing_pull_request: Option<ExistingPullRequest>,
    #[serde(default)]
    current_version: Option<i64>,
    #[serde(default)]
    reviewer_errors: Vec<ReviewerError>,
    #[serde(default)]
    vetoes: Vec<Veto>,
}

#[derive(Debug, Deserialize)]
struct ExistingPullRequest {
    #[serde(default)]
    id: i64,
}

#[derive(Debug, Deserialize)]
struct ReviewerError {
    #[serde(default, deserialize_with = "text")]
    context: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Veto {
    #[serde(default, deserialize_with = "text")]
    summary_message: String,
}

/// Lets an answer pass that is a success of the kind that was asked for, or says what it is instead.
pub(in crate::bitbucket) fn judge(reply: Reply) -> Result<Reply, Error> {
    let status = reply.status;
    if status.is_success() {
        return expect_json(reply);
    }
    if status == StatusCode::TOO_MANY_REQUESTS {
        // Before the body is looked at: it need not be JSON (FACTS 1.5).
        let retry_after = reply::retry_after(&reply.headers);
        let (base, limiter) = (reply.asked.site.base, Limiter::Bitbucket);
        return Err(Error::RateLimited { base, limiter, retry_after });
    }
    if status.is_server_error() {
        return Err(unavailable(&reply));
    }
    if status == StatusCode::FORBIDDEN && contains(&reply.body, b"XSRF check failed") {
        return Err(Error::Xsrf);
    }
    match page(&reply) {
        Some(stranger) => Err(Error::NotBitbucket { base: reply.asked.site.base, stranger }),
        None => Err(refused(&reply)),
    }
}

/// Whose page it is, if it is one, that answers a refusal in Bitbucket's place.
fn page(reply: &Reply) -> Option<Stranger> {
    if reply::is_bitbucket(&reply.headers) {
        return None;
    }
    let says = |pages: &[&[u8]]| pages.iter().any(|words| contains(&reply.body, words));
    match (reply.status, reply.kind()) {
        (StatusCode::BAD_REQUEST, _) if says(TLS_PAGES) => Some(Stranger::Tls),
        (StatusCode::BAD_REQUEST, _) if says(CERTIFICATE_PAGES) => Some(Stranger::ClientCertificate),
        (StatusCode::NOT_FOUND, Kind::Html) => Some(Stranger::NotFoundPage),
        (StatusCode::NOT_FOUND, Kind::Other) if !contains(&reply.body, UNROUTED) => {
            Some(Stranger::NotFoundPage)
        }
        (_, Kind::Html) => Some(Stranger::LoginPage),
        (_, Kind::Json | Kind::Other) => None,
    }
}

fn expect_json(reply: Reply) -> Result<Reply, Error> {
    let stranger = match reply.kind() {
        Kind::Json => return Ok(reply),
        Kind::Html => Stranger::LoginPage,
        Kind::Other if reply.body.is_empty() => return Ok(reply),
        Kind::Other => Stranger::OtherType,
    };
    Err(Error::NotBitbucket { base: reply.asked.site.base, stranger })
}

fn unavailable(reply: &Reply) -> Error {
    let status = reply.status;
    let lost = matches!(status, StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT);
    if lost && reply.asked.effect == Effect::Write {
        // The proxy did pass the request on, or cannot say that it did not.
        return Error::Uncertain { doubt: Doubt::Gateway, source: None };
    }
    let speaker = if reply::is_bitbucket(&reply.headers) { Speaker::Bitbucket } else { Speaker::Front };
    let retry_after = reply::retry_after(&reply.headers);
    Error::Unavailable { base: reply.asked.site.base.clone(), speaker, status, retry_after }
}

fn refused(reply: &Reply) -> Error {
    let envelope: Envelope = serde_json::from_slice(&reply.body).unwrap_or_default();
    let unrouted = envelope.status_code.is_some() || contains(&reply.body, UNROUTED);
    let Some(first) = envelope.errors.into_iter().next() else {
        return match reply.status {
            // The only reliable test for a feature (FACTS 1.1); an unexplained 404 is a plain "not found".
            StatusCode::NOT_FOUND if unrouted => Error::RouteMissing,
            _ => explain(reply, &Exception::default()),
        };
    };
    explain(reply, &first)
}

fn explain(reply: &Reply, exception: &Exception) -> Error {
    let name = simple_name(&exception.exception_name);
    let reason = match reply.status {
        StatusCode::UNAUTHORIZED => return unauthorised(reply, name, exception),
        _ if name == "CaptchaRequiredAuthenticationException" => Reason::CaptchaRequired,
        StatusCode::FORBIDDEN => forbidden(reply, name),
        // The write may have been done, and only its answer not (FACTS 1.4): our own bodies do parse.
        StatusCode::BAD_REQUEST if name == "JsonMappingException" && reply.asked.effect == Effect::Write => {
            return Error::Uncertain { doubt: Doubt::Serialisation, source: None };
        }
        status => by_name(name).unwrap_or_else(|| by_status(status)),
    };
    refusal(reply, reason, name, exception)
}

/// 401 is both "who are you" and "you may not" (FACTS 1.4).
fn unauthorised(reply: &Reply, name: &str, exception: &Exception) -> Error {
    let reason = match name {
        "CaptchaRequiredAuthenticationException" => Reason::CaptchaRequired,
        "AuthorisationException" | "NoAccessAuthenticationException" => Reason::PermissionMissing,
        // Without a name, only a user that Bitbucket knows can lack a permission.
        "" if reply.headers.contains_key("x-ausername") => Reason::PermissionMissing,
        _ => {
            let connection = reply.asked.site.connection.clone();
            return Error::TokenInvalid { connection, exception: name.to_owned() };
        }
    };
    refusal(reply, reason, name, exception)
}

/// 403 is rare: a write that needs a user, with a token that has none (FACTS 1.4, 1.7). What a known user may not do is
/// 401, so that the exception's name matters only where a user is known.
fn forbidden(reply: &Reply, name: &str) -> Reason {
    let known = reply.user().is_some() && name == "AuthorisationException";
    match reply.asked.effect {
        Effect::Write if !known => Reason::TokenHasNoUser,
        Effect::Write | Effect::Read | Effect::Admin => Reason::PermissionMissing,
    }
}

fn refusal(reply: &Reply, reason: Reason, name: &str, exception: &Exception) -> Error {
    let message = exception.message.chars().take(MESSAGE).collect();
    let facts = facts(reason, exception, reply.asked.permission);
    Error::Refused(Box::new(Refusal {
        reason,
        status: reply.status,
        exception: name.to_owned(),
        message,
        facts,
    }))
}

fn facts(reason: Reason, exception: &Exception, permission: Permission) -> Vec<(&'static str, String)> {
    let pr_id = exception.existing_pull_request.as_ref().map(|existing| ("pr_id", existing.id.to_string()));
    let version = exception.current_version.map(|version| ("current_version", version.to_string()));
    let names = exception.reviewer_errors.iter().map(|error| error.context.as_str()).collect::<Vec<_>>();
    let vetoes = exception.vetoes.iter().map(|veto| veto.summary_message.as_str()).collect::<Vec<_>>();
    let reviewers = (!names.is_empty()).then(|| ("reviewers", names.join(", ")));
    let vetoes = (!vetoes.is_empty()).then(|| ("vetoes", vetoes.join("; ")));
    let permission =
        (reason == Reason::PermissionMissing).then(|| ("permission", permission.as_str().to_owned()));
    [pr_id, version, reviewers, vetoes, permission].into_iter().flatten().collect()
}

fn by_name(name: &str) -> Option<Reason> {
    let reason = match name {
        "NoSuchProjectException" => Reason::ProjectNotFound,
        "NoSuchRepositoryException" => Reason::RepoNotFound,
        "NoSuchCommitException" | "NoSuchBranchException" | "NoSuchTagException" | "NoSuchRefException" => {
            Reason::RefNotFound
        }
        "NoSuchPathException" => Reason::PathNotFound,
        "NoSuchPullRequestException" => Reason::PrNotFound,
        "NoSuchCommentException" => Reason::CommentNotFound,
        "CommentOutOfDateException" => Reason::CommentOutOfDate,
        "CommentDeletionException" => Reason::CommentHasReplies,
        "NoDefaultBranchException" => Reason::NoDefaultBranch,
        "DuplicateRefException" => Reason::BranchExists,
        "InvalidRefNameException" => Reason::BranchNameInvalid,
        "DuplicatePullRequestException" => Reason::PrExists,
        "EmptyPullRequestException" => Reason::PrEmpty,
        "PullRequestOutOfDateException" => Reason::PrOutOfDate,
        "IllegalPullRequestStateException" => Reason::PrClosed,
        "InvalidPullRequestReviewersException" => Reason::ReviewersInvalid,
        "InvalidPullRequestRoleException" => Reason::ReviewRefused,
        "PullRequestMergeVetoedException" => Reason::MergeVetoed,
        "FileAlreadyExistsException" => Reason::FileExists,
        "FileOutOfDateException" => Reason::FileOutOfDate,
        "EditFileFailedException" | "FileContentUnmodifiedException" => Reason::EditRefused,
        "InvalidPullRequestTargetException" | "ArgumentValidationException" => Reason::ArgumentRefused,
        "IntegrityException" | "IllegalEntityStateException" => Reason::StateRefused,
        _ => return None,
    };
    Some(reason)
}

fn by_status(status: StatusCode) -> Reason {
    match status {
        StatusCode::NOT_FOUND => Reason::NotFound,
        StatusCode::CONFLICT => Reason::StateRefused,
        _ => Reason::ArgumentRefused,
    }
}

/// `com.atlassian.stash.x.YException` and `com.atlassian.bitbucket.z.YException` are the same to us.
fn simple_name(name: &str) -> &str {
    name.rsplit(['.', '$']).next().unwrap_or(name)
}

fn contains(body: &[u8], needle: &[u8]) -> bool {
    // What is looked for stands in small answers; a large one is not searched.
    body.len() <= SEARCHED && body.windows(needle.len()).any(|window| window == needle)
}

/// Bitbucket's words are kept up to this many characters.
const MESSAGE: usize = 1000;
const SEARCHED: usize = 64 * 1024;

/// What nginx writes where `ssl_verify_client` is on: it ends the handshake first, and refuses then.
const CERTIFICATE_PAGES: &[&[u8]] = &[b"No required SSL certificate was sent", b"The SSL certificate error"];

/// What nginx, Tomcat, Apache and Go write to who speaks plain HTTP where they speak TLS.
const TLS_PAGES: &[&[u8]] = &[
    b"The plain HTTP request was sent to HTTPS port",
    b"This combination of host and port requires TLS",
    b"speaking plain HTTP to an SSL-enabled server port",
    b"Client sent an HTTP request to an HTTPS server",
];

/// How Bitbucket says in XML that a route is unknown.
const UNROUTED: &[u8] = b"<status-code>404<";

#[cfg(test)]
mod tests;
