//! gitproxy: an on-premises SCM agent, and the gateway that it dials.
//!
//! The modules form layers; an arrow may only point down (`tests/it/dag.rs` enforces it):
//!
//! ```text
//!  level 3   agent                          gateway
//!  level 2   scm                            tunnel
//!  level 1   bitbucket
//!  level 0   egress ─► ops                  proto
//! ```
//!
//! `docs/architecture.md` follows one command through the house.

pub mod agent;
pub mod bitbucket;
pub mod egress;
pub mod gateway;
pub mod ops;
pub mod proto;
pub mod scm;
pub mod tunnel;
