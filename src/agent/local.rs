//! What listens on this machine: the debug listener, and the socket that tells the status. Neither is on by default.

pub(super) mod debug;
mod guard;
pub(super) mod socket;
pub mod status;
pub(super) mod token;
