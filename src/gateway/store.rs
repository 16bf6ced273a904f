//! What the gateway knows of tenants, agents, callers and the connections that the cloud holds.
//!
//! The rest of the gateway asks only through [`Store`]. [`file::FileStore`] is its first implementation; it does not know
//! who is attached, that is the directory's.

mod document;
pub mod file;
mod parse;
mod problem;
mod snapshot;

use std::collections::BTreeSet;

use secrecy::SecretString;
use tokio::sync::watch;

use super::name::{AgentId, Name};
use super::role::Role;

pub use self::file::FileStore;
pub use self::problem::{Problem, Problems};

/// Where tenants, agents, callers and held connections are kept.
#[tonic::async_trait]
pub trait Store: Send + Sync + 'static {
    /// The access key with this id, whoever's it is.
    async fn agent_key(&self, id: &str) -> Result<Option<AgentKey>, Error>;

    /// The caller's token with this id, whoever's it is.
    async fn caller_token(&self, id: &str) -> Result<Option<CallerToken>, Error>;

    /// The agents of a tenant in the order of their names; empty for a tenant that does not exist.
    async fn agents(&self, tenant: &Name) -> Result<BTreeSet<Name>, Error>;

    /// The names of the connections that the cloud holds for an agent, in order.
    async fn held_names(&self, agent: &AgentId) -> Result<BTreeSet<Name>, Error>;

    /// A connection that the cloud holds for an agent, its secret as it is now.
    async fn held(&self, agent: &AgentId, connection: &Name) -> Result<Option<Held>, Error>;

    /// Counts the changes: whoever decided something by what the store said asks again when the number moves.
    fn changes(&self) -> watch::Receiver<u64>;
}

/// An agent's access key as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentKey {
    /// Whose key it is.
    pub agent: AgentId,
    /// The SHA-256 of the whole key, in lower-case hexadecimal.
    pub digest: String,
}

/// A caller's token as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallerToken {
    /// Whose token it is.
    pub caller: Caller,
    /// The SHA-256 of the whole token, in lower-case hexadecimal.
    pub digest: String,
}

/// A cloud service that calls commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The tenant whose agents it may call.
    pub tenant: Name,
    /// Its name, for audit logs on both sides.
    pub name: Name,
    /// What it may do.
    pub role: Role,
}

/// A Bitbucket connection that the cloud holds, ready to be sent with a call.
#[derive(Debug, Clone)]
pub struct Held {
    /// The connection's name, unique within its agent.
    pub name: Name,
    /// Base URL of the Bitbucket, context path included.
    pub url: String,
    /// The user that the token belongs to; empty for a project or repository token.
    pub user: String,
    /// The HTTP access token, or the password of `user` when `auth` is basic.
    pub token: SecretString,
    /// The project keys that the connection may touch.
    pub projects: Vec<String>,
    /// How the token is sent.
    pub auth: Auth,
}

/// How a held connection's token is sent to Bitbucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// `Authorization: Bearer`.
    Bearer,
    /// `Authorization: Basic` with the connection's user.
    Basic,
}

/// The store cannot answer now; asking again later may help.
#[derive(Debug, thiserror::Error)]
#[error("the store cannot answer")]
pub struct Error {
    /// What the store's engine says.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl Auth {
    /// The word in the store file and in `HeldConnection.auth`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bearer => "bearer",
            Self::Basic => "basic",
        }
    }
}
