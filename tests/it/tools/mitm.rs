//! Mitmproxy as the TLS-inspecting proxy of a company: it opens every tunnel with a certificate of its own authority.

use std::net::Ipv4Addr;
use std::ops::{Deref, DerefMut};
use std::path::Path;

use tokio::process::Command;

use super::{Server, need, write};

/// A running mitmdump. It finds every name on 127.0.0.1, as nobody else does, and does not speak HTTP/2.
pub(crate) struct Mitm {
    server: Server,
    ca: String,
}

impl Mitm {
    /// Starts one that trusts what `upstream` (PEM) has signed; none where there is none.
    pub(crate) async fn start(upstream: &str) -> Option<Self> {
        let mitmdump = need::program("mitmdump")?;
        let command = |listen: std::net::SocketAddr, folder: &Path| {
            let script = write(folder, "names.py", NAMES);
            let trusted = write(folder, "upstream.pem", upstream);
            let sets = [
                format!("confdir={}", folder.display()),
                format!("ssl_verify_upstream_trusted_ca={trusted}"),
                "http2=false".to_owned(),
            ];
            let mut command = Command::new(&mitmdump);
            command.args([
                "--listen-host",
                &listen.ip().to_string(),
                "--listen-port",
                &listen.port().to_string(),
            ]);
            command.args(["--script", &script]).args(sets.iter().flat_map(|set| ["--set", set]));
            command.env("PYTHONUNBUFFERED", "1");
            command
        };
        let server = Server::start(Ipv4Addr::LOCALHOST.into(), "listening at", command).await;
        let ca =
            std::fs::read_to_string(server.folder().join("mitmproxy-ca-cert.pem")).expect("its authority");
        Some(Self { server, ca })
    }

    /// `http://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr())
    }

    /// The certificate of its authority, whose name is `mitmproxy`.
    pub(crate) fn ca(&self) -> &str {
        &self.ca
    }
}

impl Deref for Mitm {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

impl DerefMut for Mitm {
    fn deref_mut(&mut self) -> &mut Server {
        &mut self.server
    }
}

const NAMES: &str = r#"
def server_connect(data):
    host, port = data.server.address[:2]
    data.server.sni = data.server.sni or host
    data.server.address = ("127.0.0.1", port)
"#;
