//! What a probe found out: the one form in which every hop reports, from the network up to a project's permissions.
//!
//! The checks themselves live where the hop is; `doctor` arranges them, TestConnection passes them on.

use std::fmt;
use std::time::Duration;

/// One thing that was checked.
///
/// `found`, cause and remedy may be shown to the cloud: they have no resolved address and no path of this machine. What
/// only the operator may see is in `detail`. None of them has a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// A stable word for programs, such as `tls`; `docs/doctor.md` lists them.
    pub name: &'static str,
    /// How it went.
    pub outcome: Outcome,
    /// What was found, in a few words.
    pub found: String,
    /// More, for the operator of this machine only; empty if there is no more.
    pub detail: String,
    /// How long it took.
    pub took: Duration,
}

/// How a check went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All is well.
    Passed,
    /// It works, and somebody should look.
    Warned(Advice),
    /// It does not work.
    Failed(Advice),
    /// It was not tried, because something before it failed or there is nothing to try; `found` says why.
    Skipped,
}

/// Why, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// One sentence.
    pub cause: String,
    /// One sentence.
    pub remedy: String,
    /// The section of `docs/troubleshooting.md` that tells more, as its anchor.
    pub section: &'static str,
}

impl Check {
    /// A check that found all well.
    pub fn passed(name: &'static str, found: impl Into<String>) -> Self {
        Self::of(name, Outcome::Passed, found)
    }

    /// A check that was not tried.
    pub fn skipped(name: &'static str, why: impl Into<String>) -> Self {
        Self::of(name, Outcome::Skipped, why)
    }

    /// A check that found something to look at.
    pub fn warned(name: &'static str, found: impl Into<String>, advice: Advice) -> Self {
        Self::of(name, Outcome::Warned(advice), found)
    }

    /// A check that failed.
    pub fn failed(name: &'static str, found: impl Into<String>, advice: Advice) -> Self {
        Self::of(name, Outcome::Failed(advice), found)
    }

    /// The same with more for the operator.
    #[must_use]
    pub fn detail(self, detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), ..self }
    }

    /// The same with the time that it took.
    #[must_use]
    pub fn took(self, took: Duration) -> Self {
        Self { took, ..self }
    }

    /// Whether it failed.
    pub fn is_failed(&self) -> bool {
        matches!(self.outcome, Outcome::Failed(_))
    }

    /// Why and what to do, unless there is nothing to do.
    pub fn advice(&self) -> Option<&Advice> {
        match &self.outcome {
            Outcome::Warned(advice) | Outcome::Failed(advice) => Some(advice),
            Outcome::Passed | Outcome::Skipped => None,
        }
    }

    fn of(name: &'static str, outcome: Outcome, found: impl Into<String>) -> Self {
        Self { name, outcome, found: found.into(), detail: String::new(), took: Duration::ZERO }
    }
}

/// The sections of `docs/troubleshooting.md`, by their anchors; a test compares them with the page.
pub const SECTIONS: &[&str] = &[
    "settings",
    "dns",
    "tcp",
    "address-refused",
    "proxy-dns",
    "proxy-tcp",
    "proxy-tls",
    "proxy-refused",
    "proxy-authentication",
    "proxy-stalled",
    "certificate-unknown-authority",
    "certificate-wrong-host",
    "certificate-expired",
    "certificate-not-yet-valid",
    "certificate-not-for-servers",
    "client-certificate",
    "not-tls",
    "tls",
    "no-http2",
    "bad-gateway",
    "not-grpc",
    "access-key",
    "version",
    "body-limit",
    "idle-timeout",
    "slow-link",
    "clock",
    "not-bitbucket",
    "bitbucket-unavailable",
    "token",
    "user",
    "captcha",
    "licence",
    "projects",
    "write",
    "excess",
    "expiry",
    "rate-limit",
];

impl Advice {
    /// A cause, a remedy and where to read on, which is one of [`SECTIONS`].
    pub fn new(cause: impl Into<String>, remedy: impl Into<String>, section: &'static str) -> Self {
        debug_assert!(SECTIONS.contains(&section), "no section `{section}`");
        Self { cause: cause.into(), remedy: remedy.into(), section }
    }

    /// The link to read on, relative to the repository.
    pub fn link(&self) -> String {
        format!("docs/troubleshooting.md#{}", self.section)
    }
}

impl fmt::Display for Outcome {
    /// One stable word: `passed`, `warned`, `failed` or `skipped`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passed => "passed",
            Self::Warned(_) => "warned",
            Self::Failed(_) => "failed",
            Self::Skipped => "skipped",
        })
    }
}
