//! Names to addresses, and TCP to the first of them that answers.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::net::TcpStream;
use tokio::time::{self, Instant};

use super::{Origin, Resolver};

/// What each address that was tried said, for the operator's log: an address has no place in what the cloud is told.
#[derive(Debug)]
pub(super) struct Attempts(Vec<(SocketAddr, io::Error)>);

/// The addresses of an origin, at least one, asked for anew at each call. An origin that is an address has no name to
/// ask for.
///
/// No time limit in here.
pub(super) async fn resolve(origin: &Origin, resolver: &Resolver) -> io::Result<Vec<SocketAddr>> {
    if let Some(ip) = origin.ip() {
        return Ok(vec![(ip, origin.port()).into()]);
    }
    let found = resolver.lookup(&origin.host(), origin.port()).await?;
    if found.is_empty() { Err(io::Error::other("the name has no address")) } else { Ok(found) }
}

/// Connects to the first of the addresses that answers within `limit`, the families by turns (RFC 8305, happy eyeballs).
///
/// The next attempt starts when one fails, or after 250 ms without an answer, and those before it go on: an address that
/// swallows every packet, as IPv6 does in many an office, then costs 250 ms and not the limit. The first connection wins
/// and the others are given up.
///
/// # Errors
/// When no address answers; [`Attempts::all_silent`] tells that from a refusal.
pub(super) async fn connect(addresses: &[SocketAddr], limit: Duration) -> Result<TcpStream, Attempts> {
    race(addresses, limit, open).await
}

/// As [`connect`], with any way to open a connection.
async fn race<T, F>(
    addresses: &[SocketAddr],
    limit: Duration,
    open: impl Fn(SocketAddr) -> F,
) -> Result<T, Attempts>
where
    F: Future<Output = io::Result<T>>,
{
    let ends = Instant::now() + limit;
    let mut waiting = by_turns(addresses).into_iter();
    let mut running = FuturesUnordered::new();
    let mut failed = Vec::with_capacity(addresses.len());
    loop {
        if Instant::now() < ends
            && let Some(address) = waiting.next()
        {
            running.push(attempt(address, ends, open(address)));
        }
        let ended = match waiting.len() {
            0 => Ok(running.next().await),
            _ => time::timeout(HEAD_START, running.next()).await,
        };
        match ended {
            Ok(Some(Ok(connection))) => return Ok(connection),
            Ok(Some(Err(failure))) => failed.push(failure),
            Ok(None) => return Err(Attempts(failed)),
            Err(_the_next_may_start) => {}
        }
    }
}

async fn attempt<T>(
    address: SocketAddr,
    ends: Instant,
    opening: impl Future<Output = io::Result<T>>,
) -> Result<T, (SocketAddr, io::Error)> {
    let outcome = time::timeout_at(ends, opening).await;
    let outcome = outcome.unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "no answer")));
    outcome.map_err(|error| (address, error))
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that opens sockets")]
async fn open(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    // Small frames must not wait for the other side's acknowledgement.
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The addresses with their families by turns, each family in the resolver's order, and first the one that the resolver
/// put first: it knows the system's preference (RFC 8305, section 4).
fn by_turns(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let first_is_v4 = addresses.first().is_some_and(SocketAddr::is_ipv4);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.iter().partition(|address| address.is_ipv4() == first_is_v4);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let turns = std::iter::from_fn(|| {
        let turn = [first.next(), second.next()];
        turn.iter().any(Option::is_some).then_some(turn)
    });
    turns.flatten().flatten().collect()
}

impl Attempts {
    /// Whether every address was silent until the end, as behind a firewall that drops: what failed is then the time
    /// limit.
    pub(super) fn all_silent(&self) -> bool {
        let silent = |(_, error): &(SocketAddr, io::Error)| error.kind() == io::ErrorKind::TimedOut;
        !self.0.is_empty() && self.0.iter().all(silent)
    }

    /// How each address failed, without the addresses.
    pub(super) fn kinds(&self) -> impl Iterator<Item = io::ErrorKind> {
        self.0.iter().map(|(_, error)| error.kind())
    }
}

impl fmt::Display for Attempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each: Vec<String> = self.0.iter().map(|(address, error)| format!("{address}: {error}")).collect();
        f.write_str(&each.join("; "))
    }
}

impl std::error::Error for Attempts {}

/// How long an attempt goes alone: RFC 8305's Connection Attempt Delay, of which it recommends 250 ms.
const HEAD_START: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests;
