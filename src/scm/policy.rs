//! What the customer allows.

use tonic::Code;

use super::Command;
use crate::proto::{Fault, Reason};

/// Decides about each command, from what it names and never from its content.
///
/// It is asked before the fields of the request are judged: a policy that denies stops a command whatever its body is. So what
/// [`Command::target`] holds is as the caller sent it.
pub trait Policy: Send + Sync + 'static {
    /// Decides; must not block.
    fn decide(&self, command: &Command) -> Decision;
}

/// What a policy says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The command may go on.
    Allow,
    /// It may not.
    Deny {
        /// The name of the rule that says so; the caller sees it.
        rule: String,
    },
}

/// Allows every command.
#[derive(Debug, Clone, Copy, Default)]
pub struct AllowAll;

/// Denies every command; its rule is `deny-all`.
#[derive(Debug, Clone, Copy, Default)]
pub struct DenyAll;

impl Policy for AllowAll {
    fn decide(&self, _: &Command) -> Decision {
        Decision::Allow
    }
}

impl Policy for DenyAll {
    fn decide(&self, _: &Command) -> Decision {
        Decision::Deny { rule: "deny-all".to_owned() }
    }
}

impl Decision {
    pub(super) fn into_result(self) -> Result<(), Fault> {
        match self {
            Self::Allow => Ok(()),
            Self::Deny { rule } => Err(Fault::new(
                Code::PermissionDenied,
                Reason::PolicyDenied,
                format!("the customer's policy forbids the call (rule `{rule}`)"),
            )
            .with("rule", rule)),
        }
    }
}
