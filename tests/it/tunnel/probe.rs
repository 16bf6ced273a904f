//! The probe: what a session would meet on its way, tried through a whole gateway, without a session.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use gitproxy::ops::{Key, Tasks};
use gitproxy::proto::Reason;
use gitproxy::proto::gateway::v1::ListAgentsRequest;
use gitproxy::proto::tunnel::v1::probe_request::Message;
use gitproxy::proto::tunnel::v1::tunnel_client::TunnelClient;
use gitproxy::proto::tunnel::v1::{Hello, ProbeRequest};
use gitproxy::tunnel::probe::{self, Cut, Greeted};
use gitproxy::tunnel::{self, Body, Channel, Options, Problem, Service};
use http_body_util::{BodyExt as _, BodyStream, Full, StreamBody};
use secrecy::ExposeSecret as _;
use tokio::net::UnixStream;
use tokio::sync::{Notify, mpsc};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;
use tower::{ServiceExt as _, service_fn};

use crate::world::{Caller, World};

#[tokio::test]
async fn two_mebibytes_go_there_and_back_and_the_clock_is_told() {
    let door = Door::open().await;
    let greeted = door.greet(&door.key, hello()).await.expect("welcome");
    assert_eq!((greeted.welcome.agent.as_str(), greeted.welcome.gateway.as_str()), ("site", "test"));
    assert!(greeted.round_trip < Duration::from_secs(2), "{:?}", greeted.round_trip);
    // Both ends have the same clock here.
    let ahead = greeted.clock_ahead_ms.expect("told");
    assert!(ahead.abs() < 2000, "{ahead}");
    let moved = door.transfer(2 << 20).await.expect("moved");
    assert!(moved.up <= moved.down, "{moved:?}");
}

#[tokio::test]
async fn a_wrong_key_and_an_old_protocol_are_refused_as_by_attach() {
    let door = Door::open().await;
    let stranger = Key::generate().expect("entropy");
    let wrong = door.greet(&stranger, hello()).await.expect_err("refused");
    assert_eq!(facts(&wrong), (Code::Unauthenticated, Some(Reason::CredentialInvalid)));
    let old = Hello { protocol_lowest: 0, protocol_highest: 0, ..hello() };
    let old = door.greet(&door.key, old).await.expect_err("refused");
    assert_eq!(facts(&old), (Code::FailedPrecondition, Some(Reason::ProtocolTooOld)));
    assert!(old.message().contains("upgrade the agent"), "{old}");
}

#[tokio::test]
async fn an_open_probe_is_no_session_and_keeps_a_second_one_out() {
    let door = Door::open().await;
    let (out, messages) = mpsc::channel(4);
    out.send(ProbeRequest { message: Some(Message::Hello(hello())) }).await.expect("room");
    let mut request = Request::new(ReceiverStream::new(messages));
    let bearer = format!("Bearer {}", door.key.secret().expose_secret());
    request.metadata_mut().insert("authorization", bearer.parse().expect("ASCII"));
    let mut client = TunnelClient::with_origin(door.channel.clone(), door.origin.clone());
    let mut open = client.probe(request).await.expect("an answer").into_inner();
    open.message().await.expect("a message").expect("welcome");
    let caller = door.world.caller().await;
    let listed = caller.agents().list_agents(caller.ask(ListAgentsRequest {})).await.expect("listed");
    assert!(listed.into_inner().agents.iter().all(|agent| agent.instances.is_empty()), "it is no session");
    let second = door.greet(&door.key, hello()).await.expect_err("refused");
    assert_eq!(facts(&second), (Code::ResourceExhausted, Some(Reason::Busy)));
    assert!(second.get_details_retry_info().is_some(), "{second:?}");
    drop(out);
    assert!(open.message().await.expect("it ends well").is_none());
    door.greet(&door.key, hello()).await.expect("free again");
}

#[tokio::test]
async fn more_than_8_mib_are_refused() {
    let door = Door::open().await;
    let cut = door.transfer(9 << 20).await.expect_err("too much");
    assert_eq!(facts(&cut.status), (Code::InvalidArgument, Some(Reason::ProtocolError)));
    assert!(cut.received <= 8 << 20 && cut.sent > 8 << 20, "{cut:?}");
    door.greet(&door.key, hello()).await.expect("free again");
}

#[tokio::test]
async fn a_reverse_proxy_that_resets_the_stream_after_one_mebibyte_is_named() {
    let door = Door::open().await.behind(|gateway| limited(gateway, 1 << 20)).await;
    door.greet(&door.key, hello()).await.expect("small things pass");
    let cut = door.transfer(2 << 20).await.expect_err("cut");
    assert_eq!(facts(&cut.status), (Code::Unavailable, Some(Reason::BodyLimit)), "{cut:?}");
    assert!(cut.sent >= 1 << 20 && cut.received < 2 << 20, "{cut:?}");
    assert!(cut.status.message().contains("client_max_body_size"), "{cut}");
    let door = door.behind(|gateway| limited(gateway, 1 << 18)).await;
    let cut = door.transfer(2 << 20).await.expect_err("cut");
    assert_ne!(Reason::of(&cut.status), Some(Reason::BodyLimit), "some other limit: {cut:?}");
}

#[tokio::test]
async fn what_is_no_gateway_is_named_for_what_it_is() {
    let table = [
        (502, "", "", Problem::BadGateway, "HTTP 502 Bad Gateway from nginx/1.22.1, where"),
        (404, "", "<h1>Not Found</h1>", Problem::Other, "HTTP 404 Not Found from nginx/1.22.1, where"),
        (302, "https://sso.example.com/?t=s3cret", "", Problem::Login, "redirects to sso.example.com,"),
        (
            400,
            "",
            "<center>No required SSL certificate was sent</center>",
            Problem::ClientCertificate,
            "certificate",
        ),
    ];
    for (status, location, page, problem, words) in table {
        let answer = move |_| async move {
            let body = Body::new(Full::from(page).map_err(|never| match never {}));
            let answer = http::Response::builder().status(status).header("server", "nginx/1.22.1");
            let answer = answer.header("content-type", "text/html").header("location", location);
            Ok(answer.body(body).expect("an answer"))
        };
        let tasks = Tasks::new();
        let channel = serve(Service::new(service_fn(answer)), &tasks).await;
        let key = Key::generate().expect("entropy");
        let origin = http::Uri::from_static("http://gateway.test");
        let refused = probe::greet(channel, origin, &key, hello()).await.expect_err("no gateway");
        assert_eq!(facts(&refused), (Code::Unavailable, Some(Reason::NotGrpc)), "{status}: {refused:?}");
        assert_eq!(Problem::of(&refused), Some(problem), "{status}");
        let message = refused.message();
        assert!(message.contains(words), "{message}");
        assert!(!message.contains("s3cret") && !message.contains("<h1>"), "{message}");
        let info = refused.get_details_error_info().expect("facts").metadata;
        assert_eq!(
            (info["http_status"].as_str(), info["server"].as_str()),
            (&*status.to_string(), "nginx/1.22.1")
        );
        tasks.cut();
    }
}

/// A gateway, the key of an agent of it that is away, and a connection to where agents attach.
struct Door {
    channel: Channel,
    origin: http::Uri,
    key: Key,
    world: World,
}

impl Door {
    async fn open() -> Self {
        let world = World::with(|plan| plan.local("main").away()).await;
        let key = world.access_key("acme/site").clone();
        let url = world.agents_url();
        let channel = Caller::dial(&url, &world.roots, key.clone(), &world.tasks).await.channel;
        Self { channel, origin: url.parse().expect("a URI"), key, world }
    }

    /// The same gateway, seen through a reverse proxy.
    async fn behind(self, proxy: impl FnOnce(Channel) -> Service) -> Self {
        let url = self.world.agents_url();
        let gateway =
            Caller::dial(&url, &self.world.roots, self.key.clone(), &self.world.tasks).await.channel;
        let channel = serve(proxy(gateway), &self.world.tasks).await;
        Self { channel, ..self }
    }

    async fn greet(&self, key: &Key, hello: Hello) -> Result<Greeted, Status> {
        probe::greet(self.channel.clone(), self.origin.clone(), key, hello).await
    }

    async fn transfer(&self, bytes: usize) -> Result<probe::Transferred, Cut> {
        probe::transfer(self.channel.clone(), self.origin.clone(), &self.key, hello(), bytes).await
    }
}

/// HTTP/2 over a socket pair.
async fn serve(service: Service, tasks: &Tasks) -> Channel {
    let (near, far) = UnixStream::pair().expect("a socket pair");
    let inner = tasks.clone();
    tasks.spawn(async move { drop(tunnel::serve(far, service, &Options::default(), &inner).await) });
    tunnel::channel(near, &Options::default(), tasks).await.expect("a channel")
}

/// Passes calls on as nginx does with `client_max_body_size`: beyond `most` bytes of a request body, its stream is reset and
/// the connection lives on.
fn limited(gateway: Channel, most: usize) -> Service {
    Service::new(service_fn(move |request: http::Request<Body>| {
        let (gateway, over, seen) = (gateway.clone(), Arc::new(Notify::new()), AtomicUsize::new(0));
        let full = Arc::clone(&over);
        let counted = request.map(|body| {
            Body::new(body.map_frame(move |frame| {
                let size = frame.data_ref().map_or(0, Bytes::len);
                if seen.fetch_add(size, Ordering::Relaxed) + size > most {
                    full.notify_one();
                }
                frame
            }))
        });
        async move {
            let answer = gateway.oneshot(counted).await.unwrap_or_else(Status::into_http);
            Ok(answer.map(|body| {
                let reset = tokio_stream::once(()).then(move |()| {
                    let over = Arc::clone(&over);
                    async move {
                        over.notified().await;
                        // A body that fails makes hyper reset its stream.
                        Err(Status::internal("too large"))
                    }
                });
                Body::new(StreamBody::new(BodyStream::new(body).merge(Box::pin(reset))))
            }))
        }
    }))
}

fn hello() -> Hello {
    Hello { protocol_lowest: 1, protocol_highest: 1, instance: "probe".into(), ..Hello::default() }
}

fn facts(status: &Status) -> (Code, Option<Reason>) {
    (status.code(), Reason::of(status))
}
