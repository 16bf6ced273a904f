//! What a caller may do.

use std::fmt;
use std::str::FromStr;

use tonic::Code;

use crate::proto::{Effect, Fault, Reason};

/// The role of a caller; each includes the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Methods that change nothing.
    Read,
    /// Also methods that change something in Bitbucket.
    Write,
    /// Also methods that concern gitproxy itself.
    Operator,
}

/// The text names no role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be `read`, `write` or `operator`")]
pub struct Unknown;

impl Role {
    /// Lets a method of this effect pass.
    ///
    /// # Errors
    /// ROLE_MISSING when the role does not include the effect.
    pub fn permit(self, effect: Effect) -> Result<(), Fault> {
        let needs = Self::for_effect(effect);
        if self >= needs {
            return Ok(());
        }
        let message = format!("the method needs the role `{needs}`, the caller's is `{self}`");
        Err(Fault::new(Code::PermissionDenied, Reason::RoleMissing, message)
            .with("role", self.as_str())
            .with("needs", needs.as_str()))
    }

    fn for_effect(effect: Effect) -> Self {
        match effect {
            Effect::Read => Self::Read,
            Effect::Write => Self::Write,
            Effect::Admin => Self::Operator,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Operator => "operator",
        }
    }
}

impl FromStr for Role {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Self, Unknown> {
        match text {
            "read" => Ok(Self::Read),
            "write" => Ok(Self::Write),
            "operator" => Ok(Self::Operator),
            _ => Err(Unknown),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_permits_its_effects_and_no_more() {
        let table = [
            (Role::Read, [true, false, false]),
            (Role::Write, [true, true, false]),
            (Role::Operator, [true, true, true]),
        ];
        for (role, allowed) in table {
            let permits = [Effect::Read, Effect::Write, Effect::Admin].map(|e| role.permit(e).is_ok());
            assert_eq!(permits, allowed, "{role}");
        }
    }

    #[test]
    fn a_refusal_says_which_role_is_needed() {
        let fault = Role::Read.permit(Effect::Write).expect_err("refused");
        assert_eq!((fault.code(), fault.reason()), (Code::PermissionDenied, Reason::RoleMissing));
        assert_eq!((fault.fact("role"), fault.fact("needs")), (Some("read"), Some("write")));
    }
}
