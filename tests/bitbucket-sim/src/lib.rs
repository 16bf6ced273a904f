//! A simulator of Bitbucket Data Center: its REST interface and its smart HTTP, over real git repositories.
//!
//! It is an independent reading of the interface and depends on nothing of gitproxy, so that one misreading cannot
//! cancel out on both sides. Branches, commits, diffs, merges, conflicts, clones and pushes are git's own; users,
//! tokens, pull requests, comments and build statuses live in memory and end with the [`Sim`].
//!
//! ```no_run
//! # async fn example() -> Result<(), bitbucket_sim::Error> {
//! use bitbucket_sim::{Commit, Config, Sim, TokenSpec};
//!
//! let sim = Sim::start(Config::default()).await?;
//! sim.add_project("SHOP")?;
//! sim.add_repo("SHOP", "web-shop", &[Commit::new("Start").file("README.md", "hello\n")]).await?;
//! let token = sim.add_token(TokenSpec::personal("alice"));
//! # let _ = token;
//! # Ok(())
//! # }
//! ```

mod app;
mod auth;
mod body;
mod build;
mod call;
mod comment;
mod config;
mod entity;
mod git;
mod insight;
mod journal;
mod knobs;
mod matcher;
mod page;
mod pull;
mod refusal;
mod relocate;
mod rest;
mod restrict;
mod route;
mod rules;
mod scm;
pub mod seed;
mod server;
mod sim;
mod store;
mod tls;
mod version;

pub use crate::auth::{Permission, TokenSpec};
pub use crate::config::{AutoBuild, Config};
pub use crate::journal::{Request, Write, WriteKind};
pub use crate::knobs::{Fault, Knobs, RateLimit, Rule, RuleId, State};
pub use crate::rest::{route_of, routes};
pub use crate::seed::{Commit, Content};
pub use crate::sim::{Error, Sim};
pub use crate::version::Version;
