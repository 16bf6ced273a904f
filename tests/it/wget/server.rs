//! A server that answers by the path that is asked for, one request a connection.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use gitproxy::egress::serve::ServerTls;
use gitproxy::ops::Tasks;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::world::tls::{Ca, Oddity};

/// See the module.
pub(super) struct Server {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
    tasks: Tasks,
}

impl Server {
    /// With a certificate of this authority for `localhost` and `git.test`, or without TLS.
    pub(super) async fn start(ca: Option<&Ca>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let tasks = Tasks::new();
        let tls = ca.map(|ca| {
            let pair = ca.issue(&["localhost", "git.test"], &Oddity::None).write(folder.path(), "server");
            tls(&pair.0, &pair.1, &tasks)
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://localhost:{}", listener.local_addr().expect("bound").port());
        let (asked, each) = (Arc::default(), tasks.clone());
        let keep = Arc::clone(&asked);
        tasks.spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (tls, keep) = (tls.clone(), Arc::clone(&keep));
                each.spawn(async move {
                    match tls {
                        None => answer(tcp, &keep).await,
                        Some(tls) => {
                            // Who does not trust it has no question.
                            if let Ok(stream) = tls.acceptor().accept(tcp).await {
                                answer(stream, &keep).await;
                            }
                        }
                    }
                });
            }
        });
        Self { url, asked, tasks }
    }

    /// The URL of a path.
    pub(super) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// The same by a name that only a proxy knows.
    pub(super) fn beyond(&self, path: &str) -> String {
        self.at(path).replacen("localhost", "git.test", 1)
    }

    /// The heads of all requests so far.
    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The first lines of them.
    pub(super) fn lines(&self) -> Vec<String> {
        self.asked().iter().filter_map(|head| head.lines().next()).map(str::to_owned).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.tasks.cut();
    }
}

fn tls(certificate: &Path, key: &Path, tasks: &Tasks) -> ServerTls {
    ServerTls::new(certificate, key, &[b"http/1.1"], tasks).expect("a pair")
}

async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, asked: &Mutex<Vec<String>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let is_head = head.starts_with("HEAD ");
    asked.lock().unwrap_or_else(PoisonError::into_inner).push(head);
    let path =
        target.strip_prefix("http://").map_or(target.as_str(), |rest| &rest[rest.find('/').unwrap_or(0)..]);
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let (status, more, body) = match path {
        "/health" => ("200 OK", "x-own: yes\r\n".to_owned(), "ok"),
        "/no-head" if is_head => ("405 Method Not Allowed", String::new(), ""),
        "/no-head" => ("200 OK", String::new(), "ok"),
        "/locked" => ("401 Unauthorized", "www-authenticate: Basic\r\n".to_owned(), "no"),
        "/broken" => ("503 Service Unavailable", String::new(), "draining"),
        "/to" => ("302 Found", format!("location: {query}\r\n"), ""),
        "/nowhere" => ("302 Found", String::new(), ""),
        "/garbage" => {
            let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\nwhat do you want?\r\n\r\n").await;
            return;
        }
        "/silent" => {
            // Until the client has had enough.
            let _ = stream.read(&mut [0; 1]).await;
            return;
        }
        "/half" => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf").await;
            let _ = stream.shutdown().await;
            return;
        }
        _ => ("404 Not Found", String::new(), "nothing is here"),
    };
    let length = body.len();
    let body = if is_head { "" } else { body };
    let answer =
        format!("HTTP/1.1 {status}\r\n{more}content-length: {length}\r\nconnection: close\r\n\r\n{body}");
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}
