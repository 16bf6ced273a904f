//! Two plain HTTP hops before a server: what a company's own reverse proxies cost.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::Command;

use super::program::Program;

/// A running nginx that passes to itself and then to the server.
pub(crate) struct Nginx {
    addr: SocketAddr,
    program: Program,
    _folder: TempDir,
}

impl Nginx {
    /// `None` where there is no nginx, which the table then lacks.
    pub(crate) async fn twice(target: SocketAddr) -> Option<Self> {
        let nginx = ["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/sbin/nginx"];
        let nginx = nginx.iter().find(|path| Path::new(path).exists())?;
        let folder = tempfile::tempdir().expect("a folder");
        let [first, second] = [free(), free()];
        let conf = folder.path().join("nginx.conf");
        std::fs::write(&conf, configuration(folder.path(), first, second, target)).expect("a file");
        let mut command = Command::new(nginx);
        command.args(["-e", "stderr", "-p"]).arg(folder.path()).arg("-c").arg(&conf);
        let program = Program::run(command, [("PATH", "/usr/bin:/bin")]);
        #[expect(clippy::disallowed_methods, reason = "whether it listens is all that is asked")]
        while TcpStream::connect(first).await.is_err() {
            tokio::task::yield_now().await;
        }
        Some(Self { addr: first, program, _folder: folder })
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Ends it with its workers, which outlive a master that is killed.
    pub(crate) async fn stop(mut self) {
        self.program.terminate().await;
        self.program.ended().await;
    }
}

fn free() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address")
}

fn configuration(folder: &Path, first: SocketAddr, second: SocketAddr, target: SocketAddr) -> String {
    let folders = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let folders = folders.map(|kind| format!("{kind}_temp_path {}/{kind};\n", folder.display())).concat();
    let hop = |listen: SocketAddr, name: &str, to: SocketAddr| {
        format!(
            "upstream {name} {{ server {to}; keepalive 256; keepalive_requests 100000000; }}\n\
             server {{ listen {listen}; keepalive_requests 100000000; location / {{ proxy_pass http://{name}; \
             proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_buffering on; }} }}\n"
        )
    };
    format!(
        "daemon off;\nworker_processes 2;\npid nginx.pid;\nerror_log stderr error;\nevents {{ worker_connections 2048; }}\n\
         http {{\naccess_log off;\ntcp_nodelay on;\n{folders}{}{}}}\n",
        hop(first, "second", second),
        hop(second, "target", target),
    )
}
