//! The hops of a connection, one after the other, and what each of them found.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, ProtocolVersion};
use rustls_pki_types::CertificateDer;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::budget::Budget;
use super::proxy::tunnel;
use super::serve;
use super::stream::{Protocol, Transport};
use super::{
    Alpn, Certificate, Connector, Error, Forbidden, Guard, Hop, Origin, Plaintext, Proxy, Route, Scheme,
    Stream, Way, dial,
};

/// One attempt to connect, hop by hop. Dialing and probing are the same walk; a probe reads the steps.
pub(super) struct Walk<'a> {
    connector: &'a Connector,
    budget: Budget,
    /// What the hops that succeeded found, in their order.
    pub(super) steps: Vec<Step>,
    /// The way that was taken, once it was decided.
    pub(super) route: Option<Route>,
    begun: Instant,
}

/// A hop that succeeded.
pub(super) struct Step {
    pub(super) hop: Hop,
    pub(super) found: Found,
    pub(super) took: Duration,
}

/// What a hop found.
pub(super) enum Found {
    /// Addresses of a name.
    Addresses(Vec<SocketAddr>),
    /// The address that answered.
    Peer(Option<SocketAddr>),
    /// The proxy's consent.
    Tunnel,
    /// A safe connection.
    Session(Box<Session>),
    /// The version of HTTP.
    Protocol(Protocol),
}

/// A safe connection, and what was accepted.
pub(super) struct Session {
    pub(super) version: Option<ProtocolVersion>,
    /// The server's own certificate.
    pub(super) leaf: Option<Certificate>,
    /// Another of those that it sent, where that one ends before its own.
    pub(super) sooner: Option<Certificate>,
}

type Io = Box<dyn Transport>;

impl<'a> Walk<'a> {
    /// Walks all the way.
    pub(super) async fn of(connector: &'a Connector) -> (Self, Result<Stream, Error>) {
        let budget = Budget::start(connector.origin.clone(), connector.egress.limits());
        let begun = Instant::now();
        let mut walk = Self { connector, budget, steps: Vec::new(), route: None, begun };
        let outcome = walk.all().await;
        (walk, outcome)
    }

    /// How long it took until now.
    pub(super) fn took(&self) -> Duration {
        self.begun.elapsed()
    }

    async fn all(&mut self) -> Result<Stream, Error> {
        self.check()?;
        let route = self.connector.route();
        let way = self.route.insert(route).way.clone();
        let io = self.reach(&way).await?;
        let origin = self.origin().clone();
        if self.connector.forwarder().is_some() {
            return Ok(Stream::forwarded(io, origin));
        }
        match origin.scheme() {
            Scheme::Http => Ok(Stream::new(io, self.without_alpn(), origin)),
            Scheme::Https => self.secure(io, &way).await,
        }
    }

    /// The hops before TLS with the origin.
    async fn reach(&mut self, way: &Way) -> Result<Io, Error> {
        match way {
            Way::Direct => self.direct().await,
            Way::Through(proxy) => self.through(proxy).await,
        }
    }

    /// What is refused before a byte is sent, its name's resolution included.
    fn check(&self) -> Result<(), Error> {
        let origin = self.origin();
        let leg = self.connector.egress.own();
        if origin.scheme() == Scheme::Http
            && !origin.is_loopback()
            && leg.plaintext == Plaintext::LoopbackOnly
        {
            return Err(Error::PlainHttp { origin: origin.clone() });
        }
        self.permitted(Guard::origin)
    }

    /// Asks the guard, if there is one.
    fn permitted(&self, ask: impl Fn(&Guard, &Origin) -> Result<(), Forbidden>) -> Result<(), Error> {
        let origin = self.origin();
        let asked = self.connector.egress.own().guard.as_ref().map_or(Ok(()), |guard| ask(guard, origin));
        asked.map_err(|source| Error::Forbidden { origin: origin.clone(), source })
    }

    async fn direct(&mut self) -> Result<Io, Error> {
        let origin = self.origin().clone();
        let found = self.resolve(Hop::Resolve, &origin).await?;
        let found = found.map_err(|source| Error::Resolve { origin: origin.clone(), source })?;
        let allowed = self.allowed(found)?;
        let tcp = self.connect(Hop::Connect, &allowed).await?;
        Ok(Box::new(tcp.map_err(|source| Error::Connect { origin, source })?))
    }

    /// Those of the addresses that may be dialed. A name that only says that it is this machine does not make it so.
    fn allowed(&self, mut found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Error> {
        let (origin, leg) = (self.origin(), self.connector.egress.own());
        if origin.scheme() == Scheme::Http && leg.plaintext == Plaintext::LoopbackOnly {
            found.retain(|address| address.ip().is_loopback());
            if found.is_empty() {
                return Err(Error::PlainHttp { origin: origin.clone() });
            }
        }
        match &leg.guard {
            None => Ok(found),
            Some(guard) => guard
                .addresses(origin, found)
                .map_err(|source| Error::Forbidden { origin: origin.clone(), source }),
        }
    }

    async fn through(&mut self, proxy: &Proxy) -> Result<Io, Error> {
        self.permitted(Guard::proxied)?;
        self.budget.through(proxy.origin());
        let (origin, at) = (self.origin().clone(), proxy.origin().clone());
        let found = self.resolve(Hop::ProxyResolve, &at).await?;
        let found = found.map_err(|source| {
            let (origin, proxy) = (origin.clone(), at.clone());
            Error::ProxyResolve { origin, proxy, source }
        })?;
        let tcp = self.connect(Hop::ProxyConnect, &found).await?;
        let tcp = tcp.map_err(|source| {
            let (origin, proxy) = (origin.clone(), at.clone());
            Error::ProxyConnect { origin, proxy, source }
        })?;
        let io: Io = match at.scheme() {
            Scheme::Http => Box::new(tcp),
            Scheme::Https => Box::new(self.proxy_tls(tcp, proxy).await?),
        };
        if self.connector.forwarder().is_some() {
            return Ok(io);
        }
        let asked = Instant::now();
        let progress = tunnel::Progress::default();
        let opening = tunnel::open(io, proxy, &origin, &progress);
        let tunnel = self.budget.within(Hop::ProxyTunnel, opening).await;
        let tunnel = tunnel.map_err(|error| error.half_answered(progress.begun()))?;
        let io: Io = Box::new(tunnel.map_err(|refused| Error::no_tunnel(origin.clone(), proxy, refused))?);
        self.done(Hop::ProxyTunnel, asked, Found::Tunnel);
        Ok(io)
    }

    async fn proxy_tls(&mut self, tcp: TcpStream, proxy: &Proxy) -> Result<TlsStream<TcpStream>, Error> {
        let config = Arc::clone(&self.connector.egress.own().tls.proxy);
        let tls = self.handshake(Hop::ProxyTls, config, proxy.origin(), tcp).await?;
        tls.map_err(|source| Error::proxy_handshake(self.origin().clone(), proxy, source))
    }

    async fn secure(&mut self, io: Io, way: &Way) -> Result<Stream, Error> {
        let origin = self.origin().clone();
        let config = self.connector.egress.tls(self.connector.alpn);
        let tls = match self.handshake(Hop::Tls, config, &origin, io).await? {
            Ok(tls) => tls,
            Err(source) => {
                let error = Error::handshake(origin, source);
                let hidden = self.connector.alpn == Alpn::Http2Only && matches!(error, Error::NoHttp2 { .. });
                return Err(if hidden { self.behind_the_alert(way, error).await } else { error });
            }
        };
        let (_, session) = tls.get_ref();
        let shown = session.peer_certificates().unwrap_or_default();
        let protocol = self.agreed(session.alpn_protocol(), shown)?;
        let fingerprint = shown.first().map(|der| serve::fingerprint(der));
        self.done(Hop::Alpn, Instant::now(), Found::Protocol(protocol));
        Ok(Stream::new(tls, protocol, self.origin().clone()).shown(fingerprint))
    }

    /// What is behind the alert that a server refuses HTTP/2 with: it comes before the certificate, so that one which
    /// has expired, or is of a proxy that inspects TLS, would hide behind it.
    ///
    /// One more connection on the same way, within the same limits, has the certificate shown by asking for HTTP/1.1.
    /// Nothing is sent over it. Where it does not come about, `alert` is all that there is to say.
    async fn behind_the_alert(&mut self, way: &Way, alert: Error) -> Error {
        let (origin, known) = (self.origin().clone(), self.steps.len());
        let again = self.reach(way).await;
        // The table has each hop once.
        self.steps.truncate(known);
        let Ok(io) = again else { return alert };
        let config = Arc::clone(&self.connector.egress.own().tls.http1);
        match self.handshake(Hop::Tls, config, &origin, io).await {
            Ok(Ok(tls)) => {
                let (_, session) = tls.get_ref();
                self.without_http2(session.peer_certificates().unwrap_or_default())
            }
            Ok(Err(source)) if Error::is_of_certificate(&source) => Error::handshake(origin, source),
            Ok(Err(_)) | Err(_) => alert,
        }
    }

    async fn handshake<S: Transport>(
        &mut self,
        hop: Hop,
        config: Arc<ClientConfig>,
        with: &Origin,
        io: S,
    ) -> Result<io::Result<TlsStream<S>>, Error> {
        let begun = Instant::now();
        let handshake = TlsConnector::from(config).connect(with.server_name(), io);
        let outcome = self.budget.within(hop, handshake).await?;
        if let Ok(tls) = &outcome {
            let (_, session) = tls.get_ref();
            let session =
                Session::of(session.protocol_version(), session.peer_certificates().unwrap_or_default());
            if let Some(soonest) = session.sooner.as_ref().or(session.leaf.as_ref()) {
                self.connector.egress.expiries().saw(&with.to_string(), soonest);
            }
            self.done(hop, begun, Found::Session(Box::new(session)));
        }
        Ok(outcome)
    }

    /// The version of HTTP that the server agreed to. rustls offers it, but leaves it to us to insist.
    fn agreed(&self, alpn: Option<&[u8]>, chain: &[CertificateDer<'_>]) -> Result<Protocol, Error> {
        match (alpn, self.connector.alpn) {
            (Some(b"h2"), _) => Ok(Protocol::Http2),
            (_, Alpn::Http1OrHttp2) => Ok(Protocol::Http1),
            (_, Alpn::Http2Only) => Err(self.without_http2(chain)),
        }
    }

    /// Says that the server of these certificates has no HTTP/2.
    fn without_http2(&self, chain: &[CertificateDer<'_>]) -> Error {
        let leaf = chain.first().and_then(Certificate::read);
        Error::NoHttp2 { origin: self.origin().clone(), issuer: leaf.map(|leaf| leaf.issuer) }
    }

    /// Without TLS nothing is agreed on, so what is insisted on is taken as known (RFC 9113, section 3.3).
    fn without_alpn(&self) -> Protocol {
        match self.connector.alpn {
            Alpn::Http1OrHttp2 => Protocol::Http1,
            Alpn::Http2Only => Protocol::Http2,
        }
    }

    async fn resolve(&mut self, hop: Hop, host: &Origin) -> Result<io::Result<Vec<SocketAddr>>, Error> {
        let begun = Instant::now();
        let resolver = self.connector.egress.resolver().clone();
        let found = self.budget.within(hop, dial::resolve(host, &resolver)).await?;
        if let Ok(addresses) = &found {
            self.done(hop, begun, Found::Addresses(addresses.clone()));
        }
        Ok(found)
    }

    async fn connect(&mut self, hop: Hop, to: &[SocketAddr]) -> Result<io::Result<TcpStream>, Error> {
        let (begun, limit) = (Instant::now(), self.budget.limit());
        match dial::connect(to, limit).await {
            Ok(tcp) => {
                if let Some(control) = self.connector.egress.congestion_control()
                    && let Err(error) = control.apply(&tcp)
                {
                    return Ok(Err(error));
                }
                self.done(hop, begun, Found::Peer(tcp.peer_addr().ok()));
                Ok(Ok(tcp))
            }
            Err(attempts) if attempts.all_silent() => Err(self.budget.over(hop, limit)),
            Err(attempts) => Ok(Err(io::Error::other(attempts))),
        }
    }

    fn done(&mut self, hop: Hop, since: Instant, found: Found) {
        self.steps.push(Step { hop, found, took: since.elapsed() });
    }

    fn origin(&self) -> &Origin {
        &self.connector.origin
    }
}

impl Session {
    /// Of those that were sent along, a root does not count: nobody looks at when it ends (RFC 5280, section 6.1).
    fn of(version: Option<ProtocolVersion>, chain: &[CertificateDer<'_>]) -> Self {
        let mut chain = chain.iter().take(MOST_OF_A_CHAIN).filter_map(Certificate::read);
        let leaf = chain.next();
        let soonest = chain.filter(|it| !it.self_signed).min_by_key(|it| it.not_after);
        let sooner = soonest.filter(|it| leaf.as_ref().is_some_and(|leaf| it.not_after < leaf.not_after));
        Self { version, leaf, sooner }
    }
}

/// A chain has two or three; a server may send as many as it likes.
const MOST_OF_A_CHAIN: usize = 10;
