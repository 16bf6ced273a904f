//! Nginx, the reverse proxy and TLS end of most companies.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::{Deref, DerefMut};
use std::path::Path;

use tokio::process::Command;

use crate::world::tls::Identity;

use super::{Server, need, write};

/// A running nginx with one server block.
pub(crate) struct Nginx(Server);

/// The server block: what is spoken, and the lines in it.
pub(crate) struct Block {
    ip: IpAddr,
    flags: &'static str,
    lines: String,
    files: Vec<(&'static str, String)>,
}

impl Block {
    /// A server for HTTPS with this certificate; `h2` with the flags `ssl http2`, HTTP/1.1 alone with `ssl`.
    pub(crate) fn tls(flags: &'static str, identity: &Identity) -> Self {
        let lines = "ssl_certificate server.crt;\nssl_certificate_key server.key;\n".to_owned();
        let files = vec![("server.crt", identity.chain.clone()), ("server.key", identity.key.clone())];
        Self { ip: Ipv4Addr::LOCALHOST.into(), flags, lines, files }
    }

    /// Adds lines of nginx's own. A file in them is one of [`Block::file`], or an absolute path.
    pub(crate) fn lines(mut self, lines: &str) -> Self {
        self.lines.push_str(lines);
        self.lines.push('\n');
        self
    }

    /// Adds a file beside the configuration.
    pub(crate) fn file(mut self, name: &'static str, text: &str) -> Self {
        self.files.push((name, text.to_owned()));
        self
    }

    /// The address to listen on, in place of 127.0.0.1.
    pub(crate) fn at(mut self, ip: IpAddr) -> Self {
        self.ip = ip;
        self
    }

    /// Lets it ask every client for a certificate of this authority.
    pub(crate) fn client_ca(self, pem: &str) -> Self {
        self.file("clients.crt", pem).lines("ssl_client_certificate clients.crt;\nssl_verify_client on;")
    }

    /// Passes everything on to an HTTPS server of this machine, as a company's own nginx does: it trusts whom it serves.
    pub(crate) fn pass(self, url: &str) -> Self {
        self.lines(&format!(
            "location / {{ proxy_pass {url}; proxy_http_version 1.1; proxy_ssl_verify off; }}"
        ))
    }

    fn conf(&self, listen: std::net::SocketAddr, folder: &Path) -> String {
        for (name, text) in &self.files {
            write(folder, name, text);
        }
        let folders = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let folders = folders.map(|kind| format!("{kind}_temp_path {}/{kind};\n", folder.display()));
        let (flags, lines) = (self.flags, &self.lines);
        format!(
            "{MAIN}http {{\naccess_log off;\n{}server {{\nlisten {listen} {flags};\n{lines}}}\n}}\n",
            folders.concat()
        )
    }
}

impl Nginx {
    /// Starts it; none where there is none.
    pub(crate) async fn start(block: &Block) -> Option<Self> {
        let nginx = need::program("nginx")?;
        let command = |listen, folder: &Path| {
            let conf = write(folder, "nginx.conf", &block.conf(listen, folder));
            let mut command = Command::new(&nginx);
            command.args(["-e", "stderr", "-c", &conf, "-p"]).arg(folder);
            command
        };
        // The last line of its start, when it has its sockets already.
        Some(Self(Server::start(block.ip, "getrlimit(RLIMIT_NOFILE)", command).await))
    }

    /// `https://localhost:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}", self.addr().port())
    }
}

impl Deref for Nginx {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.0
    }
}

impl DerefMut for Nginx {
    fn deref_mut(&mut self) -> &mut Server {
        &mut self.0
    }
}

/// One process in the foreground, with its log on stderr. Where there is one process, it keeps the user that started it.
const MAIN: &str = "daemon off;
master_process off;
pid nginx.pid;
error_log stderr info;
events { worker_connections 256; }
";
