//! The one form in which gitproxy says that a call failed.

use std::collections::HashMap;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::Reason;

/// A failed call: a gRPC code, a [`Reason`], a message that the cloud may see, and typed details.
///
/// The message names hop, reason and remedy, but no resolved address, banner or path that the caller did not send. The
/// cause for the operator is not in here: whoever makes a fault logs it.
#[derive(Debug, Clone)]
pub struct Fault {
    code: Code,
    reason: Reason,
    message: String,
    // Boxed: a fault travels in every `Result`, and most have few details.
    details: Box<Details>,
}

#[derive(Debug, Clone, Default)]
struct Details {
    metadata: HashMap<String, String>,
    retry_after: Option<Duration>,
    bad_field: Option<(String, String)>,
    resource: Option<(String, String)>,
}

impl Fault {
    /// Makes a fault; `message` is for the caller.
    pub fn new(code: Code, reason: Reason, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: Box::default() }
    }

    /// Says that a field of the request is missing or malformed: INVALID_ARGUMENT with BadRequest.
    pub fn field(field: impl Into<String>, problem: impl Into<String>) -> Self {
        let (field, problem) = (field.into(), problem.into());
        let mut fault =
            Self::new(Code::InvalidArgument, Reason::InvalidField, format!("`{field}` {problem}"));
        fault.details.bad_field = Some((field, problem));
        fault
    }

    /// Says that something failed in gitproxy itself; the cause belongs into the log.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Code::Internal, Reason::Internal, message)
    }

    /// Adds a fact that a program can read (`ErrorInfo.metadata`).
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.details.metadata.insert(key.to_owned(), value.into());
        self
    }

    /// Says after what time another try makes sense (`RetryInfo`).
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.details.retry_after = Some(delay);
        self
    }

    /// Names the thing that the call spoke of (`ResourceInfo`), such as `("branch", "main")`.
    #[must_use]
    pub fn about(mut self, kind: &str, name: impl Into<String>) -> Self {
        self.details.resource = Some((kind.to_owned(), name.into()));
        self
    }

    /// The gRPC code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// Why.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// The message for the caller.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What [`Fault::with`] added under `key`.
    pub fn fact(&self, key: &str) -> Option<&str> {
        self.details.metadata.get(key).map(String::as_str)
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.reason.word(), self.message)
    }
}

impl std::error::Error for Fault {}

impl From<Fault> for Status {
    fn from(fault: Fault) -> Self {
        let Details { metadata, retry_after, bad_field, resource } = *fault.details;
        let mut details = ErrorDetails::with_error_info(fault.reason.word(), DOMAIN, metadata);
        if let Some(delay) = retry_after {
            details.set_retry_info(Some(delay));
        }
        if let Some((field, problem)) = bad_field {
            details.add_bad_request_violation(field, problem);
        }
        if let Some((kind, name)) = resource {
            details.set_resource_info(kind, name, "", "");
        }
        Self::with_error_details(fault.code, fault.message, details)
    }
}

impl Reason {
    /// The reason as it travels in `ErrorInfo`, such as `BRANCH_EXISTS`.
    pub fn word(self) -> &'static str {
        let name = self.as_str_name();
        name.strip_prefix("REASON_").unwrap_or(name)
    }

    /// Reads the reason out of a status; `None` where the status is not one of gitproxy's.
    pub fn of(status: &Status) -> Option<Self> {
        let info = status.get_details_error_info().filter(|info| info.domain == DOMAIN)?;
        Self::from_str_name(&format!("REASON_{}", info.reason))
    }
}

/// The domain of every `ErrorInfo` that gitproxy sends.
pub const DOMAIN: &str = "gitproxy";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_carries_reason_facts_and_retry_delay() {
        let fault = Fault::new(Code::AlreadyExists, Reason::PrExists, "exists")
            .with("pr_id", "7")
            .retry_after(Duration::from_secs(2))
            .about("pull request", "7");
        let status = Status::from(fault);
        let details = status.get_error_details();
        let info = details.error_info().expect("ErrorInfo");
        assert_eq!((info.reason.as_str(), info.domain.as_str()), ("PR_EXISTS", "gitproxy"));
        assert_eq!(info.metadata["pr_id"], "7");
        assert_eq!(details.retry_info().and_then(|r| r.retry_delay), Some(Duration::from_secs(2)));
        assert_eq!(details.resource_info().map(|r| r.resource_name.as_str()), Some("7"));
        assert_eq!(Reason::of(&status), Some(Reason::PrExists));
    }

    #[test]
    fn a_bad_field_is_named_in_bad_request() {
        let status = Status::from(Fault::field("path", "must not contain `..`"));
        assert_eq!(status.code(), Code::InvalidArgument);
        let details = status.get_error_details();
        assert_eq!(details.bad_request().expect("BadRequest").field_violations[0].field, "path");
    }
}
