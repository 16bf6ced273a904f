//! A call at a gateway's door for other gateways.

use std::path::Path;

use gitproxy::egress::{Alpn, ClientIdentity};
use gitproxy::ops::Tasks;
use gitproxy::tunnel::{self, Body, Channel, Options};
use tonic::Status;
use tower::ServiceExt as _;

use super::peers;

/// Sends a call as another gateway would, with this mark and certificate, and gives how it ended; `tunnel::is_unprocessed` tells
/// whether that gateway would send it elsewhere.
pub(crate) async fn knock(
    tasks: &Tasks,
    who: (&Path, Option<ClientIdentity>),
    address: &str,
    hop: &str,
) -> Status {
    match connect(tasks, who, address).await {
        Ok(channel) => ask(&channel, hop).await,
        Err(status) => status,
    }
}

/// Connects as another gateway would.
pub(crate) async fn connect(
    tasks: &Tasks,
    (ca, identity): (&Path, Option<ClientIdentity>),
    address: &str,
) -> Result<Channel, Status> {
    let egress = peers::egress(ca, identity, tasks);
    let origin = format!("https://{address}");
    let connector = egress.connector(origin.parse().expect("an origin"), Alpn::Http2Only);
    let Ok(stream) = connector.connect().await else { return Err(Status::unavailable("no connection")) };
    tunnel::channel(stream, &Options::default(), tasks).await
}

/// As [`knock`], on a connection that is there.
pub(crate) async fn ask(channel: &Channel, hop: &str) -> Status {
    let request = http::Request::post("/gitproxy.scm.v1.Repos/ListRepos")
        .header("content-type", "application/grpc")
        .header("gitproxy-hop", hop)
        .body(Body::empty());
    match channel.clone().oneshot(request.expect("a request")).await {
        Ok(answer) => {
            let status = Status::from_header_map(answer.headers()).expect("a status");
            if answer.headers().contains_key("gitproxy-untaken") {
                tunnel::unprocessed(status)
            } else {
                status
            }
        }
        Err(status) => status,
    }
}
