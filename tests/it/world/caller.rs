//! A cloud service: generated clients, and requests made by hand, on one TLS connection to the gateway.

use bytes::Bytes;
use gitproxy::egress::{self, Alpn, Egress, Roots};
use gitproxy::ops::{Key, Tasks};
use gitproxy::proto::gateway::v1::ListAgentsRequest;
use gitproxy::proto::gateway::v1::agents_client::AgentsClient;
use gitproxy::proto::scm::v1::builds_client::BuildsClient;
use gitproxy::proto::scm::v1::comments_client::CommentsClient;
use gitproxy::proto::scm::v1::connections_client::ConnectionsClient;
use gitproxy::proto::scm::v1::files_client::FilesClient;
use gitproxy::proto::scm::v1::pull_requests_client::PullRequestsClient;
use gitproxy::proto::scm::v1::refs_client::RefsClient;
use gitproxy::proto::scm::v1::repos_client::ReposClient;
use gitproxy::tunnel::{self, Body, Channel};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body_util::{BodyExt as _, Full};
use secrecy::ExposeSecret as _;
use tonic::{Request, Status};
use tower::ServiceExt as _;

/// See the module. Clones share the connection.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) channel: Channel,
    origin: http::Uri,
    token: Key,
    headers: HeaderMap,
}

/// All of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) http: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: Option<HeaderMap>,
}

macro_rules! clients {
    ($($(#[$doc:meta])* $name:ident: $client:ident;)*) => {
        $(pub(crate) fn $name(&self) -> $client<Channel> {
            $client::with_origin(self.channel.clone(), self.origin.clone())
        })*
    };
}

impl Caller {
    /// Connects to a gateway, or to an agent's debug listener.
    pub(crate) async fn dial(origin: &str, roots: &Roots, token: Key, tasks: &Tasks) -> Self {
        let egress = Egress::new(&egress::Settings { roots: roots.clone(), ..Default::default() }, tasks);
        let egress = egress.expect("trust");
        let connector = egress.connector(origin.parse().expect("an origin"), Alpn::Http2Only);
        let stream = connector.connect().await.expect("connected");
        let channel = tunnel::channel(stream, &tunnel::Options::default(), tasks).await.expect("a channel");
        Self { channel, origin: origin.parse().expect("a URI"), token, headers: HeaderMap::new() }
    }

    /// The same with a header on each call, in place of one of that name.
    pub(crate) fn having(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(name, HeaderValue::from_str(value).expect("a value"));
        self
    }

    /// The same, for this connection.
    pub(crate) fn on(self, connection: &str) -> Self {
        self.having("gitproxy-connection", connection)
    }

    /// The same, for this agent.
    pub(crate) fn at(self, agent: &str) -> Self {
        self.having("gitproxy-agent", agent)
    }

    /// Puts a message into a request that the gateway lets in.
    pub(crate) fn ask<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let mut headers = self.headers.clone();
        headers.insert("authorization", self.bearer());
        *request.metadata_mut() = tonic::metadata::MetadataMap::from_headers(headers);
        request
    }

    clients! {
        agents: AgentsClient;
        builds: BuildsClient;
        comments: CommentsClient;
        connections: ConnectionsClient;
        files: FilesClient;
        pull_requests: PullRequestsClient;
        refs: RefsClient;
        repos: ReposClient;
    }

    /// Sends an empty message to a path as a gRPC client would, with these headers beside the usual ones.
    pub(crate) async fn raw(&self, path: &str, more: &[(&str, &str)]) -> Result<Answer, Status> {
        let (parts, body) = self.open(path, &[], more).await?.into_parts();
        let whole = body.collect().await?;
        let trailers = whole.trailers().cloned();
        Ok(Answer { http: parts.status.as_u16(), headers: parts.headers, body: whole.to_bytes(), trailers })
    }

    /// Sends an encoded message and reads the answer until its first message has come, or its end: a watch has none.
    pub(crate) async fn first(
        &self,
        path: &str,
        message: &[u8],
        more: &[(&str, &str)],
    ) -> Result<Answer, Status> {
        let (parts, mut body) = self.open(path, message, more).await?.into_parts();
        let (mut bytes, mut trailers) = (Vec::new(), None);
        while !holds_a_message(&bytes)
            && let Some(frame) = body.frame().await.transpose()?
        {
            match frame.into_data() {
                Ok(data) => bytes.extend_from_slice(&data),
                Err(frame) => trailers = frame.into_trailers().ok(),
            }
        }
        Ok(Answer { http: parts.status.as_u16(), headers: parts.headers, body: bytes.into(), trailers })
    }

    async fn open(
        &self,
        path: &str,
        message: &[u8],
        more: &[(&str, &str)],
    ) -> Result<http::Response<Body>, Status> {
        let uri = format!("{}{path}", self.origin.to_string().trim_end_matches('/'));
        let length = u32::try_from(message.len()).expect("a small message");
        // A flag and four bytes of length (gRPC over HTTP/2, Length-Prefixed-Message).
        let framed = Bytes::from([&[0][..], &length.to_be_bytes(), message].concat());
        let mut request =
            http::Request::post(uri).body(Body::new(Full::from(framed).map_err(|e| match e {})));
        let headers = request.as_mut().expect("a request").headers_mut();
        headers.extend(self.headers.clone());
        headers.insert("content-type", HeaderValue::from_static("application/grpc"));
        headers.insert("te", HeaderValue::from_static("trailers"));
        headers.insert("authorization", self.bearer());
        for (name, value) in more {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
            headers.append(name, HeaderValue::from_str(value).expect("a value"));
        }
        self.channel.clone().oneshot(request.expect("a request")).await
    }

    /// Waits until an agent of the caller's tenant can be called: its session enters the directory right after Welcome.
    pub(crate) async fn sees(&self, agent: &str, instances: usize) {
        loop {
            let listed = self.agents().list_agents(self.ask(ListAgentsRequest {})).await.expect("listed");
            let mut agents = listed.into_inner().agents.into_iter();
            if agents.any(|listed| listed.name == agent && listed.instances.len() >= instances) {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    fn bearer(&self) -> HeaderValue {
        let text = format!("Bearer {}", self.token.secret().expose_secret());
        let mut value = HeaderValue::try_from(text).expect("ASCII");
        value.set_sensitive(true);
        value
    }
}

impl Answer {
    /// How the call ended; an answer without a status is OK only to a bug.
    pub(crate) fn status(&self) -> Status {
        let told = Status::from_header_map(&self.headers);
        let told = told.or_else(|| self.trailers.as_ref().and_then(Status::from_header_map));
        told.unwrap_or_else(|| Status::unknown(format!("no grpc-status, HTTP {}", self.http)))
    }
}

/// Whether the bytes have a first message whole.
fn holds_a_message(bytes: &[u8]) -> bool {
    let length = bytes.get(1..5).and_then(|length| length.try_into().ok()).map(u32::from_be_bytes);
    length.is_some_and(|length| bytes.len() - 5 >= length as usize)
}
