//! Services over the adapter, over a server that answers from a recording.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use gitproxy::bitbucket::{Account, Budgets, Client, Credential, ProjectKey, Rate};
use gitproxy::egress::{Egress, Settings};
use gitproxy::ops::Tasks;
use gitproxy::ops::secret::Source;
use gitproxy::proto::methods::SCM_PACKAGE;
use gitproxy::proto::{DESCRIPTOR_SET, Fault};
use gitproxy::scm::connections::HeldBackends;
use gitproxy::scm::{Connections, Core, Scm, backend, held};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use serde_json::Value;
use tokio::net::TcpListener;
use tonic::Status;
use tower::ServiceExt as _;

use super::commands::{AUXILIARY, Replayed};
use super::recording::Recording;

/// See the module.
pub(super) struct House {
    core: Arc<Core>,
    playing: Arc<Mutex<Option<Playing>>>,
    pool: DescriptorPool,
    _tasks: Tasks,
}

/// What the server answers with at the moment.
#[derive(Clone)]
struct Playing {
    method: String,
    is_it: fn(&str) -> bool,
    status: u16,
    content_type: &'static str,
    body: Bytes,
}

struct None;

impl HeldBackends for None {
    fn backend(&self, _: &held::Settings) -> Result<Arc<dyn Scm>, Fault> {
        Err(Fault::internal("no connection comes with a call here"))
    }
}

impl House {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}/", listener.local_addr().expect("an address"));
        let playing = Arc::new(Mutex::new(Option::<Playing>::None));
        let tasks = Tasks::new();
        let (each, now) = (tasks.clone(), Arc::clone(&playing));
        tasks.spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let now = Arc::clone(&now);
                each.spawn(async move {
                    let service = hyper::service::service_fn(move |request| answer(request, now.clone()));
                    let serving = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(tcp), service);
                    let _peer_gone = serving.await;
                });
            }
        });
        let account = Account {
            name: "main".into(),
            base: base.parse().expect("a URL"),
            credential: Credential::Bearer(Source::Fixed("token".into())),
            user: Option::None,
            projects: ["SHOP"].iter().map(|key| ProjectKey::parse(key).expect("a key")).collect(),
        };
        let egress = Egress::new(&Settings::default(), &tasks).expect("trust");
        let budgets = Budgets::new(Rate { burst: 100_000, per_second: 100_000 });
        let client = Client::new(account, &egress, &budgets).expect("a client");
        let core = Core::new(Connections::new([backend::connection(client)], Arc::new(None)));
        let pool = DescriptorPool::decode(DESCRIPTOR_SET).expect("descriptors");
        Self { core: Arc::new(core), playing, pool, _tasks: tasks }
    }

    /// Asks a command while the server plays the recording; gives the answer as JSON with the members' proto names.
    pub(super) async fn ask(&self, command: &Replayed, recording: &Recording) -> Result<Value, Status> {
        *self.playing.lock().expect("no panic") = Some(Playing {
            method: recording.method.clone(),
            is_it: command.is_it,
            status: recording.status,
            content_type: recording.content_type(),
            body: recording.body.clone(),
        });
        let (service, method) = command.name.split_once('/').expect("Service/Command");
        let service = self.pool.get_service_by_name(&format!("{SCM_PACKAGE}.{service}")).expect("a service");
        let method = service.methods().find(|it| it.name() == method).expect("a method");
        let mut reader = serde_json::Deserializer::from_str(command.request);
        let message =
            DynamicMessage::deserialize(method.input(), &mut reader).expect(command.request).encode_to_vec();
        let length = u32::try_from(message.len()).expect("small");
        let framed = [&[0][..], &length.to_be_bytes(), &message].concat();
        let request = Request::post(format!("/{SCM_PACKAGE}.{}", command.name))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(tonic::body::Body::new(Full::new(Bytes::from(framed))))
            .expect("a request");
        let response = gitproxy::scm::routes(&self.core).oneshot(request).await.expect("infallible");
        if let Some(status) =
            Status::from_header_map(response.headers()).filter(|status| status.code() != tonic::Code::Ok)
        {
            return Err(status);
        }
        let whole = response.into_body().collect().await?;
        let status = whole.trailers().and_then(Status::from_header_map);
        if let Some(status) = status.filter(|status| status.code() != tonic::Code::Ok) {
            return Err(status);
        }
        let bytes = whole.to_bytes();
        let told =
            DynamicMessage::decode(method.output(), bytes.get(5..).unwrap_or_default()).expect("its message");
        let mut json = Vec::new();
        let options = SerializeOptions::new().use_proto_field_name(true).stringify_64_bit_integers(false);
        told.serialize_with_options(&mut serde_json::Serializer::new(&mut json), &options).expect("JSON");
        Ok(serde_json::from_slice(&json).expect("JSON"))
    }
}

async fn answer(
    request: Request<Incoming>,
    playing: Arc<Mutex<Option<Playing>>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
    let _read = request.into_body().collect().await;
    let playing = playing.lock().expect("no panic").clone();
    let response = Response::builder().header("x-arequestid", "@1x1x1x0").header("x-ausername", "alice");
    let response = match playing.filter(|playing| playing.method == method && (playing.is_it)(&path)) {
        Some(playing) => {
            let response = response.status(playing.status);
            let response = if playing.content_type.is_empty() {
                response
            } else {
                response.header("content-type", playing.content_type)
            };
            response.body(Full::new(playing.body))
        }
        Option::None => {
            let found = AUXILIARY.iter().find(|(is_it, _)| is_it(&method, &path));
            let body = found.map_or(r#"{"isLastPage":true,"values":[]}"#, |(_, body)| *body);
            response.header("content-type", "application/json").body(Full::from(body))
        }
    };
    Ok(response.expect("a response"))
}
