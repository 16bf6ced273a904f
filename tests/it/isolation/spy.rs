//! An agent that does nothing but remember what the gateway sent it.

use std::convert::Infallible;
use std::mem;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use gitproxy::egress::{self, Alpn, Egress};
use gitproxy::proto::tunnel::v1::Hello;
use gitproxy::tunnel::attach::{self, AgentControl, Attached};
use gitproxy::tunnel::{self, Body, Options};
use http_body_util::BodyExt as _;

use crate::world::World;

/// See the module.
pub(super) struct Spy {
    seen: Arc<Mutex<Vec<Seen>>>,
    _control: AgentControl,
}

/// A request as it reached the agent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) path: String,
    pub(super) headers: http::HeaderMap,
    pub(super) body: Bytes,
}

impl Spy {
    /// A world whose only agent is a spy.
    pub(super) async fn world() -> (World, Self) {
        let world = World::with(|plan| plan.away()).await;
        let seen = Arc::default();
        let control = attach(&world, Arc::clone(&seen)).await;
        world.listed("acme/site", 1).await;
        (world, Self { seen, _control: control })
    }

    /// What has come since this was asked last.
    pub(super) fn take(&self) -> Vec<Seen> {
        mem::take(&mut *self.seen.lock().expect("a lock"))
    }
}

async fn attach(world: &World, seen: Arc<Mutex<Vec<Seen>>>) -> AgentControl {
    let url = world.agents_url();
    let egress =
        Egress::new(&egress::Settings { roots: world.roots.clone(), ..Default::default() }, &world.tasks);
    let connector = egress.expect("trust").connector(url.parse().expect("an origin"), Alpn::Http2Only);
    let stream = connector.connect().await.expect("connected");
    let outer = tunnel::channel(stream, &Options::default(), &world.tasks).await.expect("a channel");
    let hello = Hello { protocol_lowest: 1, protocol_highest: 1, instance: "spy".into(), ..Hello::default() };
    let origin = url.parse().expect("a URI");
    let attached = attach::dial(outer, origin, world.access_key("acme/site"), hello).await;
    let Attached { pipe, control, .. } = attached.expect("welcome");
    let service = tunnel::Service::new(tower::service_fn(move |request| record(Arc::clone(&seen), request)));
    let tasks = world.tasks.clone();
    world.tasks.spawn(async move {
        tunnel::serve(pipe, service, &Options::default(), &tasks).await;
    });
    control
}

async fn record(
    seen: Arc<Mutex<Vec<Seen>>>,
    request: http::Request<Body>,
) -> Result<http::Response<Body>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.expect("whole").to_bytes();
    // With the query, were there one.
    let path = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    seen.lock().expect("a lock").push(Seen { path, headers: parts.headers, body });
    Ok(tonic::Status::ok("").into_http())
}
