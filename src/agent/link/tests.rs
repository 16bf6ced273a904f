use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};
use tonic::service::Routes;
use tonic::{Code, Request, Response, Status, Streaming};
use tower::{ServiceExt as _, service_fn};

use super::next::{Verdict, Wait};
use super::over::Over;
use super::session::Event;
use super::*;
use crate::egress::fixture::{Ca, asking_for_certificates};
use crate::egress::{Alpn, CaSource, Egress, Origin, Settings};
use crate::ops::Key;
use crate::proto::tunnel::v1::tunnel_server::{self, TunnelServer};
use crate::proto::tunnel::v1::{
    AttachRequest, Drain, Draining, Limits, ProbeRequest, ProbeResponse, Welcome,
};
use crate::proto::{Fault, Reason};
use crate::tunnel::attach::{GatewayControl, Responses};
use crate::tunnel::{Body, Options, Service};

/// The gateway's end of one session.
pub(super) type Seat = (Channel, GatewayControl);

/// A gateway that welcomes everybody, or refuses everybody.
struct Gateway {
    seats: mpsc::Sender<Seat>,
    refusal: Option<Fault>,
    /// The gateway's name, and how many there are.
    name: (&'static str, u32),
    tasks: Tasks,
}

#[tonic::async_trait]
impl tunnel_server::Tunnel for Gateway {
    type AttachStream = Responses;
    type ProbeStream = tokio_stream::Empty<Result<ProbeResponse, Status>>;

    async fn attach(
        &self,
        request: Request<Streaming<AttachRequest>>,
    ) -> Result<Response<Responses>, Status> {
        if let Some(refusal) = self.refusal.clone() {
            return Err(refusal.into());
        }
        let (hello, opening) = attach::greet(request.into_inner()).await?;
        assert_eq!(hello.instance, "i-1");
        let welcome = Welcome {
            protocol: 1,
            session: "s-1".into(),
            gateway: self.name.0.into(),
            replicas: self.name.1,
            limits: Some(Limits::default()),
            ..Default::default()
        };
        let (pipe, control, responses) = opening.welcome(welcome);
        let (seats, tasks) = (self.seats.clone(), self.tasks.clone());
        self.tasks.spawn(async move {
            let channel = pipe.channel(&Options::default(), &tasks).await.expect("a channel");
            seats.send((channel, control)).await.expect("the test listens");
        });
        Ok(Response::new(responses))
    }

    async fn probe(
        &self,
        _: Request<Streaming<ProbeRequest>>,
    ) -> Result<Response<Self::ProbeStream>, Status> {
        Err(Status::unimplemented("nobody probes here"))
    }
}

/// Serves HTTP/2 on a port of its own.
async fn listen(service: Service, tasks: &Tasks) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let (address, inner) = (listener.local_addr().expect("bound"), tasks.clone());
    tasks.spawn(async move {
        while let Ok((io, _)) = listener.accept().await {
            let (service, tasks) = (service.clone(), inner.clone());
            inner.spawn(async move {
                tunnel::serve(io, service, &Options::default(), &tasks).await;
            });
        }
    });
    address
}

async fn gateway(refusal: Option<Fault>, tasks: &Tasks) -> (SocketAddr, mpsc::Receiver<Seat>) {
    let (service, attached) = door(refusal, tasks);
    (listen(service, tasks).await, attached)
}

fn door(refusal: Option<Fault>, tasks: &Tasks) -> (Service, mpsc::Receiver<Seat>) {
    let (seats, attached) = mpsc::channel(4);
    (named(("g1", 1), refusal, seats, tasks), attached)
}

/// The door of a gateway by its name and the number of all of them.
pub(super) fn named(
    name: (&'static str, u32),
    refusal: Option<Fault>,
    seats: mpsc::Sender<Seat>,
    tasks: &Tasks,
) -> Service {
    let gateway = Gateway { seats, refusal, name, tasks: tasks.clone() };
    let routes = Routes::new(TunnelServer::new(gateway)).prepare();
    Service::new(service_fn(move |request| routes.clone().oneshot(request)))
}

/// A link to `address` whose service answers at once, but `/slow` only after `go`.
pub(super) fn link(address: SocketAddr, go: &Arc<Notify>, tasks: &Tasks) -> (Link, watch::Receiver<State>) {
    let url = url::Url::parse(&format!("http://{address}")).expect("a URL");
    let egress = Egress::new(&Settings::default(), tasks).expect("an egress");
    let (state, seen) = watch::channel(State::Dialing);
    let go = Arc::clone(go);
    let answer = move |request: http::Request<Body>| {
        let go = Arc::clone(&go);
        async move {
            match request.uri().path() {
                "/slow" => go.notified().await,
                "/large" => return Ok(http::Response::new(bytes_of(3 << 20))),
                _ => {}
            }
            Ok(http::Response::new(Body::empty()))
        }
    };
    let link = Link {
        connector: egress.connector(Origin::of(&url).expect("an origin"), Alpn::Http2Only),
        origin: url.as_str().parse().expect("a URI"),
        key: AccessKey::fixed(Key::generate().expect("entropy")),
        hello: Hello {
            protocol_lowest: 1,
            protocol_highest: 1,
            instance: "i-1".into(),
            ..Default::default()
        },
        options: Options::default(),
        service: Service::new(service_fn(answer)),
        budgets: Budgets::default(),
        tasks: tasks.clone(),
        state,
        sessions: sessions().0,
        tally: Tally::default(),
    };
    (link, seen)
}

fn bytes_of(size: usize) -> Body {
    Body::new(http_body_util::Full::from(vec![7; size]).map_err(|never| match never {}))
}

/// Stands before a gateway as nginx does: resets a stream whose request body is larger than `most`.
fn limited(service: Service, most: usize) -> Service {
    Service::new(service_fn(move |request: http::Request<Body>| {
        let (service, over) = (service.clone(), Arc::new(Notify::new()));
        let (left, full) = (AtomicUsize::new(most), Arc::clone(&over));
        let counted = request.map(|body| {
            Body::new(body.map_frame(move |frame| {
                let size = frame.data_ref().map_or(0, |data| data.len());
                if left.fetch_sub(size.min(left.load(Ordering::Relaxed)), Ordering::Relaxed) <= size {
                    full.notify_one();
                }
                frame
            }))
        });
        async move {
            let answer = service.oneshot(counted).await?;
            // A body that fails makes hyper reset its stream, and no more than that.
            Ok(answer.map(|body| {
                let cut = futures_util::stream::once(async move {
                    over.notified().await;
                    Err(Status::internal("too large"))
                });
                let whole = http_body_util::BodyStream::new(body);
                Body::new(http_body_util::StreamBody::new(futures_util::stream::select(whole, cut)))
            }))
        }
    }))
}

pub(super) async fn call(channel: &Channel, path: &str) -> Result<http::StatusCode, Status> {
    let request = http::Request::post(path).body(Body::empty()).expect("a request");
    let response = channel.clone().oneshot(request).await?;
    let status = response.status();
    response.into_body().collect().await?;
    Ok(status)
}

/// Serves until the session ends, and says how.
async fn over(session: Session) -> Over {
    let (events, mut heard) = mpsc::channel(4);
    let tell = session.run(0, Tasks::new(), events);
    let hear = async {
        while let Some((_, event)) = heard.recv().await {
            if let Event::Ended(over) = event {
                return over;
            }
        }
        panic!("no end")
    };
    tokio::join!(tell, hear).1
}

async fn failure(address: SocketAddr, tasks: &Tasks) -> Failure {
    match link(address, &Arc::default(), tasks).0.dial().await {
        Ok(_) => panic!("attached"),
        Err(failure) => failure,
    }
}

#[tokio::test]
async fn it_attaches_serves_and_comes_back_when_the_session_is_lost() {
    let (gateways, tasks) = (Tasks::new(), Tasks::new());
    let (address, mut seats) = gateway(None, &gateways).await;
    let (link, state) = link(address, &Arc::default(), &tasks);
    tasks.spawn(link.run());
    let (first, _control) = seats.recv().await.expect("attached");
    assert_eq!(call(&first, "/any").await.expect("an answer"), 200);
    assert!(state.borrow().is_attached());
    drop((first, _control));
    let (second, _control) = seats.recv().await.expect("attached again");
    assert_eq!(call(&second, "/any").await.expect("an answer"), 200);
    tasks.cut();
    gateways.cut();
}

#[tokio::test]
async fn when_the_gateway_drains_a_new_session_begins_and_the_old_call_finishes() {
    let (gateways, tasks, go) = (Tasks::new(), Tasks::new(), Arc::new(Notify::new()));
    let (address, mut seats) = gateway(None, &gateways).await;
    tasks.spawn(link(address, &go, &tasks).0.run());
    let (old, control) = seats.recv().await.expect("attached");
    let slow = call(&old, "/slow");
    tokio::pin!(slow);
    assert!(futures_util::poll!(&mut slow).is_pending());
    assert_eq!(call(&old, "/any").await.expect("an answer"), 200, "the slow call is under way");
    control.drain(Drain { cause: "a new version".into(), grace_ms: 1000 });
    let (new, _control) = seats.recv().await.expect("attached anew");
    assert_eq!(call(&new, "/any").await.expect("an answer"), 200);
    go.notify_one();
    assert_eq!(slow.await.expect("an answer"), 200);
    tasks.cut();
    gateways.cut();
}

#[tokio::test]
async fn a_drain_tells_the_gateway_and_waits_for_the_call_in_flight() {
    let (gateways, tasks, go) = (Tasks::new(), Tasks::new(), Arc::new(Notify::new()));
    let (address, mut seats) = gateway(None, &gateways).await;
    let (link, mut state) = link(address, &go, &tasks);
    tasks.spawn(link.run());
    let (channel, mut control) = seats.recv().await.expect("attached");
    let slow = call(&channel, "/slow");
    tokio::pin!(slow);
    assert!(futures_util::poll!(&mut slow).is_pending());
    assert_eq!(call(&channel, "/any").await.expect("an answer"), 200, "the slow call is under way");
    tasks.begin_drain();
    let Draining { cause } = control.draining().await;
    assert_eq!((cause.as_str(), state.borrow().clone()), ("the agent stops", State::Draining));
    go.notify_one();
    assert_eq!(slow.await.expect("an answer"), 200);
    state.wait_for(|state| *state == State::Ended).await.expect("ended");
    assert_eq!(tasks.finish(Duration::from_secs(5)).await, crate::ops::tasks::Drained::Clean);
    gateways.cut();
}

#[tokio::test]
async fn a_refused_key_is_told_from_a_gateway_that_is_too_old() {
    let tasks = Tasks::new();
    for (reason, verdict) in
        [(Reason::CredentialInvalid, Verdict::Credential), (Reason::ProtocolTooOld, Verdict::Version)]
    {
        let (address, _seats) = gateway(Some(Fault::new(Code::Unauthenticated, reason, "no")), &tasks).await;
        assert_eq!(failure(address, &tasks).await.verdict(), verdict);
    }
    tasks.cut();
}

#[tokio::test]
async fn what_answers_by_http2_but_is_no_gateway_is_named_for_what_it_is() {
    let tasks = Tasks::new();
    let table = [
        (404, "text/html", "<html>", Verdict::NotOurs, "HTTP 404 Not Found from nginx, where"),
        (200, "text/html", "<html>Log in</html>", Verdict::Login, "HTTP 200 OK from nginx, where"),
        (401, "application/json", "{}", Verdict::Login, "HTTP 401 Unauthorized"),
        (302, "text/html", "", Verdict::Login, "redirects"),
        (502, "text/plain", "", Verdict::BadGateway, "HTTP 502 Bad Gateway from nginx, where"),
        (400, "text/html", "No required SSL certificate was sent", Verdict::ClientCertificate, "certificate"),
        (413, "text/html", "", Verdict::BodyLimit, "HTTP 413 Request Entity Too Large from nginx"),
    ];
    for (status, kind, page, verdict, words) in table {
        let page = move |_| async move {
            let body = http_body_util::Full::from(page).map_err(|never| match never {});
            let answer = http::Response::builder().status(status).header("content-type", kind);
            Ok(answer.header("server", "nginx").body(Body::new(body)).expect("a page"))
        };
        let address = listen(Service::new(service_fn(page)), &tasks).await;
        let failure = failure(address, &tasks).await;
        assert_eq!(failure.verdict(), verdict, "{status} {kind}: {failure:?}");
        assert!(failure.to_string().contains(words), "{status}: {failure}");
        assert!(!failure.to_string().contains("<html>"), "{failure}");
    }
    tasks.cut();
}

#[tokio::test]
async fn a_session_that_is_reset_after_one_mebibyte_is_laid_to_a_body_limit() {
    for (most, blamed) in [(1 << 20, true), (1 << 18, false)] {
        let tasks = Tasks::new();
        let (service, mut seats) = door(None, &tasks);
        let address = listen(limited(service, most), &tasks).await;
        let (link, _state) = link(address, &Arc::default(), &tasks);
        let session = link.dial().await.unwrap_or_else(|failure| panic!("not attached: {failure:?}"));
        let serving = over(session);
        let (channel, _control) = seats.recv().await.expect("attached");
        let (over, answer) = tokio::join!(serving, call(&channel, "/large"));
        answer.expect_err("cut");
        match over {
            Over::Limited(fault) => {
                assert!(blamed && fault.message().contains("client_max_body_size"), "{most}: {fault}");
            }
            Over::Lost(lost) => {
                assert!(!blamed && lost.cause.contains("reset the stream"), "{most}: {}", lost.cause);
            }
            Over::Moved | Over::Drained => panic!("{most}: it ended in peace"),
        }
        tasks.cut();
    }
}

#[tokio::test]
async fn a_server_that_wants_a_certificate_after_the_handshake_is_named_so() {
    let (tasks, ca) = (Tasks::new(), Ca::new("customer"));
    let tls = asking_for_certificates(&ca, &ca.issue("localhost"));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tasks.spawn(async move {
        while let Ok((io, _)) = listener.accept().await {
            assert!(tls.accept(io).await.is_err(), "nobody showed a certificate");
        }
    });
    let extra_ca = vec![CaSource::Pem { name: "test".into(), pem: ca.pem().into_bytes() }];
    let egress = Egress::new(&Settings { extra_ca, ..Settings::default() }, &tasks).expect("an egress");
    let origin = format!("https://localhost:{}", address.port()).parse().expect("an origin");
    let (mut link, _state) = link(address, &Arc::default(), &tasks);
    link.connector = egress.connector(origin, Alpn::Http2Only);
    let Err(failure) = link.dial().await else { panic!("attached") };
    assert_eq!(failure.verdict(), Verdict::ClientCertificate, "{failure:?}");
    tasks.cut();
}

#[tokio::test]
async fn a_server_that_takes_the_connection_and_is_silent_is_named_so() {
    let tasks = Tasks::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tasks.spawn(async move {
        let (mut io, _) = listener.accept().await.expect("a dial");
        while matches!(io.read(&mut [0; 1024]).await, Ok(1..)) {}
    });
    let (mut link, _state) = link(address, &Arc::default(), &tasks);
    link.options.silence = Duration::from_millis(50);
    let Err(failure) = link.dial().await else { panic!("attached") };
    let advice = failure.advice();
    assert_eq!((failure.verdict(), advice.section), (Verdict::Way, "slow-link"), "{failure:?}");
    assert!(advice.cause.contains("the peer sent nothing for 50ms"), "{advice:?}");
    tasks.cut();
}

#[tokio::test]
async fn a_server_of_http_1_is_named_so() {
    let tasks = Tasks::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tasks.spawn(async move {
        let (mut io, _) = listener.accept().await.expect("a dial");
        io.read_exact(&mut [0; 24]).await.expect("the preface");
        io.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await.expect("written");
    });
    let failure = failure(address, &tasks).await;
    assert_eq!(failure.verdict(), Verdict::Cut, "{failure:?}");
    assert!(failure.advice().remedy.contains("may not be a gitproxy gateway"));
    tasks.cut();
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_a_matter_of_the_way() {
    let tasks = Tasks::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    drop(listener);
    let failure = failure(address, &tasks).await;
    assert_eq!((failure.verdict(), failure.wait()), (Verdict::Way, Wait::Backoff));
}
