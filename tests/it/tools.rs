//! Programs that are not ours, as a company's network has them, each started for one test: squid, nginx, mitmproxy, and
//! network namespaces of the kernel.
//!
//! A test asks for what it needs, and returns where it is not there: it was skipped then, and [`need`] has said so.
//! ```ignore
//! let Some(squid) = Squid::start(&Rules::open()).await else { return };
//! ```

pub(crate) mod mitm;
pub(crate) mod nats;
pub(crate) mod need;
pub(crate) mod netns;
pub(crate) mod nginx;
pub(crate) mod ports;
pub(crate) mod resolver;
pub(crate) mod squid;
mod tests;

use std::fs::Permissions;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::interval;

use crate::world::program::Program;

pub(crate) use mitm::Mitm;
pub(crate) use nats::Nats;
pub(crate) use netns::Netns;
pub(crate) use nginx::Nginx;
pub(crate) use ports::free_port;
pub(crate) use squid::{Rules, Squid};

/// A program that listens, with a folder of its own; both end when it is dropped.
pub(crate) struct Server {
    program: Program,
    addr: SocketAddr,
    // Last, so that it outlives the program.
    folder: TempDir,
}

impl Server {
    /// Starts what `command` makes of an address to listen on and a folder, and waits until it says `ready`.
    ///
    /// These programs cannot be told to take any free port, so a port that another took in between is given up for the next.
    async fn start(ip: IpAddr, ready: &str, command: impl Fn(SocketAddr, &Path) -> Command) -> Self {
        let mut said = String::new();
        for _ in 0..ATTEMPTS {
            let (addr, folder) = (SocketAddr::new(ip, free_port(ip)), open_folder());
            let mut program = Program::start(&mut command(addr, folder.path()));
            if program.comes_to(ready).await && listens(addr).await {
                return Self { program, addr, folder };
            }
            said = program.log();
        }
        panic!("it never said `{ready}`:\n{said}");
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its files.
    fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// All that it has written so far.
    pub(crate) fn log(&self) -> String {
        self.program.log()
    }

    /// Waits for a line with this text.
    pub(crate) async fn line(&mut self, text: &str) -> String {
        self.program.line(text).await
    }
}

/// Asks a proxy for a tunnel, as no program of ours does, and gives the first line of its answer.
#[expect(clippy::disallowed_methods, reason = "a client that is not the agent")]
pub(crate) async fn connect(proxy: SocketAddr, target: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(proxy).await.expect("it listens");
    let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n") {
        head.push(stream.read_u8().await.expect("an answer"));
    }
    String::from_utf8_lossy(&head).trim_end().to_owned()
}

/// Waits until connections are accepted: squid says that it does a moment before.
#[expect(clippy::disallowed_methods, reason = "a client that is not the agent")]
async fn listens(addr: SocketAddr) -> bool {
    let mut tries = interval(Duration::from_millis(10));
    for _ in 0..1000 {
        if TcpStream::connect(addr).await.is_ok() {
            return true;
        }
        tries.tick().await;
    }
    false
}

/// A folder that a program may use which gives up root's rights, as squid does.
fn open_folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).expect("ours");
    folder
}

/// Writes a file that everyone may read, and gives its path as settings have it.
pub(crate) fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("written");
    path.to_str().expect("UTF-8").to_owned()
}

const ATTEMPTS: usize = 5;
