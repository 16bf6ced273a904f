//! The cloud service's way to the gateway: an ordinary gRPC channel with a token.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use gitproxy::egress::{self, Alpn, Egress, Origin, Roots};
use gitproxy::ops::Tasks;
use gitproxy::proto::Reason;
use gitproxy::proto::scm::v1 as pb;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};

use crate::house::{self, House};
use crate::report::Made;

/// A connection to the gateway.
pub(crate) struct Cloud {
    channel: Channel,
    identity: Identity,
}

/// A channel whose calls say who calls.
pub(crate) type Calls = InterceptedService<Channel, Identity>;

/// Adds the token and a deadline to each call.
#[derive(Clone)]
pub(crate) struct Identity(MetadataValue<Ascii>);

impl Cloud {
    /// Connects over TLS, trusting the demo's authority alone.
    pub(crate) async fn connect(house: &House) -> Made<Self> {
        let origin: Origin = format!("https://localhost:{}", house.gateway().port()).parse()?;
        let roots = Roots::Named { file: Some(house.ca().to_owned()), folders: Vec::new() };
        let egress = Egress::new(&egress::Settings { roots, ..egress::Settings::default() }, &Tasks::new())?;
        let endpoint = Endpoint::from_shared(origin.to_string())?;
        let connector = egress.connector(origin.clone(), Alpn::Http2Only);
        let channel =
            endpoint.connect_with_connector(connector).await.context("connecting to the gateway")?;
        let mut token: MetadataValue<Ascii> = house::bearer(house.caller()).parse()?;
        token.set_sensitive(true);
        Ok((Self { channel, identity: Identity(token) }, format!("{origin}, as caller updater")))
    }

    pub(crate) fn connections(&self) -> pb::connections_client::ConnectionsClient<Calls> {
        pb::connections_client::ConnectionsClient::new(self.calls())
    }

    pub(crate) fn repos(&self) -> pb::repos_client::ReposClient<Calls> {
        pb::repos_client::ReposClient::new(self.calls())
    }

    pub(crate) fn refs(&self) -> pb::refs_client::RefsClient<Calls> {
        pb::refs_client::RefsClient::new(self.calls())
    }

    pub(crate) fn files(&self) -> pb::files_client::FilesClient<Calls> {
        pb::files_client::FilesClient::new(self.calls())
    }

    pub(crate) fn pull_requests(&self) -> pb::pull_requests_client::PullRequestsClient<Calls> {
        pb::pull_requests_client::PullRequestsClient::new(self.calls())
    }

    pub(crate) fn comments(&self) -> pb::comments_client::CommentsClient<Calls> {
        pb::comments_client::CommentsClient::new(self.calls())
    }

    pub(crate) fn builds(&self) -> pb::builds_client::BuildsClient<Calls> {
        pb::builds_client::BuildsClient::new(self.calls())
    }

    fn calls(&self) -> Calls {
        InterceptedService::new(self.channel.clone(), self.identity.clone())
    }
}

impl Interceptor for Identity {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        // The agent knows that it is attached a moment before the gateway does.
        request.metadata_mut().insert("gitproxy-wait", MetadataValue::from_static("true"));
        request.set_timeout(DEADLINE);
        Ok(request)
    }
}

/// The answer, or the gateway's refusal as a sentence.
pub(crate) fn answer<T>(answer: Result<Response<T>, Status>) -> anyhow::Result<T> {
    answer.map(Response::into_inner).map_err(|status| refusal(&status))
}

/// A refusal as a sentence.
pub(crate) fn refusal(status: &Status) -> anyhow::Error {
    let reason = Reason::of(status).map(|reason| format!(", {}", reason.as_str_name()));
    anyhow!("{} ({:?}{})", status.message(), status.code(), reason.unwrap_or_default())
}

/// Of each call, its whole body included.
const DEADLINE: Duration = Duration::from_secs(30);
