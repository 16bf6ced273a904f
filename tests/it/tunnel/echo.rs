//! A gRPC service for the far end, without a contract of its own: every message is a `GetFileResponse`.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use gitproxy::proto::scm::v1::GetFileResponse as Message;
use gitproxy::proto::{Fault, Reason};
use gitproxy::tunnel::{Body, Channel, Service};
use http::uri::PathAndQuery;
use tokio::sync::watch;
use tokio_stream::{Stream, StreamExt as _};
use tonic::client::Grpc as Client;
use tonic::server::Grpc as Server;
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

/// The service; clones share the counts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Echo {
    /// Calls of `Hang` that began.
    pub(crate) hanging: Arc<Count>,
    /// Calls of `Hang` whose handler was dropped.
    pub(crate) dropped: Arc<Count>,
    /// Messages that downloads have made.
    pub(crate) made: Arc<Count>,
}

/// A number that can be waited for.
#[derive(Debug)]
pub(crate) struct Count(watch::Sender<usize>);

impl Default for Count {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

impl Count {
    pub(crate) fn add(&self) {
        self.0.send_modify(|count| *count += 1);
    }

    pub(crate) fn now(&self) -> usize {
        *self.0.borrow()
    }

    pub(crate) async fn reached(&self, at_least: usize) {
        let mut seen = self.0.subscribe();
        seen.wait_for(|count| *count >= at_least).await.expect("the sender lives in self");
    }
}

type Messages = Pin<Box<dyn Stream<Item = Result<Message, Status>> + Send>>;

impl Echo {
    /// As an agent's stack is.
    pub(crate) fn stack(&self) -> Service {
        Service::new(self.clone())
    }

    async fn answer(self, request: http::Request<Body>) -> http::Response<Body> {
        let mut server =
            Server::new(codec()).max_decoding_message_size(LARGEST).max_encoding_message_size(LARGEST);
        let path = request.uri().path().to_owned();
        match path.as_str() {
            UNARY => server.unary(On(|request| async { echo(request) }), request).await,
            MADE => server.unary(On(|_| async move { self.made() }), request).await,
            FAIL => {
                server
                    .unary(
                        On(|_: Request<Message>| async { Err::<Response<Message>, _>(failure()) }),
                        request,
                    )
                    .await
            }
            HANG => server.unary(On(move |_| self.hang()), request).await,
            SUM => server.client_streaming(On(sum), request).await,
            DOWNLOAD => {
                server.server_streaming(On(|request| async move { self.download(&request) }), request).await
            }
            CHAT => server.streaming(On(chat), request).await,
            _ => Status::unimplemented(path).into_http(),
        }
    }

    fn made(self) -> Result<Response<Message>, Status> {
        Ok(Response::new(Message { data: self.made.now().to_string().into() }))
    }

    async fn hang(self) -> Result<Response<Message>, Status> {
        struct Dropped(Arc<Count>);
        impl Drop for Dropped {
            fn drop(&mut self) {
                self.0.add();
            }
        }
        let _dropped = Dropped(Arc::clone(&self.dropped));
        self.hanging.add();
        std::future::pending().await
    }

    /// As many messages of 64 KiB as the request says, or without end.
    fn download(self, request: &Request<Message>) -> Result<Response<Messages>, Status> {
        let wanted = std::str::from_utf8(&request.get_ref().data).ok().and_then(|text| text.parse().ok());
        let chunk = Bytes::from(vec![7; 64 * 1024]);
        let endless = tokio_stream::iter(std::iter::repeat(chunk)).map(move |data| {
            self.made.add();
            Ok(Message { data })
        });
        Ok(Response::new(Box::pin(endless.take(wanted.unwrap_or(usize::MAX)))))
    }
}

fn echo(request: Request<Message>) -> Result<Response<Message>, Status> {
    let (metadata, _, message) = request.into_parts();
    let mut response = Response::new(message);
    for name in ["x-text", "x-data-bin"] {
        if let Some(value) = metadata.as_ref().get(name) {
            let name = http::HeaderName::from_static(name);
            response.metadata_mut().as_mut().insert(name, value.clone());
        }
    }
    Ok(response)
}

async fn sum(request: Request<Streaming<Message>>) -> Result<Response<Message>, Status> {
    let mut messages = request.into_inner();
    let mut sum = 0;
    while let Some(message) = messages.message().await? {
        sum += message.data.len();
    }
    Ok(Response::new(Message { data: sum.to_string().into() }))
}

async fn chat(request: Request<Streaming<Message>>) -> Result<Response<Streaming<Message>>, Status> {
    Ok(Response::new(request.into_inner()))
}

/// A failure with everything a status can carry.
pub(crate) fn failure() -> Status {
    let fault =
        Fault::new(Code::AlreadyExists, Reason::PrExists, "ein Antrag, größer als ASCII").with("pr_id", "42");
    let mut status = Status::from(fault);
    status.metadata_mut().insert("x-trailer", tonic::metadata::MetadataValue::from_static("kept"));
    status
}

impl tower::Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let answer = self.clone().answer(request);
        Box::pin(async move { Ok(answer.await) })
    }
}

/// A handler for tonic's server, from a closure.
struct On<F>(F);

impl<F, A, T, R> tower::Service<Request<T>> for On<F>
where
    F: FnOnce(Request<T>) -> A + Clone,
    A: Future<Output = Result<Response<R>, Status>> + Send + 'static,
{
    type Response = Response<R>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, Status>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<T>) -> Self::Future {
        Box::pin((self.0.clone())(request))
    }
}

/// A caller of the service through anything that carries gRPC.
#[derive(Debug, Clone)]
pub(crate) struct Caller<T = Channel>(Client<T>);

impl<T> Caller<T>
where
    T: tonic::client::GrpcService<Body> + Clone,
    T::ResponseBody: http_body::Body<Data = Bytes> + Send + 'static,
    <T::ResponseBody as http_body::Body>::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    pub(crate) fn new(transport: T) -> Self {
        Self(Client::new(transport).max_decoding_message_size(LARGEST).max_encoding_message_size(LARGEST))
    }

    pub(crate) async fn unary(
        &self,
        path: &'static str,
        request: impl tonic::IntoRequest<Message>,
    ) -> Result<Response<Message>, Status> {
        let mut client = self.0.clone();
        await_ready(&mut client).await?;
        client.unary(request.into_request(), PathAndQuery::from_static(path), codec()).await
    }

    pub(crate) async fn download(
        &self,
        request: impl tonic::IntoRequest<Message>,
    ) -> Result<Streaming<Message>, Status> {
        let mut client = self.0.clone();
        await_ready(&mut client).await?;
        let path = PathAndQuery::from_static(DOWNLOAD);
        Ok(client.server_streaming(request.into_request(), path, codec()).await?.into_inner())
    }

    pub(crate) async fn sum(
        &self,
        messages: impl Stream<Item = Message> + Send + 'static,
    ) -> Result<Message, Status> {
        let mut client = self.0.clone();
        await_ready(&mut client).await?;
        let path = PathAndQuery::from_static(SUM);
        Ok(client.client_streaming(Request::new(messages), path, codec()).await?.into_inner())
    }

    pub(crate) async fn chat(
        &self,
        messages: impl Stream<Item = Message> + Send + 'static,
    ) -> Result<Streaming<Message>, Status> {
        let mut client = self.0.clone();
        await_ready(&mut client).await?;
        let path = PathAndQuery::from_static(CHAT);
        Ok(client.streaming(Request::new(messages), path, codec()).await?.into_inner())
    }
}

async fn await_ready<T: tonic::client::GrpcService<Body>>(client: &mut Client<T>) -> Result<(), Status> {
    client.ready().await.map_err(|_| Status::unavailable("the transport is not ready"))
}

pub(crate) fn text(text: &'static str) -> Message {
    Message { data: Bytes::from_static(text.as_bytes()) }
}

fn codec() -> ProstCodec<Message, Message> {
    ProstCodec::default()
}

pub(crate) const UNARY: &str = "/test.Echo/Unary";
pub(crate) const MADE: &str = "/test.Echo/Made";
pub(crate) const FAIL: &str = "/test.Echo/Fail";
pub(crate) const HANG: &str = "/test.Echo/Hang";
pub(crate) const DOWNLOAD: &str = "/test.Echo/Download";
const SUM: &str = "/test.Echo/Sum";
const CHAT: &str = "/test.Echo/Chat";
const LARGEST: usize = 8 << 20;
