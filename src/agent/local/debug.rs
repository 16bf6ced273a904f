//! The debug listener: the same stack as behind the tunnel, for operators on this machine.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time;
use tracing::{debug, info, warn};

use super::guard::guarded;
use super::socket::{Folder, Socket};
use super::token::Token;
use crate::agent::config::DebugListen;
use crate::ops::Tasks;
use crate::tunnel::{self, Service};

/// A debug listener that is bound but does not serve yet.
#[derive(Debug)]
pub(in crate::agent) struct Debug {
    door: Door,
    token: Option<Arc<Token>>,
}

#[derive(Debug)]
enum Door {
    Tcp(TcpListener, SocketAddr),
    Unix(Socket),
}

/// One connection, of either kind.
trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

impl Debug {
    /// Binds. On TCP a token is made and written to `token_file`; the log says where, never what.
    ///
    /// # Errors
    /// When the address is taken, the folder of the socket is open to others, or the token cannot be written.
    pub(in crate::agent) async fn bind(listen: &DebugListen, token_file: Option<&Path>) -> io::Result<Self> {
        match listen {
            DebugListen::Tcp(address) => {
                let listener = TcpListener::bind(address).await.map_err(|error| {
                    io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
                })?;
                let address = listener.local_addr()?;
                let token = Token::make(token_file)?;
                info!(%address, token_file = %token.path().display(), "debug listener");
                Ok(Self { door: Door::Tcp(listener, address), token: Some(Arc::new(token)) })
            }
            DebugListen::Unix(path) => {
                let socket = Socket::bind(path, Folder::OwnerOnly)?;
                info!(path = %path.display(), "debug listener");
                Ok(Self { door: Door::Unix(socket), token: None })
            }
        }
    }

    /// The address, of a listener on TCP.
    pub(in crate::agent) fn address(&self) -> Option<SocketAddr> {
        match &self.door {
            Door::Tcp(_, address) => Some(*address),
            Door::Unix(_) => None,
        }
    }

    /// The token, of a listener on TCP.
    pub(in crate::agent) fn token(&self) -> Option<Arc<Token>> {
        self.token.clone()
    }

    /// Serves plaintext HTTP/2 until the tasks drain.
    pub(in crate::agent) async fn serve(self, stack: Service, tasks: Tasks) {
        let service = guarded(stack, self.token);
        let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        while let Some(accepted) = accept(&self.door, &tasks).await {
            let io = match accepted {
                Ok(io) => io,
                Err(error) => {
                    warn!(%error, "the debug listener cannot accept");
                    time::sleep(AFTER_ERROR).await;
                    continue;
                }
            };
            // One too many is closed at once: whoever called sees it, and no queue grows.
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
            let (service, inner) = (service.clone(), tasks.clone());
            tasks.spawn(async move {
                let ended = tunnel::serve(io, service, &options(), &inner).await;
                debug!(?ended, "a debug connection ended");
                drop(place);
            });
        }
    }
}

async fn accept(door: &Door, tasks: &Tasks) -> Option<io::Result<Box<dyn Io>>> {
    tokio::select! {
        () = tasks.draining() => None,
        accepted = door.accept() => Some(accepted),
    }
}

impl Door {
    async fn accept(&self) -> io::Result<Box<dyn Io>> {
        match self {
            Self::Tcp(listener, _) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
            Self::Unix(socket) => Ok(Box::new(socket.accept().await?.0)),
        }
    }
}

fn options() -> tunnel::Options {
    tunnel::Options { max_streams: MOST_STREAMS, ..tunnel::Options::default() }
}

/// An operator or two with a tool each.
const MOST_CONNECTIONS: usize = 16;
const MOST_STREAMS: u32 = 64;
/// Out of file descriptors, for example: trying again at once would only burn a core.
const AFTER_ERROR: Duration = Duration::from_millis(200);
