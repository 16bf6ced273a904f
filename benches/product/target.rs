//! A server that answers as Bitbucket does, as fast as it can, and a plain HTTP client of it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use gitproxy::ops::Tasks;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty, Full, StreamBody};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

/// See the module. It lives as long as the process.
pub(crate) struct Target {
    addr: SocketAddr,
    delay: Arc<AtomicU64>,
}

impl Target {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("an address");
        let delay = Arc::new(AtomicU64::new(0));
        let own = Arc::clone(&delay);
        let tasks = Tasks::new();
        let each = tasks.clone();
        tasks.spawn(async move {
            loop {
                let (tcp, _) = listener.accept().await.expect("a connection");
                tcp.set_nodelay(true).expect("a socket");
                let delay = Arc::clone(&own);
                let service = service_fn(move |request| answer(request, Arc::clone(&delay)));
                each.spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(tcp), service),
                );
            }
        });
        Self { addr, delay }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Every answer comes this much later from now on.
    pub(crate) fn delay(&self, delay: Duration) {
        self.delay.store(u64::try_from(delay.as_millis()).expect("short"), Ordering::Relaxed);
    }
}

async fn answer(
    request: Request<Incoming>,
    delay: Arc<AtomicU64>,
) -> Result<Response<UnsyncBoxBody<Bytes, Infallible>>, Infallible> {
    let delay = delay.load(Ordering::Relaxed);
    if delay > 0 {
        tokio::time::sleep(Duration::from_millis(delay)).await;
    }
    let path = request.uri().path();
    let (kind, body) = if path.ends_with("large.bin") {
        ("application/octet-stream", pieces(LARGE, None))
    } else if path.ends_with("huge.bin") {
        ("application/octet-stream", pieces(HUGE, None))
    } else if path.ends_with("paced.bin") {
        ("application/octet-stream", pieces(PACED, Some(PACE)))
    } else if path.ends_with("application-properties") {
        ("application/json", Full::from(PROPERTIES).boxed_unsync())
    } else {
        ("application/json;charset=UTF-8", Full::from(REPO).boxed_unsync())
    };
    let response = Response::builder()
        .header("content-type", kind)
        .header("x-ausername", "alice")
        .header("x-auserid", "1")
        .header("x-arequestid", "*1ABCDEFx1x1x0");
    Ok(response.body(body).expect("a response"))
}

/// So many pieces of 64 KiB, each after a pause.
fn pieces(count: usize, pause: Option<Duration>) -> UnsyncBoxBody<Bytes, Infallible> {
    let piece = Bytes::from(vec![7; PIECE]);
    let pieces = stream::unfold(0, move |sent| {
        let piece = piece.clone();
        async move {
            if sent == count {
                return None;
            }
            if let Some(pause) = pause {
                tokio::time::sleep(pause).await;
            }
            Some((Ok(Frame::data(piece)), sent + 1))
        }
    });
    StreamBody::new(Box::pin(pieces)).boxed_unsync()
}

/// One connection of a plain client.
pub(crate) struct Plain {
    sender: SendRequest<Empty<Bytes>>,
    host: String,
}

impl Plain {
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        #[expect(clippy::disallowed_methods, reason = "a bare socket is what is measured")]
        let tcp = TcpStream::connect(addr).await.expect("a connection");
        tcp.set_nodelay(true).expect("a socket");
        let (sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(tcp)).await.expect("HTTP/1.1");
        Tasks::new().spawn(connection);
        Self { sender, host: addr.to_string() }
    }

    pub(crate) async fn some(addr: SocketAddr, count: usize) -> Vec<Self> {
        let mut some = Vec::with_capacity(count);
        for _ in 0..count {
            some.push(Self::connect(addr).await);
        }
        some
    }

    pub(crate) async fn get_repo(&mut self) {
        let bytes = self.get("/rest/api/latest/projects/SHOP/repos/web").await;
        assert_eq!(bytes, REPO.len());
    }

    pub(crate) async fn download(&mut self) -> usize {
        self.get("/rest/api/latest/projects/SHOP/repos/web/raw/large.bin").await
    }

    async fn get(&mut self, path: &str) -> usize {
        let request = Request::get(path).header("host", &self.host).body(Empty::new()).expect("a request");
        self.sender.ready().await.expect("an open connection");
        let mut body = self.sender.send_request(request).await.expect("an answer").into_body();
        let mut length = 0;
        while let Some(frame) = body.frame().await {
            length += frame.expect("a whole answer").data_ref().map_or(0, Bytes::len);
        }
        length
    }
}

const PIECE: usize = 64 * 1024;
/// 128 MiB.
const LARGE: usize = 2048;
/// 4 GiB.
const HUGE: usize = 65_536;
/// 25 MiB/s for a second.
const PACED: usize = 400;
const PACE: Duration = Duration::from_micros(2500);

const PROPERTIES: &str =
    r#"{"version":"9.4.0","buildNumber":"9004000","buildDate":"1","displayName":"Bitbucket"}"#;
const REPO: &str = r#"{"slug":"web","id":7,"name":"web","hierarchyId":"0a1b2c3d4e5f6a7b8c9d","scmId":"git","state":"AVAILABLE","statusMessage":"Available","forkable":true,"project":{"key":"SHOP","id":3,"name":"Shop","public":false,"type":"NORMAL","links":{"self":[{"href":"http://git.example/projects/SHOP"}]}},"public":false,"archived":false,"links":{"clone":[{"href":"http://git.example/scm/shop/web.git","name":"http"},{"href":"ssh://git@git.example:7999/shop/web.git","name":"ssh"}],"self":[{"href":"http://git.example/projects/SHOP/repos/web/browse"}]}}"#;
