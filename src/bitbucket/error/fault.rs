//! What the cloud may see of an [`Error`]: hop, reason and remedy, but no address, banner or path that it did not send.

use std::time::Duration;

use http::StatusCode;
use tonic::Code;

use crate::bitbucket::Error;
use crate::bitbucket::error::{Doubt, Limiter, Part, Recovery, Refusal, Speaker};
use crate::bitbucket::version::Version;
use crate::proto::{Fault, Reason};

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error {
            Error::Field { field, problem } => Self::field(field, problem),
            Error::BranchName { name } => branch_name(name),
            Error::PageToken => Self::new(Code::InvalidArgument, Reason::PageTokenInvalid, PAGE_TOKEN),
            Error::ResumeToken => Self::new(Code::InvalidArgument, Reason::ResumeTokenInvalid, RESUME_TOKEN),
            Error::OutsideProject { project } => outside(project),
            Error::Account { connection, problem } => unusable(connection, problem),
            Error::Unreachable { says, hop, recovery, .. } => unreachable(hop, recovery, says),
            Error::Cut { .. } => Self::new(Code::Unavailable, Reason::EgressCut, CUT),
            Error::Uncertain { doubt, .. } => uncertain(doubt),
            Error::NotBitbucket { stranger, .. } => not_bitbucket(&stranger.in_words().join(": ")),
            Error::Unreadable { problem, .. } => not_bitbucket(&format!(
                "the answer is not what Bitbucket Data Center 7.21 to 10 gives: {problem}"
            )),
            Error::TooLarge { .. } => Self::internal(TOO_LARGE),
            Error::Unavailable { speaker, status, retry_after, .. } => {
                unavailable(speaker, status, retry_after)
            }
            Error::RateLimited { limiter, retry_after, .. } => rate_limited(limiter, retry_after),
            Error::TokenInvalid { connection, .. } => token(&connection),
            Error::Refused(refusal) => refused(*refusal),
            Error::TooOld { what, version, needs } => too_old(what, version, needs),
            Error::InPart { part, done, of, source } => in_part(part, done, of, *source),
            Error::NoBuild { key } => {
                Self::new(Code::NotFound, Reason::BuildNotFound, NO_BUILD).with("key", key)
            }
            Error::NoLogs { url } => {
                Self::new(Code::Unimplemented, Reason::CiLogsNotStored, NO_LOGS).with("url", url)
            }
            Error::RouteMissing => {
                Self::new(Code::FailedPrecondition, Reason::NotInThisVersion, ROUTE_MISSING)
            }
            Error::Xsrf => Self::internal(XSRF),
        }
    }
}

fn branch_name(name: String) -> Fault {
    let message = format!("git does not allow the branch name `{name}`");
    Fault::new(Code::InvalidArgument, Reason::BranchNameInvalid, message).with("branch", name)
}

fn outside(project: String) -> Fault {
    let message =
        format!("the connection may not touch project `{project}`; its settings name those that it may");
    Fault::new(Code::PermissionDenied, Reason::OutsideProject, message).with("project", project)
}

fn unusable(connection: String, problem: &str) -> Fault {
    let message = format!("connection `{connection}` cannot be used: {problem}");
    Fault::new(Code::FailedPrecondition, Reason::ConnectionInvalid, message).with("connection", connection)
}

fn too_old(what: &str, version: Version, needs: Version) -> Fault {
    let message = format!("Bitbucket {version} has no {what}: Bitbucket {needs} has; nothing was done");
    Fault::new(Code::FailedPrecondition, Reason::NotInThisVersion, message)
        .with("version", version.to_string())
        .with("needs", needs.to_string())
}

fn token(connection: &str) -> Fault {
    let message = format!(
        "Bitbucket refuses the token of connection `{connection}`: it is wrong, expired or revoked, or this Bitbucket \
         does not allow its kind of authentication; renew it"
    );
    Fault::new(Code::FailedPrecondition, Reason::TokenInvalid, message).with("connection", connection)
}

fn uncertain(doubt: Doubt) -> Fault {
    let message = format!("the write may have happened: {doubt}; read before you repeat it");
    Fault::new(Code::Unknown, Reason::WriteUncertain, message)
}

/// Whatever stopped it, the write happened in part: no code may invite to repeat the whole.
fn in_part(part: Part, done: usize, of: usize, source: Error) -> Fault {
    let why = Fault::from(source);
    let (why, fault) = (why.message(), |message| Fault::new(Code::Unknown, Reason::WriteUncertain, message));
    match part {
        Part::Text(comment) => fault(format!(
            "{done} of {of} parts are posted, as comment {comment} and its replies; the next one: {why}; where the token has a \
             user, the same call under the same idempotency-key posts what is missing; else post that as replies"
        ))
        .with("parts_posted", done.to_string())
        .with("parts", of.to_string())
        .with("comment_id", comment.to_string()),
        Part::Annotations => fault(format!(
            "the report is replaced, with at least {done} of {of} annotations and perhaps some of the one before; the next \
             request: {why}; the same call again completes it"
        ))
        .with("annotations_published", done.to_string())
        .with("annotations", of.to_string()),
    }
}

fn not_bitbucket(message: &str) -> Fault {
    Fault::new(Code::FailedPrecondition, Reason::NotBitbucket, message)
}

fn unavailable(speaker: Speaker, status: StatusCode, retry_after: Option<Duration>) -> Fault {
    let [message, _] = speaker.in_words(status);
    Fault::new(Code::Unavailable, Reason::BitbucketUnavailable, message)
        .retry_after(retry_after.unwrap_or(COME_BACK))
}

fn rate_limited(limiter: Limiter, retry_after: Option<Duration>) -> Fault {
    let message = match limiter {
        Limiter::Bitbucket => "Bitbucket's rate limit for the token's user is used up; try again later",
        Limiter::Agent => {
            "Bitbucket's rate limit for the token's user is used up by requests before this one, whose turn comes after \
             the call's deadline; try again later, or with a later deadline"
        }
    };
    Fault::new(Code::ResourceExhausted, Reason::RateLimited, message)
        .retry_after(retry_after.unwrap_or(COME_BACK))
}

fn unreachable(hop: Reason, recovery: Recovery, says: String) -> Fault {
    let code = if hop == Reason::OriginRefused { Code::PermissionDenied } else { Code::Unavailable };
    let fault = Fault::new(code, hop, says);
    match recovery {
        Recovery::Retry => fault.retry_after(COME_BACK),
        Recovery::GiveUp => fault,
    }
}

fn refused(refusal: Refusal) -> Fault {
    let Refusal { reason, message, facts, .. } = refusal;
    let (code, ours) = sentence(reason);
    let message = match ours {
        Some(ours) if message.is_empty() || !quotes(reason) => ours.to_owned(),
        Some(ours) => format!("{ours}; Bitbucket says: {message}"),
        None if message.is_empty() => "Bitbucket refused the request without a word".to_owned(),
        None => format!("Bitbucket says: {message}"),
    };
    facts.into_iter().fold(Fault::new(code, reason, message), |fault, (name, value)| fault.with(name, value))
}

/// The documented code of a reason (`errors.proto`), and our words for it; `None` leaves the word to Bitbucket.
fn sentence(reason: Reason) -> (Code, Option<&'static str>) {
    SENTENCES
        .iter()
        .find(|(of, ..)| *of == reason)
        .map_or((Code::InvalidArgument, None), |(_, code, words)| (*code, Some(*words)))
}

/// Whether Bitbucket's own words add something that the caller can use.
fn quotes(reason: Reason) -> bool {
    QUOTED.contains(&reason)
}

const PAGE_TOKEN: &str =
    "the page token was not issued by this method with these arguments; start again without one";
const RESUME_TOKEN: &str =
    "the resume token was not issued by this method for this target; watch again without one";
const CUT: &str = "Bitbucket closed the connection or stalled before its answer was whole";
const TOO_LARGE: &str = "Bitbucket's answer is larger than gitproxy reads; ask for a smaller page";
const NO_BUILD: &str = "no build of this key on the commit";
const NO_LOGS: &str =
    "Bitbucket stores no logs of builds; the CI system does, at the address in the metadata";
const ROUTE_MISSING: &str = "this Bitbucket does not have the REST resource; an upgrade has it";
const XSRF: &str = "Bitbucket took the request for a forgery (XSRF check failed)";

/// The delay that is advised when Bitbucket advises none.
const COME_BACK: Duration = Duration::from_secs(5);

const QUOTED: &[Reason] = &[
    Reason::BranchNameInvalid,
    Reason::BranchMoved,
    Reason::EditRefused,
    Reason::StateRefused,
    Reason::AnchorInvalid,
    Reason::ReviewersInvalid,
    Reason::NotFound,
    Reason::RefNotFound,
    Reason::PathNotFound,
    Reason::PermissionMissing,
    Reason::MergeVetoed,
];

const SENTENCES: &[(Reason, Code, &str)] = &[
    (Reason::ProjectNotFound, Code::NotFound, "no such project, or the token may not see it"),
    (Reason::RepoNotFound, Code::NotFound, "no such repository, or the token may not see it"),
    (Reason::RefNotFound, Code::NotFound, "no such branch, tag or commit"),
    (Reason::PathNotFound, Code::NotFound, "no such file or directory at that commit"),
    (Reason::PrNotFound, Code::NotFound, "no such pull request"),
    (Reason::CommentNotFound, Code::NotFound, "no such comment"),
    (
        Reason::NoDefaultBranch,
        Code::FailedPrecondition,
        "the repository is empty or its configured default branch does not exist",
    ),
    (Reason::NotFound, Code::NotFound, "Bitbucket says that something does not exist"),
    (Reason::BranchExists, Code::AlreadyExists, "a branch of this name exists"),
    (Reason::BranchNameInvalid, Code::InvalidArgument, "git does not allow this branch name here"),
    (
        Reason::BranchIsDefault,
        Code::FailedPrecondition,
        "the branch is the default branch and cannot be deleted",
    ),
    (Reason::BranchMoved, Code::Aborted, "the branch is not where the call expects it; read it again"),
    (Reason::PrExists, Code::AlreadyExists, "an open pull request from and to the same branches exists"),
    (
        Reason::PrEmpty,
        Code::FailedPrecondition,
        "the source branch has nothing that the target branch has not",
    ),
    (Reason::PrOutOfDate, Code::Aborted, "the pull request has changed since it was read; read it again"),
    (Reason::PrClosed, Code::FailedPrecondition, "the pull request is merged or declined"),
    (
        Reason::ReviewersInvalid,
        Code::InvalidArgument,
        "some reviewers do not exist or may not see the repository",
    ),
    (Reason::MergeVetoed, Code::FailedPrecondition, "the merge is vetoed by a conflict or a merge check"),
    (
        Reason::FileExists,
        Code::AlreadyExists,
        "the file exists and the edit named no `source_commit_id`; read the file and name the commit",
    ),
    (Reason::FileOutOfDate, Code::Aborted, "the file has changed since `source_commit_id`; read it again"),
    (Reason::EditRefused, Code::FailedPrecondition, "Bitbucket, or a hook of it, refused the edit"),
    (Reason::AnchorInvalid, Code::FailedPrecondition, "the anchor's line is not part of the diff"),
    (
        Reason::StateRefused,
        Code::FailedPrecondition,
        "the repository is archived or in a state that allows no change",
    ),
    (
        Reason::PermissionMissing,
        Code::PermissionDenied,
        "the token's user lacks a permission, or a branch permission forbids it; grant it in Bitbucket",
    ),
    (
        Reason::CaptchaRequired,
        Code::FailedPrecondition,
        "Bitbucket wants a CAPTCHA after failed logins; log in once in a browser as the token's user",
    ),
    (
        Reason::TokenHasNoUser,
        Code::FailedPrecondition,
        "the write needs a user, but a project or repository token has none; use a personal token",
    ),
    (Reason::BuildNotFound, Code::NotFound, "no build of this key on the commit"),
    (Reason::CommentOutOfDate, Code::Aborted, "the comment has changed since it was read; read it again"),
    (Reason::CommentHasReplies, Code::FailedPrecondition, "a comment with replies cannot be deleted"),
    (
        Reason::MergeStrategyRefused,
        Code::FailedPrecondition,
        "the repository does not allow the merge strategy",
    ),
    (
        Reason::AutoMergeDisabled,
        Code::FailedPrecondition,
        "the repository does not allow auto-merge; its administrator can, in the settings of pull requests",
    ),
    (
        Reason::ReviewRefused,
        Code::FailedPrecondition,
        "the token's user opened the pull request, and authors do not review",
    ),
];

#[cfg(test)]
mod tests;
