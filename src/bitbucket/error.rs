//! What can go wrong with Bitbucket, one variant for each thing that a caller or an operator would do differently about.
//!
//! `Display` and the chain of sources are for the operator ([`Error::log`]); what the cloud may see is the
//! [`Fault`](crate::proto::Fault) that an error turns into.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

use crate::bitbucket::version::Version;
use crate::ops::causes;
use crate::proto::{Effect, Reason};

mod fault;
pub(super) mod refusal;
mod stranger;

pub use stranger::Stranger;

/// An error of whatever kind, as a cause.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A failed command.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A field of the request is missing or malformed; nothing was sent.
    #[error("`{field}` {problem}")]
    Field {
        /// The field, such as `repo.slug`.
        field: String,
        /// Completes a sentence that begins with the field.
        problem: String,
    },
    /// Git does not allow the name of the new branch; nothing was sent.
    #[error("git does not allow the branch name `{name}`")]
    BranchName {
        /// The name.
        name: String,
    },
    /// The page token was not issued by this method with these arguments; nothing was sent.
    #[error("the page token was not issued by this method with these arguments")]
    PageToken,
    /// The resume token was not issued by this watch for this target; nothing was sent.
    #[error("the resume token was not issued by this watch for this target")]
    ResumeToken,
    /// The connection may not touch this project; nothing was sent there.
    #[error("project `{project}` is outside the connection's projects")]
    OutsideProject {
        /// The project's key.
        project: String,
    },
    /// The connection's settings cannot be used.
    #[error("connection `{connection}` cannot be used: {problem}")]
    Account {
        /// The connection's name.
        connection: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// No connection could be made, so that nothing was sent.
    #[error("{says}")]
    Unreachable {
        /// What failed and the remedy, in the words of `egress`: without a resolved address.
        says: String,
        /// The hop that failed, as one of the `EGRESS_` reasons.
        hop: Reason,
        /// Whether another try may fare better.
        recovery: Recovery,
        /// What `egress` said.
        source: Cause,
    },
    /// A read's answer did not arrive whole.
    #[error("{base} closed the connection or stalled before its answer was whole")]
    Cut {
        /// The connection's base URL.
        base: Arc<str>,
        /// What broke.
        source: Cause,
    },
    /// A write was sent and may have happened.
    #[error("the write may have happened: {doubt}")]
    Uncertain {
        /// Why nobody knows.
        doubt: Doubt,
        /// What broke, if something did.
        source: Option<Cause>,
    },
    /// What answers is not Bitbucket's REST interface.
    #[error("what answers at {base} is not Bitbucket's REST interface: {stranger}")]
    NotBitbucket {
        /// The connection's base URL.
        base: Arc<str>,
        /// What it is instead.
        stranger: Stranger,
    },
    /// The answer is not what Bitbucket answers.
    #[error("the answer of {base} cannot be read: {problem}")]
    Unreadable {
        /// The connection's base URL.
        base: Arc<str>,
        /// What is wrong with it.
        problem: &'static str,
        /// Where the JSON breaks, if it does.
        source: Option<serde_json::Error>,
    },
    /// The answer is larger than any that was asked for should be.
    #[error("the answer of {base} is larger than {limit} bytes")]
    TooLarge {
        /// The connection's base URL.
        base: Arc<str>,
        /// The limit, in bytes.
        limit: usize,
    },
    /// Bitbucket, or what stands before it, answers with 5xx.
    #[error("{base} answers {status}")]
    Unavailable {
        /// The connection's base URL.
        base: Arc<str>,
        /// Who says so, as far as the answer tells.
        speaker: Speaker,
        /// Which 5xx.
        status: StatusCode,
        /// When it asks us to come back.
        retry_after: Option<Duration>,
    },
    /// The rate limit of the token's user is used up.
    #[error("the rate limit of the token's user at {base} is used up: {limiter}")]
    RateLimited {
        /// The connection's base URL.
        base: Arc<str>,
        /// Who says so.
        limiter: Limiter,
        /// When it asks us to come back.
        retry_after: Option<Duration>,
    },
    /// Bitbucket refuses the token.
    #[error("Bitbucket refuses the token of connection `{connection}` ({exception})")]
    TokenInvalid {
        /// The connection's name.
        connection: Arc<str>,
        /// Bitbucket's word for it; empty when it gave none.
        exception: String,
    },
    /// Bitbucket refuses something for a reason that it names.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// This Bitbucket is too old for what the call needs; nothing was sent.
    #[error("Bitbucket {version} has no {what}; {needs} has")]
    TooOld {
        /// What it lacks.
        what: &'static str,
        /// What runs.
        version: Version,
        /// The first version that has it.
        needs: Version,
    },
    /// A write of several requests has happened in part: a further one failed.
    #[error("{done} of {of} parts are done; the next failed")]
    InPart {
        /// What it consists of.
        part: Part,
        /// How many are done.
        done: usize,
        /// How many there are.
        of: usize,
        /// Why the next one is not, or may not be.
        source: Box<Error>,
    },
    /// The commit has no build of this key.
    #[error("the commit has no build `{key}`")]
    NoBuild {
        /// The key.
        key: String,
    },
    /// Bitbucket stores no logs of builds.
    #[error("Bitbucket stores no logs of builds")]
    NoLogs {
        /// The CI system's page of the build.
        url: String,
    },
    /// This Bitbucket has no such REST resource.
    #[error("this Bitbucket does not have the REST resource")]
    RouteMissing,
    /// Bitbucket took a request of ours for a forgery from a browser.
    #[error("Bitbucket refused the request with `XSRF check failed`, although it carried X-Atlassian-Token")]
    Xsrf,
}

/// A refusal by Bitbucket itself.
#[derive(Debug, Clone, thiserror::Error)]
#[error("Bitbucket answers {status} {exception}: {message}")]
pub struct Refusal {
    /// What it means for the caller.
    pub reason: Reason,
    /// The HTTP status.
    pub status: StatusCode,
    /// The simple name of Bitbucket's exception; empty when it gave none.
    pub exception: String,
    /// Bitbucket's own words, at most 1,000 characters.
    pub message: String,
    /// Facts for programs, by the names that `Reason` documents.
    pub facts: Vec<(&'static str, String)>,
}

/// Whether another try may fare better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// It may, in a moment.
    Retry,
    /// It may not, until somebody changes something.
    GiveUp,
}

/// What a write of several requests consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The parts of a long text, the first of which is the comment with this number.
    Text(i64),
    /// The annotations of a report, which itself is published.
    Annotations,
}

/// Why nobody knows whether a write happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// The connection ended, or nothing came for too long, before the answer was whole.
    Cut,
    /// The answer came and cannot be read.
    Unreadable,
    /// A proxy lost the answer: 502 or 504, or any 5xx of one that forwards requests.
    Gateway,
    /// Bitbucket says that it could not write its answer (FACTS 1.4, `JsonMappingException`).
    Serialisation,
    /// What Bitbucket has afterwards is something else: another process writes the same at the same time.
    Contested,
}

/// Who keeps a request from being done for the rate limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limiter {
    /// Bitbucket refused it.
    Bitbucket,
    /// The agent did not send it, since its turn comes after the call's end.
    Agent,
}

/// Who gives an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    /// Bitbucket itself: the answer has the number that it gives to each request.
    Bitbucket,
    /// Something before it, most likely a reverse proxy, or one that takes the number away.
    Front,
}

impl Speaker {
    /// What a 5xx of it means and what to do, for the cloud too: without an address.
    pub(super) fn in_words(self, status: StatusCode) -> [String; 2] {
        let says = format!("answers HTTP {status}");
        let wait = "wait until it is running; if it stays so, ask its administrator";
        match (self, status) {
            (Self::Bitbucket, _) => {
                [format!("Bitbucket {says}: it is starting, in maintenance, overloaded or broken"), wait.to_owned()]
            }
            (Self::Front, StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT) => [
                format!("a reverse proxy before Bitbucket {says}: it does not reach Bitbucket"),
                "check that Bitbucket runs, and the address and the scheme by which the reverse proxy asks it".to_owned(),
            ],
            (Self::Front, _) => [
                format!(
                    "Bitbucket {says}: it is starting, in maintenance or overloaded, or a reverse proxy before it does \
                     not reach it"
                ),
                format!("{wait}, and check that the reverse proxy reaches it"),
            ],
        }
    }
}

/// The connection and its base URL, for messages.
#[derive(Debug, Clone)]
pub(super) struct Site {
    pub(super) connection: Arc<str>,
    pub(super) base: Arc<str>,
}

impl Error {
    /// Says that a field is missing or malformed.
    pub(super) fn field(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Field { field: field.into(), problem: problem.into() }
    }

    /// Whether nobody knows what happened to a write, or to one of its requests.
    pub(super) fn is_doubt(&self) -> bool {
        let Self::InPart { source, .. } = self else { return matches!(self, Self::Uncertain { .. }) };
        source.is_doubt()
    }

    /// Says that a write may have happened.
    pub(super) fn uncertain(doubt: Doubt, source: impl Into<Cause>) -> Self {
        Self::Uncertain { doubt, source: Some(source.into()) }
    }

    /// Says that the answer did not arrive whole, which leaves a write in doubt.
    pub(super) fn cut(effect: Effect, base: &Arc<str>, source: impl Into<Cause>) -> Self {
        match effect {
            Effect::Write => Self::uncertain(Doubt::Cut, source),
            Effect::Read | Effect::Admin => Self::Cut { base: base.clone(), source: source.into() },
        }
    }

    /// What a write comes to that was repeated after `doubt`, and failed with this: unless Bitbucket refuses it, the first
    /// is as doubtful as before.
    pub(super) fn after(self, doubt: Self) -> Self {
        if matches!(self, Self::Refused(_)) { self } else { doubt }
    }

    /// Says that what was just read shows that the command cannot be done, so that nothing was sent to do it. `says` is for
    /// the operator.
    pub(super) fn unmet(reason: Reason, says: impl Into<String>, facts: Vec<(&'static str, String)>) -> Self {
        let (status, message) = (StatusCode::OK, says.into());
        Self::Refused(Box::new(Refusal { reason, status, exception: String::new(), message, facts }))
    }

    /// What Bitbucket refused with, when that is what happened.
    pub(super) fn reason(&self) -> Option<Reason> {
        if let Self::Refused(refusal) = self { Some(refusal.reason) } else { None }
    }

    /// A fact that a refusal names.
    pub(super) fn fact(&self, name: &str) -> Option<&str> {
        let Self::Refused(refusal) = self else { return None };
        refusal.facts.iter().find(|(of, _)| *of == name).map(|(_, value)| value.as_str())
    }

    /// Says more precisely what a refusal means: only the command knows what it asked.
    #[must_use]
    pub(super) fn means(mut self, vague: Reason, precise: Reason) -> Self {
        if let Self::Refused(refusal) = &mut self
            && refusal.reason == vague
        {
            refusal.reason = precise;
        }
        self
    }

    /// Adds a fact to a refusal of this reason.
    #[must_use]
    pub(super) fn with(mut self, reason: Reason, name: &'static str, value: &str) -> Self {
        if let Self::Refused(refusal) = &mut self
            && refusal.reason == reason
        {
            refusal.facts.push((name, value.to_owned()));
        }
        self
    }

    /// The message for the operator's log: what failed and the chain of its causes, without any secret.
    pub fn log(&self) -> String {
        causes(self)
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cut => "the connection ended or stalled before Bitbucket's answer was whole",
            Self::Unreadable => "Bitbucket's answer cannot be read",
            Self::Gateway => "a proxy on the way to Bitbucket got no answer, or lost it",
            Self::Serialisation => "Bitbucket could not write its answer",
            Self::Contested => {
                "Bitbucket has something else now, so another process writes the same at the same time"
            }
        })
    }
}

impl fmt::Display for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bitbucket => "it answers 429",
            Self::Agent => "the request's turn comes after the call's end",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operator_reads_the_chain_of_causes() {
        let inner = std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "peer closed");
        let error = Error::cut(Effect::Read, &"https://git.example".into(), inner);
        assert!(error.log().ends_with("answer was whole: peer closed"), "{}", error.log());
    }
}
