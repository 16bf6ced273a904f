//! NATS with JetStream, which several gateways share their directory on.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use tempfile::TempDir;
use tokio::process::Command;

use super::need;
use crate::world::program::Program;

/// A running nats-server whose files outlive it, so that it can be started again.
pub(crate) struct Nats {
    server: Option<Program>,
    addr: SocketAddr,
    program: PathBuf,
    files: TempDir,
    /// Its configuration, apart from where it listens.
    config: String,
}

impl Nats {
    /// Starts it; none where there is none.
    pub(crate) async fn start() -> Option<Self> {
        Self::start_with("").await
    }

    /// Starts it with this beside its defaults, in the language of its configuration.
    pub(crate) async fn start_with(config: &str) -> Option<Self> {
        let program = need::program("nats-server")?;
        let files = super::open_folder();
        let addr = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), super::free_port(Ipv4Addr::LOCALHOST.into()));
        let mut nats = Self { server: None, addr, program, files, config: config.to_owned() };
        nats.resume().await;
        Some(nats)
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        format!("nats://{}", self.addr)
    }

    /// Where it listens, for a client that insists on TLS.
    pub(crate) fn tls_url(&self) -> String {
        format!("tls://localhost:{}", self.addr.port())
    }

    /// Kills it.
    pub(crate) fn stop(&mut self) {
        self.server = None;
    }

    /// Starts it again with nothing left of what it knew.
    pub(crate) async fn resume_empty(&mut self) {
        std::fs::remove_dir_all(self.files.path().join("jetstream")).expect("it has written there");
        self.resume().await;
    }

    /// Starts it again with the files that it left.
    pub(crate) async fn resume(&mut self) {
        let config = self.files.path().join("nats.conf");
        std::fs::write(&config, &self.config).expect("written");
        let mut command = Command::new(&self.program);
        command.args(["-js", "-a", "127.0.0.1", "-p", &self.addr.port().to_string(), "-c"]);
        command.arg(config).arg("-sd").arg(self.files.path());
        let mut server = Program::start(&mut command);
        assert!(server.comes_to("Server is ready").await, "nats-server:\n{}", server.log());
        self.server = Some(server);
    }
}
