//! Servers for tests.

use super::*;

/// A server on a port of its own that ends with the test.
pub(super) struct Server {
    pub(super) port: u16,
    tasks: Tasks,
}

impl Server {
    /// One that does TLS and echoes.
    pub(super) async fn start(identity: &Identity, alpn: &[&[u8]]) -> Self {
        let tls = server_tls(identity, alpn);
        Self::raw(move |tcp| {
            let tls = tls.clone();
            async move {
                let Ok(tls) = tls.acceptor().accept(tcp).await else { return };
                let (mut read, mut write) = tokio::io::split(tls);
                let _peer_gone = tokio::io::copy(&mut read, &mut write).await;
            }
        })
        .await
    }

    /// One that does as told with a connection.
    pub(super) async fn raw<F>(serve: impl Fn(TcpStream) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let tasks = Tasks::new();
        let own = tasks.clone();
        tasks.spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                own.spawn(serve(tcp));
            }
        });
        Self { port, tasks }
    }

    pub(super) fn origin(&self) -> Origin {
        format!("https://localhost:{}", self.port).parse().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.tasks.cut();
    }
}

pub(super) fn server_tls(identity: &Identity, alpn: &[&[u8]]) -> ServerTls {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
    std::fs::write(&certificate, identity.pem()).unwrap();
    std::fs::write(&key, identity.key_pem()).unwrap();
    ServerTls::new(&certificate, &key, alpn, &Tasks::new()).unwrap()
}
