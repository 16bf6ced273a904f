//! What turns names into addresses.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::net;

/// Turns a host and a port into addresses; clones share what they ask.
///
/// It is asked anew for each connection and nothing is kept, so that a service that has moved is found as soon as DNS
/// knows. What a name leads to may differ from one question to the next: see [`super::Guard`].
#[derive(Clone, Default)]
pub struct Resolver(Option<Arc<Lookup>>);

type Lookup = dyn Fn(&str, u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync;

impl Resolver {
    /// The system's: `/etc/hosts`, `resolv.conf` and whatever else `getaddrinfo` reads, in the order of RFC 6724.
    ///
    /// It cannot be called off: a lookup that nobody waits for any more holds a thread until the system gives it up.
    pub fn system() -> Self {
        Self(None)
    }

    /// Another one, for tests: any function of a host (an IPv6 address is without its brackets) and a port.
    pub fn from_fn(
        lookup: impl Fn(&str, u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync + 'static,
    ) -> Self {
        Self(Some(Arc::new(lookup)))
    }

    /// The addresses of a name, in the order in which they are best tried.
    pub(super) async fn lookup(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        match &self.0 {
            Some(lookup) => lookup(host, port).await,
            None => Ok(net::lookup_host((host, port)).await?.collect()),
        }
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Resolver(function)" } else { "Resolver(system)" })
    }
}
