//! Two ends of a tunnel, and the wire between them.

use std::sync::Mutex;
use std::time::Duration;

use gitproxy::ops::{Key, Tasks};
use gitproxy::proto::tunnel::v1::tunnel_server::{Tunnel, TunnelServer};
use gitproxy::proto::tunnel::v1::{AttachRequest, Hello, ProbeRequest, ProbeResponse, Welcome};
use gitproxy::tunnel::attach::{self, AgentControl, AgentPipe, GatewayControl, GatewayPipe, Responses};
use gitproxy::tunnel::{self, Body, Calls, Channel, Options, Service};
use hyper::server::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::net::UnixStream;
use tokio::sync::{oneshot, watch};
use tokio::time::interval;
use tonic::{Request, Response, Status, Streaming};
use tower::ServiceExt as _;

/// What carries the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// The outer gRPC stream, as in production.
    Attach,
    /// The stream itself.
    Bare,
}

/// A stream that can carry a tunnel.
pub(crate) trait Io: AsyncRead + AsyncWrite + Unpin + Send + 'static {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Io for T {}

/// Opens a tunnel to `service` over a real socket pair.
pub(crate) async fn open(carrier: Carrier, service: Service, tasks: &Tasks) -> Channel {
    let (near, far) = UnixStream::pair().expect("a socket pair");
    join(carrier, near, far, service, &Options::default(), tasks).await
}

/// Opens a tunnel to `service` over two ends that belong together.
pub(crate) async fn join(
    carrier: Carrier,
    near: impl Io,
    far: impl Io,
    service: Service,
    options: &Options,
    tasks: &Tasks,
) -> Channel {
    let (agent_options, agent_tasks) = (options.clone(), tasks.clone());
    tasks.spawn(async move { drop(agent_end(carrier, far, service, &agent_options, &agent_tasks).await) });
    gateway_end(carrier, near, options, tasks).await
}

/// The gateway's end over `near`.
pub(crate) async fn gateway_end(
    carrier: Carrier,
    near: impl Io,
    options: &Options,
    tasks: &Tasks,
) -> Channel {
    match carrier {
        Carrier::Bare => tunnel::channel(near, options, tasks).await.expect("an open pipe"),
        Carrier::Attach => {
            let (pipe, _control) = accept(near, options, tasks).await;
            pipe.channel(options, tasks).await.expect("an open pipe")
        }
    }
}

/// The agent's end over `far`, until the pipe ends.
pub(crate) async fn agent_end(
    carrier: Carrier,
    far: impl Io,
    service: Service,
    options: &Options,
    tasks: &Tasks,
) -> tunnel::Ended {
    match carrier {
        Carrier::Bare => tunnel::serve(far, service, options, tasks).await,
        Carrier::Attach => {
            let (pipe, _control) = dial(far, options, tasks).await;
            pipe.serve(service, options, Calls::default(), tasks).await
        }
    }
}

/// Attaches as an agent does.
pub(crate) async fn dial(far: impl Io, options: &Options, tasks: &Tasks) -> (AgentPipe, AgentControl) {
    let transport = tunnel::channel(far, options, tasks).await.expect("an open stream");
    let hello =
        Hello { protocol_lowest: 1, protocol_highest: 1, instance: "test".into(), ..Hello::default() };
    let key = Key::generate().expect("entropy");
    let origin = http::Uri::from_static("http://gateway.test");
    let attached = attach::dial(transport, origin, &key, hello).await.expect("a welcome");
    (attached.pipe, attached.control)
}

/// Accepts one agent as a gateway does.
pub(crate) async fn accept(near: impl Io, options: &Options, tasks: &Tasks) -> (GatewayPipe, GatewayControl) {
    let (opened, opening) = oneshot::channel();
    let door = TunnelServer::new(Door { opened: Mutex::new(Some(opened)) });
    let with_body = |request: http::Request<hyper::body::Incoming>| request.map(Body::new);
    let connection = http2::Builder::new(tasks.clone())
        .timer(TokioTimer::new())
        .initial_stream_window_size(options.window)
        .max_frame_size(64 * 1024)
        .serve_connection(TokioIo::new(near), TowerToHyperService::new(door.map_request(with_body)));
    // How it ends shows at the ends of the tunnel.
    tasks.spawn(async move { drop(connection.await) });
    opening.await.expect("an agent that attaches")
}

/// A gateway that lets everybody in, once.
struct Door {
    opened: Mutex<Option<oneshot::Sender<(GatewayPipe, GatewayControl)>>>,
}

#[tonic::async_trait]
impl Tunnel for Door {
    type AttachStream = Responses;
    type ProbeStream = tokio_stream::Empty<Result<ProbeResponse, Status>>;

    async fn attach(
        &self,
        request: Request<Streaming<AttachRequest>>,
    ) -> Result<Response<Responses>, Status> {
        let (_hello, opening) = attach::greet(request.into_inner()).await?;
        let (pipe, control, responses) = opening.welcome(Welcome { protocol: 1, ..Welcome::default() });
        let opened = self.opened.lock().expect("unpoisoned").take().expect("one attach");
        opened.send((pipe, control)).map_err(|_| Status::internal("the test is gone"))?;
        Ok(Response::new(responses))
    }

    async fn probe(
        &self,
        _: Request<Streaming<ProbeRequest>>,
    ) -> Result<Response<Self::ProbeStream>, Status> {
        Err(Status::unimplemented("nobody probes here"))
    }
}

/// What happens to bytes on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weather {
    /// They arrive at once.
    Fair,
    /// They arrive in packets, at most this many bytes a second.
    Slow(u32),
    /// They vanish, and nobody is told.
    Blackhole,
}

/// Two ends in memory, so that time may be paused, and the weather between them.
pub(crate) fn wire(tasks: &Tasks) -> (DuplexStream, DuplexStream, watch::Sender<Weather>) {
    let (near, near_inside) = duplex(SOCKET);
    let (far, far_inside) = duplex(SOCKET);
    let (weather, forecast) = watch::channel(Weather::Fair);
    let (near_read, near_write) = tokio::io::split(near_inside);
    let (far_read, far_write) = tokio::io::split(far_inside);
    tasks.spawn(carry(near_read, far_write, forecast.clone()));
    tasks.spawn(carry(far_read, near_write, forecast));
    (near, far, weather)
}

async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    weather: watch::Receiver<Weather>,
) {
    let mut packet = vec![0; PACKET];
    let mut pace = None;
    while let Ok(len @ 1..) = from.read(&mut packet).await {
        let now = *weather.borrow();
        match now {
            Weather::Blackhole => continue,
            Weather::Slow(rate) => {
                let packet_time = Duration::from_secs_f64(PACKET as f64 / f64::from(rate));
                pace.get_or_insert_with(|| interval(packet_time)).tick().await;
            }
            Weather::Fair => {}
        }
        if to.write_all(&packet[..len]).await.is_err() {
            return;
        }
    }
}

const SOCKET: usize = 64 * 1024;
const PACKET: usize = 1500;
