//! The agent: config, stack, link, local listeners.
