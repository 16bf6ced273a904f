//! The cloud side: accepts agents, authenticates callers, routes their calls.

mod credentials;
mod directory;
#[cfg(test)]
mod fake;
mod headers;
pub mod name;
pub mod role;
pub mod store;
