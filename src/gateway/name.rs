//! Names of tenants, agents, callers and connections.

use std::fmt;
use std::sync::Arc;

/// A name: 1 to 63 characters of `[A-Za-z0-9._-]`, the first a letter or digit. Case matters. Clones are cheap.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Arc<str>);

/// An agent of a tenant. Two tenants may use the same name for theirs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AgentId {
    /// The tenant that owns the agent.
    pub tenant: Name,
    /// The agent's name within its tenant.
    pub agent: Name,
}

/// The text is no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {LONGEST} characters of A-Z, a-z, 0-9, `.`, `_` and `-`, the first a letter or digit")]
pub struct Malformed;

impl Name {
    /// Reads a name.
    ///
    /// # Errors
    /// When the text has another form; nothing is trimmed.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        if !first || text.len() > LONGEST || !text.bytes().all(plain) {
            return Err(Malformed);
        }
        Ok(Self(text.into()))
    }

    /// The name as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// So that a map by name is asked with a text that never was a name.
impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AgentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.tenant, self.agent)
    }
}

const LONGEST: usize = 63;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_plain_and_short() {
        for good in ["a", "head-office", "9.x_Y", &"a".repeat(63)] {
            assert_eq!(Name::parse(good).expect("good").as_str(), good);
        }
        for bad in ["", "-a", ".a", "a b", "a/b", "ä", "a\n", &"a".repeat(64)] {
            assert_eq!(Name::parse(bad), Err(Malformed), "{bad:?}");
        }
    }
}
