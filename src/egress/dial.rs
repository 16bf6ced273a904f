//! Names to addresses, and TCP to one of them.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{self, TcpStream};
use tokio::time;

use super::budget::Budget;
use super::{Error, Hop, Origin, Scheme};

/// What each address said, for the operator's log.
#[derive(Debug)]
struct Attempts(Vec<(SocketAddr, io::Error)>);

/// Resolves the origin and connects to the first of its addresses that answers, in the resolver's order.
///
/// It resolves anew each time, so that a moved service is found.
pub(super) async fn dial(origin: &Origin, budget: &Budget) -> Result<TcpStream, Error> {
    let found = budget.within(Hop::Resolve, resolve(origin)).await?;
    let found = found.map_err(|source| Error::Resolve { origin: origin.clone(), source })?;
    connect(origin, &allowed(origin, found)?, budget).await
}

async fn resolve(origin: &Origin) -> io::Result<Vec<SocketAddr>> {
    if let Some(ip) = origin.ip() {
        return Ok(vec![(ip, origin.port()).into()]);
    }
    let found: Vec<SocketAddr> = net::lookup_host((origin.host(), origin.port())).await?.collect();
    if found.is_empty() { Err(io::Error::other("the name has no address")) } else { Ok(found) }
}

/// Those of the addresses that may be dialed. A name that only says that it is this machine does not make it so.
fn allowed(origin: &Origin, mut found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Error> {
    match origin.scheme() {
        Scheme::Https => {}
        Scheme::Http => found.retain(|address| origin.is_loopback() && address.ip().is_loopback()),
    }
    if found.is_empty() { Err(Error::PlainHttp { origin: origin.clone() }) } else { Ok(found) }
}

async fn connect(origin: &Origin, addresses: &[SocketAddr], budget: &Budget) -> Result<TcpStream, Error> {
    let limit = budget.limit();
    let ends = time::Instant::now() + limit;
    let mut failed = Vec::with_capacity(addresses.len());
    for (tried, &address) in addresses.iter().enumerate() {
        // Each gets its share of what is left, so that a silent first one leaves time for the others.
        let left = ends.saturating_duration_since(time::Instant::now());
        let share = left / u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        match attempt(address, share).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failed.push((address, error)),
        }
    }
    if failed.iter().all(|(_, error)| error.kind() == io::ErrorKind::TimedOut) {
        return Err(budget.over(Hop::Connect, limit));
    }
    Err(Error::Connect { origin: origin.clone(), source: io::Error::other(Attempts(failed)) })
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that opens sockets")]
async fn attempt(address: SocketAddr, limit: Duration) -> io::Result<TcpStream> {
    let stream = time::timeout(limit, TcpStream::connect(address)).await??;
    // Small frames must not wait for the other side's acknowledgement.
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl fmt::Display for Attempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each: Vec<String> = self.0.iter().map(|(address, error)| format!("{address}: {error}")).collect();
        f.write_str(&each.join("; "))
    }
}

impl std::error::Error for Attempts {}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::super::Limits;
    use super::*;

    #[tokio::test]
    async fn the_next_address_is_tried_and_the_socket_does_not_delay() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listener.local_addr().unwrap();
        let (origin, budget) = budget("https://git.example.com");
        let stream = connect(&origin, &[closed().await, good], &budget).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
        assert!(stream.nodelay().unwrap());
    }

    #[tokio::test]
    async fn addresses_are_in_the_sources_and_not_in_the_message() {
        let (origin, budget) = budget("https://git.example.com");
        let address = closed().await;
        let error = connect(&origin, &[address], &budget).await.unwrap_err();
        assert!(
            !error.to_string().contains("127.0.0.1") && error.to_string().contains("git.example.com"),
            "{error}"
        );
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.starts_with(&format!("{address}: ")), "{source}");
    }

    #[test]
    fn without_tls_only_loopback_addresses_are_dialed() {
        let outside: SocketAddr = "10.0.0.1:80".parse().unwrap();
        let inside: SocketAddr = "127.0.0.1:80".parse().unwrap();
        let (localhost, _) = budget("http://localhost");
        assert_eq!(allowed(&localhost, vec![outside, inside]).unwrap(), [inside]);
        assert!(matches!(allowed(&localhost, vec![outside]), Err(Error::PlainHttp { .. })));
        let (named, _) = budget("http://git.example.com");
        assert!(matches!(allowed(&named, vec![inside]), Err(Error::PlainHttp { .. })));
        let (safe, _) = budget("https://git.example.com");
        assert_eq!(allowed(&safe, vec![outside]).unwrap(), [outside]);
    }

    fn budget(url: &str) -> (Origin, Budget) {
        let origin: Origin = url.parse().unwrap();
        let limits = Limits { hop: Duration::from_secs(10), whole: Duration::from_secs(10) };
        (origin.clone(), Budget::start(origin, limits))
    }

    /// An address where nobody listens.
    async fn closed() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    }
}
