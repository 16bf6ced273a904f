//! CONNECT: asking a proxy for a way through (RFC 9110, section 9.3.6).
//!
//! It keeps what the proxy said, for that is what an operator needs to know: its status, its reason, and the schemes of
//! authentication that it offers.

mod head;
pub(in crate::egress) mod schemes;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use http::{HeaderValue, StatusCode};
use secrecy::zeroize::Zeroizing;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};

use super::Proxy;
use crate::egress::Origin;
use crate::ops::Echo;

/// Why a proxy gives no way through.
#[derive(Debug, thiserror::Error)]
pub(in crate::egress) enum Refused {
    /// It said so.
    #[error("it answered {status} to CONNECT")]
    Status {
        /// The status, such as 407.
        status: StatusCode,
        /// Its own words beside the status: printable ASCII, 100 characters at most; empty where it gave none, and where
        /// they give our credentials back.
        reason: String,
        /// The schemes of authentication that it offers, in its order and spelling.
        schemes: Vec<String>,
    },
    /// What it answers is not HTTP/1.
    #[error("what it answered to CONNECT is not HTTP/1")]
    NotHttp,
    /// The head of its answer does not end.
    #[error("the head of its answer to CONNECT is longer than {} KiB", head::LONGEST / 1024)]
    TooLong,
    /// It hung up before the head of its answer was complete.
    #[error("it closed the connection instead of answering CONNECT")]
    Closed,
    /// The connection to it broke.
    #[error("the connection broke during CONNECT")]
    Io(#[source] io::Error),
}

/// Whether any byte of an answer has come: a proxy that is slow is not one that stalls.
#[derive(Debug, Default)]
pub(in crate::egress) struct Progress(AtomicBool);

impl Progress {
    /// Whether the proxy has begun to answer.
    pub(in crate::egress) fn begun(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn note(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Asks for a tunnel over a connection to the proxy and gives the connection back as the tunnel, with every byte that
/// came behind the head of the answer still in it. It waits for as long as the proxy takes: the caller sets the limit, and
/// learns from `progress` how far it came.
///
/// # Errors
/// When the proxy does not answer 2xx.
pub(in crate::egress) async fn open<S>(
    mut stream: S,
    proxy: &Proxy,
    target: &Origin,
    progress: &Progress,
) -> Result<S, Refused>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let authorization = proxy.authorization();
    let request = request(authorization.as_ref(), target);
    stream.write_all(&request).await.map_err(Refused::Io)?;
    stream.flush().await.map_err(Refused::Io)?;
    let answer = head::read(&mut stream, &Echo::in_values(&authorization), progress).await?;
    if answer.status.is_success() {
        // A length or a coding that it may announce means nothing here (RFC 9110, section 9.3.6).
        return Ok(stream);
    }
    Err(Refused::Status { status: answer.status, reason: answer.reason, schemes: answer.schemes })
}

/// The request as bytes that are wiped after use, since they have the password in them.
fn request(authorization: Option<&HeaderValue>, target: &Origin) -> Zeroizing<Vec<u8>> {
    let authority = authority(target);
    let credentials = authorization.map_or(&[][..], |header| header.as_bytes());
    let parts: [&[u8]; 7] = [
        b"CONNECT ",
        authority.as_bytes(),
        b" HTTP/1.1\r\nHost: ",
        authority.as_bytes(),
        concat!("\r\nUser-Agent: gitproxy/", env!("CARGO_PKG_VERSION"), "\r\n").as_bytes(),
        if credentials.is_empty() { b"" } else { b"Proxy-Authorization: " },
        credentials,
    ];
    let end: &[u8] = if credentials.is_empty() { b"\r\n" } else { b"\r\n\r\n" };
    // Of its full size at once: a buffer that grows leaves copies behind.
    let size = parts.iter().map(|part| part.len()).sum::<usize>() + end.len();
    let mut request = Zeroizing::new(Vec::with_capacity(size));
    parts.into_iter().chain([end]).for_each(|part| request.extend_from_slice(part));
    request
}

/// Host and port, always with the port, an address of IPv6 in brackets.
fn authority(target: &Origin) -> String {
    let (host, port) = (target.host(), target.port());
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

#[cfg(test)]
mod tests;
