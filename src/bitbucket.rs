//! The REST adapter for Bitbucket Data Center 7.21 to 10.x.
//!
//! One file a resource, each with pairs of functions without IO: a request from typed names, and a reply into the messages
//! of the contract. [`Client`] joins them to the stack in `client`: retries, redirects, base URL, credentials, transport.
//! What Bitbucket or the way there refuses is an [`Error`], which turns into a [`Fault`](crate::proto::Fault).
//!
//! A connection's projects are its limits in here too: no request for another project is sent, whatever the caller checks.

mod account;
mod archive;
mod branches;
mod budget;
mod builds;
mod changes;
mod client;
mod comments;
mod commits;
mod diff;
mod directory;
mod download;
mod edit;
mod error;
mod files;
mod names;
mod page;
mod probe;
mod projects;
mod pull_requests;
mod reply;
mod repos;
mod request;
mod server;
mod tags;
mod transport;
mod users;
mod version;
mod watch;
mod wire;
mod writes;

pub use account::{Account, Credential};
pub use budget::{Budget, Budgets, Exhausted, Rate, Ticket};
pub use client::Client;
pub use error::{Cause, Doubt, Error, Limiter, Recovery, Refusal, Stranger};
pub use names::{BranchName, CommitId, Problem, ProjectKey, Projects, RepoId, RepoPath, RepoSlug, Revision};
pub use watch::Rhythm;
