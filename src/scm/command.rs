//! What a call is about, for policy and audit.

use super::caller::Caller;
use super::idempotency::Key;
use crate::proto::Method;

/// A call, as policy and audit see it: who, what and on what, never its content.
#[derive(Debug, Clone)]
pub struct Command {
    /// The method, with its effect.
    pub method: &'static Method,
    /// Who asks.
    pub caller: Caller,
    /// The connection, once it is chosen; before that, or where choosing failed, the name that the call asked for.
    /// `None` for a method that needs no connection.
    pub connection: Option<String>,
    /// What it names.
    pub target: Target,
    /// The caller's key against doing a write twice; read after audit has begun.
    pub idempotency_key: Option<Key>,
}

/// What a request names, as the caller sent it: unlike the message, it may be malformed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Target {
    /// Every project named, that of a fork included.
    pub projects: Vec<String>,
    /// The repository that the command is about, as `PROJECT/slug`; `None` for a command about none.
    pub repo: Option<String>,
    /// Every branch, tag and commit named.
    pub refs: Vec<String>,
    /// Every path named.
    pub paths: Vec<String>,
}
