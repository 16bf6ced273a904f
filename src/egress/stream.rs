//! A connection that is ready for HTTP.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Error, Origin, Scheme};

/// A connection that is ready for HTTP, whatever it runs through.
pub struct Stream {
    io: Box<dyn Transport>,
    protocol: Protocol,
    seen_by: SeenBy,
    origin: Origin,
    /// SHA-256 of the server's certificate.
    fingerprint: Option<String>,
    /// Whether what is read first has to be looked at: no HTTP begins as an alert of TLS does.
    unheard: bool,
}

/// Who reads the requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SeenBy {
    /// The origin alone, whatever carries the bytes.
    Origin,
    /// A proxy too, which wants the whole URL in each (RFC 9112, section 3.2.2).
    Proxy,
}

/// The version of HTTP that a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// What a connection may run through; with proxies also TLS within TLS.
pub(super) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

impl Stream {
    pub(super) fn new(io: impl Transport + 'static, protocol: Protocol, origin: Origin) -> Self {
        let unheard = origin.scheme() == Scheme::Http;
        Self { io: Box::new(io), protocol, seen_by: SeenBy::Origin, origin, fingerprint: None, unheard }
    }

    /// Keeps which certificate the server has shown.
    pub(super) fn shown(self, fingerprint: Option<String>) -> Self {
        Self { fingerprint, ..self }
    }

    /// One to a proxy that forwards each request, as it does those without TLS.
    pub(super) fn forwarded(io: impl Transport + 'static, origin: Origin) -> Self {
        Self {
            io: Box::new(io),
            protocol: Protocol::Http1,
            seen_by: SeenBy::Proxy,
            origin,
            fingerprint: None,
            unheard: false,
        }
    }

    /// Where it goes.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// SHA-256 of the certificate that the server has shown, in hexadecimal digits; `None` without TLS.
    pub fn fingerprint(&self) -> Option<&str> {
        self.fingerprint.as_deref()
    }

    /// Whether HTTP/2 was agreed on.
    pub fn alpn_h2(&self) -> bool {
        self.protocol == Protocol::Http2
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        let connected = Connected::new().proxy(self.seen_by == SeenBy::Proxy);
        match self.protocol {
            Protocol::Http1 => connected,
            Protocol::Http2 => connected.negotiated_h2(),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.io).poll_read(context, buffer);
        if self.unheard && matches!(read, Poll::Ready(Ok(()))) {
            self.unheard = false;
            if buffer.filled()[before..].starts_with(&ALERT) {
                let error = Error::Secured { origin: self.origin.clone() };
                return Poll::Ready(Err(io::Error::other(error)));
            }
        }
        // With TLS 1.3 a server refuses our certificate only here (RFC 8446, section 4.4.2.4).
        read.map_err(|error| Error::after_handshake(&self.origin, error))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

/// The type and the major version with which a TLS server begins to refuse what is no handshake (RFC 8446, section 5.1).
const ALERT: [u8; 2] = [21, 3];

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("protocol", &self.protocol).finish_non_exhaustive()
    }
}
