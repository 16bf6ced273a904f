//! What follows a failed dial: how long to wait and what to tell the operator. Decisions only, no IO.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::egress;
use crate::ops::{Advice, backoff};
use crate::proto::Reason;
use crate::tunnel::{Problem, SILENT, body_limit};

/// Why a dial gave no link. None of these ends the agent.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// There is no HTTP/2 connection to the gateway; the source names the hop.
    #[error("cannot reach the gateway")]
    Unreachable(#[from] egress::Error),
    /// The whole dial took too long.
    #[error("the gateway did not attach this instance within {0:?}")]
    Slow(Duration),
    /// The connection ended before the gateway said yes or no.
    #[error("the connection ended before the gateway answered: {0}")]
    Cut(Arc<str>),
    /// Something answered, and it was no Welcome.
    #[error("{}", in_words(.0))]
    Refused(Box<Status>),
}

/// What a failure means for the next dial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Something on the way failed.
    Way,
    /// What listens there hung up: no HTTP/2, as of a plain web server, or a gateway that just went.
    Cut,
    /// The gateway does not accept the access key.
    Credential,
    /// The gateway does not speak a protocol version of ours.
    Version,
    /// The gateway takes no new session now.
    NotNow,
    /// A reverse proxy answers that it does not reach its gateway.
    BadGateway,
    /// What answers wants a client certificate, or another one.
    ClientCertificate,
    /// A page to log in answers.
    Login,
    /// A reverse proxy takes the stream for a request body that is too large.
    BodyLimit,
    /// It is a gateway, at the port where callers come.
    ForCallers,
    /// What answers is not a gitproxy gateway.
    NotOurs,
    /// The gateway gave another refusal, which its message explains.
    Other,
}

/// How long to wait before the next dial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// By the time since the link was lost.
    Backoff,
    /// This long and up to half of it more.
    AtLeast(Duration),
}

impl Failure {
    /// Says what the failure means.
    pub(super) fn verdict(&self) -> Verdict {
        match self {
            Self::Unreachable(_) | Self::Slow(_) => Verdict::Way,
            Self::Cut(cause) if cause.contains(egress::WANTS_CERTIFICATE) => Verdict::ClientCertificate,
            // As where the greeting is not answered in time: which of the two limits comes first is chance.
            Self::Cut(cause) if cause.contains(SILENT) => Verdict::Way,
            Self::Cut(_) => Verdict::Cut,
            Self::Refused(status) => match Reason::of(status) {
                // Envoy answers for its gateway in gRPC, and without our details.
                None if status.code() == Code::Unavailable && status.message().contains("upstream") => {
                    Verdict::BadGateway
                }
                None => Verdict::NotOurs,
                Some(Reason::CredentialInvalid | Reason::RoleMissing) => Verdict::Credential,
                Some(Reason::ProtocolTooOld) => Verdict::Version,
                Some(Reason::MethodUnknown) => Verdict::ForCallers,
                // `attach::dial` found something else than Welcome.
                Some(Reason::ProtocolError) => Verdict::NotOurs,
                Some(Reason::Busy | Reason::Draining) => Verdict::NotNow,
                Some(Reason::BodyLimit) => Verdict::BodyLimit,
                // It took the greeting, and nothing came back.
                Some(Reason::Deadline) => Verdict::Way,
                Some(Reason::NotGrpc) => match Problem::of(status) {
                    Some(Problem::BadGateway) => Verdict::BadGateway,
                    Some(Problem::ClientCertificate) => Verdict::ClientCertificate,
                    Some(Problem::Login) => Verdict::Login,
                    Some(Problem::Other) | None => Verdict::NotOurs,
                },
                Some(_) => Verdict::Other,
            },
        }
    }

    /// Says how long to wait: as long as the gateway says, a minute where only a person can help, else by the backoff.
    pub(super) fn wait(&self) -> Wait {
        if let Some(told) = self.told() {
            return Wait::AtLeast(told.min(LONGEST_TOLD));
        }
        match self.verdict() {
            Verdict::Credential | Verdict::Version => Wait::AtLeast(FOR_A_PERSON),
            Verdict::Way
            | Verdict::Cut
            | Verdict::NotNow
            | Verdict::BadGateway
            | Verdict::ClientCertificate
            | Verdict::Login
            | Verdict::BodyLimit
            | Verdict::ForCallers
            | Verdict::NotOurs
            | Verdict::Other => Wait::Backoff,
        }
    }

    /// Whether something answered, so that a dial at once would get the same answer.
    pub(super) fn is_answer(&self) -> bool {
        matches!(self, Self::Refused(_))
    }

    /// Why, what the operator should do, and where to read on. The cloud may see it.
    pub(in crate::agent) fn advice(&self) -> Advice {
        match self {
            Self::Unreachable(error) => error.advice(),
            Self::Slow(_) | Self::Cut(_) | Self::Refused(_) => {
                let verdict = self.verdict();
                Advice::new(self.cause(), verdict.remedy(), verdict.section())
            }
        }
    }

    /// A sentence for people: of an answer its own words, without the status code that the log has.
    fn cause(&self) -> String {
        match self {
            Self::Refused(status) if !status.message().trim().is_empty() => status.message().to_owned(),
            // Behind these words stands a remedy, and there is one beside the cause.
            Self::Cut(text) if text.contains(egress::WANTS_CERTIFICATE) => {
                format!("the connection ended before the gateway answered: {}", egress::WANTS_CERTIFICATE)
            }
            Self::Unreachable(_) | Self::Slow(_) | Self::Cut(_) | Self::Refused(_) => self.to_string(),
        }
    }

    /// The delay that the answer asks for: RetryInfo, or the header `retry-after` in seconds (RFC 9110, 10.2.3).
    fn told(&self) -> Option<Duration> {
        let Self::Refused(status) = self else { return None };
        let info = status.get_details_retry_info().and_then(|info| info.retry_delay);
        let header = || status.metadata().get("retry-after")?.to_str().ok()?.trim().parse().ok();
        info.or_else(|| header().map(Duration::from_secs))
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::Refused(Box::new(status))
    }
}

impl Verdict {
    /// One word, as metrics have it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Way => "way",
            Self::Cut => "cut",
            Self::Credential => "credential",
            Self::Version => "version",
            Self::NotNow => "not_now",
            Self::BadGateway => "bad_gateway",
            Self::ClientCertificate => "client_certificate",
            Self::Login => "login",
            Self::BodyLimit => "body_limit",
            Self::ForCallers => "for_callers",
            Self::NotOurs => "not_ours",
            Self::Other => "other",
        }
    }

    fn remedy(self) -> &'static str {
        match self {
            Self::Way => {
                "look whether the gateway is alive, and for a proxy, a firewall or a slow link that holds back what passes"
            }
            Self::Cut => {
                "check gateway.url: what listens there may not be a gitproxy gateway, or not speak HTTP/2"
            }
            Self::Credential => {
                "put a valid access key into ACCESS_KEY or ACCESS_KEY_FILE (chart: accessKey): this one is unknown or revoked"
            }
            Self::Version => "upgrade the older of the two: the message says which",
            Self::NotNow => "nothing: the gateway asks for patience",
            Self::BadGateway => {
                "look at the reverse proxy before the gateway: it does not reach the gateway, or not by HTTP/2"
            }
            Self::ClientCertificate => {
                "set gateway.client_cert_file and gateway.client_key_file to a certificate that the server accepts"
            }
            Self::Login => {
                "check gateway.url, and have the login page let this host through: an agent cannot log in there"
            }
            Self::BodyLimit => body_limit::REMEDY,
            Self::ForCallers => {
                "check the port of gateway.url: this one is the gateway's for callers, and agents attach at another"
            }
            Self::NotOurs => {
                "check gateway.url: what answers there is not a gitproxy gateway, or a proxy or login page stands before it"
            }
            Self::Other => "look at the gateway's log, and at the message",
        }
    }

    /// The section of `docs/troubleshooting.md`.
    fn section(self) -> &'static str {
        match self {
            Self::Way => "slow-link",
            Self::Credential => "access-key",
            Self::Version => "version",
            Self::NotNow | Self::BadGateway | Self::Other => "bad-gateway",
            Self::ClientCertificate => "client-certificate",
            Self::BodyLimit => "body-limit",
            Self::Cut | Self::Login | Self::ForCallers | Self::NotOurs => "not-grpc",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Way => "no way to the gateway",
            Self::Cut => "hung up without an answer",
            Self::Credential => "the access key is refused",
            Self::Version => "the protocol versions do not meet",
            Self::NotNow => "the gateway takes no session now",
            Self::BadGateway => "Bad Gateway: a reverse proxy does not reach the gateway",
            Self::ClientCertificate => "a client certificate is missing or refused",
            Self::BodyLimit => "a reverse proxy limits the size of a request body",
            Self::ForCallers => "the gateway's port for callers, not for agents",
            Self::Login | Self::NotOurs => "not a gitproxy gateway",
            Self::Other => "the gateway refused",
        })
    }
}

impl Wait {
    /// The delay, spread at random so that many agents do not come at once.
    pub(super) fn length(self, lost_for: Duration) -> Duration {
        match self {
            Self::Backoff => backoff::delay(lost_for),
            Self::AtLeast(told) => backoff::jittered(told),
        }
    }
}

/// What an answer says. Ours explain themselves; of others the code may say more than the message.
fn in_words(status: &Status) -> String {
    match (Reason::of(status), status.message().trim()) {
        (Some(_), message) if !message.is_empty() => message.to_owned(),
        (_, "") => format!("it refused without a word (gRPC status {:?})", status.code()),
        (_, message) => format!("{message} (gRPC status {:?})", status.code()),
    }
}

/// A refusal that only a person can end is tried again this rarely.
const FOR_A_PERSON: Duration = Duration::from_secs(60);

/// The longest delay that a remote answer can ask for: a mistake over there must not park the agent for a day.
const LONGEST_TOLD: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests;
