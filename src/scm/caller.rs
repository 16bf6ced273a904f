//! Who asks.

/// Who asks, as the agent's stack read it from the headers; a request extension.
///
/// Only the gateway may say so; on the debug listener it is [`Caller::local`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Caller {
    /// The tenant; empty for a call that did not come through a gateway.
    pub tenant: String,
    /// The caller's name.
    pub caller: String,
}

impl Caller {
    /// Who asks on a local listener: an operator of the customer, who belongs to no tenant.
    pub fn local() -> Self {
        Self { tenant: String::new(), caller: "local operator".to_owned() }
    }
}
