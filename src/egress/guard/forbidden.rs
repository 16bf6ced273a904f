//! Why a connection that came with a call is refused.

use std::fmt;
use std::net::IpAddr;

use super::special::Special;

/// A refusal; completes "… is refused: ", without a resolved address, since whoever named the server may be told it.
///
/// [`Forbidden::detail`] has the addresses, for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forbidden {
    why: Why,
    /// The address that was refused, and all that the name leads to; none where the name said enough.
    address: Option<(IpAddr, Vec<IpAddr>)>,
}

/// The rule that refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// It leads to a special address.
    Special(Special),
    /// The allowed servers lack it.
    NotListed,
    /// The allowed servers lack its origin, and no network can be compared behind a proxy.
    Unresolved,
}

impl Forbidden {
    /// A refusal of one address of `all` that a name leads to.
    pub(super) fn address(why: Why, refused: IpAddr, all: &[IpAddr]) -> Self {
        Self { why, address: Some((refused, all.to_vec())) }
    }

    /// The refusal with the addresses, for the operator's log.
    pub fn detail(&self) -> String {
        let Some((refused, all)) = &self.address else { return self.to_string() };
        let all: Vec<String> = all.iter().map(ToString::to_string).collect();
        format!("{self} (refused for {refused}; resolved to {})", all.join(", "))
    }
}

impl From<Why> for Forbidden {
    fn from(why: Why) -> Self {
        Self { why, address: None }
    }
}

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.why {
            Why::Special(special) => write!(
                f,
                "it leads to {special}, where a connection that comes with a call may not go unless \
                 held.allowed_addresses has the address"
            ),
            Why::NotListed => f.write_str("held.allowed_servers lacks it"),
            Why::Unresolved => f.write_str(
                "held.allowed_servers lacks its origin, and the networks there cannot be compared, because a proxy resolves \
                 the name: name the origin in held.allowed_servers",
            ),
        }
    }
}

impl std::error::Error for Forbidden {}
