//! The agent: config, stack, link, local listeners.

pub mod stack;
