//! Where the debug listener may be.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// Where local operators may call: this machine only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DebugListen {
    /// A loopback address; every call needs the token.
    Tcp(SocketAddr),
    /// A unix socket; whoever can open it may call.
    Unix(PathBuf),
}

/// Why a text is no place for the debug listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotLocal {
    /// Others could reach it.
    #[error("is not a loopback address")]
    NotLoopback,
    /// Neither form.
    #[error("is neither an IP address with a port nor unix:PATH")]
    Form,
    /// `unix:` with nothing behind it, or with a path that depends on the working folder.
    #[error("has no absolute path after unix:")]
    Path,
}

impl FromStr for DebugListen {
    type Err = NotLocal;

    fn from_str(text: &str) -> Result<Self, NotLocal> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = PathBuf::from(path);
            return if path.is_absolute() { Ok(Self::Unix(path)) } else { Err(NotLocal::Path) };
        }
        let address: SocketAddr = text.parse().map_err(|_| NotLocal::Form)?;
        if address.ip().to_canonical().is_loopback() {
            Ok(Self::Tcp(address))
        } else {
            Err(NotLocal::NotLoopback)
        }
    }
}

impl fmt::Display for DebugListen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_can_be_listened_on() {
        for good in ["127.0.0.1:0", "127.9.9.9:7000", "[::1]:7000", "unix:/run/gitproxy/debug.sock"] {
            let read: DebugListen = good.parse().expect(good);
            assert_eq!(read.to_string(), good);
        }
        for bad in ["0.0.0.0:7000", "10.0.0.1:7000", "[::]:7000", "[::ffff:10.0.0.1]:7000"] {
            assert_eq!(bad.parse::<DebugListen>(), Err(NotLocal::NotLoopback), "{bad}");
        }
        for bad in ["localhost:7000", "7000", ":7000", "127.0.0.1", ""] {
            assert_eq!(bad.parse::<DebugListen>(), Err(NotLocal::Form), "{bad}");
        }
        for bad in ["unix:", "unix:debug.sock"] {
            assert_eq!(bad.parse::<DebugListen>(), Err(NotLocal::Path), "{bad}");
        }
    }
}
