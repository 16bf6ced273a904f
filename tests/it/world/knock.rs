//! A call at a gateway's door for other gateways.

use std::path::Path;

use gitproxy::egress::{Alpn, ClientIdentity};
use gitproxy::ops::Tasks;
use gitproxy::tunnel::{self, Body, Options};
use tonic::Status;
use tower::ServiceExt as _;

use super::peers;

/// Sends a call as another gateway would, with this mark and certificate, and gives how it ended.
pub(crate) async fn knock(
    tasks: &Tasks,
    (ca, identity): (&Path, Option<ClientIdentity>),
    address: &str,
    hop: &str,
) -> Status {
    let egress = peers::egress(ca, identity, tasks);
    let origin = format!("https://{address}");
    let connector = egress.connector(origin.parse().expect("an origin"), Alpn::Http2Only);
    let Ok(stream) = connector.connect().await else { return Status::unavailable("no connection") };
    let channel = match tunnel::channel(stream, &Options::default(), tasks).await {
        Ok(channel) => channel,
        Err(status) => return status,
    };
    let request = http::Request::post("/gitproxy.scm.v1.Repos/ListRepos")
        .header("content-type", "application/grpc")
        .header("gitproxy-hop", hop)
        .body(Body::empty());
    match channel.oneshot(request.expect("a request")).await {
        Ok(answer) => Status::from_header_map(answer.headers()).expect("a status"),
        Err(status) => status,
    }
}
