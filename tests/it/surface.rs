//! The commands one by one, by the adapter against the simulator: what they give, and what stands in their way.

mod builds;
mod comments;
mod commits;
mod files;
mod pulls;
mod refs;
mod watch;
mod writes;
