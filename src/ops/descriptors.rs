//! How many file descriptors this process may have open.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit to the hard one, and gives it.
///
/// The soft limit is 1,024 on many systems, for the sake of programs that use `select(2)`; a gateway with as many agents
/// would refuse the next.
///
/// # Errors
/// When the system does not let it.
pub fn raise() -> io::Result<u64> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    Ok(maximum.unwrap_or(u64::MAX))
}
