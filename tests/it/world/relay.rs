//! A way to a program that swallows everything.

use std::net::SocketAddr;

use gitproxy::ops::Tasks;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Passes bytes on until it is told to swallow them.
pub(crate) struct Relay {
    pub(crate) addr: SocketAddr,
    /// The connections before this one are dark.
    dark: watch::Sender<usize>,
    taken: watch::Receiver<usize>,
    tasks: Tasks,
}

impl Relay {
    pub(crate) async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("bound");
        let (dark, darkness) = watch::channel(0);
        let (count, taken) = watch::channel(0);
        let (tasks, inner) = (Tasks::new(), Tasks::new());
        tasks.spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let own = *count.borrow();
                count.send_replace(own + 1);
                let far = dial(target).await;
                let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
                inner.spawn(carry(near_read, far_write, own, darkness.clone()));
                inner.spawn(carry(far_read, near_write, own, darkness.clone()));
            }
        });
        Self { addr, dark, taken, tasks }
    }

    /// From now on nothing passes on the connections that there are, and nobody is told; new ones work.
    pub(crate) fn swallow(&self) {
        self.dark.send_replace(*self.taken.borrow());
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.tasks.cut();
    }
}

#[expect(clippy::disallowed_methods, reason = "the network between the programs, not a part of them")]
async fn dial(target: SocketAddr) -> TcpStream {
    TcpStream::connect(target).await.expect("the target listens")
}

async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    own: usize,
    darkness: watch::Receiver<usize>,
) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(len @ 1..) = from.read(&mut bytes).await {
        if own >= *darkness.borrow() && to.write_all(&bytes[..len]).await.is_err() {
            return;
        }
    }
    if own < *darkness.borrow() {
        // Not even its end gets through.
        std::future::pending::<()>().await;
    }
}
