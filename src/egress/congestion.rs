//! Which TCP congestion control our sockets use.

use std::fmt;
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::str::FromStr;
use std::sync::Arc;

use socket2::{Domain, SockRef, Socket, Type};

/// A TCP congestion control that this system lets us use, such as `bbr`, which loses little on links that lose packets, where
/// `cubic` takes each loss for a full queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CongestionControl(Arc<str>);

/// This system has no such congestion control, or does not let us use it.
#[derive(Debug, thiserror::Error)]
#[error("cannot be `{name}` on this system ({cause}); it lets a program use: {allowed}")]
pub struct NotAllowed {
    name: String,
    cause: io::Error,
    allowed: String,
}

impl CongestionControl {
    /// Makes a socket use it; connections that a listener accepts later use what the listener does.
    ///
    /// # Errors
    /// When the system refuses, although it has let [`CongestionControl::from_str`] pass.
    pub fn apply(&self, socket: &impl AsFd) -> io::Result<()> {
        SockRef::from(socket).set_tcp_congestion(self.0.as_bytes())
    }
}

impl FromStr for CongestionControl {
    type Err = NotAllowed;

    /// Tries it on a socket that goes nowhere: the system alone knows what it allows to whom.
    fn from_str(name: &str) -> Result<Self, NotAllowed> {
        let control = Self(name.into());
        let tried = Socket::new(Domain::IPV4, Type::STREAM, None).and_then(|socket| control.apply(&socket));
        let refused = |cause| NotAllowed { name: name.to_owned(), cause, allowed: allowed() };
        tried.map(|()| control).map_err(refused)
    }
}

impl fmt::Display for CongestionControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the system says of it, and where (`tcp(7)`).
fn allowed() -> String {
    match fs::read_to_string(ALLOWED) {
        Ok(names) => format!("{} ({ALLOWED})", names.trim()),
        Err(_) => format!("see {ALLOWED}"),
    }
}

const ALLOWED: &str = "/proc/sys/net/ipv4/tcp_allowed_congestion_control";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_uses_what_it_is_told_to() {
        // Each Linux has it.
        let reno: CongestionControl = "reno".parse().expect("allowed");
        let socket = Socket::new(Domain::IPV6, Type::STREAM, None).expect("a socket");
        reno.apply(&socket).expect("allowed");
        let used = socket.tcp_congestion().expect("told");
        assert_eq!(used.split(|byte| *byte == 0).next(), Some(&b"reno"[..]));
    }

    #[test]
    fn an_unknown_name_is_refused_with_those_that_there_are() {
        let refused = "fast".parse::<CongestionControl>().expect_err("there is none").to_string();
        assert!(refused.contains("`fast`") && refused.contains("reno"), "{refused}");
    }
}
